/**
 * What the knowledge graph is told: one normalised record is one node and the
 * edges it knows of. The scope's organisation is always the caller's tenant,
 * whatever a record says.
 */
import { Schema } from "effect"
import { EndpointId, JsonObject } from "./Endpoint.ts"

const Text = Schema.NullOr(Schema.String)

export const NormalizedEdge = Schema.Struct({
  type: Schema.NonEmptyString,
  sourceLogicalId: Schema.NonEmptyString,
  targetLogicalId: Schema.NonEmptyString,
  properties: JsonObject
})
export type NormalizedEdge = typeof NormalizedEdge.Type

export const NormalizedRecord = Schema.Struct({
  entityType: Schema.NonEmptyString,
  /** Null: the store makes a key that is the same at every run. */
  logicalId: Text,
  displayName: Schema.String,
  scope: Schema.Struct({ domainId: Text, projectId: Text, teamId: Text }),
  provenance: Schema.Struct({ endpointId: EndpointId, vendor: Schema.String, sourceEventId: Text }),
  phase: Text,
  payload: JsonObject,
  edges: Schema.Array(NormalizedEdge)
})
export type NormalizedRecord = typeof NormalizedRecord.Type
