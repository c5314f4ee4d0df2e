/**
 * Keeps workers running: each slot starts a process, says hello, offers it to
 * the pool, and when it is gone starts the next, sooner after a long life and
 * later after failures. Ready means that `hello` came back, not that a file exists.
 */
import { contractFingerprint } from "@headrace/core/protocol/Fingerprint"
import { protocolVersion } from "@headrace/core/protocol/Protocol"
import { type PythonWorkerError, WorkerLost, WorkerUnavailable } from "@headrace/core/services/PythonWorker"
import { Clock, Duration, Effect, Random } from "effect"
import { RpcClient, type RpcClientError } from "effect/rpc"
import { typedAnswer } from "./WorkerFailures.ts"
import type { WorkerPool } from "./WorkerPool.ts"
import * as WorkerProcess from "./WorkerProcess.ts"
import * as WorkerProtocol from "./WorkerProtocol.ts"
import { WorkerRpcs } from "./WorkerRpcs.ts"
import * as WorkerSocket from "./WorkerSocket.ts"

export interface Timing {
  /** From the start of a process to its hello. */
  readonly start: Duration.Duration
  /** A process that was told to stop is killed after it. */
  readonly termination: Duration.Duration
  /** A call that was interrupted is answered within it, or its worker is replaced. */
  readonly interruption: Duration.Duration
  /** A worker that says nothing for so long, not even that it lives, is replaced. */
  readonly silence: Duration.Duration
  /** One that lives and moves no row of its run for so long is replaced: its source or sink does not answer. */
  readonly stall: Duration.Duration
  readonly pingEvery: Duration.Duration
}

export const defaultTiming: Timing = {
  start: Duration.seconds(30),
  termination: Duration.seconds(5),
  interruption: Duration.seconds(1),
  silence: Duration.seconds(90),
  stall: Duration.minutes(15),
  pingEvery: Duration.seconds(10)
}

export interface Options extends WorkerProcess.Options {
  readonly onFrame?: WorkerSocket.OnFrame | undefined
  readonly timing: Timing
}

/** A worker that has answered `hello`. */
export interface Worker {
  readonly pid: number
  readonly rpc: RpcClient.FromGroup<typeof WorkerRpcs, RpcClientError.RpcClientError>
  readonly openCalls: () => number
  /** False as soon as its connection is gone. */
  readonly isUsable: () => boolean
  /** Bytes of frames that went either way so far. */
  readonly frameBytes: () => number
  /** Completes when everything it was asked under this name is answered. */
  readonly settled: (tag: string) => Effect.Effect<void>
  /** Completes with the reason when it is of no use any more. */
  readonly ended: Effect.Effect<WorkerSocket.Ended>
  /** Gives it up for `detail` and completes when the process is gone. */
  readonly giveUp: (detail: string) => Effect.Effect<void>
}

const hello = (rpc: Worker["rpc"], token: string, patience: Duration.Input) =>
  typedAnswer(
    rpc.hello({ protocol: { min: protocolVersion, max: protocolVersion }, token, contractFingerprint })
  ).pipe(
    Effect.mapError(refusal),
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(new WorkerUnavailable({ detail: "the worker did not answer hello in time" }))
    })
  )

const refusal = ({ reason }: PythonWorkerError) =>
  new WorkerUnavailable({ detail: `the worker refused hello: ${saidBy(reason)}` })

const saidBy = (reason: PythonWorkerError["reason"]): string => {
  if (reason._tag === "RequestRejected") return reason.problem.message
  return reason._tag === "WorkerContractViolation" ? reason.issue : reason.detail
}

/** Starts one worker for the length of the scope. */
export const start = Effect.fnUntraced(function* (options: Options) {
  const { timing } = options
  const running = yield* WorkerProcess.make(options, timing.termination)
  let frameBytes = 0
  const socket = yield* WorkerSocket.make(yield* WorkerProcess.connection(running, timing.start), {
    onFrame: (direction, bytes) => {
      frameBytes += bytes
      options.onFrame?.(direction, bytes)
    },
    pingEvery: timing.pingEvery,
    silence: timing.silence,
    whyClosed: Effect.map(running.exited, (how) => `worker ${running.pid} ended: ${how}`)
  })
  const connection = yield* WorkerProtocol.make(socket)
  const rpc = yield* RpcClient.make(WorkerRpcs, { spanPrefix: "PythonWorker" }).pipe(
    Effect.provideService(RpcClient.Protocol, connection.protocol)
  )
  const answer = yield* hello(rpc, running.token, timing.start)
  yield* Effect.logDebug("worker ready").pipe(
    Effect.annotateLogs({ worker: running.pid, endpoints: answer.endpoints })
  )
  const worker: Worker = {
    pid: running.pid,
    rpc,
    openCalls: connection.openCalls,
    isUsable: socket.isOpen,
    frameBytes: () => frameBytes,
    settled: connection.settled,
    ended: socket.ended,
    giveUp: (detail) =>
      Effect.andThen(
        Effect.sync(() => socket.end(new WorkerLost({ detail }))),
        running.exited
      ).pipe(Effect.asVoid)
  }
  return worker
})

/** Delay before the next start after so many failures in a row: 50 ms doubling to 2 s, less up to half by chance. */
const backOff = (failures: number) =>
  Effect.map(Random.nextBetween(0.5, 1), (part) => Math.min(2000, 50 * 2 ** Math.max(0, failures)) * part)

/** A worker that lived so long was no failure to start. */
const longLife = Duration.seconds(10)

/** One worker from its start to its end. Returns how long it lived, in milliseconds. */
const life = (options: Options, pool: WorkerPool<Worker>) =>
  Effect.gen(function* () {
    const begun = yield* Clock.currentTimeMillis
    const worker = yield* start(options)
    yield* pool.offered(worker)
    const reason = yield* Effect.ensuring(worker.ended, pool.withdrawn(worker))
    yield* Effect.logWarning(`worker lost, another one starts: ${saidBy(reason)}`)
    return (yield* Clock.currentTimeMillis) - begun
  }).pipe(Effect.scoped)

const noWorker = ({ detail }: WorkerUnavailable): string =>
  `no worker could be had: ${detail}; it is tried again and again. What is missing: headrace doctor`

/** Keeps one worker in the pool until it is interrupted. */
export const keepRunning = (options: Options, pool: WorkerPool<Worker>): Effect.Effect<never> =>
  Effect.suspend(() => {
    let failures = 0
    const failed = (error: WorkerUnavailable) =>
      Effect.flatMap(pool.startFailed(error), (isNew) =>
        Effect.as(isNew ? Effect.logWarning(noWorker(error)) : Effect.logDebug(noWorker(error)), 0)
      )
    return life(options, pool).pipe(
      Effect.catch(failed),
      Effect.flatMap((lived) => {
        failures = lived > Duration.toMillis(longLife) ? 0 : failures + 1
        return Effect.flatMap(backOff(failures - 1), Effect.sleep)
      }),
      Effect.forever
    )
  })
