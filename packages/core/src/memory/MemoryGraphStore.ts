/**
 * The reference `GraphStore`: nodes and edges in maps of one process. A batch is
 * one synchronous step, so all of it is written or nothing.
 */
import { Effect, Layer } from "effect"
import type { NormalizedRecord } from "../domain/Graph.ts"
import { type GraphBatch, type GraphEdge, type GraphNode, GraphStore } from "../services/GraphStore.ts"

const keyOf = (...parts: ReadonlyArray<string | number>) => JSON.stringify(parts)

/** The record's own key, or one made from what stays the same at every run. */
export const logicalKeyOf = ({ logicalId, entityType, provenance, displayName }: NormalizedRecord): string =>
  logicalId ?? [entityType, provenance.endpointId, displayName].map(encodeURIComponent).join("/")

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

const edgeOrder = (a: GraphEdge, b: GraphEdge) =>
  compare(a.type, b.type) ||
  compare(a.sourceLogicalId, b.sourceLogicalId) ||
  compare(a.targetLogicalId, b.targetLogicalId)

export const make = Effect.sync(() => {
  const nodes = new Map<string, GraphNode>()
  const edges = new Map<string, GraphEdge>()
  const applied = new Map<string, { readonly nodes: number; readonly edges: number }>()

  const putNode = (tenant: string, record: NormalizedRecord) => {
    const logicalKey = logicalKeyOf(record)
    const key = keyOf(tenant, record.entityType, logicalKey)
    nodes.set(key, { tenant, logicalKey, version: (nodes.get(key)?.version ?? 0) + 1, record })
    return key
  }

  const putEdge = (edge: GraphEdge) => {
    const key = keyOf(edge.tenant, edge.type, edge.sourceLogicalId, edge.targetLogicalId)
    edges.set(key, edge)
    return key
  }

  const apply = ({ scope: { tenant }, records }: GraphBatch) => ({
    nodes: new Set(records.map((record) => putNode(tenant, record))).size,
    edges: new Set(records.flatMap((record) => record.edges.map((edge) => putEdge({ tenant, ...edge })))).size
  })

  return GraphStore.of({
    write: (batch) =>
      Effect.sync(() => {
        const mark = keyOf(batch.scope.tenant, batch.runId, batch.sliceSeq, batch.batch)
        const counts = applied.get(mark) ?? apply(batch)
        applied.set(mark, counts)
        return counts
      }),
    nodes: (tenant, entityType) =>
      Effect.sync(() =>
        [...nodes.values()]
          .filter(
            (node) => node.tenant === tenant && (entityType === null || node.record.entityType === entityType)
          )
          .toSorted(
            (a, b) => compare(a.record.entityType, b.record.entityType) || compare(a.logicalKey, b.logicalKey)
          )
      ),
    edges: (tenant) =>
      Effect.sync(() => [...edges.values()].filter((edge) => edge.tenant === tenant).toSorted(edgeOrder))
  })
})

export const layer: Layer.Layer<GraphStore> = Layer.effect(GraphStore, make)
