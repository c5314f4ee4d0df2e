/**
 * A unit is the smallest thing that can be ingested on its own: one table, one
 * Jira project, one folder of documents. It belongs to exactly one endpoint.
 */
import { Schema } from "effect"
import { EndpointId } from "./Endpoint.ts"

/** Compared byte for byte: `Unit A` and `unit-a` are two units. */
export const UnitId = Schema.NonEmptyString.pipe(Schema.brand("UnitId"))
export type UnitId = typeof UnitId.Type

/** Where a unit's rows go: `kb`, or the row id of an endpoint that is a sink. */
export const SinkId = Schema.NonEmptyString.pipe(Schema.brand("SinkId"))
export type SinkId = typeof SinkId.Type

/** The knowledge base, the sink that is always there. */
export const knowledgeBase = SinkId.make("kb")

/** Names one unit across all endpoints; the identity every store and message uses. */
export class UnitKey extends Schema.Class<UnitKey>("headrace/domain/UnitKey")({
  endpointId: EndpointId,
  unitId: UnitId
}) {}

export const IngestionMode = Schema.Literals(["full", "incremental"])

/** What a source says about one of its units. */
export const UnitDescriptor = Schema.Struct({
  unitId: UnitId,
  kind: Schema.String,
  displayName: Schema.String,
  modes: Schema.Array(IngestionMode),
  /** In key order; empty when the source declares none. */
  primaryKey: Schema.Array(Schema.String),
  cursorCandidates: Schema.Array(Schema.String),
  /** From the source's own statistics; null when it has none. */
  estimatedRows: Schema.NullOr(Schema.Int)
})
export type UnitDescriptor = typeof UnitDescriptor.Type
