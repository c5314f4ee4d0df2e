/**
 * Where a source should resume, and what is kept beside it. The record lives in
 * `KvStore`; the cursor inside it is read by nobody but the source that wrote it.
 */
import { Schema } from "effect"
import { RunId, RunStats } from "./Run.ts"
import type { SinkId, UnitKey } from "./Unit.ts"

/** Opaque here. Integers beyond 53 bits are written as text by the source. */
export const Checkpoint = Schema.Json.pipe(Schema.brand("Checkpoint"))
export type Checkpoint = typeof Checkpoint.Type

/** What KV holds for (tenant, endpoint, unit, sink). Its size does not grow with the number of runs. */
export const CheckpointRecord = Schema.Struct({
  cursor: Schema.NullOr(Checkpoint),
  lastRunId: RunId,
  stats: RunStats,
  lastUpdatedAt: Schema.DateTimeUtcFromString,
  lastError: Schema.optionalKey(Schema.String)
})
export type CheckpointRecord = typeof CheckpointRecord.Type

/** What a store keeps: plain JSON. A value that does not decode is refused, never read as "no checkpoint". */
export const CheckpointRecordJson = Schema.toCodecJson(CheckpointRecord)

/**
 * The unit's name in sinks and stores. Each part is percent-encoded, so two
 * different keys never share a record, whatever their ids contain.
 */
export const unitPath = (tenant: string, unit: UnitKey, sinkId: SinkId): string =>
  [tenant, unit.endpointId, unit.unitId, sinkId].map(encodeURIComponent).join("/")

/** The key of a unit's checkpoint record, inside the tenant's namespace. */
export const checkpointKey = (unit: UnitKey, sinkId: SinkId): string =>
  ["ingest", unit.endpointId, unit.unitId, sinkId].map(encodeURIComponent).join("/")
