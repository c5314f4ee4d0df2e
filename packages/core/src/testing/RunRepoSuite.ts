/**
 * The contract of `RunRepo`, executable. The suite plays several processes: each
 * is `process`, built fresh over one `store`, and dies when its scope closes; `lapse`
 * makes a run's lease pass. What the next run is given is in `RunRepoGenerations.ts`,
 * how long it holds its unit in `RunRepoLeases.ts`, what its unit shows meanwhile in
 * `RunRepoStates.ts`.
 */
import { assert, layer as shared } from "@effect/vitest"
import { Effect, Exit, type Layer, Option } from "effect"
import { EndpointId } from "../domain/Endpoint.ts"
import { Epoch } from "../domain/Run.ts"
import { knowledgeBase, UnitId, UnitKey } from "../domain/Unit.ts"
import type { Run, RunRepo, RunRepoError } from "../services/RunRepo.ts"
import type { SliceLedger } from "../services/SliceLedger.ts"
import {
  asking,
  type Clauses,
  completed,
  failed,
  lake,
  type Processes,
  processesOf,
  seq,
  type Stores,
  unitOf
} from "./RunRepoFixtures.ts"
import { generationClauses } from "./RunRepoGenerations.ts"
import { leaseClauses } from "./RunRepoLeases.ts"
import { stateClauses } from "./RunRepoStates.ts"

const holdingClauses = <R, E>(it: Clauses<R>, { living, mortal }: Processes<R, E>) => {
  it.effect("a first run has an epoch, a generation and slice 0, and is live", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const request = asking(unitOf("first"))
      const before = yield* runs.live(request.unit)

      const run = yield* runs.acquire(request)

      assert.deepStrictEqual(before, Option.none())
      assert.deepInclude(run, { runId: request.runId, tenant: "acme", unit: request.unit, sinkId: lake })
      assert.strictEqual(run.nextSeq, 0)
      assert.deepStrictEqual(yield* runs.live(request.unit), Option.some(run))
    })
  )

  it.effect("D1 a second run is refused with the live run's id, whatever its sink and process", () =>
    Effect.gen(function* () {
      const [here, there] = [yield* living, yield* living]
      const unit = unitOf("busy")
      const first = yield* here.acquire(asking(unit))

      const refusedHere = yield* Effect.flip(here.acquire(asking(unit)))
      const refusedThere = yield* Effect.flip(there.acquire(asking(unit, knowledgeBase)))

      assert.deepInclude(refusedHere, { _tag: "UnitBusy", runId: first.runId })
      assert.deepInclude(refusedThere, { _tag: "UnitBusy", runId: first.runId })
      assert.deepStrictEqual(
        Option.map(yield* there.live(unit), (run) => run.runId),
        Option.some(first.runId)
      )
    })
  )

  it.effect("of many processes that open one unit at once, one wins and the others learn its run", () =>
    Effect.gen(function* () {
      const processes = yield* Effect.all([living, living, living])
      const unit = unitOf("raced")
      const attempts = Array.from({ length: 12 }, (_, n) =>
        processes[n % 3]!.acquire(asking(unit)).pipe(Effect.result)
      )

      const outcomes = yield* Effect.all(attempts, { concurrency: "unbounded" })

      const live = Option.getOrThrow(yield* processes[0].live(unit))
      const ids = outcomes.map((outcome) => {
        if (outcome._tag === "Success") return outcome.success.runId
        return outcome.failure._tag === "UnitBusy" ? outcome.failure.runId : outcome.failure._tag
      })
      assert.strictEqual(outcomes.filter((outcome) => outcome._tag === "Success").length, 1)
      assert.isTrue(ids.every((id) => id === live.runId))
    })
  )

  it.effect("different units are open side by side", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const endpointId = EndpointId.make(`two-${crypto.randomUUID()}`)
      const unit = (unitId: string) => UnitKey.make({ endpointId, unitId: UnitId.make(unitId) })

      yield* runs.acquire(asking(unit("a")))
      yield* runs.acquire(asking(unit("A")))

      assert.isTrue(Option.isSome(yield* runs.live(unit("a"))) && Option.isSome(yield* runs.live(unit("A"))))
    })
  )

  it.effect("a closed run is not live, and the unit is free", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("closed")
      const first = yield* runs.acquire(asking(unit))

      yield* runs.close(first, completed("part"))

      assert.deepStrictEqual(yield* runs.live(unit), Option.none())
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(runs.acquire(asking(unit)))))
    })
  )

  it.effect("P21 a run whose process died is an orphan, not live, and does not hold its unit", () =>
    Effect.gen(function* () {
      const survivor = yield* living
      const { runs, dies } = yield* mortal
      const unit = unitOf("orphan")
      const lost = yield* runs.acquire(asking(unit))
      yield* runs.commits(lost, 2)
      const holds = (runs: Effect.Effect<ReadonlyArray<Run>, RunRepoError>) =>
        Effect.map(runs, (all) => all.some((run) => run.runId === lost.runId))
      const before = [yield* holds(survivor.orphans), yield* holds(survivor.openRuns)]

      yield* dies

      assert.deepStrictEqual(before, [false, true])
      assert.isFalse(yield* holds(survivor.openRuns))
      assert.deepStrictEqual(yield* survivor.live(unit), Option.none())
      assert.isTrue(yield* holds(survivor.orphans))
      const next = yield* survivor.acquire(asking(unit))
      assert.deepInclude(next, {
        generation: lost.generation,
        nextSeq: seq(2),
        epoch: Epoch.make(lost.epoch + 1)
      })
    })
  )

  it.effect("an orphan stays one until somebody closes it", () =>
    Effect.gen(function* () {
      const survivor = yield* living
      const { runs, dies } = yield* mortal
      const lost = yield* runs.acquire(asking(unitOf("orphan-closed")))
      yield* dies
      const isOrphan = Effect.map(survivor.orphans, (all) => all.some((run) => run.runId === lost.runId))
      const first = yield* isOrphan
      const second = yield* isOrphan

      yield* survivor.close(lost, failed)

      assert.deepStrictEqual([first, second, yield* isOrphan], [true, true, false])
    })
  )
}

export const suite = <Store, E, E2>(
  adapter: string,
  store: Layer.Layer<Store | Stores, E>,
  process: Layer.Layer<RunRepo | SliceLedger, E2, Store | Stores>,
  lapse: Processes<Store, E2>["lapse"]
) =>
  shared(store, { timeout: "60 seconds", excludeTestServices: true })(
    `RunRepo contract: ${adapter}`,
    (it) => {
      const processes = processesOf<Store, E2>(process, lapse)
      holdingClauses(it, processes)
      leaseClauses(it, processes)
      generationClauses(it, processes)
      stateClauses(it, processes)
    }
  )
