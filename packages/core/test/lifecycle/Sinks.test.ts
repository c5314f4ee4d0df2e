/** Where a unit goes: which sinks there are, which one a name means, and which one when nobody names any. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Option } from "effect"
import type { JsonObject } from "../../src/domain/Endpoint.ts"
import { knowledgeBase } from "../../src/domain/Unit.ts"
import { IngestionDefaults, Lookups, type SinkName } from "../../src/lifecycle/Lookups.ts"
import { Sinks } from "../../src/lifecycle/Sinks.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import { EndpointRepo } from "../../src/services/EndpointRepo.ts"
import * as Shop from "./Shop.ts"

const find = (name: string) => Effect.flatMap(Sinks, (sinks) => sinks.find(Shop.scope, name))

/** What the unit's sink is when it is asked for so, in a shop configured so. */
const sinkOf = Effect.fnUntraced(function* (name: SinkName, more: JsonObject = {}) {
  const source = yield* Shop.ensure("shop", MemoryDataPlane.sourceTemplateId, more)
  const lookups = yield* Lookups
  const found = yield* lookups.unit(Shop.scope, source.id, Shop.orders)
  return (yield* lookups.sink(Shop.scope, found, name)).sinkId
})

const lakes = Effect.gen(function* () {
  const north = yield* Shop.register("north", MemoryDataPlane.sinkTemplateId)
  const south = yield* Shop.register("south", MemoryDataPlane.sinkTemplateId)
  return { north: north.id, south: south.id }
})

describe("a sink's name", () => {
  it.effect("D4 is kb, a row id or a sourceId, and always means the row id", () =>
    Effect.gen(function* () {
      const { north } = yield* lakes

      const sinks = yield* Effect.forEach(["kb", north, "north", " north "], find)

      assert.deepStrictEqual(
        sinks.map(({ sinkId }) => String(sinkId)),
        ["kb", north, north, north]
      )
      assert.isNull(sinks[0]?.endpoint)
    }).pipe(Effect.provide(Shop.layer()))
  )

  it.effect(
    "D4 of nothing, or of an endpoint that only reads, is an error that lists the sinks there are",
    () =>
      Effect.gen(function* () {
        const { north, south } = yield* lakes
        const { id } = yield* Shop.register("shop", MemoryDataPlane.sourceTemplateId)

        const errors = yield* Effect.forEach(["nowhere", id, "KB"], (name) => Effect.flip(find(name)))

        const registeredSinks = [knowledgeBase, ...[north, south].toSorted()]
        for (const error of errors) {
          assert.isTrue(error._tag === "SinkMissing")
          if (error._tag === "SinkMissing") {
            assert.sameMembers([...error.registeredSinks], registeredSinks)
            assert.sameMembers([...error.names], [knowledgeBase, "north", "south"])
          }
        }
      }).pipe(Effect.provide(Shop.layer()))
  )

  it.effect("of a deleted endpoint or one of another project means nothing", () =>
    Effect.gen(function* () {
      const { north } = yield* lakes
      const repo = yield* EndpointRepo
      const row = Option.getOrThrow(yield* repo.get(Shop.scope, north))
      yield* repo.put(Object.assign({}, row, { deletedAt: yield* DateTime.now }))
      const sinks = yield* Sinks

      const deleted = yield* Effect.flip(find("north"))
      const foreign = yield* Effect.flip(sinks.find({ ...Shop.scope, project: "other" }, "south"))

      assert.deepStrictEqual([deleted._tag, foreign._tag], ["SinkMissing", "SinkMissing"])
    }).pipe(Effect.provide(Shop.layer()))
  )
})

describe("the sink of a run", () => {
  it.effect("D4 sinkEndpointId goes before sinkId, blank is not said, and kb is no endpoint", () =>
    Effect.gen(function* () {
      const { north, south } = yield* lakes

      const both = yield* sinkOf({ sinkId: "north", sinkEndpointId: "south" })
      const blank = yield* sinkOf({ sinkId: north, sinkEndpointId: " " })
      const error = yield* Effect.flip(sinkOf({ sinkEndpointId: "kb" }))

      assert.deepStrictEqual([both, blank].map(String), [south, north])
      assert.deepInclude(error, { _tag: "EndpointNotFound", endpointId: "kb" })
    }).pipe(Effect.provide(Shop.layer()))
  )

  it.effect("D17 unsaid is the unit's, else the endpoint's, else kb", () =>
    Effect.gen(function* () {
      const { north, south } = yield* lakes
      const ingestionUnits = [{ unitId: Shop.orders, sinkId: "north" }]
      const unsaid = { sinkId: null, sinkEndpointId: "" }

      const ofUnit = yield* sinkOf(unsaid, { ingestionUnits, sinkId: "south" })
      const ofEndpoint = yield* sinkOf(unsaid, { sinkId: "south" })
      const ofNobody = yield* sinkOf(unsaid)
      const named = yield* sinkOf({ sinkId: "kb" }, { ingestionUnits })

      assert.deepStrictEqual([ofUnit, ofEndpoint, ofNobody, named].map(String), [north, south, "kb", "kb"])
    }).pipe(Effect.provide(Shop.layer()))
  )

  const setting = Layer.succeed(IngestionDefaults, { sinkId: "south", stagingProviderId: null })
  it.effect("D17 the setting goes before kb and after the endpoint", () =>
    Effect.gen(function* () {
      const { north, south } = yield* lakes

      const ofSetting = yield* sinkOf({})
      const ofEndpoint = yield* sinkOf({}, { sinkId: "north" })

      assert.deepStrictEqual([ofSetting, ofEndpoint].map(String), [south, north])
    }).pipe(Effect.provide(Shop.layer().pipe(Layer.provide(setting))))
  )

  it.effect("D17 a default that does not exist is an error, not kb", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(sinkOf({}, { sinkId: "drained" }))

      assert.deepInclude(error, { _tag: "SinkMissing", sinkId: "drained" })
    }).pipe(Effect.provide(Shop.layer()))
  )
})
