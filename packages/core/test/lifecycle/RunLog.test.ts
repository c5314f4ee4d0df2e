import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import * as Shop from "./Shop.ts"

describe("the log of a run that failed", () => {
  it.effect("is one line, and no stack, when its reason says all there is to say", () => {
    const logged: Array<unknown> = []
    const log = Logger.layer([
      Logger.make(({ message, cause }) => logged.push({ message, stacks: cause.reasons.length }))
    ])
    return Effect.gen(function* () {
      const shop = yield* Shop.opened()

      const { runId } = yield* Shop.run(shop.name)

      const { lastError } = yield* Shop.status(shop)
      assert.deepStrictEqual(logged, [{ message: ["A run did not end well", runId, lastError], stacks: 0 }])
    }).pipe(Effect.provide(Layer.provideMerge(Shop.layer(Shop.failOnceAt("committing", 2)), log)))
  })
})

describe("the log of a run whose policy is not heeded as a whole", () => {
  it.effect("names the key that nobody knows, and the run carries its unit all the same", () => {
    const logged: Array<unknown> = []
    const log = Logger.layer([Logger.make(({ message }) => logged.push(message))])
    return Effect.gen(function* () {
      const shop = yield* Shop.opened({ ...Shop.bySlices, targetSlizeSize: 1 })

      const { runId } = yield* Shop.run(shop.name)

      const said = `The policy key "targetSlizeSize" is not known and has no effect; did you mean "targetSliceSize"?`
      assert.deepStrictEqual(logged, [["A policy is not heeded as a whole", runId, said]])
      assert.strictEqual((yield* Shop.status(shop)).state, "SUCCEEDED")
    }).pipe(Effect.provide(Layer.provideMerge(Shop.layer(), log)))
  })
})

describe("what people read of a run that failed", () => {
  const refused = MemoryPythonWorker.rejected({
    tag: "ConfigInvalid",
    role: "source",
    message: "The proxy https://ada:hunter2@proxy refused ada with hunter2."
  })
  it.effect("D12 holds no password that was inside another parameter, alone or in its url", () =>
    Effect.gen(function* () {
      const parameters = { host: "db", username: "app", proxy: "https://ada:hunter2@proxy" }
      const shop = yield* Shop.opened(Shop.bySlices, { parameters })

      yield* Shop.run(shop.name)

      const { lastError } = yield* Shop.status(shop)
      assert.strictEqual(lastError, "SOURCE_CONFIG: The proxy https://****@proxy refused ada with ****.")
    }).pipe(Effect.provide(Shop.layer(Shop.failOnceAt("staged", 1, refused))))
  )
})
