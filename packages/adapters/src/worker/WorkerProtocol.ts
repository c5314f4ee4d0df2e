/**
 * effect/rpc's client protocol over one worker's connection, on which nobody
 * waits for anybody: each stream has a queue of its own, so a slow consumer
 * delays neither other calls nor the heartbeat. It also knows what the client
 * forgets: a call that was interrupted is open until the worker has answered it.
 */
import { WorkerContractViolation } from "@headrace/core/services/PythonWorker"
import { Deferred, Effect, Queue, Schema, type Scope } from "effect"
import { RpcClient, RpcClientError, type RpcMessage } from "effect/rpc"
import { problemOfDefect } from "./WorkerFailures.ts"
import type { Ended, FromWorker, WorkerSocket } from "./WorkerSocket.ts"

/** Chunks of one stream that may wait for their `Ack`. A worker that sends more breaks the contract. */
export const window = 4

interface OpenRequest {
  readonly clientId: number
  readonly tag: string
  readonly chunks: Queue.Queue<Extract<FromWorker, { readonly requestId: number }>>
  unacknowledged: number
  isAbandoned: boolean
  isStream: boolean
}

export interface WorkerProtocol {
  readonly protocol: RpcClient.Protocol["Service"]
  /** Requests the worker has not answered yet. */
  readonly openCalls: () => number
  /** Completes when the worker has answered every `tag` it was asked, interrupted ones included. */
  readonly settled: (tag: string) => Effect.Effect<void>
}

/** effect/rpc knows no error of ours: the reason travels inside its own, and `WorkerFailures` takes it out. */
const clientError = (reason: Ended) =>
  new RpcClientError.RpcClientError({
    reason: new RpcClientError.RpcClientDefect({ message: reason._tag, cause: reason })
  })

/** A defect of the worker reaches the caller as a problem it can handle; the defects left are ours. */
const withoutDefects = (message: Extract<FromWorker, { readonly _tag: "Exit" }>) => {
  const { exit } = message
  if (exit._tag === "Success") return message
  const cause = exit.cause.map((reason) =>
    reason._tag === "Die" ? { _tag: "Fail" as const, error: problemOfDefect(reason.defect.name) } : reason
  )
  return { ...message, exit: { ...exit, cause } }
}

export const make = Effect.fnUntraced(function* (socket: WorkerSocket) {
  const scope = yield* Effect.scope
  const open = new Map<string | number, OpenRequest>()
  let waiting: ReadonlyArray<{ readonly tag: string; readonly settled: Deferred.Deferred<void> }> = []

  const isOpen = (tag: string) => [...open.values()].some((request) => request.tag === tag)
  const tellWaiting = (): void => {
    const [stillOpen, settled] = [
      waiting.filter(({ tag }) => isOpen(tag)),
      waiting.filter(({ tag }) => !isOpen(tag))
    ]
    waiting = stillOpen
    for (const waiter of settled) Deferred.doneUnsafe(waiter.settled, Effect.void)
  }
  const settled = (tag: string) =>
    Effect.suspend(() => {
      if (!isOpen(tag)) return Effect.void
      const waiter = { tag, settled: Deferred.makeUnsafe<void>() }
      waiting = [...waiting, waiter]
      return Deferred.await(waiter.settled)
    })

  const protocol = yield* RpcClient.Protocol.make((writeResponse, clientIds) => {
    const deliver = deliverWith(writeResponse, scope)

    const answered = Effect.fnUntraced(function* (message: Exclude<FromWorker, { readonly _tag: "Pong" }>) {
      const request = open.get(message.requestId)
      if (request === undefined) return violated(socket, `no request ${message.requestId} is open`)
      if (message._tag === "Exit") {
        open.delete(message.requestId)
        tellWaiting()
      } else request.unacknowledged += 1
      if (request.unacknowledged > window)
        return violated(socket, `more than ${window} chunks wait for their Ack`)
      return request.isAbandoned ? undefined : yield* deliver(request, message)
    })

    const listen = socket.receive.pipe(
      Effect.flatMap((message) => (message._tag === "Pong" ? Effect.void : answered(message))),
      Effect.forever,
      Effect.catch((reason) => {
        open.clear()
        tellWaiting()
        const message = { _tag: "ClientProtocolError" as const, error: clientError(reason) }
        return Effect.forEach([...clientIds], (id) => writeResponse(id, message), { discard: true })
      })
    )

    const send = (clientId: number, message: RpcMessage.FromClientEncoded) => {
      const reason = socket.endedUnsafe()
      if (reason !== undefined) return Effect.fail(clientError(reason))
      if (message._tag === "Request") open.set(message.id, opened(clientId, message.tag))
      if (message._tag === "Ack" || message._tag === "Interrupt") {
        const request = open.get(message.requestId)
        if (request === undefined) return Effect.void
        if (message._tag === "Ack") request.unacknowledged -= 1
        else abandon(request)
      }
      const refused = () => Effect.sync(() => "id" in message && open.delete(message.id))
      return Effect.orDie(Effect.tapError(socket.send(message), refused))
    }

    return Effect.as(Effect.forkScoped(listen), {
      send,
      supportsAck: true,
      supportsTransferables: false,
      codecFor: Schema.toCodecJson
    })
  })

  const made: WorkerProtocol = { protocol, openCalls: () => open.size, settled }
  return made
})

const violated = (socket: WorkerSocket, issue: string): void =>
  socket.end(new WorkerContractViolation({ issue }))

const opened = (clientId: number, tag: string): OpenRequest => ({
  clientId,
  tag,
  chunks: Effect.runSync(Queue.unbounded()),
  unacknowledged: 0,
  isAbandoned: false,
  isStream: false
})

const abandon = (request: OpenRequest): void => {
  request.isAbandoned = true
  Queue.shutdownUnsafe(request.chunks)
}

type Write = (clientId: number, message: RpcMessage.FromServerEncoded) => Effect.Effect<void>

/** Answers of a stream go through its queue, drained by a fiber of its own; everything else goes straight on. */
const deliverWith = (write: Write, scope: Scope.Scope) => {
  const drain = (request: OpenRequest) =>
    Queue.take(request.chunks).pipe(
      Effect.tap((message) => pass(request, message)),
      Effect.repeat({ until: (message) => message._tag === "Exit" }),
      // A queue that was shut down belongs to a request that was interrupted.
      Effect.ignoreCause,
      Effect.forkIn(scope)
    )
  const pass = (request: OpenRequest, message: Exclude<FromWorker, { readonly _tag: "Pong" }>) =>
    write(request.clientId, message._tag === "Exit" ? withoutDefects(message) : message)

  return (request: OpenRequest, message: Exclude<FromWorker, { readonly _tag: "Pong" }>) => {
    if (message._tag === "Exit" && !request.isStream) return pass(request, message)
    Queue.offerUnsafe(request.chunks, message)
    if (request.isStream) return Effect.void
    request.isStream = true
    return Effect.asVoid(drain(request))
  }
}
