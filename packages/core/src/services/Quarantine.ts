/**
 * Quarantine — rows that were set aside, from the slice that left them behind
 * until they are replayed, read anew or too old.
 *
 * Rows are kept before their slice is decided over and unseen until it counts,
 * so that whatever dies, a row is seen once or not at all. The same is true of
 * a replay: rows are claimed by a run, and done with by the slice that took them.
 * A slice counts by `SliceLedger.finalise`, in whose transaction its rows do.
 */
import { Context, type Effect, Schema } from "effect"
import { JsonObject } from "../domain/Endpoint.ts"
import { Generation, RunId, SliceSeq } from "../domain/Run.ts"
import { RejectedRow } from "../domain/Slice.ts"
import { SinkId, UnitKey } from "../domain/Unit.ts"

/** What is set aside of a unit on its way into one sink. */
export interface QuarantinePlace {
  readonly tenant: string
  readonly unit: UnitKey
  readonly sinkId: SinkId
}

/** Which row it is: what its slice read at `position`. */
export const KeptKey = Schema.Struct({
  generation: Generation,
  sliceSeq: SliceSeq,
  position: RejectedRow.fields.position
})
export type KeptKey = typeof KeptKey.Type

/** A row as it is kept; its payload is whatever the keeper made of it. */
export const KeptRow = Schema.Struct({
  ...RejectedRow.fields,
  ...KeptKey.fields,
  unit: UnitKey,
  sinkId: SinkId,
  runId: RunId,
  /** What the run that set it aside was carried with; null of rows kept before this was remembered. */
  policy: Schema.NullOr(JsonObject),
  keptAt: Schema.DateTimeUtc
})
export type KeptRow = typeof KeptRow.Type

/** How many rows of a unit wait for one kind of reason. */
export const KeptSummary = Schema.Struct({
  unit: UnitKey,
  sinkId: SinkId,
  code: Schema.String,
  rows: Schema.Int,
  newest: Schema.DateTimeUtc
})
export type KeptSummary = typeof KeptSummary.Type

/** The run and the slice that are to take rows in. */
export interface Replaying {
  readonly runId: RunId
  readonly generation: Generation
  readonly sliceSeq: SliceSeq
}

export class Quarantine extends Context.Service<
  Quarantine,
  {
    /** Keeps rows of a slice, unseen, with the policy of its run. A row kept before under the same key is replaced. */
    readonly keep: (
      place: QuarantinePlace,
      slice: Replaying,
      rows: ReadonlyArray<RejectedRow>,
      policy: JsonObject | null
    ) => Effect.Effect<void, QuarantineError>

    /**
     * A run begins, and `newest` is the last slice that its sink holds of the
     * generation: up to there slices count, what is unseen beyond was never committed and goes.
     */
    readonly reconcile: (
      place: QuarantinePlace,
      generation: Generation,
      newest: SliceSeq | null
    ) => Effect.Effect<void, QuarantineError>

    /** What waits, of every unit of the tenant, by unit, sink and code. */
    readonly summary: (tenant: string) => Effect.Effect<ReadonlyArray<KeptSummary>, QuarantineError>

    /** Rows that wait, in the order they were read, at most `limit`; with `after`, those behind it. */
    readonly rows: (
      place: QuarantinePlace,
      limit: number,
      after?: KeptKey
    ) => Effect.Effect<ReadonlyArray<KeptRow>, QuarantineError>

    /** Those of `keys` that wait are from now on the slice's to take in, and answered. A claim before it is forgotten. */
    readonly claim: (
      place: QuarantinePlace,
      keys: ReadonlyArray<KeptKey>,
      by: Replaying
    ) => Effect.Effect<ReadonlyArray<KeptRow>, QuarantineError>

    /** A claimed row was refused again, for a reason that is perhaps another. It waits on. */
    readonly refuse: (
      place: QuarantinePlace,
      key: KeptKey,
      why: Pick<RejectedRow, "code" | "reason" | "column">
    ) => Effect.Effect<void, QuarantineError>

    /** Forgets the rows of generations before `generation`, or all: they were, or will be, read anew. */
    readonly forget: (
      place: QuarantinePlace,
      before: Generation | null
    ) => Effect.Effect<void, QuarantineError>
  }
>()("@headrace/core/services/Quarantine") {}

/** The store cannot be reached. Nothing is known of what it was asked for. */
export class QuarantineError extends Schema.TaggedError<QuarantineError>()("QuarantineError", {
  cause: Schema.Defect()
}) {}
