import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, type Schema } from "effect"
import { checkpointKey } from "../../src/domain/Checkpoint.ts"
import { CheckpointLog, cursorOf } from "../../src/lifecycle/CheckpointLog.ts"
import { Ingestion } from "../../src/lifecycle/Ingestion.ts"
import * as Headrace from "../../src/lifecycle/Headrace.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import * as MemoryRunRepo from "../../src/memory/MemoryRunRepo.ts"
import * as MemorySliceLedger from "../../src/memory/MemorySliceLedger.ts"
import { EndpointRepo } from "../../src/services/EndpointRepo.ts"
import { KvStore } from "../../src/services/KvStore.ts"
import { UnitStateRepo } from "../../src/services/UnitStateRepo.ts"
import * as Shop from "./Shop.ts"

describe("a run into a sink", () => {
  it.effect("P19, P24 lands every row once and leaves cursor, run id, stats and time in KV", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()

      const end = yield* Shop.run(shop.name)

      assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
      const entry = yield* (yield* KvStore).get("acme", checkpointKey(shop.key, shop.place.sinkId))
      const { value } = Option.getOrThrow(entry)
      assert.hasAllKeys(value, ["cursor", "lastRunId", "stats", "lastUpdatedAt"])
      assert.deepInclude(value, { cursor: { next: 10 }, lastRunId: end.runId, stats: end.stats })
    }).pipe(Effect.provide(Shop.layer()))
  )

  it.effect("P21, P33 ends SUCCEEDED, and its stats count rows, time and where it staged", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()

      const end = yield* Shop.run(shop.name)

      const stats = {
        exported_rows: 10,
        applied_rows: 10,
        processed: 10,
        duration_ms: 0,
        stagingProviderId: "in_memory"
      }
      assert.deepInclude(yield* Shop.status(shop), { state: "SUCCEEDED", lastError: null, stats })
      assert.deepInclude(end, { event: "RUN_SUCCEEDED", state: "SUCCEEDED", stats })
    }).pipe(Effect.provide(Shop.layer()))
  )

  const watched = Shop.meanwhile()
  it.effect("P30 moves the checkpoint after each slice the sink holds, and never before", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const log = yield* CheckpointLog
      const plane = yield* MemoryDataPlane.MemoryDataPlane
      const seen: Array<readonly [Schema.Json, number]> = []
      const look = Effect.map(log.read(shop.place), (kept) => {
        seen.push([cursorOf(kept), MemoryDataPlane.rowsIn(plane, shop.path).length])
      })
      yield* watched.does(({ name }) => (name === "committing" ? Effect.orDie(look) : Effect.void))

      yield* Shop.run(shop.name)

      assert.deepStrictEqual(seen, [
        [null, 0],
        [Shop.at(3), 3],
        [Shop.at(6), 6],
        [Shop.at(9), 9]
      ])
    }).pipe(Effect.provide(Shop.layer(watched)))
  )

  const copies: Array<Schema.Json> = []
  const copying = Layer.effect(
    UnitStateRepo,
    Effect.map(UnitStateRepo, (units) =>
      UnitStateRepo.of({
        ...units,
        copyCheckpoint: (unit, record) =>
          Effect.andThen(
            Effect.sync(() => copies.push(record)),
            units.copyCheckpoint(unit, record)
          )
      })
    )
  )
  it.effect("P28 copies each checkpoint into the state table, as KV holds it", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened({ mode: "incremental", targetSliceSize: 5 })

      yield* Shop.run(shop.name)

      assert.strictEqual(copies.length, 3)
      assert.deepInclude(copies[0], { cursor: { next: 5 } })
      assert.deepStrictEqual(copies.at(-1), yield* Shop.kept(shop))
    }).pipe(
      Effect.provide(
        Headrace.layer.pipe(
          Layer.provideMerge(Layer.fresh(Layer.merge(MemoryRunRepo.layerProcess, MemorySliceLedger.layer))),
          Layer.provideMerge(copying),
          Layer.provideMerge(Headrace.layerStoresMemory),
          Layer.provideMerge(MemoryPythonWorker.layer)
        )
      )
    )
  )

  it.effect("P20 hands the worker the cursor of the last run and nothing of the record around it", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      yield* Shop.run(shop.name)

      yield* Shop.run(shop.name)

      const checkpoints = (yield* Shop.asked).map(({ checkpoint }) => checkpoint)
      assert.deepStrictEqual(checkpoints, [null, Shop.at(10)])
    }).pipe(Effect.provide(Shop.layer()))
  )

  it.effect("with nothing new succeeds with no rows and leaves the cursor where it was", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      yield* Shop.run(shop.name)

      const end = yield* Shop.run(shop.name)

      assert.deepInclude(end, { event: "RUN_SUCCEEDED", exportedRows: 0, appliedRows: 0 })
      assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(10))
      assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
    }).pipe(Effect.provide(Shop.layer()))
  )

  it.effect("carries what is new since the last run, and only that", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const plane = yield* MemoryDataPlane.MemoryDataPlane
      yield* Shop.run(shop.name)
      plane.units.get(Shop.orders)?.rows.push({ id: 11, name: "row 11" })

      const end = yield* Shop.run(shop.name)

      assert.deepInclude(end, { exportedRows: 1, appliedRows: 1, sliceCount: 1 })
      assert.deepStrictEqual(yield* Shop.landed(shop), MemoryDataPlane.rowsOf(11))
    }).pipe(Effect.provide(Shop.layer()))
  )

  it.effect("in full mode keeps no cursor, and the next run fills a new generation with everything", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened({ mode: "full", targetSliceSize: 4 })
      yield* Shop.run(shop.name)
      const first = yield* Shop.cursor(shop)

      yield* Shop.run(shop.name)

      const places = (yield* Shop.asked).map(({ generation, nextSeq }) => ({ generation, nextSeq }))
      assert.isNull(first)
      assert.isAbove(places[1]?.generation ?? 0, places[0]?.generation ?? 0)
      assert.strictEqual(places[1]?.nextSeq, 0)
      assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
    }).pipe(Effect.provide(Shop.layer()))
  )
})

describe("what a run was accepted with", () => {
  it.effect("D12 the worker gets secrets in clear, which the store holds only sealed", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const stored = yield* (yield* EndpointRepo).list(Shop.scope)

      const events = yield* (yield* Shop.started(shop.name)).end

      const [request] = yield* Shop.asked
      assert.strictEqual(request?.source.parameters["password"], "hunter2")
      assert.strictEqual(request?.sink?.parameters["password"], "hunter2")
      const told = JSON.stringify([stored, events, yield* Shop.status(shop)])
      assert.notInclude(told, "hunter2")
    }).pipe(Effect.provide(Shop.layer()))
  )

  const standing = Shop.stopAt("opened", null)
  it.effect("a run keeps its configuration when the endpoint is set up anew meanwhile", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const { end } = yield* Shop.started(shop.name)
      yield* standing.reached

      const again = yield* Shop.ensure("shop", MemoryDataPlane.sourceTemplateId, {
        ingestionPolicy: { mode: "full" }
      })
      yield* standing.goOn

      assert.strictEqual(again.id, shop.source.id)
      assert.strictEqual((yield* end).at(-1)?.event, "RUN_SUCCEEDED")
      assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(10))
    }).pipe(Effect.provide(Shop.layer(standing)))
  )

  it.effect("P13 the staging provider of the start goes before that of policy, endpoint and setting", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened({ ...Shop.bySlices, staging: { provider: "in_memory" } })
      const ingestion = yield* Ingestion
      const events = yield* Shop.ends

      yield* ingestion.start(Shop.scope, { ...shop.name, stagingProviderId: "local_disk" })
      yield* events

      assert.strictEqual((yield* Shop.asked)[0]?.stagingProviderId, "local_disk")
      assert.strictEqual((yield* Shop.status(shop)).stagingProviderId, "local_disk")
    }).pipe(Effect.provide(Shop.layer()))
  )
})
