/**
 * Is the unit still this run's? The state row is the order: whoever pauses,
 * resets or takes over a unit writes there, in whatever process, and the run
 * reads it before every slice counts and while it waits. Meanwhile it renews
 * its lease, here and nowhere else: what outlived the run would keep its unit.
 */
import { Clock, Context, Duration, Effect, Layer, Option } from "effect"
import type { IngestionUnitState } from "../domain/IngestionUnitState.ts"
import { LeaseTimes, type Run, RunRepo, type RunRepoError } from "../services/RunRepo.ts"
import { UnitStateRepo, type UnitStateRepoError } from "../services/UnitStateRepo.ts"
import { RunRevoked } from "./RunFailure.ts"

/** How long a paused run may take to its next slice boundary before the slice is given up. */
export const drain = Duration.minutes(1)

/** How soon a run learns of an order that another process gave. */
const glance = Duration.seconds(1)

type Order = "carry on" | "wind down" | "end now"

const orderIn = (state: Option.Option<IngestionUnitState>, run: Run): Order => {
  if (Option.isNone(state) || state.value.lastRunId !== run.runId) return "end now"
  if (state.value.state === "RUNNING") return "carry on"
  return state.value.state === "PAUSED" ? "wind down" : "end now"
}

export class RunClaim extends Context.Service<
  RunClaim,
  {
    /** May what the run does next count? */
    readonly holds: (run: Run) => Effect.Effect<boolean, UnitStateRepoError>

    /** Renews the lease, and fails with `RunRevoked` once the run must end: at once when it lost the unit, a minute after a pause. */
    readonly untilRevoked: (run: Run) => Effect.Effect<never, RunRevoked>
  }
>()("@headrace/core/lifecycle/RunClaim") {
  static readonly layer: Layer.Layer<RunClaim, never, RunRepo | UnitStateRepo> = Layer.effect(
    RunClaim,
    Effect.gen(function* () {
      const { renew } = yield* LeaseTimes
      const runs = yield* RunRepo
      const units = yield* UnitStateRepo
      const order = (run: Run) => Effect.map(units.get(run.unit), (state) => orderIn(state, run))

      /** A store that does not answer gives no order; the run meets it at its next slice anyway. */
      const heard = <A>(asking: Effect.Effect<A, RunRepoError | UnitStateRepoError>, otherwise: A) =>
        asking.pipe(
          Effect.tapError((error) =>
            Effect.logWarning("A running unit could not be looked at, or its lease renewed", error)
          ),
          Effect.orElseSucceed(() => otherwise)
        )

      const renewing = (run: Run) =>
        heard(runs.renew(run), true).pipe(
          Effect.delay(renew),
          Effect.repeat({ while: (holds: boolean) => holds }),
          Effect.andThen(Effect.fail(new RunRevoked()))
        )

      const watching = Effect.fnUntraced(function* (run: Run) {
        let pausedSince: number | null = null
        while (true) {
          yield* Effect.sleep(glance)
          const said: Order = yield* heard(order(run), "carry on")
          const now: number = yield* Clock.currentTimeMillis
          pausedSince = said === "wind down" ? (pausedSince ?? now) : null
          const isOverdue = pausedSince !== null && now - pausedSince >= Duration.toMillis(drain)
          if (said === "end now" || isOverdue) return yield* new RunRevoked()
        }
      })

      return RunClaim.of({
        holds: (run) => Effect.map(order(run), (said) => said === "carry on"),
        untilRevoked: Effect.fn("RunClaim.untilRevoked")((run) =>
          Effect.raceFirst(watching(run), renewing(run))
        )
      })
    })
  )
}
