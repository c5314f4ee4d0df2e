import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { orphaned } from "../../src/cli/Signals.ts"

it.effect("a process is orphaned when its parent is another one than at first, and not before", () =>
  Effect.gen(function* () {
    let parent = 41
    const waiting = yield* Effect.forkChild(
      orphaned(() => parent),
      { startImmediately: true }
    )

    yield* TestClock.adjust("1 hour")
    const before = waiting.pollUnsafe()
    parent = 1
    yield* TestClock.adjust("500 millis")
    yield* Fiber.join(waiting)

    assert.isUndefined(before)
  })
)
