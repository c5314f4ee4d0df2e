/**
 * `PythonWorker` as a pool of warm Python processes, each on a socket of its
 * own. A run has its worker to itself; light calls share. What a worker says is
 * decoded strictly, and everything that can go wrong arrives as a
 * `PythonWorkerError`.
 */
import type { RunEvent, RunIngestionUnit } from "@headrace/core/protocol/Protocol"
import { PythonWorker, type PythonWorkerError } from "@headrace/core/services/PythonWorker"
import { Effect, Layer, Stream } from "effect"
import { mkdirSync } from "node:fs"
import { resolve } from "node:path"
import { type RunProgress, makeProgress, watched } from "./RunProgress.ts"
import * as Supervisor from "./Supervisor.ts"
import { failed, noSuchRun, typedAnswer, typedStream } from "./WorkerFailures.ts"
import * as WorkerPool from "./WorkerPool.ts"
import type { OnFrame } from "./WorkerSocket.ts"

export interface Options {
  /** Path or name of an interpreter that has the data plane's dependencies. */
  readonly python: string
  /** Where the package `headrace` is imported from, when it is not installed for that interpreter. */
  readonly pythonPath?: string | undefined
  /** How many processes are kept warm; as many runs can stream at once. */
  readonly workers: number
  /** Where staging on local disk is kept; made when it is missing. */
  readonly stagingDir: string
  /** Added to a worker's environment, which is otherwise clean. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Counts the bytes of frames as they pass. */
  readonly onFrame?: OnFrame | undefined
  readonly timing?: Partial<Supervisor.Timing> | undefined
}

interface Running {
  readonly worker: Supervisor.Worker
  readonly progress: RunProgress
}

const make = Effect.fnUntraced(function* (options: Options) {
  const stagingDir = resolve(options.stagingDir)
  mkdirSync(stagingDir, { recursive: true, mode: 0o700 })
  const timing = { ...Supervisor.defaultTiming, ...options.timing }
  const pool = WorkerPool.make<Supervisor.Worker>(options.workers)
  const runs = new Map<string, Running>()
  const keep = Supervisor.keepRunning({ ...options, stagingDir, timing }, pool)
  yield* Effect.forkScoped(Effect.replicateEffect(keep, options.workers, { concurrency: "unbounded" }))

  const ask = <A, E>(call: (rpc: Supervisor.Worker["rpc"]) => Effect.Effect<A, E>) =>
    pool.leastBusy.pipe(
      Effect.mapError(failed),
      Effect.flatMap(({ rpc }) => typedAnswer(call(rpc)))
    )

  /** A worker that does not end its run soon is ended itself: afterwards nothing of the run is alive. */
  const release = (worker: Supervisor.Worker) =>
    Effect.timeoutOrElse(worker.settled("runIngestionUnit"), {
      duration: timing.interruption,
      orElse: () => worker.giveUp("it did not stop a run that was interrupted, and was terminated")
    })

  const runIngestionUnit = (request: RunIngestionUnit): Stream.Stream<RunEvent, PythonWorkerError> =>
    Effect.gen(function* () {
      const worker = yield* Effect.mapError(pool.takeIdle(release), failed)
      const progress = makeProgress()
      const before = worker.frameBytes()
      yield* Effect.acquireRelease(
        Effect.sync(() => runs.set(request.runId, { worker, progress })),
        () =>
          Effect.andThen(
            Effect.sync(() => runs.delete(request.runId)),
            Effect.logDebug("run has left its worker").pipe(
              Effect.annotateLogs({ run_id: request.runId, frameBytes: worker.frameBytes() - before })
            )
          )
      )
      const events = typedStream(worker.rpc.runIngestionUnit(request))
      return watched(events, progress, timing.stall, worker.giveUp)
    }).pipe(Stream.unwrap)

  return PythonWorker.of({
    listTemplates: (family) => ask((rpc) => rpc.listTemplates({ family })),
    buildConnection: (request) => ask((rpc) => rpc.buildConnection(request)),
    testConnection: (request) => ask((rpc) => rpc.testConnection(request)),
    listUnits: (request) => ask((rpc) => rpc.listUnits(request)),
    preview: (request) => ask((rpc) => rpc.preview(request)),
    runIngestionUnit,
    decide: (request) =>
      Effect.suspend(() => {
        const run = runs.get(request.runId)
        if (run === undefined) return Effect.fail(noSuchRun(request.runId))
        run.progress.decided()
        return typedAnswer(run.worker.rpc.decide(request))
      }),
    sweepStaging: (request) => ask((rpc) => rpc.sweepStaging(request))
  })
})

/**
 * Starts `workers` processes in the background and ends them with the scope. A
 * call made before the first is ready waits for it, and fails with
 * `WorkerUnavailable` when none can be started; the layer itself never fails.
 */
export const layer = (options: Options): Layer.Layer<PythonWorker> =>
  Layer.effect(PythonWorker, make(options))
