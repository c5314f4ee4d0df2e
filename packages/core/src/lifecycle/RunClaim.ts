/**
 * Is the unit still this run's? The state row is the order: whoever pauses,
 * resets or takes over a unit writes there, in whatever process, and the run
 * reads it before every slice counts and while it waits.
 */
import { Clock, Context, Duration, Effect, Layer, Option } from "effect"
import type { IngestionUnitState } from "../domain/IngestionUnitState.ts"
import type { Run } from "../services/RunRepo.ts"
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

    /** Fails with `RunRevoked` once the run must end: at once when it lost the unit, a minute after a pause. */
    readonly untilRevoked: (run: Run) => Effect.Effect<never, RunRevoked>
  }
>()("@headrace/core/lifecycle/RunClaim") {
  static readonly layer: Layer.Layer<RunClaim, never, UnitStateRepo> = Layer.effect(
    RunClaim,
    Effect.gen(function* () {
      const units = yield* UnitStateRepo
      const order = (run: Run) => Effect.map(units.get(run.unit), (state) => orderIn(state, run))

      return RunClaim.of({
        holds: (run) => Effect.map(order(run), (said) => said === "carry on"),
        untilRevoked: Effect.fn("RunClaim.untilRevoked")(function* (run) {
          let pausedSince: number | null = null
          while (true) {
            yield* Effect.sleep(glance)
            // A store that does not answer gives no order; the run meets it at its next slice anyway.
            const said: Order = yield* order(run).pipe(
              Effect.tapError((error) =>
                Effect.logWarning("The state of a running unit could not be read", error)
              ),
              Effect.orElseSucceed(() => "carry on" as const)
            )
            const now: number = yield* Clock.currentTimeMillis
            pausedSince = said === "wind down" ? (pausedSince ?? now) : null
            const isOverdue = pausedSince !== null && now - pausedSince >= Duration.toMillis(drain)
            if (said === "end now" || isOverdue) return yield* new RunRevoked()
          }
        })
      })
    })
  )
}
