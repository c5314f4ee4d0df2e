/**
 * SliceLedger — one row for each slice of a generation: what was meant, and what
 * landed.
 *
 * A slice is noted before the sink may commit it (`intend`: COMMITTING), and
 * counts once the sink holds it (`finalise`: COMMITTED). A row that is still
 * COMMITTING when its run is gone is settled by the sink's record alone: the next
 * run finalises the slice, or carries it again and notes it anew.
 *
 * Both act for a run only while it holds its unit. One that lost its lease
 * changes nothing, however late it wakes, and is told so.
 *
 * Rows of a generation and of the one before it stay; `RunRepo.acquire` of a new
 * one lets older ones go. A generation that was begun before there was a ledger
 * has rows from the slice on that was the next one then.
 */
import { Context, type Effect, Schema } from "effect"
import { Epoch, type Generation, RunId, SliceSeq } from "../domain/Run.ts"
import { type CommitRecord, Manifest } from "../domain/Slice.ts"
import { type Version, VersionConflict } from "./KvStore.ts"
import type { Run } from "./RunRepo.ts"

const { from, to, read, rows, rejected, filtered, sha256 } = Manifest.fields

/** A slice as the ledger has it; `read` is null, and so are the others, where nothing but the sink's record is known of it. */
export const NotedSlice = Schema.Struct({
  sliceSeq: SliceSeq,
  phase: Schema.Literals(["COMMITTING", "COMMITTED"]),
  /** Whose epoch: of the run that means to commit it; once it landed, of the one that did. */
  epoch: Epoch,
  /** The run that noted it last. */
  runId: RunId,
  from,
  to,
  read: Schema.NullOr(read),
  rows,
  rejected: Schema.NullOr(rejected),
  filtered: Schema.NullOr(filtered),
  sha256
})
export type NotedSlice = typeof NotedSlice.Type

/** What is meant to be committed, as it was sealed. */
export type Intended = Omit<Manifest, "bytes">

/** What the sink says it holds. */
export type Landed = Pick<CommitRecord, "sliceSeq" | "fromCkpt" | "toCkpt" | "rows" | "sha256" | "epoch">

/** A slice that landed, where the checkpoint moves with it, and from which version. */
export interface Finalising {
  readonly slice: Landed
  readonly checkpoint: Schema.Json
  readonly expected: Version
}

/** `Fenced`: the unit is not the run's any more, and nothing was changed. */
export type Finalised = { readonly _tag: "Counted"; readonly version: Version } | { readonly _tag: "Fenced" }

export class SliceLedger extends Context.Service<
  SliceLedger,
  {
    /**
     * Notes what is about to be committed, and answers whether it may be: the run
     * holds its unit, whose state is RUNNING under its id. If not, nothing was noted.
     * What was noted of the slice before is replaced, unless the slice is COMMITTED.
     */
    readonly intend: (run: Run, slice: Intended) => Effect.Effect<boolean, SliceLedgerError>

    /**
     * The slice counts. All of it or nothing: its row is COMMITTED with what the sink
     * says; the checkpoint is `checkpoint`, by compare-and-set from version `expected`;
     * the generation's next slice is the one after it; readers of the state see a copy
     * of the checkpoint; rows that the slice set aside are seen, and those it took in
     * are done with. Needs no row noted before. A slice whose pause came too late
     * counts as well: the sink has it.
     *
     * Fails with `VersionConflict` when somebody else moved the checkpoint, whose value
     * stays, and with `SliceGap` when the slice is not the generation's next. Said again
     * with the same words, it changes nothing and answers the same.
     */
    readonly finalise: (run: Run, to: Finalising) => Effect.Effect<Finalised, SliceLedgerError>

    /** What is noted of a generation, in the order of its slices. */
    readonly slicesOf: (
      place: Pick<Run, "tenant" | "unit" | "sinkId">,
      generation: Generation
    ) => Effect.Effect<ReadonlyArray<NotedSlice>, SliceLedgerError>
  }
>()("@headrace/core/services/SliceLedger") {}

/** The slice is not the one that the generation lacks next. Nothing was changed. */
export class SliceGap extends Schema.TaggedError<SliceGap>()("SliceGap", { sliceSeq: SliceSeq }) {}

/** The store could not be reached. Nothing is known of what it was asked for; the same words may be said again. */
export class LedgerUnavailable extends Schema.TaggedError<LedgerUnavailable>()("LedgerUnavailable", {
  cause: Schema.Defect()
}) {}

export class SliceLedgerError extends Schema.TaggedError<SliceLedgerError>()("SliceLedgerError", {
  operation: Schema.Literals(["intend", "finalise", "slicesOf"]),
  reason: Schema.Union([VersionConflict, SliceGap, LedgerUnavailable])
}) {}
