/** What guards a worker's socket, and what a process that is no worker leads to. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Logger, References, Scope } from "effect"
import * as fs from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { PassThrough } from "node:stream"
import * as PrivateDirectory from "../../src/worker/PrivateDirectory.ts"
import { logLine, readLines } from "../../src/worker/WorkerLog.ts"
import * as WorkerProcess from "../../src/worker/WorkerProcess.ts"
import { python, temporaryDirectory } from "./RealWorker.ts"

/** A shell script in the place of the interpreter. */
const script = Effect.fnUntraced(function* (body: string) {
  const directory = yield* temporaryDirectory
  const python = join(directory, "python")
  fs.writeFileSync(python, `#!/bin/sh\n${body}\n`, { mode: 0o700 })
  return { python, stagingDir: directory }
})

const connecting = (options: WorkerProcess.Options) =>
  Effect.gen(function* () {
    const running = yield* WorkerProcess.make(options, "200 millis")
    return yield* WorkerProcess.connection(running, "1 second")
  })

describe("the directory of a socket", () => {
  it.effect("is ours alone, and gone with its scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const path = yield* Scope.provide(PrivateDirectory.acquire("worker.sock"), scope)
      const directory = join(path, "..")
      assert.isUndefined(PrivateDirectory.faultOf(directory, "directory"))

      yield* Scope.close(scope, Exit.void)

      assert.isFalse(fs.existsSync(directory))
    })
  )

  it.effect("of a process that is gone is swept by the next one that makes a directory", () =>
    Effect.gen(function* () {
      const path = yield* PrivateDirectory.acquire("worker.sock")
      const parent = join(path, "../..")
      // No process has a number above the largest one Linux gives.
      const left = fs.mkdtempSync(join(parent, "headrace-worker-4194305-"))

      yield* Effect.scoped(PrivateDirectory.acquire("worker.sock"))

      assert.isFalse(fs.existsSync(left))
      assert.isTrue(fs.existsSync(join(path, "..")))
    }).pipe(Effect.scoped)
  )

  it.effect("is refused when others may enter it, when it is a link, and when it is not there", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [open, link, none] = ["open", "link", "none"].map((name) => join(directory, name))
      fs.mkdirSync(open ?? "", { mode: 0o755 })
      fs.symlinkSync(directory, link ?? "")

      const faults = [open, link, none].map((path) => PrivateDirectory.faultOf(path ?? "", "directory"))

      assert.include(faults[0], "mode 0755")
      assert.include(faults[1], "is no directory")
      assert.include(faults[2], "does not exist")
    }).pipe(Effect.scoped)
  )
})

describe("a process that is no worker", () => {
  it.live("an interpreter that does not exist is named", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(connecting({ python: "/nowhere/python", stagingDir: "/tmp" }))

      assert.strictEqual(error._tag, "WorkerUnavailable")
      assert.include(error.detail, "/nowhere/python")
    }).pipe(Effect.scoped)
  )

  it.live("one that ends at once is reported with its exit code and its last words", () =>
    Effect.gen(function* () {
      const options = yield* script("echo 'No module named headrace' >&2; exit 3")

      const { detail } = yield* Effect.flip(connecting(options))

      assert.include(detail, "exit code 3")
      assert.include(detail, "No module named headrace")
    }).pipe(Effect.scoped)
  )

  it.live("one that never listens is given up and, as it ignores SIGTERM, killed", () =>
    Effect.gen(function* () {
      const options = yield* script('trap "" TERM; while :; do sleep 0.05; done')
      const scope = yield* Scope.make()
      const running = yield* Scope.provide(WorkerProcess.make(options, "200 millis"), scope)

      const { detail } = yield* Effect.flip(WorkerProcess.connection(running, "500 millis"))
      yield* Scope.close(scope, Exit.void)

      assert.include(detail, "did not listen")
      assert.include(yield* running.exited, "SIGKILL")
    }).pipe(Effect.scoped)
  )

  it.live("a socket that others may write to is not connected to", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const socketPath = join(directory, "worker.sock")
      const server = createServer()
      yield* Effect.callback<void>((resume) => void server.listen(socketPath, () => resume(Effect.void)))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      fs.chmodSync(socketPath, 0o666)

      const running = { pid: 0, token: "", socketPath, exited: Effect.never }
      const { detail } = yield* Effect.flip(WorkerProcess.connection(running, "200 millis"))

      assert.include(detail, "mode 0666")
    }).pipe(Effect.scoped)
  )

  it.live("it sees the variables it needs, its token, who started it, and none of ours", () =>
    Effect.gen(function* () {
      const options = yield* script("env > $HEADRACE_STAGING_DIR/env")
      process.env["PGPASSWORD"] = "hunter2"
      yield* Effect.addFinalizer(() => Effect.sync(() => delete process.env["PGPASSWORD"]))

      const running = yield* WorkerProcess.make(
        { ...options, env: { HEADRACE_PLUGINS: "a:B" } },
        Duration.zero
      )
      yield* running.exited

      const seen = fs.readFileSync(join(options.stagingDir, "env"), "utf8")
      assert.match(seen, /^HEADRACE_WORKER_TOKEN=[0-9a-f]{64}$/m)
      assert.include(seen, `HEADRACE_WORKER_STARTER=${process.pid}\n`)
      assert.match(seen, /^HEADRACE_PLUGINS=a:B$/m)
      assert.match(seen, /^PATH=/m)
      assert.notMatch(seen, /hunter2/)
    }).pipe(Effect.scoped)
  )
})

describe.skipIf(process.platform !== "linux")("the memory of a worker", () => {
  it.live("is Arrow's by the allocator that gives back what it does not need", () =>
    Effect.gen(function* () {
      const asks = "import pyarrow; print(pyarrow.default_memory_pool().backend_name)"
      const options = yield* script(`${python} -c '${asks}' > $HEADRACE_STAGING_DIR/pool`)

      const running = yield* WorkerProcess.make(options, Duration.zero)
      yield* running.exited

      assert.strictEqual(fs.readFileSync(join(options.stagingDir, "pool"), "utf8"), "jemalloc\n")
    }).pipe(Effect.scoped)
  )
})

describe("what a worker writes", () => {
  const logged: Array<{ readonly level: string; readonly message: unknown; readonly run: unknown }> = []
  const capture = Logger.layer([
    Logger.make(({ fiber, logLevel, message }) => {
      const run = fiber.getRef(References.CurrentLogAnnotations)["run_id"]
      logged.push({ level: logLevel, message: Array.isArray(message) ? message[0] : message, run })
    })
  ])

  it.effect("a structured line keeps its level and its run; any other line is a message", () =>
    Effect.gen(function* () {
      logged.length = 0

      yield* logLine('{"time":"2026-01-01T00:00:00Z","level":"ERROR","message":"no space","run_id":"run-1"}')
      yield* logLine("a stray print")

      assert.deepStrictEqual(logged, [
        { level: "Error", message: "no space", run: "run-1" },
        { level: "Info", message: "a stray print", run: undefined }
      ])
    }).pipe(Effect.provide(capture))
  )

  it.effect("lines survive being cut anywhere, and an endless one is cut short", () =>
    Effect.gen(function* () {
      const stream = new PassThrough()
      const lines: Array<string> = []
      readLines(stream, (line) => lines.push(line))

      for (const part of ["eins\nzw", "ei\n\n", "x".repeat(100_000), "\nEnde"]) stream.write(part)
      stream.end()
      yield* Effect.callback<void>((resume) => void stream.once("end", () => resume(Effect.void)))

      assert.deepStrictEqual(
        lines.map((line) => (line.length > 10 ? line.length : line)),
        ["eins", "zwei", 16 * 1024, "Ende"]
      )
    })
  )
})
