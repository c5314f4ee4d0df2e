import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type { RunProgress } from "@headrace/core/services/RunEvents"
import { Screen, type ScreenOptions } from "../../src/cli/Screen.ts"
import { watch } from "../../src/cli/Watch.ts"
import { fakeScreen } from "./FakeScreen.ts"
import { happened } from "./Happened.ts"

const watched = Effect.fnUntraced(function* (options: Partial<ScreenOptions>) {
  const fake = fakeScreen(options)
  const events = yield* Queue.unbounded<RunProgress>()
  const fiber = yield* Effect.forkChild(
    watch(Stream.fromQueue(events)).pipe(Effect.provideService(Screen, fake.screen)),
    { startImmediately: true }
  )
  return { ...fake, fiber, say: (event: RunProgress) => Queue.offer(events, event) }
})

const started = happened(0, { event: "RUN_STARTED" })
const reading = happened(1, { phase: "export", exportedRows: 500 })
const ended = happened(2, { event: "RUN_SUCCEEDED", state: "SUCCEEDED", stats: { exported_rows: 500 } })

describe("watching a run", () => {
  it.effect("answers the event that ended it, and hears nothing after", () =>
    Effect.gen(function* () {
      const { fiber, say } = yield* watched({})
      yield* say(started)
      yield* say(ended)
      yield* say(happened(3, { event: "RUN_FAILED" }))

      const { last } = yield* Fiber.join(fiber)

      assert.strictEqual(last.event, "RUN_SUCCEEDED")
    })
  )

  it.effect("draws one line over itself on a terminal and leaves none behind", () =>
    Effect.gen(function* () {
      const { fiber, say, written } = yield* watched({ progress: "tty" })
      yield* say(started)
      yield* say(reading)
      yield* TestClock.adjust("1 second")
      const whileRunning = written.stderr
      yield* say(ended)
      yield* Fiber.join(fiber)

      assert.include(whileRunning, "500 rows")
      assert.notInclude(written.stderr, "\n")
      assert.isTrue(written.stderr.endsWith("\r\u001b[2K"))
    })
  )

  it.effect("says a plain line every ten seconds while a run reads on", () =>
    Effect.gen(function* () {
      const { fiber, say, written } = yield* watched({ progress: "plain" })
      yield* say(started)
      yield* say(reading)
      yield* TestClock.adjust("32 seconds")
      yield* say(ended)
      yield* Fiber.join(fiber)

      assert.lengthOf(written.stderr.trim().split("\n"), 4)
      assert.strictEqual(written.stdout, "")
    })
  )

  it.effect("prints each event as a JSON line, but not the end, which the report prints", () =>
    Effect.gen(function* () {
      const { fiber, say, jsonLines } = yield* watched({ format: "jsonl" })
      yield* say(started)
      yield* say(reading)
      yield* say(ended)
      yield* Fiber.join(fiber)

      const types = jsonLines().map((line) =>
        typeof line === "object" && line !== null && "type" in line ? line.type : null
      )
      assert.deepStrictEqual(types, ["run.started", "run.progress"])
    })
  )

  it.effect("passes a warning of the run on", () =>
    Effect.gen(function* () {
      const { fiber, say, written } = yield* watched({})
      yield* say(happened(1, { message: 'The policy key "modus" is not known.' }))
      yield* say(ended)
      yield* Fiber.join(fiber)

      assert.include(written.stderr, '! The policy key "modus" is not known.')
    })
  )
})
