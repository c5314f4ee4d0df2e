/**
 * RunEvents — what happens to runs, as it happens, from one typed stream:
 * progress lines, subscriptions and logs are made from it. Nothing is decided by it.
 */
import { Context, type Effect, Schema, type Scope, type Stream } from "effect"
import { IngestionState } from "../domain/IngestionUnitState.ts"
import { RunId, RunStats } from "../domain/Run.ts"
import { UnitKey } from "../domain/Unit.ts"

export const RunHappening = Schema.Literals([
  "RUN_STARTED",
  "SLICE_STARTED",
  "SLICE_PROGRESS",
  "SLICE_COMMITTED",
  "RUN_PAUSED",
  "RUN_SUCCEEDED",
  "RUN_FAILED",
  "RUN_RESET"
])
export type RunHappening = typeof RunHappening.Type

/** Rows and bytes are whole numbers so far in this run; null where it is not known. */
export class RunProgress extends Schema.Class<RunProgress>("headrace/services/RunProgress")({
  at: Schema.DateTimeUtc,
  unit: UnitKey,
  runId: RunId,
  event: RunHappening,
  state: IngestionState,
  phase: Schema.NullOr(Schema.String),
  slice: Schema.NullOr(Schema.Int),
  sliceCount: Schema.NullOr(Schema.Int),
  exportedRows: Schema.Int,
  appliedRows: Schema.Int,
  bytes: Schema.Int,
  rowsTotal: Schema.NullOr(Schema.Int),
  /** On failure why; on a warning what. */
  message: Schema.NullOr(Schema.String),
  /** Of a run that succeeded. */
  stats: Schema.NullOr(RunStats)
}) {}

/** Exactly one of these ends a run's events. */
export const isTerminal = ({ event }: RunProgress): boolean =>
  event === "RUN_PAUSED" || event === "RUN_SUCCEEDED" || event === "RUN_FAILED" || event === "RUN_RESET"

export class RunEvents extends Context.Service<
  RunEvents,
  {
    /** Tells every subscriber, and never waits for one: a slow reader loses `SLICE_PROGRESS`, nothing else. */
    readonly publish: (progress: RunProgress) => Effect.Effect<void>

    /** What is published from the moment this effect returns, of every run. */
    readonly subscribe: Effect.Effect<Stream.Stream<RunProgress>, never, Scope.Scope>
  }
>()("@headrace/core/services/RunEvents") {}
