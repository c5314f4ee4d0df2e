import { assert, describe, it } from "@effect/vitest"
import { SliceSeq } from "@headrace/core/domain/Run"
import type { RunEvent } from "@headrace/core/protocol/Protocol"
import type { PythonWorkerError } from "@headrace/core/services/PythonWorker"
import { type Cause, Duration, Effect, Fiber, Queue, Ref, Stream } from "effect"
import { TestClock } from "effect/testing"
import { makeProgress, watched } from "../../src/worker/RunProgress.ts"

const progress = (counter: number): RunEvent => ({
  _tag: "Progress",
  phase: "export",
  sliceSeq: null,
  rows: 0,
  bytes: 0,
  counter
})

const sealed: RunEvent = {
  _tag: "Sealed",
  sliceSeq: SliceSeq.make(0),
  from: null,
  to: null,
  read: 0,
  rows: 0,
  rejected: 0,
  filtered: 0,
  sha256: "",
  bytes: 0
}

/** A run whose events the test says, watched with a limit of 90 s; `perEvent` is what the consumer does. */
const watching = Effect.fnUntraced(function* (perEvent: Effect.Effect<void> = Effect.void) {
  const events = yield* Queue.unbounded<RunEvent, PythonWorkerError | Cause.Done>()
  const given = yield* Ref.make<ReadonlyArray<string>>([])
  const run = makeProgress()
  const giveUp = (detail: string) => Ref.update(given, (all) => [...all, detail])
  const stream = watched(Stream.fromQueue(events), run, Duration.seconds(90), giveUp)
  const fiber = yield* Effect.forkChild(Effect.result(Stream.runForEach(stream, () => perEvent)), {
    startImmediately: true
  })
  return { say: (event: RunEvent) => Queue.offer(events, event), run, given: Ref.get(given), fiber }
})

describe("watched", () => {
  it.effect("a run that says nothing for 90 s is lost and its worker given up", () =>
    Effect.gen(function* () {
      const { fiber, given } = yield* watching()

      yield* TestClock.adjust("89 seconds")
      assert.deepStrictEqual(yield* given, [])
      yield* TestClock.adjust("1 second")

      const outcome = yield* Fiber.join(fiber)
      assert.isTrue(outcome._tag === "Failure" && outcome.failure.reason._tag === "WorkerLost")
      assert.lengthOf(yield* given, 1)
    })
  )

  it.effect("a heartbeat whose counter stands still is no progress", () =>
    Effect.gen(function* () {
      const { fiber, say } = yield* watching()

      yield* say(progress(7))
      for (let second = 0; second < 91; second++) {
        yield* TestClock.adjust("1 second")
        yield* say(progress(7))
      }

      assert.isDefined(fiber.pollUnsafe())
    })
  )

  it.effect("a heartbeat whose counter moves keeps a long run alive", () =>
    Effect.gen(function* () {
      const { fiber, say } = yield* watching()

      for (let minute = 0; minute < 60; minute++) {
        yield* say(progress(minute))
        yield* TestClock.adjust("1 minute")
      }

      assert.isUndefined(fiber.pollUnsafe())
    })
  )

  it.effect("a worker that waits for a decision is not stalled, and is when the decision is made", () =>
    Effect.gen(function* () {
      const { fiber, run, say } = yield* watching()
      yield* say(sealed)
      yield* TestClock.adjust("10 minutes")
      assert.isUndefined(fiber.pollUnsafe())

      run.decided()
      yield* TestClock.adjust("3 minutes")

      assert.isDefined(fiber.pollUnsafe())
    })
  )

  it.effect("the time a consumer takes is not held against the worker", () =>
    Effect.gen(function* () {
      const { fiber, say } = yield* watching(Effect.sleep("10 minutes"))
      yield* say(progress(1))

      yield* TestClock.adjust("10 minutes")
      yield* TestClock.adjust("89 seconds")

      assert.isUndefined(fiber.pollUnsafe())
    })
  )
})
