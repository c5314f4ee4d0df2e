import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Lookups } from "../../src/lifecycle/Lookups.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as Shop from "./Shop.ts"

it.effect("P18 an endpoint is found by row id and by sourceId, and its units are keyed by the row id", () =>
  Effect.gen(function* () {
    const { source, key } = yield* Shop.opened()
    const lookups = yield* Lookups

    const byId = yield* lookups.unit(Shop.scope, source.id, Shop.orders)
    const bySourceId = yield* lookups.unit(Shop.scope, "shop", Shop.orders)

    assert.deepStrictEqual([byId.key, bySourceId.key], [key, key])
  }).pipe(Effect.provide(Shop.layer()))
)

it.effect("an endpoint of another tenant or project is not found", () =>
  Effect.gen(function* () {
    yield* Shop.opened()
    const lookups = yield* Lookups

    for (const scope of [
      { ...Shop.scope, tenant: "other" },
      { ...Shop.scope, project: "other" }
    ]) {
      const error = yield* Effect.flip(lookups.endpoint(scope, "shop"))

      assert.deepInclude(error, { _tag: "EndpointNotFound", endpointId: "shop" })
    }
  }).pipe(Effect.provide(Shop.layer()))
)

it.effect("what is missing is told in order: endpoint, driver, unit", () =>
  Effect.gen(function* () {
    yield* Shop.register("odd", MemoryDataPlane.sourceTemplateId, { ingestionDriver: "odd" })
    yield* Shop.register("shop", MemoryDataPlane.sourceTemplateId)
    const lookups = yield* Lookups
    const tags = Effect.forEach(["nobody", "odd", "shop"], (endpoint) =>
      Effect.map(Effect.flip(lookups.unit(Shop.scope, endpoint, "nothing")), ({ _tag }) => _tag)
    )

    assert.deepStrictEqual(yield* tags, ["EndpointNotFound", "DriverMissing", "UnitNotFound"])
  }).pipe(Effect.provide(Shop.layer()))
)

it.effect("looking up begins no run and writes no state", () =>
  Effect.gen(function* () {
    const shop = yield* Shop.opened()
    const lookups = yield* Lookups
    const before = yield* Shop.status(shop)

    const found = yield* lookups.units(Shop.scope, "shop")
    yield* Effect.forEach(found, (unit) => lookups.defaultSink(Shop.scope, unit))

    assert.strictEqual(found.length, 1)
    assert.deepStrictEqual(yield* Shop.status(shop), before)
    assert.deepStrictEqual(yield* Shop.asked, [])
  }).pipe(Effect.provide(Shop.layer()))
)
