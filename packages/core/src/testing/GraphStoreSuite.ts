/** The contract of `GraphStore`, executable; one clause for each sentence of its prose, each in tenants of its own. */
import { assert, layer as shared } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { EndpointId } from "../domain/Endpoint.ts"
import type { NormalizedRecord } from "../domain/Graph.ts"
import { RunId, SliceSeq } from "../domain/Run.ts"
import { type GraphBatch, type GraphNode, GraphStore } from "../services/GraphStore.ts"
import { edge, record } from "./Samples.ts"

const tenantOf = (name: string) => `${name}-${crypto.randomUUID()}`

const batchOf = (
  tenant: string,
  batch: number,
  records: ReadonlyArray<NormalizedRecord>,
  change: Partial<GraphBatch> = {}
): GraphBatch => ({
  scope: { tenant, project: "wiki" },
  runId: RunId.make(`run of ${tenant}`),
  sliceSeq: SliceSeq.make(0),
  batch,
  records,
  ...change
})

const keysOf = (nodes: ReadonlyArray<GraphNode>) => nodes.map(({ logicalKey }) => logicalKey)

export const suite = <E>(adapter: string, layer: Layer.Layer<GraphStore, E>) =>
  shared(layer, { timeout: "60 seconds", excludeTestServices: true })(
    `GraphStore contract: ${adapter}`,
    (it) => {
      it.effect("nodes and edges come back as they were written, and the answer counts them", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const tenant = tenantOf("round-trip")
          const child = record("page-2", {
            edges: [edge("page-2", "page-1", { properties: { order: 1, nested: { ü: null } } })]
          })

          const written = yield* graph.write(batchOf(tenant, 0, [record("page-1"), child]))

          const version = 1
          assert.deepStrictEqual(written, { nodes: 2, edges: 1 })
          assert.deepStrictEqual(yield* graph.nodes(tenant, null), [
            { tenant, logicalKey: "page-1", version, record: record("page-1") },
            { tenant, logicalKey: "page-2", version, record: child }
          ])
          assert.deepStrictEqual(yield* graph.edges(tenant), [{ tenant, ...child.edges[0]! }])
        })
      )

      it.effect("a tenant has no nodes and no edges before the first record, also after an empty batch", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const tenant = tenantOf("empty")

          const written = yield* graph.write(batchOf(tenant, 0, []))

          assert.deepStrictEqual(written, { nodes: 0, edges: 0 })
          assert.deepStrictEqual([yield* graph.nodes(tenant, null), yield* graph.edges(tenant)], [[], []])
        })
      )

      it.effect("one key in two tenants is two nodes and two edges", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const [here, there] = [tenantOf("here"), tenantOf("there")]
          const page = (payload: string) =>
            record("page", { payload: { text: payload }, edges: [edge("page", "home")] })
          yield* graph.write(batchOf(here, 0, [page("here")]))

          yield* graph.write(batchOf(there, 0, [page("there")]))

          const [node] = yield* graph.nodes(here, null)
          assert.deepStrictEqual(node?.record.payload, { text: "here" })
          assert.strictEqual(node?.version, 1)
          assert.strictEqual((yield* graph.edges(here)).length, 1)
          assert.strictEqual((yield* graph.edges(there)).length, 1)
        })
      )

      it.effect("one logical id under two entity types is two nodes", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const tenant = tenantOf("types")

          yield* graph.write(batchOf(tenant, 0, [record("x"), record("x", { entityType: "work.item" })]))

          assert.strictEqual((yield* graph.nodes(tenant, null)).length, 2)
        })
      )

      it.effect("an edge is its type and its ends: each that differs makes another edge", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const tenant = tenantOf("edges")
          const edges = [edge("a", "b"), edge("a", "c"), edge("b", "b"), edge("a", "b", { type: "LINKS_TO" })]

          const written = yield* graph.write(
            batchOf(tenant, 0, [record("a", { edges: [...edges, edge("a", "b")] })])
          )

          assert.strictEqual(written.edges, 4)
          assert.strictEqual((yield* graph.edges(tenant)).length, 4)
        })
      )

      it.effect("a record without a logical id gets the same key at every run", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const tenant = tenantOf("keyless")
          const home = record(null, { displayName: "Home" })
          yield* graph.write(batchOf(tenant, 0, [home], { runId: RunId.make("run-1") }))
          const before = yield* graph.nodes(tenant, null)

          yield* graph.write(batchOf(tenant, 0, [{ ...home, payload: {} }], { runId: RunId.make("run-2") }))

          const after = yield* graph.nodes(tenant, null)
          assert.deepStrictEqual(keysOf(after), keysOf(before))
          assert.isNotEmpty(after[0]?.logicalKey)
          assert.strictEqual(after[0]?.version, 2)
        })
      )

      it.effect("records without a logical id are one node only if type, endpoint and name agree", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const tenant = tenantOf("keyless-apart")
          const of = (entityType: string, endpointId: string, displayName: string) =>
            record(null, {
              entityType,
              displayName,
              provenance: { endpointId: EndpointId.make(endpointId), vendor: "test", sourceEventId: null }
            })
          const apart = [
            of("t", "e", "n"),
            of("t2", "e", "n"),
            of("t", "e2", "n"),
            of("t", "e", "N"),
            of("t", "e/n", "m"),
            of("t", "e", "n/m"),
            of("t", "e", "n%2Fm")
          ]

          const written = yield* graph.write(batchOf(tenant, 0, [...apart, of("t", "e", "n")]))

          assert.strictEqual(written.nodes, apart.length)
          assert.strictEqual((yield* graph.nodes(tenant, null)).length, apart.length)
        })
      )

      it.effect("P27 the same batch again changes nothing and answers the same", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const tenant = tenantOf("repeated")
          const records = [record("a", { edges: [edge("a", "b")] }), record("b")]
          const first = yield* graph.write(batchOf(tenant, 3, records))
          const before = [yield* graph.nodes(tenant, null), yield* graph.edges(tenant)]

          const second = yield* graph.write(batchOf(tenant, 3, records))

          assert.deepStrictEqual(second, first)
          assert.deepStrictEqual([yield* graph.nodes(tenant, null), yield* graph.edges(tenant)], before)
        })
      )

      it.effect("a batch of many writers at once is applied once", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const tenant = tenantOf("raced")
          const batch = batchOf(tenant, 0, [record("a", { edges: [edge("a", "b")] })])

          const answers = yield* Effect.replicateEffect(graph.write(batch), 12, { concurrency: "unbounded" })

          assert.isTrue(answers.every(({ nodes, edges }) => nodes === 1 && edges === 1))
          assert.strictEqual((yield* graph.nodes(tenant, null))[0]?.version, 1)
        })
      )

      it.effect(
        "the same records in another batch, slice or run keep the numbers and raise the versions",
        () =>
          Effect.gen(function* () {
            const graph = yield* GraphStore
            const tenant = tenantOf("again")
            const records = [record("a", { edges: [edge("a", "b")] }), record("b")]
            yield* graph.write(batchOf(tenant, 0, records))

            yield* graph.write(batchOf(tenant, 1, records))
            yield* graph.write(batchOf(tenant, 0, records, { sliceSeq: SliceSeq.make(1) }))
            yield* graph.write(batchOf(tenant, 0, records, { runId: RunId.make("another run") }))

            const nodes = yield* graph.nodes(tenant, null)
            assert.deepStrictEqual(
              nodes.map(({ version }) => version),
              [4, 4]
            )
            assert.strictEqual((yield* graph.edges(tenant)).length, 1)
          })
      )

      it.effect("what was written last is what is read, of nodes and of edges", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const tenant = tenantOf("newest")
          const of = (n: number) =>
            record("a", {
              displayName: `${n}`,
              payload: { n },
              edges: [edge("a", "b", { properties: { n } })]
            })
          yield* graph.write(batchOf(tenant, 0, [of(1)]))

          yield* graph.write(batchOf(tenant, 1, [of(2)]))

          assert.deepStrictEqual((yield* graph.nodes(tenant, null))[0]?.record, of(2))
          assert.deepStrictEqual((yield* graph.edges(tenant))[0]?.properties, { n: 2 })
        })
      )

      it.effect("an edge may come before the nodes at its ends", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const tenant = tenantOf("early-edge")
          yield* graph.write(batchOf(tenant, 0, [record("leaf", { edges: [edge("later", "latest")] })]))
          const early = yield* graph.edges(tenant)

          yield* graph.write(batchOf(tenant, 1, [record("later"), record("latest")]))

          assert.strictEqual(early.length, 1)
          assert.deepStrictEqual(yield* graph.edges(tenant), early)
          assert.deepStrictEqual(
            keysOf(yield* graph.nodes(tenant, null)),
            ["later", "latest", "leaf"].toSorted()
          )
        })
      )

      it.effect("a reader meets all of a batch or nothing of it", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const tenant = tenantOf("atomic")
          const records = Array.from({ length: 50 }, (_, n) => record(`${n}`))
          const writing = Effect.forEach([0, 1, 2, 3], (n) => graph.write(batchOf(tenant, n, records)))
          const versionsRead = Effect.map(graph.nodes(tenant, null), (nodes) =>
            nodes.map(({ version }) => version)
          )

          const [, read] = yield* Effect.all([writing, Effect.replicateEffect(versionsRead, 20)], {
            concurrency: "unbounded"
          })

          for (const versions of read) {
            assert.include([0, 50], versions.length)
            assert.isAtMost(new Set(versions).size, 1)
          }
        })
      )

      it.effect("nodes are in order of entity type and key, and can be asked for by entity type", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const tenant = tenantOf("ordered")
          const page = (id: string) => record(id)
          const item = (id: string) => record(id, { entityType: "work.item" })

          yield* graph.write(
            batchOf(tenant, 0, [item("a"), page("b"), page("B"), item("A"), page("a-1"), page("a")])
          )

          assert.deepStrictEqual(keysOf(yield* graph.nodes(tenant, null)), ["B", "a", "a-1", "b", "A", "a"])
          assert.deepStrictEqual(keysOf(yield* graph.nodes(tenant, "work.item")), ["A", "a"])
          assert.deepStrictEqual(yield* graph.nodes(tenant, "work"), [])
        })
      )

      it.effect("edges are in order of type, source and target", () =>
        Effect.gen(function* () {
          const graph = yield* GraphStore
          const tenant = tenantOf("edge-order")
          const ordered = [
            edge("z", "z", { type: "A" }),
            edge("B", "z", { type: "B" }),
            edge("a", "B", { type: "B" }),
            edge("a", "a", { type: "B" })
          ]

          yield* graph.write(batchOf(tenant, 0, [record("x", { edges: ordered.toReversed() })]))

          assert.deepStrictEqual(
            yield* graph.edges(tenant),
            ordered.map((each) => ({ tenant, ...each }))
          )
        })
      )
    }
  )
