/** Runs without a sink: records for the knowledge base, batch by batch, each stored before it is allowed to count. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { knowledgeBase, UnitId, UnitKey } from "../../src/domain/Unit.ts"
import * as Headrace from "../../src/lifecycle/Headrace.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import type { Decide } from "../../src/protocol/Protocol.ts"
import { GraphStore, GraphStoreError } from "../../src/services/GraphStore.ts"
import { PythonWorker } from "../../src/services/PythonWorker.ts"
import { edge, record } from "../../src/testing/Samples.ts"
import * as Shop from "./Shop.ts"

const pages = "pages"

/** A wiki of 1100 pages, each the child of the one before it. */
const records = Array.from({ length: 1100 }, (_, n) =>
  record(`page-${n}`, { edges: n === 0 ? [] : [edge(`page-${n}`, `page-${n - 1}`)] })
)
const wiki = {
  units: [
    { unitId: pages, rows: [], records },
    { unitId: Shop.orders, rows: [...Shop.allRows] }
  ]
}

const opened = Effect.fnUntraced(function* (policy = {}) {
  const { source } = yield* Shop.opened(policy)
  const name = { endpointId: source.id, unitId: pages, sinkId: knowledgeBase }
  return { source, name, tables: { ...name, unitId: Shop.orders } }
})

const graphOf = Effect.gen(function* () {
  const graph = yield* GraphStore
  return { nodes: yield* graph.nodes("acme", null), edges: yield* graph.edges("acme") }
})

/** A worker over which every decision is noted with how many nodes there were when it was made. */
const noting = (noted: Array<Pick<Decide, "batch" | "verdict"> & { readonly nodes: number }>) =>
  Layer.effect(
    PythonWorker,
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const graph = yield* GraphStore
      return PythonWorker.of({
        ...worker,
        decide: (decision) =>
          Effect.gen(function* () {
            const nodes = (yield* Effect.orDie(graph.nodes("acme", null))).length
            noted.push({ batch: decision.batch, verdict: decision.verdict, nodes })
            yield* worker.decide(decision)
          })
      })
    })
  ).pipe(Layer.provide(MemoryPythonWorker.layerScript({ sliceRows: 5000 })))

describe("a run of a semantic source", () => {
  const noted: Array<Pick<Decide, "batch" | "verdict"> & { readonly nodes: number }> = []
  it.effect("P17, D11 stores batches of 500 at most, and decides on each only when it is stored", () =>
    Effect.gen(function* () {
      const { name } = yield* opened()

      const end = yield* Shop.run(name)

      assert.strictEqual(end.event, "RUN_SUCCEEDED")
      assert.deepStrictEqual(noted, [
        { batch: 0, verdict: "commit", nodes: 500 },
        { batch: 1, verdict: "commit", nodes: 1000 },
        { batch: 2, verdict: "commit", nodes: 1100 },
        { batch: null, verdict: "commit", nodes: 1100 }
      ])
    }).pipe(
      Effect.provide(
        Headrace.layer.pipe(
          Layer.provideMerge(noting(noted)),
          Layer.provideMerge(Headrace.layerStoresMemory),
          Layer.provideMerge(MemoryDataPlane.layer(wiki))
        )
      )
    )
  )

  it.effect("P25, P26 leaves every node and edge in the graph, and stats that count them", () =>
    Effect.gen(function* () {
      const { name } = yield* opened()

      const end = yield* Shop.run(name)

      const { nodes, edges } = yield* graphOf
      assert.deepStrictEqual([nodes.length, edges.length], [1100, 1099])
      assert.deepInclude(end.stats, { exported_rows: 1100, applied_rows: 1100, upserts: 1100, edges: 1099 })
    }).pipe(Effect.provide(Shop.layer({}, wiki)))
  )

  it.effect("a second run keeps the numbers of the graph and raises the versions", () =>
    Effect.gen(function* () {
      const { name } = yield* opened()
      yield* Shop.run(name)

      yield* Shop.run(name)

      const { nodes, edges } = yield* graphOf
      assert.deepStrictEqual([nodes.length, edges.length], [1100, 1099])
      assert.isTrue(nodes.every(({ version }) => version === 2))
    }).pipe(Effect.provide(Shop.layer({}, wiki)))
  )

  const third = Shop.failOnceAt("staged", 2)
  it.effect("P30 moves the checkpoint at each slice's end; a run that died goes on behind the last", () =>
    Effect.gen(function* () {
      const { name } = yield* opened({ mode: "incremental", targetSliceSize: 400 })
      yield* Shop.run(name)
      const { nodes } = yield* graphOf

      const end = yield* Shop.run(name)

      assert.strictEqual(nodes.length, 800)
      assert.deepStrictEqual((yield* Shop.asked)[1]?.checkpoint, Shop.at(800))
      assert.deepInclude(end, { event: "RUN_SUCCEEDED", exportedRows: 300 })
      assert.strictEqual((yield* graphOf).nodes.length, 1100)
    }).pipe(Effect.provide(Shop.layer(third, wiki)))
  )

  const second = Shop.stopAt("staged", 1)
  it.effect("D2 a pause stores no batch of the next slice", () =>
    Effect.gen(function* () {
      const { name } = yield* opened({ mode: "incremental", targetSliceSize: 400 })
      const { end } = yield* Shop.started(name)
      yield* second.reached

      yield* Shop.pause(name)
      yield* second.goOn

      assert.strictEqual((yield* end).at(-1)?.event, "RUN_PAUSED")
      assert.strictEqual((yield* graphOf).nodes.length, 400)
    }).pipe(Effect.provide(Shop.layer(second, wiki)))
  )
})

describe("a run of a table without a sink", () => {
  it.effect("D19 tells the graph of the table and its columns, and makes no row a node", () =>
    Effect.gen(function* () {
      const { source, tables } = yield* opened()

      const end = yield* Shop.run(tables)

      const { nodes, edges } = yield* graphOf
      const keys = nodes.map(({ record: { entityType }, logicalKey }) => `${entityType} ${logicalKey}`)
      const table = `${source.id}/public.orders`
      assert.deepStrictEqual(keys, [
        `catalog.column ${table}/id`,
        `catalog.column ${table}/name`,
        `catalog.dataset ${table}`
      ])
      assert.strictEqual(edges.length, 2)
      assert.deepInclude(end.stats, { applied_rows: 3, upserts: 3, edges: 2 })
    }).pipe(Effect.provide(Shop.layer({}, wiki)))
  )
})

describe("a graph that cannot be written", () => {
  const down = Layer.effect(
    GraphStore,
    Effect.map(GraphStore, (graph) =>
      GraphStore.of({
        ...graph,
        write: (batch) =>
          batch.batch === 1 ? Effect.fail(new GraphStoreError({ cause: "disk full" })) : graph.write(batch)
      })
    )
  )
  it.effect("ends the run FAILED GRAPH_UNAVAILABLE, and no checkpoint says that it was", () =>
    Effect.gen(function* () {
      const { source, name } = yield* opened()

      const end = yield* Shop.run(name)

      assert.match(end.message ?? "", /^GRAPH_UNAVAILABLE: /)
      assert.deepStrictEqual((yield* graphOf).nodes.length, 500)
      const unit = UnitKey.make({ endpointId: source.id, unitId: UnitId.make(pages) })
      assert.isNull(yield* Shop.kept({ place: { tenant: "acme", unit, sinkId: knowledgeBase } }))
    }).pipe(
      Effect.provide(
        Headrace.layer.pipe(
          Layer.provideMerge(down),
          Layer.provideMerge(Headrace.layerStoresMemory),
          Layer.provideMerge(MemoryPythonWorker.layerScript({ sliceRows: 5000 })),
          Layer.provideMerge(MemoryDataPlane.layer(wiki))
        )
      )
    )
  )
})
