/** Accepting a run: what is acquired, and given back when a run cannot begin. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { IngestionUnitEvent } from "../../src/domain/IngestionUnitState.ts"
import { RunId } from "../../src/domain/Run.ts"
import * as Headrace from "../../src/lifecycle/Headrace.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import * as MemoryRunRepo from "../../src/memory/MemoryRunRepo.ts"
import { RunRepo } from "../../src/services/RunRepo.ts"
import { UnitStateRepo, UnitStateRepoError } from "../../src/services/UnitStateRepo.ts"
import * as Shop from "./Shop.ts"

/** Headrace over stores of which some misbehave. */
const over = <A>(
  stores: Layer.Layer<A, never, MemoryRunRepo.RunStore | UnitStateRepo>,
  script: MemoryPythonWorker.Script = {}
) =>
  Headrace.layer.pipe(
    Layer.provideMerge(stores),
    Layer.provideMerge(Headrace.layerStoresMemory),
    Layer.provideMerge(MemoryPythonWorker.layerScript(script)),
    Layer.provideMerge(MemoryDataPlane.layer())
  )

describe("a run that cannot begin", () => {
  const away = Layer.effect(
    UnitStateRepo,
    Effect.map(UnitStateRepo, (units) => {
      let left = 1
      return UnitStateRepo.of({
        ...units,
        apply: (unit, event) =>
          Effect.suspend(() =>
            event._tag === "Started" && left-- > 0
              ? Effect.fail(new UnitStateRepoError({ cause: "away" }))
              : units.apply(unit, event)
          )
      })
    })
  )
  it.effect("because its state cannot be written leaves the unit free, at the slice where it was", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()

      const error = yield* Effect.flip(Shop.start(shop.name))
      const free = yield* (yield* RunRepo).live(shop.key)
      const end = yield* Shop.run(shop.name)

      assert.strictEqual(error._tag, "RunRepoError")
      assert.strictEqual(free._tag, "None")
      assert.strictEqual(end.event, "RUN_SUCCEEDED")
      assert.strictEqual((yield* Shop.asked)[0]?.generation, 1)
    }).pipe(Effect.provide(over(Layer.fresh(MemoryRunRepo.layerProcess).pipe(Layer.provideMerge(away)))))
  )

  it.effect("because its endpoint names no template is accepted, and ends FAILED with what to do", () =>
    Effect.gen(function* () {
      const bare = yield* Shop.registerBare("bare", { ingestionUnits: [{ unitId: Shop.orders }] })
      const name = { endpointId: bare.id, unitId: Shop.orders, sinkId: "kb" }

      const end = yield* Shop.run(name)

      assert.strictEqual(end.event, "RUN_FAILED")
      assert.match(end.message ?? "", /^SOURCE_CONFIG: .*config\.templateId.*Register it again/)
      assert.deepStrictEqual(yield* Shop.asked, [])
    }).pipe(Effect.provide(Shop.layer()))
  )
})

describe("a unit whose row says RUNNING although no run of it lives", () => {
  it.effect("D18 can be started: whoever opens a run of it knows that the other is dead", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const units = yield* UnitStateRepo
      const { Started } = IngestionUnitEvent.cases
      const { sinkId } = shop.place
      yield* units.apply(
        shop.key,
        Started.make({ runId: RunId.make("dead"), sinkId, at: shop.source.createdAt })
      )

      const end = yield* Shop.run(shop.name)

      assert.strictEqual(end.event, "RUN_SUCCEEDED")
      assert.strictEqual((yield* Shop.status(shop)).lastRunId, end.runId)
    }).pipe(Effect.provide(Shop.layer()))
  )
})
