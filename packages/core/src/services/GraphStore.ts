/**
 * GraphStore — connected metadata: nodes and edges with stable keys, each in one tenant.
 *
 * Node key: (tenant, entityType, logicalId). A record without a logicalId gets a
 * key made from its entity type, origin endpoint and display name, the same at every run.
 * Edge key: (tenant, type, source logical id, target logical id).
 */
import { Context, type Effect, Schema } from "effect"
import type { Scope } from "../domain/Endpoint.ts"
import type { NormalizedEdge, NormalizedRecord } from "../domain/Graph.ts"
import type { RunId, SliceSeq } from "../domain/Run.ts"

export interface GraphBatch {
  readonly scope: Scope
  readonly runId: RunId
  readonly sliceSeq: SliceSeq
  readonly batch: number
  readonly records: ReadonlyArray<NormalizedRecord>
}

export interface GraphNode {
  readonly tenant: string
  readonly logicalKey: string
  /** Grows by one with every write of the node. */
  readonly version: number
  readonly record: NormalizedRecord
}

export interface GraphEdge extends NormalizedEdge {
  readonly tenant: string
}

export class GraphStore extends Context.Service<
  GraphStore,
  {
    /**
     * Writes every node and edge of the batch, or nothing. Writing the same
     * (runId, sliceSeq, batch) again changes nothing and answers the same. The same
     * records in another batch keep the number of nodes and edges and raise the nodes'
     * versions; what was written last is what is read. An edge may come before the
     * nodes at its ends. Answers how many nodes and edges were written.
     */
    readonly write: (
      batch: GraphBatch
    ) => Effect.Effect<{ readonly nodes: number; readonly edges: number }, GraphStoreError>

    /** The tenant's nodes, of one entity type or of all, in order of (entityType, logical key), byte by byte. */
    readonly nodes: (
      tenant: string,
      entityType: string | null
    ) => Effect.Effect<ReadonlyArray<GraphNode>, GraphStoreError>

    /** The tenant's edges, in order of (type, source, target), byte by byte. */
    readonly edges: (tenant: string) => Effect.Effect<ReadonlyArray<GraphEdge>, GraphStoreError>
  }
>()("@headrace/core/services/GraphStore") {}

export class GraphStoreError extends Schema.TaggedError<GraphStoreError>()("GraphStoreError", {
  cause: Schema.Defect()
}) {}
