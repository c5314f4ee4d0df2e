/**
 * The lifecycle of a unit, as data: its states, the events that move it, and
 * one pure function that says which moves are legal.
 *
 *     IDLE ──Started──▶ RUNNING ──Completed──▶ SUCCEEDED ─┐
 *      ▲                 │  │  └──Failed────▶ FAILED ─────┤ Started ▶ RUNNING
 *      │                 │  └─────Paused────▶ PAUSED ─────┘
 *      └──Reset── any ───┘   Paused: from any state. A run's end only ever replaces RUNNING.
 *
 * Nothing here performs an effect. `lifecycle/` drives it, `UnitStateRepo` remembers it.
 */
import { Result, Schema } from "effect"
import { RunId, RunStats } from "./Run.ts"
import { SinkId, UnitKey } from "./Unit.ts"

export const IngestionState = Schema.Literals(["IDLE", "RUNNING", "PAUSED", "FAILED", "SUCCEEDED"])
export type IngestionState = typeof IngestionState.Type

/** One row of `"IngestionUnitState"`; the checkpoint column is a copy for readers, KV is the truth. */
export class IngestionUnitState extends Schema.Class<IngestionUnitState>(
  "headrace/domain/IngestionUnitState"
)({
  unit: UnitKey,
  sinkId: SinkId,
  state: IngestionState,
  lastRunId: Schema.NullOr(RunId),
  lastRunAt: Schema.NullOr(Schema.DateTimeUtc),
  lastError: Schema.NullOr(Schema.String),
  stats: Schema.NullOr(RunStats),
  updatedAt: Schema.DateTimeUtc
}) {}

const at = Schema.DateTimeUtc

export const IngestionUnitEvent = Schema.TaggedUnion({
  Started: { runId: RunId, sinkId: SinkId, at },
  Paused: { sinkId: SinkId, at },
  Reset: { sinkId: SinkId, at },
  Completed: { runId: RunId, stats: RunStats, at },
  Failed: { runId: RunId, reason: Schema.String, at }
})
export type IngestionUnitEvent = typeof IngestionUnitEvent.Type

/** The event does not follow the state: the unit is busy, or the run is no longer the current one. */
export class IllegalTransition extends Schema.TaggedError<IllegalTransition>()("IllegalTransition", {
  from: IngestionState,
  event: Schema.String,
  /** Of the run that holds the unit, or held it last. */
  currentRunId: Schema.NullOr(RunId)
}) {}

/** The state of a unit that was never seen. */
export const initial = (unit: UnitKey, event: { readonly sinkId: SinkId; readonly at: typeof at.Type }) =>
  IngestionUnitState.make({
    unit,
    sinkId: event.sinkId,
    state: "IDLE",
    lastRunId: null,
    lastRunAt: null,
    lastError: null,
    stats: null,
    updatedAt: event.at
  })

/** The only place that knows which event may follow which state. */
export const transition = (
  current: IngestionUnitState,
  event: IngestionUnitEvent
): Result.Result<IngestionUnitState, IllegalTransition> => {
  const move = (change: Partial<IngestionUnitState>) =>
    Result.succeed(IngestionUnitState.make(Object.assign({}, current, { updatedAt: event.at }, change)))
  const refuse = () =>
    Result.fail(
      new IllegalTransition({ from: current.state, event: event._tag, currentRunId: current.lastRunId })
    )
  switch (event._tag) {
    case "Started":
      return current.state === "RUNNING"
        ? refuse()
        : move({
            state: "RUNNING",
            sinkId: event.sinkId,
            lastRunId: event.runId,
            lastRunAt: event.at,
            lastError: null
          })
    case "Paused":
      return current.state === "PAUSED" ? Result.succeed(current) : move({ state: "PAUSED", lastError: null })
    case "Reset":
      return move({ state: "IDLE", lastError: null })
    case "Completed":
    case "Failed": {
      if (current.state !== "RUNNING" || current.lastRunId !== event.runId) return refuse()
      return event._tag === "Completed"
        ? move({ state: "SUCCEEDED", lastRunAt: event.at, lastError: null, stats: event.stats })
        : move({ state: "FAILED", lastRunAt: event.at, lastError: event.reason })
    }
  }
}
