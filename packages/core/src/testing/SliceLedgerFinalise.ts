/** What `SliceLedger` moves when a slice has landed: all of it, once, for whoever holds the unit. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { checkpointKey } from "../domain/Checkpoint.ts"
import { absent, KvStore, Version } from "../services/KvStore.ts"
import type { Run } from "../services/RunRepo.ts"
import type { Finalised } from "../services/SliceLedger.ts"
import {
  asking,
  checkpointOf,
  failed,
  type Process,
  type Processes,
  record,
  seq,
  unitOf
} from "./RunRepoFixtures.ts"
import {
  allOf,
  finalising,
  type LedgerClauses,
  ordered,
  sealed,
  setAside,
  takingIn,
  waiting
} from "./SliceLedgerFixtures.ts"

const counted = (version: number): Finalised => ({ _tag: "Counted", version: Version.make(version) })

/** The slice that the next run would begin with. */
const nextOf = Effect.fnUntraced(function* (runs: Process, run: Run) {
  yield* runs.close(run, failed)
  return Number((yield* runs.acquire(asking(run.unit, run.sinkId))).nextSeq)
})

/** A slice on its way: meant, with a row set aside. */
const onItsWay = Effect.fnUntraced(function* ({ acquire, ledger }: Process, name: string) {
  const run = yield* acquire(asking(unitOf(name)))
  yield* setAside(run, 1)
  yield* ledger.intend(run, sealed(run, 1))
  return run
})

/** Somebody else writes the checkpoint. */
const moves = Effect.fnUntraced(function* (run: Run, value: string) {
  const { version } = yield* checkpointOf(run)
  yield* (yield* KvStore).put(run.tenant, checkpointKey(run.unit, run.sinkId), value, version)
})

const movingClauses = <R, E>(it: LedgerClauses<R>, { living }: Processes<R, E>) => {
  it.effect("I3 a slice that landed moves the checkpoint, the next slice, and the rows it set aside", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const run = yield* onItsWay(runs, "moves")
      const unseen = yield* waiting(run)

      const reached = yield* runs.ledger.finalise(run, yield* finalising(run, 1))

      assert.deepStrictEqual(reached, counted(1))
      assert.deepStrictEqual(yield* checkpointOf(run), { value: record(1), version: Version.make(1) })
      assert.deepStrictEqual([unseen, yield* waiting(run)], [[], [0]])
      assert.strictEqual(yield* nextOf(runs, run), 1)
    })
  )

  it.effect("I9 rows that a slice took in are done with once it counts", () =>
    Effect.gen(function* () {
      const { acquire, commits, ledger } = yield* living
      const run = yield* acquire(asking(unitOf("takes-in")))
      yield* setAside(run, 1)
      yield* commits(run, 1)
      yield* takingIn(run, 2, 1)
      const before = yield* waiting(run)

      yield* ledger.finalise(run, yield* finalising(run, 2))

      assert.deepStrictEqual([before, yield* waiting(run)], [[0], []])
    })
  )

  it.effect("rows of another slice stay unseen", () =>
    Effect.gen(function* () {
      const { acquire, ledger } = yield* living
      const run = yield* acquire(asking(unitOf("others")))
      yield* setAside(run, 2)

      yield* ledger.finalise(run, yield* finalising(run, 1))

      assert.deepStrictEqual(yield* waiting(run), [])
    })
  )

  it.effect("a slice that nobody meant counts: the sink has it", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const run = yield* runs.acquire(asking(unitOf("unmeant")))

      yield* runs.ledger.finalise(run, yield* finalising(run, 1))

      const [slice] = yield* runs.ledger.slicesOf(run, run.generation)
      assert.deepInclude(slice, { sliceSeq: seq(0), phase: "COMMITTED", read: null, runId: run.runId })
      assert.strictEqual(yield* nextOf(runs, run), 1)
    })
  )

  it.effect("D2 a slice that is committed while its unit is paused counts", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const run = yield* onItsWay(runs, "paused")
      yield* ordered(run, "PAUSED")

      const reached = yield* runs.ledger.finalise(run, yield* finalising(run, 1))

      assert.deepStrictEqual(reached, counted(1))
      assert.strictEqual(yield* nextOf(runs, run), 1)
    })
  )
}

const refusingClauses = <R, E>(it: LedgerClauses<R>, { living, lapse }: Processes<R, E>) => {
  it.effect.each([
    ["is there already", 0],
    ["is another", 1]
  ] as const)("I3 a checkpoint that %s stays, and nothing of the slice counts", ([, earlier]) =>
    Effect.gen(function* () {
      const runs = yield* living
      const run = yield* runs.acquire(asking(unitOf("conflict")))
      yield* runs.commits(run, earlier)
      yield* setAside(run, earlier + 1)
      yield* runs.ledger.intend(run, sealed(run, earlier + 1))
      const to = yield* finalising(run, earlier + 1)
      yield* moves(run, "theirs")
      const before = yield* allOf(runs, run)

      const error = yield* Effect.flip(runs.ledger.finalise(run, to))

      assert.strictEqual(error.reason._tag, "VersionConflict")
      assert.deepStrictEqual(yield* allOf(runs, run), before)
      assert.strictEqual(before.checkpoint.value, "theirs")
      assert.strictEqual(yield* nextOf(runs, run), earlier)
    })
  )

  it.effect("I4 a run whose lease was taken changes nothing", () =>
    Effect.gen(function* () {
      const [here, there] = [yield* living, yield* living]
      const run = yield* onItsWay(here, "taken")
      yield* lapse(run)
      yield* there.orphans
      const before = yield* allOf(there, run)

      const reached = yield* here.ledger.finalise(run, yield* finalising(run, 1))

      assert.deepStrictEqual(reached, { _tag: "Fenced" })
      assert.deepStrictEqual(yield* allOf(there, run), before)
      assert.strictEqual(yield* nextOf(there, run), 0)
    })
  )

  it.effect("I4 a run whose unit was acquired by another changes nothing, and the other goes on", () =>
    Effect.gen(function* () {
      const [here, there] = [yield* living, yield* living]
      const old = yield* onItsWay(here, "zombie")
      yield* lapse(old)
      const run = yield* there.acquire(asking(old.unit))
      const before = yield* allOf(there, run)

      const late = yield* here.ledger.finalise(old, yield* finalising(old, 1))

      assert.deepStrictEqual(late, { _tag: "Fenced" })
      assert.deepStrictEqual(yield* allOf(there, run), before)
      assert.deepStrictEqual(yield* there.ledger.finalise(run, yield* finalising(run, 1)), counted(1))
    })
  )

  it.effect.each([
    ["before the next one", 1],
    ["after the next one", 3]
  ] as const)(
    "I5 a slice that comes %s leaves no gap and no second place: it changes nothing",
    ([, nextSeq]) =>
      Effect.gen(function* () {
        const runs = yield* living
        const run = yield* runs.acquire(asking(unitOf("gap")))
        yield* runs.commits(run, 1)
        yield* setAside(run, nextSeq)
        const before = yield* allOf(runs, run)

        const error = yield* Effect.flip(runs.ledger.finalise(run, yield* finalising(run, nextSeq)))

        assert.deepInclude(error.reason, { _tag: "SliceGap", sliceSeq: seq(nextSeq - 1) })
        assert.deepStrictEqual(yield* allOf(runs, run), before)
        assert.strictEqual(yield* nextOf(runs, run), 1)
      })
  )
}

const repeatingClauses = <R, E>(it: LedgerClauses<R>, { living }: Processes<R, E>) => {
  it.effect("F50 the same words again change nothing and are answered alike", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const run = yield* onItsWay(runs, "repeated")
      const to = yield* finalising(run, 1)
      const first = yield* runs.ledger.finalise(run, to)
      const before = yield* allOf(runs, run)

      const again = yield* runs.ledger.finalise(run, to)

      assert.deepStrictEqual(again, first)
      assert.deepStrictEqual(yield* allOf(runs, run), before)
      assert.strictEqual(yield* nextOf(runs, run), 1)
    })
  )

  it.effect("I2 of many who finalise one slice at once with the same words, one does it for all", () =>
    Effect.gen(function* () {
      const processes = yield* Effect.all([living, living, living])
      const run = yield* onItsWay(processes[0], "together")
      const to = yield* finalising(run, 1)
      const attempts = Array.from({ length: 9 }, (_, n) => processes[n % 3]!.ledger.finalise(run, to))

      const reached = yield* Effect.all(attempts, { concurrency: "unbounded" })

      assert.deepStrictEqual(
        reached,
        attempts.map(() => counted(1))
      )
      assert.strictEqual((yield* checkpointOf(run)).version, 1)
      assert.strictEqual(yield* nextOf(processes[0], run), 1)
    })
  )

  it.effect("I3 of many who finalise one slice at once with words of their own, one does it", () =>
    Effect.gen(function* () {
      const processes = yield* Effect.all([living, living, living])
      const run = yield* onItsWay(processes[0], "raced")
      const to = { ...(yield* finalising(run, 1)), expected: absent }
      const attempts = Array.from({ length: 9 }, (_, n) =>
        processes[n % 3]!.ledger.finalise(run, { ...to, checkpoint: { attempt: n } }).pipe(
          Effect.as(n),
          Effect.catch(({ reason }) => Effect.succeed(reason._tag))
        )
      )

      const reached = yield* Effect.all(attempts, { concurrency: "unbounded" })

      const [winner = -1, ...others] = reached.filter((one) => typeof one === "number")
      assert.deepStrictEqual(others, [])
      assert.strictEqual(reached.filter((one) => one === "VersionConflict").length, 8)
      assert.deepStrictEqual(yield* checkpointOf(run), {
        value: { attempt: winner },
        version: Version.make(1)
      })
      assert.strictEqual(yield* nextOf(processes[0], run), 1)
    })
  )
}

export const finaliseClauses = <R, E>(it: LedgerClauses<R>, processes: Processes<R, E>) => {
  movingClauses(it, processes)
  refusingClauses(it, processes)
  repeatingClauses(it, processes)
}
