/**
 * RunRepo — which runs were accepted, who carries each, and where the next one
 * takes over.
 *
 * It is what keeps a unit single: while a run is open and its owner lives, no
 * other can be opened for the unit, from whatever process. An owner is one
 * process; it lives as long as its layer's scope, and how a store notices a
 * death is the adapter's affair (Postgres: the end of a session, no clock).
 */
import { Context, type Effect, type Option, Schema } from "effect"
import { Epoch, Generation, RunId, SliceSeq } from "../domain/Run.ts"
import { SinkId, UnitKey } from "../domain/Unit.ts"

export const RunOutcome = Schema.Literals(["SUCCEEDED", "FAILED", "PAUSED", "RESET"])
export type RunOutcome = typeof RunOutcome.Type

export class Run extends Schema.Class<Run>("headrace/services/Run")({
  runId: RunId,
  tenant: Schema.NonEmptyString,
  unit: UnitKey,
  sinkId: SinkId,
  /** One more than any earlier run of the unit, whatever its sink. */
  epoch: Epoch,
  generation: Generation,
  /** The `sliceSeq` of the generation's next slice. */
  nextSeq: SliceSeq,
  startedAt: Schema.DateTimeUtc
}) {}

export class RunRepo extends Context.Service<
  RunRepo,
  {
    /**
     * Opens a run and names its place: the epoch is new. `fresh: true` begins a
     * new generation at `nextSeq` 0, larger than any before; `fresh: false` goes
     * on with the generation and `nextSeq` of the unit's latest run into the same
     * sink, or begins one when there is none or that generation is complete or reset.
     * Fails with `UnitBusy` while another run of the unit is open and its owner lives.
     */
    readonly open: (run: {
      readonly runId: RunId
      readonly tenant: string
      readonly unit: UnitKey
      readonly sinkId: SinkId
      readonly fresh: boolean
    }) => Effect.Effect<Run, UnitBusy | RunRepoError>

    /** Notes that the slice before `nextSeq` is committed. No-op when the run is closed. */
    readonly advance: (runId: RunId, nextSeq: SliceSeq) => Effect.Effect<void, RunRepoError>

    /**
     * Closes the run. Closing twice is closing once: the first outcome stays. `complete`
     * says that the generation holds everything there was, so that a run without a
     * cursor begins a new one.
     */
    readonly close: (
      runId: RunId,
      outcome: RunOutcome,
      options: { readonly complete: boolean }
    ) => Effect.Effect<void, RunRepoError>

    /** The unit's open run whose owner lives, if any. */
    readonly live: (unit: UnitKey) => Effect.Effect<Option.Option<Run>, RunRepoError>

    /** Open runs whose owner lives, of every tenant: those whose staging must be left alone. */
    readonly openRuns: Effect.Effect<ReadonlyArray<Run>, RunRepoError>

    /** Makes the next run into this sink begin a new generation: the checkpoint was reset. */
    readonly endGeneration: (
      tenant: string,
      unit: UnitKey,
      sinkId: SinkId
    ) => Effect.Effect<void, RunRepoError>

    /** Open runs whose owner has died, of every tenant. They stay until somebody closes them. */
    readonly orphans: Effect.Effect<ReadonlyArray<Run>, RunRepoError>
  }
>()("@headrace/core/services/RunRepo") {}

/** The unit already has a live run; it may be winding down. Nothing was changed. */
export class UnitBusy extends Schema.TaggedError<UnitBusy>()("UnitBusy", { unit: UnitKey, runId: RunId }) {}

export class RunRepoError extends Schema.TaggedError<RunRepoError>()("RunRepoError", {
  cause: Schema.Defect()
}) {}
