/**
 * How a run ended. The end of a run replaces RUNNING and nothing else: one that
 * finds its unit paused or reset ended so, whatever it says itself.
 */
import { Schema } from "effect"
import type { IngestionState, IngestionUnitState } from "./IngestionUnitState.ts"
import type { RunId } from "./Run.ts"

export const RunOutcome = Schema.Literals(["SUCCEEDED", "FAILED", "PAUSED", "RESET"])
export type RunOutcome = typeof RunOutcome.Type

/** The state that a unit shows after a run that ended so. */
export const stateAfter: { readonly [Outcome in RunOutcome]: IngestionState } = {
  SUCCEEDED: "SUCCEEDED",
  FAILED: "FAILED",
  PAUSED: "PAUSED",
  RESET: "IDLE"
}

/** How a run ended that meets its unit in this state. */
export const outcomeIn: { readonly [State in IngestionState]: RunOutcome } = {
  SUCCEEDED: "SUCCEEDED",
  FAILED: "FAILED",
  RUNNING: "FAILED",
  PAUSED: "PAUSED",
  IDLE: "RESET"
}

/** How a run ended; `isShown` says that the unit shows it, and no later run of the unit. */
export interface Reached {
  readonly outcome: RunOutcome
  readonly isShown: boolean
}

/** How a run ended whose end changed nothing, because it is noted already or the unit is no longer its own. */
export const reachedBefore = (runId: RunId, current: IngestionUnitState | undefined): Reached =>
  current === undefined || current.lastRunId !== runId
    ? { outcome: "FAILED", isShown: false }
    : { outcome: outcomeIn[current.state], isShown: true }
