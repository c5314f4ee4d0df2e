import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
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
