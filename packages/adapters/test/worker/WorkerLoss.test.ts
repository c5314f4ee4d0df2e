/** Real Python workers that are killed, stuck or never there, and what leaves the process. */
import { assert, describe, it } from "@effect/vitest"
import { PythonWorker } from "@headrace/core/services/PythonWorker"
import { Duration, Effect, Fiber, Logger, Queue } from "effect"
import * as RealWorker from "./RealWorker.ts"
import { carry, endpoint, numbers, request, rows, signal, standing, theOnlyPid, workerPids } from "./Runs.ts"

describe("a worker that dies or hangs", () => {
  const alone = RealWorker.layer({
    workers: 1,
    timing: {
      silence: Duration.seconds(2),
      pingEvery: Duration.millis(200),
      termination: Duration.millis(300)
    }
  })

  it.live("killed in mid-run the run is WorkerLost, and the next one succeeds on a new process", () =>
    Effect.gen(function* () {
      const run = yield* standing("run-1")
      const pid = yield* theOnlyPid

      yield* signal(pid, "SIGKILL")

      const outcome = yield* Fiber.join(run)
      assert.isTrue(outcome._tag === "Failure" && outcome.failure.reason._tag === "WorkerLost")
      assert.include(JSON.stringify(outcome), "SIGKILL")
      assert.strictEqual((yield* carry(request("run-2"))).at(-1)?._tag, "Finished")
      assert.notStrictEqual(yield* theOnlyPid, pid)
    }).pipe(Effect.provide(alone))
  )

  it.live("one that does not answer an interruption within a second is replaced", () =>
    Effect.gen(function* () {
      const run = yield* standing("run-1")
      const pid = yield* theOnlyPid
      yield* signal(pid, "SIGSTOP")

      const [took] = yield* Effect.timed(Fiber.interrupt(run))

      // One second to answer, 0.3 s to end by SIGTERM, which a stopped process does not see.
      assert.isBelow(Duration.toMillis(took), 2000)
      assert.strictEqual((yield* carry(request("run-2"))).at(-1)?._tag, "Finished")
      assert.notStrictEqual(yield* theOnlyPid, pid)
    }).pipe(Effect.provide(alone))
  )

  it.live("one that is silent is given up, and the calls it had are WorkerLost", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      assert.lengthOf(yield* worker.listUnits({ endpoint: numbers }), 1)
      yield* signal(yield* theOnlyPid, "SIGSTOP")

      const { reason } = yield* Effect.flip(worker.listUnits({ endpoint: numbers }))

      assert.strictEqual(reason._tag, "WorkerLost")
      assert.lengthOf(yield* worker.listUnits({ endpoint: numbers }), 1)
    }).pipe(Effect.provide(alone))
  )

  it.live("no process is left when the layer is closed, not even one that was stopped", () =>
    Effect.gen(function* () {
      const before = yield* workerPids
      yield* Effect.gen(function* () {
        const worker = yield* PythonWorker
        yield* worker.listUnits({ endpoint: numbers })
        const [pid] = (yield* workerPids).filter((each) => !before.includes(each))
        yield* signal(pid ?? 0, "SIGSTOP")
      }).pipe(Effect.provide(alone))

      assert.deepStrictEqual(yield* workerPids, before)
    })
  )
})

describe("without a worker", () => {
  it.live("every call says at once that none can be had, and why", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker

      const { reason } = yield* Effect.flip(worker.listTemplates(null))

      assert.isTrue(reason._tag === "WorkerUnavailable" && reason.detail.includes("/nowhere/python"))
    }).pipe(Effect.provide(RealWorker.layer({ python: "/nowhere/python" })))
  )
})

describe("what leaves the process", () => {
  it.live("no secret of a request is in any line of the log", () =>
    Effect.gen(function* () {
      const lines = yield* Queue.unbounded<string>()
      const capture = Logger.layer([
        Logger.make((entry) => void Queue.offerUnsafe(lines, Logger.formatJson.log(entry)))
      ])
      const secret = "hunter2-never-in-a-log"
      const source = endpoint("numbers", "test.rows", {
        rows,
        password: secret,
        failWith: "AuthenticationFailed"
      })

      yield* Effect.gen(function* () {
        const outcome = yield* Effect.flip(carry(request("run-1", { source })))
        assert.notInclude(JSON.stringify(outcome), secret)
        yield* signal(yield* theOnlyPid, "SIGKILL")
        const worker = yield* PythonWorker
        yield* Effect.ignore(worker.listUnits({ endpoint: source }))
      }).pipe(Effect.provide(RealWorker.layer({ workers: 1 })), Effect.provide(capture))

      const written = yield* Queue.clear(lines)
      assert.isNotEmpty(written)
      assert.notInclude(written.join("\n"), secret)
    })
  )

  it.live("the frames of a run are counted and small", () => {
    const bytes = { in: 0, out: 0 }
    const counting = RealWorker.layer({
      workers: 1,
      onFrame: (direction, count) => void (bytes[direction] += count)
    })
    return Effect.gen(function* () {
      yield* carry(request("run-1"))

      assert.isAbove(bytes.in, 500)
      assert.isAbove(bytes.out, 500)
      assert.isBelow(bytes.in + bytes.out, 16 * 1024)
    }).pipe(Effect.provide(counting))
  })
})
