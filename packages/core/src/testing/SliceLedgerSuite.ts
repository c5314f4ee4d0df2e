/**
 * The contract of `SliceLedger`, executable: here what is noted of a slice before
 * it lands; what moves when it has landed is in `SliceLedgerFinalise.ts`. Several
 * processes play, as in the suite of `RunRepo`, over whose runs the ledger is.
 */
import { assert, layer as shared } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { SinkId } from "../domain/Unit.ts"
import type { Quarantine } from "../services/Quarantine.ts"
import type { RunRepo } from "../services/RunRepo.ts"
import type { SliceLedger } from "../services/SliceLedger.ts"
import {
  asking,
  carried,
  completed,
  failed,
  landed,
  type Processes,
  processesOf,
  type Stores,
  unitOf
} from "./RunRepoFixtures.ts"
import { finaliseClauses } from "./SliceLedgerFinalise.ts"
import { finalising, type LedgerClauses, ordered, sealed } from "./SliceLedgerFixtures.ts"

const intendClauses = <R, E>(it: LedgerClauses<R>, { living, lapse }: Processes<R, E>) => {
  it.effect("a slice that is meant is noted as it was sealed, under its run's epoch", () =>
    Effect.gen(function* () {
      const { acquire, ledger } = yield* living
      const run = yield* acquire(asking(unitOf("meant")))
      const { epoch, runId } = run

      const isOurs = yield* ledger.intend(run, sealed(run, 1))

      assert.isTrue(isOurs)
      assert.deepStrictEqual(yield* ledger.slicesOf(run, run.generation), [
        { ...sealed(run, 1), phase: "COMMITTING", epoch, runId }
      ])
    })
  )

  it.effect("what was meant is replaced by what is meant now, also of a run that broke off", () =>
    Effect.gen(function* () {
      const { acquire, close, ledger } = yield* living
      const first = yield* acquire(asking(unitOf("again")))
      yield* ledger.intend(first, { ...sealed(first, 1), to: null, read: 9, rows: 7, sha256: "other" })
      yield* close(first, failed)
      const second = yield* acquire(asking(first.unit))
      const { epoch, runId } = second

      yield* ledger.intend(second, sealed(second, 1))

      assert.deepStrictEqual(yield* ledger.slicesOf(second, second.generation), [
        { ...sealed(second, 1), phase: "COMMITTING", epoch, runId }
      ])
    })
  )

  it.effect("I2 a slice that landed is not overwritten by what is meant of it", () =>
    Effect.gen(function* () {
      const { acquire, ledger } = yield* living
      const run = yield* acquire(asking(unitOf("landed")))
      yield* ledger.intend(run, sealed(run, 1))
      yield* ledger.finalise(run, yield* finalising(run, 1))
      const before = yield* ledger.slicesOf(run, run.generation)

      const isOurs = yield* ledger.intend(run, { ...sealed(run, 1), read: 9, rows: 7 })

      assert.isTrue(isOurs)
      assert.deepStrictEqual(yield* ledger.slicesOf(run, run.generation), before)
    })
  )

  it.effect("I4 a run whose lease was taken notes nothing, and learns that it may commit nothing", () =>
    Effect.gen(function* () {
      const [here, there] = [yield* living, yield* living]
      const run = yield* here.acquire(asking(unitOf("taken")))
      yield* lapse(run)
      yield* there.orphans

      const isOurs = yield* here.ledger.intend(run, sealed(run, 1))

      assert.isFalse(isOurs)
      assert.deepStrictEqual(yield* there.ledger.slicesOf(run, run.generation), [])
    })
  )

  it.effect("I4 what the next run of the unit means stays, whatever the one before it means", () =>
    Effect.gen(function* () {
      const [here, there] = [yield* living, yield* living]
      const old = yield* here.acquire(asking(unitOf("zombie")))
      yield* lapse(old)
      const run = yield* there.acquire(asking(old.unit))
      yield* there.ledger.intend(run, sealed(run, 1))
      const before = yield* there.ledger.slicesOf(run, run.generation)

      const isOurs = yield* here.ledger.intend(old, { ...sealed(old, 1), read: 9, rows: 7 })

      assert.isFalse(isOurs)
      assert.deepStrictEqual(yield* there.ledger.slicesOf(run, run.generation), before)
    })
  )

  it.effect.each(["PAUSED", "RESET"] as const)(
    "D2, D16 of a unit that is %s nothing is meant any more, although its run holds it",
    (order) =>
      Effect.gen(function* () {
        const { acquire, ledger, renew } = yield* living
        const run = yield* acquire(asking(unitOf("ordered")))
        yield* ordered(run, order)

        const isOurs = yield* ledger.intend(run, sealed(run, 1))

        assert.isFalse(isOurs)
        assert.isTrue(yield* renew(run))
        assert.deepStrictEqual(yield* ledger.slicesOf(run, run.generation), [])
      })
  )
}

const keepingClauses = <R, E>(it: LedgerClauses<R>, { living }: Processes<R, E>) => {
  it.effect("slices of a generation are told in their order, and of no other, nor of another sink", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("order")
      const first = yield* carried(runs, asking(unit), 2, completed("whole"))
      yield* carried(runs, asking(unit, SinkId.make("other")), 1)
      const second = yield* carried(runs, asking(unit), 12)

      const seqs = Effect.fnUntraced(function* (run: typeof first) {
        const slices = yield* runs.ledger.slicesOf(run, run.generation)
        return slices.map(({ sliceSeq }) => Number(sliceSeq))
      })

      assert.deepStrictEqual(yield* seqs(first), [0, 1])
      assert.deepStrictEqual(
        yield* seqs(second),
        Array.from({ length: 12 }, (_, n) => n)
      )
    })
  )

  it.effect("with a new generation those before the previous one go, of that sink alone", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("kept")
      const other = yield* carried(runs, asking(unit, SinkId.make("other")), 1)
      const first = yield* carried(runs, asking(unit), 1, completed("whole"))
      const second = yield* carried(runs, asking(unit), 1, completed("whole"))
      const before = yield* runs.ledger.slicesOf(first, first.generation)

      yield* runs.acquire(asking(unit))

      const kept = (run: typeof first) =>
        Effect.map(runs.ledger.slicesOf(run, run.generation), ({ length }) => length)
      assert.strictEqual(before.length, 1)
      assert.deepStrictEqual([yield* kept(first), yield* kept(second), yield* kept(other)], [0, 1, 1])
    })
  )

  it.effect("I9 what the seal counted stays when its run's slice lands", () =>
    Effect.gen(function* () {
      const { acquire, ledger } = yield* living
      const run = yield* acquire(asking(unitOf("counted")))
      yield* ledger.intend(run, sealed(run, 1))

      yield* ledger.finalise(run, yield* finalising(run, 1))

      assert.deepStrictEqual(yield* ledger.slicesOf(run, run.generation), [
        { ...sealed(run, 1), phase: "COMMITTED", epoch: run.epoch, runId: run.runId }
      ])
    })
  )

  it.effect("I9 of a slice that an earlier run committed only what the sink says is told", () =>
    Effect.gen(function* () {
      const { acquire, close, ledger } = yield* living
      const dead = yield* acquire(asking(unitOf("adopted")))
      yield* close(dead, failed)
      const run = yield* acquire(asking(dead.unit))
      yield* ledger.intend(run, { ...sealed(run, 1), read: 9, rows: 7, to: null, sha256: "other" })

      yield* ledger.finalise(run, { ...(yield* finalising(run, 1)), slice: landed(dead, 1) })

      const { sliceSeq, fromCkpt: from, toCkpt: to, rows, sha256, epoch } = landed(dead, 1)
      const unknown = { read: null, rejected: null, filtered: null }
      assert.deepStrictEqual(yield* ledger.slicesOf(run, run.generation), [
        { sliceSeq, phase: "COMMITTED", epoch, runId: run.runId, from, to, rows, sha256, ...unknown }
      ])
    })
  )
}

export const suite = <Store, E, E2>(
  adapter: string,
  store: Layer.Layer<Store | Stores | Quarantine, E>,
  process: Layer.Layer<RunRepo | SliceLedger, E2, Store | Stores>,
  lapse: Processes<Store, E2>["lapse"]
) =>
  shared(store, { timeout: "60 seconds", excludeTestServices: true })(
    `SliceLedger contract: ${adapter}`,
    (it) => {
      const processes = processesOf<Store, E2>(process, lapse)
      intendClauses(it, processes)
      keepingClauses(it, processes)
      finaliseClauses(it, processes)
    }
  )
