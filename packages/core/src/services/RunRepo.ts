/**
 * RunRepo — who holds each unit, which runs were accepted, and where in a sink
 * the next one takes over.
 *
 * It is what keeps a unit single: a run holds its unit by a lease, which passes
 * unless its owner renews it, by the store's clock alone. Until then no other run
 * can acquire the unit, from whatever process; afterwards the old one can do
 * nothing more, however late it wakes. An owner is one process. One that leaves
 * in order, and one that is known to be dead, is not waited for.
 *
 * Acquiring and closing write the unit's state with them, all of it or nothing:
 * a unit is RUNNING from the moment it is held, and free once its end is shown.
 */
import { Context, Duration, type Effect, type Option, Schema } from "effect"
import { Epoch, Generation, RunId, type RunStats, SliceSeq } from "../domain/Run.ts"
import type { Reached } from "../domain/RunOutcome.ts"
import { SinkId, UnitKey } from "../domain/Unit.ts"

/** `ttl`: when a lease passes that is not renewed. Shorter ones find the dead sooner, and take a slow process for one. */
export const LeaseTimes = Context.Reference<{
  readonly ttl: Duration.Duration
  /** How often a run renews its lease. */
  readonly renew: Duration.Duration
  /** How often each process looks for leases that have passed. */
  readonly sweep: Duration.Duration
}>("@headrace/core/services/RunRepo/LeaseTimes", {
  defaultValue: () => ({
    ttl: Duration.seconds(30),
    renew: Duration.seconds(10),
    sweep: Duration.seconds(15)
  })
})

/**
 * How much of a generation is there when a run has ended: a part, all there was
 * so far, up to a cursor, or all, with nothing to go on from.
 */
export type Filled = "part" | "so far" | "whole"

export type Ending =
  | {
      readonly _tag: "Completed"
      readonly stats: RunStats
      readonly filled: Filled
      /** The copy of the checkpoint record that readers of the state see; unsaid: as it is. */
      readonly checkpoint?: Schema.Json
    }
  | { readonly _tag: "Failed"; readonly reason: string }

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
     * Acquires the unit for a run and names its place, and the unit is RUNNING under
     * its id, whatever its state said of a run that died. The epoch is one more than
     * any before. The run goes on with the sink's generation at its next slice, or
     * begins a larger one at slice 0: when there is none, when the last one is whole
     * or was reset, and, `fresh`, when all there was so far is in it. One that
     * `continues` goes on with the last one in any case, which stays as spent as it was.
     * What `SliceLedger` has of generations before the previous one goes.
     * Fails with `UnitBusy` while another run holds the unit; then nothing has changed.
     */
    readonly acquire: (run: {
      readonly runId: RunId
      readonly tenant: string
      readonly unit: UnitKey
      readonly sinkId: SinkId
      readonly fresh: boolean
      readonly continues?: boolean
    }) => Effect.Effect<Run, UnitBusy | RunRepoError>

    /** From now on the lease lasts as long as a new one. False once the unit is not the run's any more, and for ever. */
    readonly renew: (run: Run) => Effect.Effect<boolean, RunRepoError>

    /**
     * Ends the run, frees its unit, and answers how it ended: as said while the unit
     * is RUNNING under its id, else as the state says. Closing twice is closing once:
     * the first end stays, and is answered again.
     */
    readonly close: (run: Run, ending: Ending) => Effect.Effect<Reached, RunRepoError>

    /** The open run that holds the unit, if any. */
    readonly live: (unit: UnitKey) => Effect.Effect<Option.Option<Run>, RunRepoError>

    /** Open runs that hold their units, of every tenant: those whose staging must be left alone. */
    readonly openRuns: Effect.Effect<ReadonlyArray<Run>, RunRepoError>

    /** Makes the next run into this sink begin a new generation: the checkpoint was reset. */
    readonly endGeneration: (
      tenant: string,
      unit: UnitKey,
      sinkId: SinkId
    ) => Effect.Effect<void, RunRepoError>

    /** Open runs that have lost their units, of every tenant: by now whoever's lease has passed. They stay until somebody closes them. */
    readonly orphans: Effect.Effect<ReadonlyArray<Run>, RunRepoError>
  }
>()("@headrace/core/services/RunRepo") {}

/** The unit already has a live run; it may be winding down. Nothing was changed. */
export class UnitBusy extends Schema.TaggedError<UnitBusy>()("UnitBusy", { unit: UnitKey, runId: RunId }) {}

export class RunRepoError extends Schema.TaggedError<RunRepoError>()("RunRepoError", {
  cause: Schema.Defect()
}) {}
