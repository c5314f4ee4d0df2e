/** What a unit shows while `RunRepo` holds it for a run, and what the run's end makes of it. */
import { assert } from "@effect/vitest"
import { DateTime, Effect, Option } from "effect"
import { IngestionUnitEvent } from "../domain/IngestionUnitState.ts"
import { RunId } from "../domain/Run.ts"
import { SinkId, type UnitKey } from "../domain/Unit.ts"
import { UnitStateRepo } from "../services/UnitStateRepo.ts"
import { asking, type Clauses, completed, failed, lake, type Processes, unitOf } from "./RunRepoFixtures.ts"

const { Paused, Reset, Started } = IngestionUnitEvent.cases

const stateOf = (unit: UnitKey) =>
  Effect.flatMap(UnitStateRepo, (states) => Effect.map(states.get(unit), Option.getOrThrow))

/** What somebody asks of a unit while its run goes on. */
const ordered = Effect.fnUntraced(function* (unit: UnitKey, order: typeof Paused | typeof Reset) {
  yield* (yield* UnitStateRepo).apply(unit, order.make({ sinkId: lake, at: yield* DateTime.now }))
})

export const stateClauses = <R, E>(it: Clauses<R>, { living, mortal }: Processes<R, E>) => {
  it.effect("an acquired unit is RUNNING under the run's id and sink, without the error of before", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("shown")
      yield* runs.close(yield* runs.acquire(asking(unit)), failed)
      const other = SinkId.make("other")

      const run = yield* runs.acquire(asking(unit, other))

      const { runId } = run
      assert.deepInclude(yield* stateOf(unit), {
        state: "RUNNING",
        sinkId: other,
        lastRunId: runId,
        lastError: null
      })
    })
  )

  it.effect("a refused run changes nothing of the state", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("refused")
      yield* runs.acquire(asking(unit))
      const before = yield* stateOf(unit)

      yield* Effect.flip(runs.acquire(asking(unit, SinkId.make("other"))))

      assert.deepStrictEqual(yield* stateOf(unit), before)
    })
  )

  it.effect("D18 a unit that a dead run left RUNNING is acquired all the same", () =>
    Effect.gen(function* () {
      const survivor = yield* living
      const { runs, dies } = yield* mortal
      const [orphaned, unheard] = [unitOf("orphaned"), unitOf("unheard")]
      yield* runs.acquire(asking(orphaned))
      yield* dies
      const started = Started.make({ runId: RunId.make("dead"), sinkId: lake, at: yield* DateTime.now })
      yield* (yield* UnitStateRepo).apply(unheard, started)

      const taken = [yield* survivor.acquire(asking(orphaned)), yield* survivor.acquire(asking(unheard))]

      for (const { unit, runId } of taken)
        assert.deepInclude(yield* stateOf(unit), { state: "RUNNING", lastRunId: runId, lastError: null })
    })
  )

  it.effect("a run that ends well is SUCCEEDED with its stats, and badly FAILED with its reason", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("ends")

      const well = yield* runs.close(yield* runs.acquire(asking(unit)), completed("so far"))
      const afterWell = yield* stateOf(unit)
      const badly = yield* runs.close(yield* runs.acquire(asking(unit)), failed)

      const stats = { exported_rows: 3 }
      assert.deepStrictEqual(well, { outcome: "SUCCEEDED", isShown: true })
      assert.deepInclude(afterWell, { state: "SUCCEEDED", stats, lastError: null })
      assert.deepStrictEqual(badly, { outcome: "FAILED", isShown: true })
      assert.deepInclude(yield* stateOf(unit), { state: "FAILED", stats, lastError: "BUG: It broke." })
    })
  )

  it.effect.each([
    ["PAUSED", "PAUSED", Paused],
    ["IDLE", "RESET", Reset]
  ] as const)(
    "D2, D16 a unit that is %s meanwhile stays so, and the run ended as %s",
    ([state, outcome, order]) =>
      Effect.gen(function* () {
        const runs = yield* living
        const unit = unitOf("ordered")
        const run = yield* runs.acquire(asking(unit))
        yield* ordered(unit, order)

        const reached = yield* runs.close(run, completed("part"))

        assert.deepStrictEqual(reached, { outcome, isShown: true })
        assert.deepInclude(yield* stateOf(unit), { state, lastError: null, stats: null })
      })
  )

  it.effect("closing again answers the first end and leaves the state of the run that came after", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("again")
      const run = yield* runs.acquire(asking(unit))
      yield* runs.close(run, completed("part"))

      const again = yield* runs.close(run, failed)
      const next = yield* runs.acquire(asking(unit))
      const late = yield* runs.close(run, failed)

      assert.deepStrictEqual(again, { outcome: "SUCCEEDED", isShown: true })
      assert.deepStrictEqual(late, { outcome: "FAILED", isShown: false })
      assert.deepInclude(yield* stateOf(unit), { state: "RUNNING", lastRunId: next.runId })
      assert.strictEqual(Option.getOrThrow(yield* runs.live(unit)).runId, next.runId)
    })
  )
}
