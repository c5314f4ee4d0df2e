import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { Ids } from "../../src/services/Ids.ts"
import { isTerminal } from "../../src/services/RunEvents.ts"
import { record } from "../../src/testing/Samples.ts"
import * as Shop from "./Shop.ts"

/** Ids as readable as they are unique: `id-1`, `id-2`, … */
const countedIds = Layer.sync(Ids, () => {
  let count = 0
  return { uuid: Effect.sync(() => `id-${++count}`) }
})

describe("what a run says", () => {
  it.effect("D10 is under one id from the answer to the checkpoint, of the promised form", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()

      const { runId, end } = yield* Shop.started(shop.name)
      yield* end

      assert.strictEqual(runId, `ingestion-${shop.source.id}-public.orders-id-3`)
      assert.strictEqual((yield* Shop.asked)[0]?.runId, runId)
      assert.strictEqual((yield* Shop.status(shop)).lastRunId, runId)
      assert.deepInclude(yield* Shop.kept(shop), { lastRunId: runId })
    }).pipe(Effect.provide(Shop.layer().pipe(Layer.provide(countedIds))))
  )

  it.effect("begins with RUN_STARTED, tells each slice in order, and ends exactly once", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened({ mode: "incremental", targetSliceSize: 5 })

      const events = yield* (yield* Shop.started(shop.name)).end

      const slice = ["SLICE_STARTED", "SLICE_PROGRESS", "SLICE_COMMITTED"]
      assert.deepStrictEqual(
        events.map(({ event }) => event),
        ["RUN_STARTED", ...slice, ...slice, "RUN_SUCCEEDED"]
      )
      assert.deepStrictEqual(
        events
          .filter(({ event }) => event === "SLICE_COMMITTED")
          .map((told) => [told.slice, told.sliceCount]),
        [
          [1, 2],
          [2, 2]
        ]
      )
      assert.strictEqual(events.filter(isTerminal).length, 1)
    }).pipe(Effect.provide(Shop.layer()))
  )

  it.effect("warns of policy keys nobody reads, and does not send them to the worker", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened({ ...Shop.bySlices, targetSliceSise: 5 })

      const [first] = yield* (yield* Shop.started(shop.name)).end

      assert.include(first?.message, `"targetSliceSise"`)
      assert.include(first?.message, `"targetSliceSize"`)
      assert.deepStrictEqual((yield* Shop.asked)[0]?.policy, Shop.bySlices)
    }).pipe(Effect.provide(Shop.layer()))
  )

  const quiet = Shop.layerWorkerThat(({ runIngestionUnit }) => ({
    runIngestionUnit: (request) => Stream.filter(runIngestionUnit(request), ({ _tag }) => _tag !== "Progress")
  }))
  it.effect("tells of each slice and its rows also when the worker reports no progress", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened({ mode: "incremental", targetSliceSize: 5 })

      const events = yield* (yield* Shop.started(shop.name)).end

      assert.deepStrictEqual(
        events.map(({ event, exportedRows, appliedRows }) => [event, exportedRows, appliedRows]),
        [
          ["RUN_STARTED", 0, 0],
          ["SLICE_STARTED", 0, 0],
          ["SLICE_COMMITTED", 5, 5],
          ["SLICE_STARTED", 5, 5],
          ["SLICE_COMMITTED", 10, 10],
          ["RUN_SUCCEEDED", 10, 10]
        ]
      )
    }).pipe(Effect.provide(Shop.layerWorker(quiet)))
  )

  it.effect("shows rows and bytes as the worker reports them, ahead of what is sealed and committed", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened({ mode: "incremental", targetSliceSize: 5 })

      const events = yield* (yield* Shop.started(shop.name)).end

      const progress = events.filter(({ event }) => event === "SLICE_PROGRESS")
      assert.deepStrictEqual(
        progress.map(({ exportedRows, appliedRows, bytes, rowsTotal }) => [
          exportedRows,
          appliedRows,
          bytes,
          rowsTotal
        ]),
        [
          [5, 0, 50, 10],
          [10, 5, 100, 10]
        ]
      )
    }).pipe(Effect.provide(Shop.layer()))
  )

  const wiki = { units: [{ unitId: Shop.orders, rows: [], records: [record("home"), record("about")] }] }
  const quietWiki = Shop.layerWorker(quiet, wiki)
  it.effect("announces a slice of records with its first batch", () =>
    Effect.gen(function* () {
      const { name } = yield* Shop.opened()

      const events = yield* (yield* Shop.started({ ...name, sinkId: "kb" })).end

      assert.deepStrictEqual(
        events.map(({ event }) => event),
        ["RUN_STARTED", "SLICE_STARTED", "SLICE_COMMITTED", "RUN_SUCCEEDED"]
      )
    }).pipe(Effect.provide(quietWiki))
  )
})
