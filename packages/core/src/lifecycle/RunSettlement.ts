/**
 * The end of a run, whoever ends it: the unit's state settled, the run closed,
 * and exactly one terminal event, in this order. A unit that was paused or
 * reset meanwhile stays so; then that is how the run ended.
 *
 * Settling never fails. A store that cannot be reached is asked again for a
 * while; then the run stays open, and is settled as an orphan once its owner
 * is gone.
 */
import { Cause, Context, DateTime, Effect, Layer, Option, Schedule } from "effect"
import {
  type IngestionState,
  IngestionUnitEvent,
  type IngestionUnitState
} from "../domain/IngestionUnitState.ts"
import type { RunStats } from "../domain/Run.ts"
import { RunEvents, type RunHappening, RunProgress } from "../services/RunEvents.ts"
import { type Run, type RunOutcome, RunRepo } from "../services/RunRepo.ts"
import { UnitStateRepo } from "../services/UnitStateRepo.ts"
import { lastErrorOf, type RunError, RunRevoked } from "./RunFailure.ts"
import { emptyTally, rowsShown, type RunTally } from "./RunTally.ts"

export type Ending =
  | { readonly _tag: "Completed"; readonly stats: RunStats }
  | { readonly _tag: "Failed"; readonly reason: string }

export interface Closing {
  /** The generation holds everything there was. */
  readonly complete: boolean
  readonly tally: RunTally
  /** Done after the state is FAILED and before anybody can start again. */
  readonly onFailed: Effect.Effect<void>
}

const { Completed, Failed } = IngestionUnitEvent.cases

/** Half a minute in all: long enough for a database to restart, short enough for a shutdown. */
const again = { schedule: Schedule.exponential("100 millis"), times: 8 }

const happenings: { readonly [Outcome in RunOutcome]: RunHappening } = {
  SUCCEEDED: "RUN_SUCCEEDED",
  FAILED: "RUN_FAILED",
  PAUSED: "RUN_PAUSED",
  RESET: "RUN_RESET"
}

const states: { readonly [Outcome in RunOutcome]: IngestionState } = {
  SUCCEEDED: "SUCCEEDED",
  FAILED: "FAILED",
  PAUSED: "PAUSED",
  RESET: "IDLE"
}

const outcomes: { readonly [State in IngestionState]: RunOutcome } = {
  SUCCEEDED: "SUCCEEDED",
  FAILED: "FAILED",
  RUNNING: "FAILED",
  PAUSED: "PAUSED",
  IDLE: "RESET"
}

/** How a run ended whose end changed nothing, because the unit is no longer its own. */
const outcomeOf = (run: Run, current: Option.Option<IngestionUnitState>): RunOutcome => {
  if (Option.isNone(current) || current.value.lastRunId !== run.runId) return "FAILED"
  return outcomes[current.value.state]
}

/** Why a run is told as failed: what ended it, or, when it ended well, what kept that from counting. */
const whyFailed = (ending: Ending, otherwise: Cause.Cause<RunError>): string =>
  ending._tag === "Failed" ? ending.reason : lastErrorOf(otherwise, null)

const superseded = Cause.fail(new RunRevoked())

export class RunSettlement extends Context.Service<
  RunSettlement,
  {
    /** Ends the run as said, unless the unit was paused, reset or taken over meanwhile; answers how it ended. */
    readonly settle: (run: Run, ending: Ending, closing?: Partial<Closing>) => Effect.Effect<RunOutcome>
  }
>()("@headrace/core/lifecycle/RunSettlement") {
  static readonly layer: Layer.Layer<RunSettlement, never, RunEvents | RunRepo | UnitStateRepo> =
    Layer.effect(
      RunSettlement,
      Effect.gen(function* () {
        const units = yield* UnitStateRepo
        const runs = yield* RunRepo
        const events = yield* RunEvents

        const settleState = Effect.fnUntraced(function* (run: Run, ending: Ending) {
          const at = yield* DateTime.now
          const event =
            ending._tag === "Completed"
              ? Completed.make({ runId: run.runId, stats: ending.stats, at })
              : Failed.make({ runId: run.runId, reason: ending.reason, at })
          return yield* units.apply(run.unit, event).pipe(
            Effect.as<RunOutcome>(ending._tag === "Completed" ? "SUCCEEDED" : "FAILED"),
            Effect.catchTag("IllegalTransition", () =>
              Effect.map(units.get(run.unit), (current) => outcomeOf(run, current))
            )
          )
        })

        const tell = Effect.fnUntraced(function* (
          run: Run,
          ending: Ending,
          { outcome, why }: { readonly outcome: RunOutcome; readonly why: string },
          tally: RunTally
        ) {
          yield* events.publish(
            RunProgress.make({
              at: yield* DateTime.now,
              unit: run.unit,
              runId: run.runId,
              event: happenings[outcome],
              state: states[outcome],
              phase: null,
              slice: null,
              sliceCount: tally.sliceCount,
              ...rowsShown(tally),
              bytes: tally.bytes,
              rowsTotal: tally.rowsTotal,
              message: outcome === "FAILED" ? why : null,
              stats: outcome === "SUCCEEDED" && ending._tag === "Completed" ? ending.stats : null
            })
          )
        })

        return RunSettlement.of({
          settle: Effect.fn("RunSettlement.settle")(function* (run, ending, closing = {}) {
            const { complete = false, tally = emptyTally, onFailed = Effect.void } = closing
            const { reached: outcome, why } = yield* settleState(run, ending).pipe(
              Effect.tap((reached) => (reached === "FAILED" ? onFailed : Effect.void)),
              Effect.tap((reached) => runs.close(run.runId, reached, { complete })),
              Effect.retry(again),
              Effect.map((reached) => ({ reached, why: whyFailed(ending, superseded) })),
              Effect.catchCause((cause) =>
                Effect.as(Effect.logError("The end of a run could not be recorded", run.runId, cause), {
                  reached: "FAILED" as const,
                  why: whyFailed(ending, cause)
                })
              )
            )
            yield* tell(run, ending, { outcome, why }, tally)
            return outcome
          }, Effect.uninterruptible)
        })
      })
    )
}
