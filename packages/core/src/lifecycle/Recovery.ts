/**
 * What was left behind: an end of a run that no store would take, a run whose
 * lease has passed, the staging that belongs to no living run. Done at the start
 * and again and again, since any process may find what another left.
 */
import { Cause, Context, Effect, Layer, Schedule } from "effect"
import { PythonWorker, type PythonWorkerError } from "../services/PythonWorker.ts"
import { LeaseTimes, RunRepo, type RunRepoError } from "../services/RunRepo.ts"
import { lastErrorOf, OwnerLost } from "./RunFailure.ts"
import { RunSettlement } from "./RunSettlement.ts"

export class Recovery extends Context.Service<
  Recovery,
  {
    /**
     * Records the ends of this process's runs that no store would take, then ends every orphan
     * as `WORKER_LOST` and sweeps staging when there was one. Answers how many orphans there were.
     */
    readonly recover: Effect.Effect<number, RunRepoError>

    /** Deletes staging of runs that are neither open nor alive. */
    readonly sweep: Effect.Effect<void, PythonWorkerError | RunRepoError>
  }
>()("@headrace/core/lifecycle/Recovery") {
  static readonly layer: Layer.Layer<Recovery, never, PythonWorker | RunRepo | RunSettlement> = Layer.effect(
    Recovery,
    Effect.gen(function* () {
      const runs = yield* RunRepo
      const settlement = yield* RunSettlement
      const worker = yield* PythonWorker

      const reason = lastErrorOf(Cause.fail(new OwnerLost()), null)

      const sweep = Effect.gen(function* () {
        const keep = (yield* runs.openRuns).map(({ runId }) => runId)
        const swept = yield* worker.sweepStaging({ olderThanSeconds: 0, keep })
        if (swept.sessions > 0) yield* Effect.logInfo("Staging of dead runs was swept", swept)
      })

      return Recovery.of({
        sweep,
        recover: Effect.gen(function* () {
          yield* settlement
            .settleLeft(null)
            .pipe(Effect.catch((error) => Effect.logWarning("Ended runs could not be recorded yet", error)))
          const orphans = yield* runs.orphans
          for (const run of orphans) yield* settlement.settle(run, { _tag: "Failed", reason })
          if (orphans.length > 0)
            yield* sweep.pipe(Effect.catch((error) => Effect.logWarning("Staging could not be swept", error)))
          return orphans.length
        })
      })
    })
  )

  /** Recovers when it is built and again and again (`LeaseTimes`) while it lives. A round that fails, whatever the reason, is logged; the next one comes. */
  static readonly layerRounds: Layer.Layer<never, never, Recovery> = Layer.effectDiscard(
    Effect.gen(function* () {
      const { recover } = yield* Recovery
      const { sweep } = yield* LeaseTimes
      const round = recover.pipe(
        Effect.catchCause((cause) => Effect.logWarning("Orphaned runs could not be ended", cause))
      )
      yield* round
      yield* Effect.forkScoped(Effect.repeat(Effect.delay(round, sweep), Schedule.forever))
    })
  )
}
