/** A socket server that says what a test tells it to, garbage included, and a client connected to it. */
import { Effect, Queue } from "effect"
import { RpcClient } from "effect/rpc"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer, Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Frames from "../../src/worker/Frames.ts"
import * as WorkerProtocol from "../../src/worker/WorkerProtocol.ts"
import { WorkerRpcs } from "../../src/worker/WorkerRpcs.ts"
import * as WorkerSocket from "../../src/worker/WorkerSocket.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "headrace-test-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const accepted = (path: string) =>
  Effect.callback<readonly [client: Socket, peer: Socket]>((resume) => {
    const server = createServer((peer) => {
      server.close()
      resume(Effect.succeed([client, peer]))
    })
    server.listen(path, () => client.connect(path))
    const client = new Socket()
  })

/** What the client is connected to: `heard` are its frames, `say` sends bytes as they are. */
export const make = Effect.fnUntraced(function* (options: Partial<WorkerSocket.Options> = {}) {
  const [client, peer] = yield* accepted(join(yield* directory, "peer.sock"))
  const heard = yield* Queue.unbounded<unknown>()
  const decode = Frames.makeDecoder()
  peer.on("data", (bytes) => void Queue.offerAllUnsafe(heard, decode(bytes)))
  peer.on("error", () => peer.destroy())
  yield* Effect.addFinalizer(() => Effect.sync(() => peer.destroy()))

  const socket = yield* WorkerSocket.make(client, {
    pingEvery: "1 hour",
    silence: "1 hour",
    whyClosed: Effect.never,
    ...options
  })
  const connection = yield* WorkerProtocol.make(socket)
  const rpc = yield* RpcClient.make(WorkerRpcs).pipe(
    Effect.provideService(RpcClient.Protocol, connection.protocol)
  )
  return {
    rpc,
    connection,
    socket,
    heard: Queue.take(heard),
    say: (bytes: Uint8Array) => Effect.sync(() => void peer.write(bytes)),
    answer: (message: unknown) => Effect.sync(() => void peer.write(Frames.encode(message))),
    hangUp: Effect.sync(() => void peer.destroy())
  }
})
