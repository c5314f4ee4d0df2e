/** The contract of `UnitStateRepo`, executable; one clause for each sentence of its prose. */
import { assert, layer as shared } from "@effect/vitest"
import { DateTime, Effect, type Layer, Option } from "effect"
import { EndpointId } from "../domain/Endpoint.ts"
import { IngestionUnitEvent } from "../domain/IngestionUnitState.ts"
import { RunId } from "../domain/Run.ts"
import { SinkId, UnitId, UnitKey } from "../domain/Unit.ts"
import { UnitStateRepo } from "../services/UnitStateRepo.ts"

const { Completed, Failed, Paused, Reset, Started } = IngestionUnitEvent.cases

const lake = SinkId.make("lake")
const runId = (id: string) => RunId.make(id)
const at = (millis: number) => DateTime.makeUnsafe(1_700_000_000_000 + millis)
const started = (run: string, millis = 0) => Started.make({ runId: runId(run), sinkId: lake, at: at(millis) })

const endpointOf = (name: string) => EndpointId.make(`${name}-${crypto.randomUUID()}`)
const unitOf = (name: string, unitId = "public.orders") =>
  UnitKey.make({ endpointId: endpointOf(name), unitId: UnitId.make(unitId) })

export const suite = <E>(adapter: string, layer: Layer.Layer<UnitStateRepo, E>) =>
  shared(layer, { timeout: "60 seconds", excludeTestServices: true })(
    `UnitStateRepo contract: ${adapter}`,
    (it) => {
      it.effect("a unit has no state before its first event, however often it is read", () =>
        Effect.gen(function* () {
          const states = yield* UnitStateRepo
          const unit = unitOf("unseen")

          yield* states.get(unit)
          yield* states.list(unit.endpointId)

          assert.deepStrictEqual(yield* states.get(unit), Option.none())
          assert.deepStrictEqual(yield* states.list(unit.endpointId), [])
        })
      )

      it.effect("apply answers the state the event leads to, and get shows it", () =>
        Effect.gen(function* () {
          const states = yield* UnitStateRepo
          const unit = unitOf("started")

          const state = yield* states.apply(unit, started("run-1", 7))

          assert.deepInclude(state, {
            state: "RUNNING",
            lastRunId: runId("run-1"),
            sinkId: lake,
            lastError: null,
            stats: null
          })
          assert.strictEqual(DateTime.toEpochMillis(DateTime.toUtc(state.updatedAt)), 1_700_000_000_007)
          assert.deepStrictEqual(yield* states.get(unit), Option.some(state))
        })
      )

      it.effect("stats and times come back exactly", () =>
        Effect.gen(function* () {
          const states = yield* UnitStateRepo
          const unit = unitOf("stats")
          const run = runId("run-1")
          const stats = { exported_rows: 12, location: { path: "a/b ü", parts: [1, null] }, ratio: 0.5 }
          yield* states.apply(unit, started("run-1"))

          const done = yield* states.apply(unit, Completed.make({ runId: run, stats, at: at(123) }))

          const kept = Option.getOrThrow(yield* states.get(unit))
          assert.deepStrictEqual(kept, done)
          assert.deepStrictEqual(kept.stats, stats)
          assert.deepStrictEqual(kept.lastRunAt, at(123))
        })
      )

      it.effect("a failure keeps its reason until the next start", () =>
        Effect.gen(function* () {
          const states = yield* UnitStateRepo
          const unit = unitOf("failed")
          yield* states.apply(unit, started("run-1"))
          const run = runId("run-1")

          const failed = yield* states.apply(
            unit,
            Failed.make({ runId: run, reason: "BUG: it broke", at: at(1) })
          )
          const again = yield* states.apply(unit, started("run-2", 2))

          assert.deepInclude(failed, {
            state: "FAILED",
            lastError: "BUG: it broke",
            lastRunId: runId("run-1")
          })
          assert.deepInclude(again, { state: "RUNNING", lastError: null, lastRunId: runId("run-2") })
        })
      )

      it.effect("an event of a run is refused for a unit never seen, and the unit stays unseen", () =>
        Effect.gen(function* () {
          const states = yield* UnitStateRepo
          const unit = unitOf("no-run")
          const run = runId("run-1")

          const refused = yield* Effect.flip(
            states.apply(unit, Failed.make({ runId: run, reason: "x", at: at(0) }))
          )
          const refusedToo = yield* Effect.flip(
            states.apply(unit, Completed.make({ runId: run, stats: {}, at: at(0) }))
          )

          assert.deepStrictEqual([refused._tag, refusedToo._tag], ["IllegalTransition", "IllegalTransition"])
          assert.deepStrictEqual(yield* states.get(unit), Option.none())
        })
      )

      it.effect("pause and reset begin the life of a unit never seen", () =>
        Effect.gen(function* () {
          const states = yield* UnitStateRepo

          const paused = yield* states.apply(unitOf("paused"), Paused.make({ sinkId: lake, at: at(0) }))
          const idle = yield* states.apply(unitOf("reset"), Reset.make({ sinkId: lake, at: at(0) }))

          assert.deepInclude(paused, { state: "PAUSED", sinkId: lake, lastRunId: null })
          assert.deepInclude(idle, { state: "IDLE", sinkId: lake, lastRunId: null })
        })
      )

      it.effect("of concurrent starts exactly one succeeds, and the others learn its run", () =>
        Effect.gen(function* () {
          const states = yield* UnitStateRepo
          const unit = unitOf("raced")
          const starts = Array.from({ length: 20 }, (_, n) =>
            states.apply(unit, started(`run-${n}`)).pipe(Effect.result)
          )

          const outcomes = yield* Effect.all(starts, { concurrency: "unbounded" })

          const kept = Option.getOrThrow(yield* states.get(unit))
          const won = outcomes.flatMap((outcome) =>
            outcome._tag === "Success" ? [outcome.success.lastRunId] : []
          )
          const told = outcomes.flatMap((outcome) =>
            outcome._tag === "Failure" && outcome.failure._tag === "IllegalTransition"
              ? [outcome.failure.currentRunId]
              : []
          )
          assert.deepStrictEqual(won, [kept.lastRunId])
          assert.strictEqual(told.length, 19)
          assert.isTrue(told.every((other) => other === kept.lastRunId))
        })
      )

      it.effect("a refused event changes nothing", () =>
        Effect.gen(function* () {
          const states = yield* UnitStateRepo
          const unit = unitOf("refused")
          yield* states.apply(unit, started("run-1"))
          const before = yield* states.get(unit)

          const other = { runId: runId("run-2"), at: at(9) }
          yield* Effect.flip(states.apply(unit, Failed.make({ ...other, reason: "late" })))
          yield* Effect.flip(states.apply(unit, Completed.make({ ...other, stats: {} })))
          yield* Effect.flip(states.apply(unit, started("run-3", 9)))

          assert.deepStrictEqual(yield* states.get(unit), before)
        })
      )

      it.effect("list holds the endpoint's units, newest change first, and nobody else's", () =>
        Effect.gen(function* () {
          const states = yield* UnitStateRepo
          const endpointId = endpointOf("listed")
          const unit = (unitId: string) => UnitKey.make({ endpointId, unitId: UnitId.make(unitId) })
          yield* states.apply(unit("b"), started("run-b", 10))
          yield* states.apply(unit("c"), started("run-c", 30))
          yield* states.apply(unit("a"), started("run-a", 20))
          yield* states.apply(unitOf("another"), started("run-x", 40))

          yield* states.apply(unit("b"), Paused.make({ sinkId: lake, at: at(50) }))

          const listed = yield* states.list(endpointId)
          assert.deepStrictEqual(
            listed.map((state) => state.unit.unitId),
            ["b", "c", "a"]
          )
          assert.strictEqual(listed[0]?.state, "PAUSED")
        })
      )

      it.effect("D6 unit ids are compared byte for byte", () =>
        Effect.gen(function* () {
          const states = yield* UnitStateRepo
          const endpointId = endpointOf("bytes")
          const ids = ["Unit A", "unit a", "unit-a", "public.Orders:2024 ü"]

          for (const id of ids)
            yield* states.apply(
              UnitKey.make({ endpointId, unitId: UnitId.make(id) }),
              started(`run of ${id}`)
            )

          const listed = yield* states.list(endpointId)
          assert.deepStrictEqual(
            new Set(listed.map((state) => state.lastRunId)),
            new Set(ids.map((id) => runId(`run of ${id}`)))
          )
        })
      )

      it.effect("copying a checkpoint changes nothing that is read here", () =>
        Effect.gen(function* () {
          const states = yield* UnitStateRepo
          const unit = unitOf("copied")
          yield* states.apply(unit, started("run-1"))
          const before = yield* states.get(unit)

          yield* states.copyCheckpoint(unit, { cursor: { page: 1 } })
          yield* states.copyCheckpoint(unit, null)

          assert.deepStrictEqual(yield* states.get(unit), before)
        })
      )

      it.effect("copying a checkpoint of a unit never seen does nothing", () =>
        Effect.gen(function* () {
          const states = yield* UnitStateRepo
          const unit = unitOf("copied-unseen")

          yield* states.copyCheckpoint(unit, { cursor: 1 })

          assert.deepStrictEqual(yield* states.get(unit), Option.none())
        })
      )
    }
  )
