/** An endpoint that is set up: there afterwards, once, whoever else sets it up at the same time. */
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Layer } from "effect"
import { Endpoints } from "../../src/lifecycle/Endpoints.ts"
import * as Headrace from "../../src/lifecycle/Headrace.ts"
import { fromTemplate } from "../../src/lifecycle/Registration.ts"
import { Units } from "../../src/lifecycle/Units.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import { EndpointRepo } from "../../src/services/EndpointRepo.ts"
import * as Shop from "./Shop.ts"

/** A store in which the first two look before either writes. */
const lookingTogether = Layer.effect(
  EndpointRepo,
  Effect.gen(function* () {
    const repo = yield* EndpointRepo
    const both = yield* Deferred.make<void>()
    let looked = 0
    return EndpointRepo.of({
      ...repo,
      find: (...name) =>
        Effect.tap(repo.find(...name), () => {
          looked += 1
          return looked === 2 ? Deferred.succeed(both, undefined) : Deferred.await(both)
        })
    })
  })
)

it.effect("two that set up one endpoint at once both have it, and it is there once", () =>
  Effect.gen(function* () {
    const setUp = Shop.ensure("shop", MemoryDataPlane.sourceTemplateId)

    const [one, other] = yield* Effect.all([setUp, setUp], { concurrency: "unbounded" })

    assert.strictEqual(one.id, other.id)
    assert.strictEqual((yield* (yield* EndpointRepo).list(Shop.scope)).length, 1)
  }).pipe(
    Effect.provide(
      Headrace.layer.pipe(
        Layer.provideMerge(lookingTogether),
        Layer.provideMerge(Headrace.layerStoresMemory),
        Layer.provideMerge(MemoryPythonWorker.layer)
      )
    )
  )
)

it.effect("one that was tried can be asked for its units, and is stored when it is kept, not before", () =>
  Effect.gen(function* () {
    const repo = yield* EndpointRepo
    const registration = fromTemplate("shop", MemoryDataPlane.sourceTemplateId, {})

    const { endpoint, keep } = yield* (yield* Endpoints).attempt(Shop.scope, registration)
    const units = yield* (yield* Units).list(endpoint)
    const before = yield* repo.list(Shop.scope)
    const kept = yield* keep
    const after = yield* repo.list(Shop.scope)

    assert.isNotEmpty(units)
    assert.deepStrictEqual(before, [])
    assert.deepStrictEqual(
      after.map(({ id }) => id),
      [kept.id]
    )
  }).pipe(Effect.provide(Shop.layer()))
)
