/** A slice is the part of a unit that is read, staged and committed as a whole. */
import { Schema } from "effect"
import { Checkpoint } from "./Checkpoint.ts"
import { Epoch, Generation, SliceSeq } from "./Run.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/**
 * What staging holds, sealed: `read = rows + rejected + filtered`. `sha256` is
 * lower-case hex over the staged bytes in canonical order.
 */
export const Manifest = Schema.Struct({
  sliceSeq: SliceSeq,
  from: Schema.NullOr(Checkpoint),
  to: Schema.NullOr(Checkpoint),
  read: Count,
  rows: Count,
  rejected: Count,
  filtered: Count,
  sha256: Schema.String,
  bytes: Count
})
export type Manifest = typeof Manifest.Type

/**
 * A row that was set aside: its `position` among those the slice read, from 0;
 * `code` says what kind of reason, `reason` which. `payload` is the row itself,
 * null when it is too long to be kept.
 */
export const RejectedRow = Schema.Struct({
  position: Count,
  code: Schema.NonEmptyString,
  reason: Schema.String,
  column: Schema.NullOr(Schema.String),
  sha256: Schema.String,
  payload: Schema.NullOr(Schema.String)
})
export type RejectedRow = typeof RejectedRow.Type

/** What the sink keeps beside the rows to prove which slice it holds. Hashes are lower-case hex. */
export const CommitRecord = Schema.Struct({
  unit: Schema.NonEmptyString,
  generation: Generation,
  sliceSeq: SliceSeq,
  fromCkpt: Schema.NullOr(Checkpoint),
  toCkpt: Schema.NullOr(Checkpoint),
  rows: Count,
  sha256: Schema.String,
  epoch: Epoch,
  prevHash: Schema.String
})
export type CommitRecord = typeof CommitRecord.Type

/** Every row that was read is written, set aside or filtered; nothing vanishes. */
export const isConserved = (manifest: Manifest): boolean =>
  manifest.read === manifest.rows + manifest.rejected + manifest.filtered
