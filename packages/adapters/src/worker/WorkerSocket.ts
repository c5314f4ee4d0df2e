/**
 * One connection to a worker, as messages: bytes are framed, scanned and
 * decoded into the envelope here, and nowhere else. It ends once, with the
 * reason: the peer hung up or fell silent (`WorkerLost`), or it said something
 * that is no word of the protocol (`WorkerContractViolation`).
 */
import { WorkerContractViolation, WorkerLost } from "@headrace/core/services/PythonWorker"
import { Cause, Clock, Deferred, Duration, Effect, Queue, Result, Schema } from "effect"
import type { RpcMessage } from "effect/rpc"
import type { Socket } from "node:net"
import * as Frames from "./Frames.ts"

export type Ended = WorkerLost | WorkerContractViolation

/** What the worker may say. `exit` and `values` are decoded by the call they answer. */
const FromWorker = Schema.Union([
  Schema.TaggedStruct("Chunk", {
    requestId: Schema.Int,
    values: Schema.NonEmptyArray(Schema.Unknown)
  }),
  Schema.TaggedStruct("Exit", {
    requestId: Schema.Int,
    exit: Schema.Union([
      Schema.TaggedStruct("Success", { value: Schema.Unknown }),
      Schema.TaggedStruct("Failure", {
        cause: Schema.NonEmptyArray(
          Schema.Union([
            Schema.TaggedStruct("Fail", { error: Schema.Unknown }),
            Schema.TaggedStruct("Die", {
              defect: Schema.Struct({ name: Schema.String, message: Schema.String })
            }),
            Schema.TaggedStruct("Interrupt", { fiberId: Schema.Null })
          ])
        )
      })
    ])
  }),
  Schema.TaggedStruct("Pong", {})
])
export type FromWorker = typeof FromWorker.Type

const decode = Schema.decodeUnknownResult(FromWorker, { onExcessProperty: "error" })

/** Called with the bytes of frames, length prefixes included, as they are sent or received. */
export type OnFrame = (direction: "in" | "out", bytes: number) => void

export interface Options {
  readonly onFrame?: OnFrame | undefined
  /** How often a `Ping` asks whether the worker still answers. */
  readonly pingEvery: Duration.Input
  /** A connection on which nothing was heard for so long is over. */
  readonly silence: Duration.Input
  /** Completes with the reason, where one can be known, after the peer has hung up. */
  readonly whyClosed: Effect.Effect<string>
}

export interface WorkerSocket {
  /** Completes when the bytes are with the system; what is sent after the end goes nowhere. */
  readonly send: (message: RpcMessage.FromClientEncoded) => Effect.Effect<void, Frames.FrameRefused>
  /** In order of arrival; fails with the reason when the connection has ended and everything was taken. */
  readonly receive: Effect.Effect<FromWorker, Ended>
  /** Completes with the reason when the connection has ended. */
  readonly ended: Effect.Effect<Ended>
  readonly endedUnsafe: () => Ended | undefined
  /** False as soon as the peer has hung up, also while the reason is still being asked for. */
  readonly isOpen: () => boolean
  /** Closes the connection for `reason`, unless it has ended already. */
  readonly end: (reason: Ended) => void
}

const write = (socket: Socket, bytes: Buffer) =>
  Effect.callback<void>((resume) => {
    // An error ends the connection by its own event; the writer need not know.
    socket.write(bytes, () => resume(Effect.void))
  })

/** Takes over a connected socket for the length of the scope. */
export const make = Effect.fnUntraced(function* (socket: Socket, options: Options) {
  const clock = yield* Clock.Clock
  const received = yield* Queue.unbounded<FromWorker, Ended>()
  const ended = yield* Deferred.make<Ended>()
  const decodeFrames = Frames.makeDecoder()
  let reason: Ended | undefined
  let lastHeard = clock.currentTimeMillisUnsafe()

  const end = (why: Ended): void => {
    if (reason !== undefined) return
    reason = why
    Queue.failCauseUnsafe(received, Cause.fail(why))
    Deferred.doneUnsafe(ended, Effect.succeed(why))
    socket.destroy()
  }
  const violated = (issue: string) => end(new WorkerContractViolation({ issue }))

  const hear = (bytes: Buffer): void => {
    lastHeard = clock.currentTimeMillisUnsafe()
    options.onFrame?.("in", bytes.length)
    try {
      for (const message of decodeFrames(bytes)) {
        const word = decode(message)
        if (Result.isFailure(word)) return violated(`envelope: ${word.failure.message}`)
        Queue.offerUnsafe(received, word.success)
      }
    } catch (error) {
      if (!(error instanceof Frames.FrameRefused)) throw error
      violated(error.message)
    }
  }

  const lost = (detail: string) => end(new WorkerLost({ detail }))
  const hungUp = yield* Deferred.make<string>()
  socket.on("data", hear)
  socket.on("error", (error) =>
    Deferred.doneUnsafe(hungUp, Effect.succeed(`the connection broke: ${error.message}`))
  )
  socket.on("close", () => Deferred.doneUnsafe(hungUp, Effect.succeed("the worker closed the connection")))
  yield* Deferred.await(hungUp).pipe(
    Effect.flatMap((how) =>
      Effect.timeoutOrElse(options.whyClosed, { duration: "500 millis", orElse: () => Effect.succeed(how) })
    ),
    Effect.map(lost),
    Effect.forkScoped
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => lost("the connection was closed on our side")))

  const send = (message: RpcMessage.FromClientEncoded) =>
    Effect.suspend(() => {
      if (reason !== undefined) return Effect.void
      const bytes = Frames.encode(message)
      options.onFrame?.("out", bytes.length)
      return write(socket, bytes)
    }).pipe(
      Effect.catchDefect((defect) =>
        defect instanceof Frames.FrameRefused ? Effect.fail(defect) : Effect.die(defect)
      )
    )

  const silence = Duration.toMillis(options.silence)
  const heartbeat = Effect.gen(function* () {
    yield* Effect.sleep(options.pingEvery)
    const silent = clock.currentTimeMillisUnsafe() - lastHeard
    if (silent > silence) lost(`nothing was heard from the worker for ${Math.round(silent / 1000)} s`)
    else yield* Effect.orDie(send({ _tag: "Ping" }))
  })
  yield* Effect.forkScoped(Effect.forever(heartbeat))

  const made: WorkerSocket = {
    send,
    receive: Queue.take(received),
    ended: Deferred.await(ended),
    endedUnsafe: () => reason,
    isOpen: () => reason === undefined && !Deferred.isDoneUnsafe(hungUp),
    end
  }
  return made
})
