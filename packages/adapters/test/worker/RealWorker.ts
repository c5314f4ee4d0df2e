/** A real `python -m headrace.worker`, with the test endpoints, for tests that must hear the other side. */
import { contractFingerprint } from "@headrace/core/protocol/Fingerprint"
import { filled } from "@headrace/core/testing/Transcripts"
import { Deferred, Effect, Layer, Queue, Schema } from "effect"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Frames from "../../src/worker/Frames.ts"
import * as SocketPythonWorker from "../../src/worker/SocketPythonWorker.ts"
import * as WorkerProcess from "../../src/worker/WorkerProcess.ts"

const repository = new URL("../../../../", import.meta.url)

export const python = fileURLToPath(new URL(".venv/bin/python", repository))
const pythonPath = fileURLToPath(new URL("python/src", repository))
const env = { HEADRACE_PLUGINS: "headrace.testing.endpoints:ENDPOINTS" }

export const temporaryDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "headrace-test-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

/** `PythonWorker` over real processes; `options` say what a test wants otherwise. */
export const layer = (options: Partial<SocketPythonWorker.Options> = {}) =>
  Layer.unwrap(
    Effect.map(temporaryDirectory, (stagingDir) =>
      SocketPythonWorker.layer({ python, pythonPath, env, stagingDir, workers: 2, ...options })
    )
  )

const abandoned = `
import os, signal, sys
from headrace.staging import IngestionContext
from headrace.stagings import staging_provider

place = dict(tenant="acme", endpoint_id="numbers", unit_id="rows", sink_id="kb", run_id=sys.argv[1])
context = IngestionContext(**place, epoch=1, generation=1, slice_seq=0, slice=None, prev_hash="")
staging_provider("local_disk").allocate_session(context).writer().write_batch([{"id": 1}])
os.kill(os.getpid(), signal.SIGKILL)
`

/** A process that stages a slice of the run on local disk and is killed before it can clean up. */
export const dieWhileStaging = (runId: string, stagingDir: string) =>
  Effect.callback<void>((resume) => {
    const child = spawn(python, ["-c", abandoned, runId], {
      env: { PYTHONPATH: pythonPath, HEADRACE_STAGING_DIR: stagingDir },
      stdio: "inherit"
    })
    child.on("exit", (_, name) =>
      resume(name === "SIGKILL" ? Effect.void : Effect.die(new Error(`it ended by ${name}, not SIGKILL`)))
    )
  })

const Received = Schema.Record(Schema.String, Schema.Json)
const decodeReceived = Schema.decodeUnknownSync(Received)
type Received = typeof Received.Type

const isProgress = Schema.is(
  Schema.Struct({
    _tag: Schema.Literal("Chunk"),
    requestId: Schema.Int,
    values: Schema.Tuple([Schema.Struct({ _tag: Schema.Literal("Progress") })])
  })
)

const hello = {
  _tag: "Request",
  id: 0,
  tag: "hello",
  payload: { protocol: { min: 1, max: 1 }, token: "<token>", contractFingerprint: "<fingerprint>" },
  headers: []
}

/** One worker process and a bare connection to it, played as `protocol/README.md` says. */
export const bare = Effect.gen(function* () {
  const stagingDir = yield* temporaryDirectory
  const running = yield* WorkerProcess.make({ python, pythonPath, env, stagingDir }, "5 seconds")
  const socket = yield* Effect.acquireRelease(WorkerProcess.connection(running, "20 seconds"), (open) =>
    Effect.sync(() => open.destroy())
  )
  const decode = Frames.makeDecoder()
  const closed = yield* Deferred.make<void>()
  const queues = new Map<Schema.Json | undefined, Queue.Queue<Received>>()
  const queueOf = (requestId: Schema.Json | undefined) => {
    const queue = queues.get(requestId) ?? Effect.runSync(Queue.unbounded<Received>())
    queues.set(requestId, queue)
    return queue
  }
  const values = new Map([
    ["<token>", running.token],
    ["<fingerprint>", contractFingerprint]
  ])
  const write = (frame: unknown) => void socket.write(Frames.encode(frame))
  const hear = (frame: Received): void => {
    if (isProgress(frame)) write({ _tag: "Ack", requestId: frame["requestId"] })
    else Queue.offerUnsafe(queueOf(frame["requestId"]), frame)
  }
  socket.on("data", (bytes) => {
    for (const frame of decode(bytes)) hear(decodeReceived(frame))
  })
  socket.on("error", () => socket.destroy())
  socket.on("close", () => Deferred.doneUnsafe(closed, Effect.void))

  const send = (frame: Schema.Json) => Effect.sync(() => write(filled(frame, values)))
  const receive = (requestId: Schema.Json | undefined) => Queue.take(queueOf(requestId))
  return {
    send,
    /** The next frame of this request, or the next of none. */
    receive,
    closed: Deferred.await(closed),
    greet: Effect.andThen(send(hello), receive(0))
  }
})
