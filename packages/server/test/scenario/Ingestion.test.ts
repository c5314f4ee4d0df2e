import { assert, layer } from "@effect/vitest"
import { RunEvents } from "@headrace/core/services/RunEvents"
import { Effect, Schema, Stream } from "effect"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { act, endOf, field, runToEnd, status } from "../Api.ts"
import { ask } from "../GraphqlClient.ts"
import * as Lake from "./Lake.ts"
import * as Shop from "./Shop.ts"
import * as World from "./World.ts"

const live = { excludeTestServices: true, timeout: "60 seconds" } as const

layer(World.layer, live)("a table carried to Parquet", (it) => {
  it.effect("arrives row for row, and record, stats and state row say so (P14-P16, P19-P24, P28, P30)", () =>
    Effect.gen(function* () {
      const { shop } = yield* World.World
      const { lake, named } = yield* World.unit("orders", 2_500, { targetSliceSize: 1_000 })

      const end = yield* runToEnd(named)
      const ended = yield* status(named)
      const arrived = yield* Lake.slices(lake)
      const shown =
        yield* shop.control`select "state", "sinkId", "lastRunId", "checkpoint" is not null as "hasCheckpoint"
        from "IngestionUnitState" where "endpointId" = ${named.endpointId} and "unitId" = ${named.unitId}`

      assert.strictEqual(end.event, "RUN_SUCCEEDED", ended.lastError ?? "")
      assert.deepStrictEqual(
        arrived.flatMap(({ rows }) => rows).toSorted((a, b) => a.id - b.id),
        (yield* shop.sql`select id::int, note, changed::int from orders order by id`).map((row) => ({
          ...row
        }))
      )
      assert.deepInclude(ended, { state: "SUCCEEDED", lastError: null, stagingProviderId: "in_memory" })
      assert.deepInclude(ended.stats, { exported_rows: 2_500, applied_rows: 2_500, processed: 2_500 })
      assert.strictEqual(ended.checkpoint?.lastRunId, ended.lastRunId)
      assert.deepStrictEqual(
        shown.map((row) => ({ ...row })),
        [{ state: "SUCCEEDED", sinkId: named.sinkId, lastRunId: ended.lastRunId, hasCheckpoint: true }]
      )
      assert.isAbove(arrived.length, 1)
    })
  )

  it.effect("is found by its source's own list, with its keys and modes (P2, D9)", () =>
    Effect.gen(function* () {
      const { named } = yield* World.unit("listed", 1)

      const answer = yield* ask(
        `query U($id: ID!) { ingestionUnits(endpointId: $id) { unitId kind capabilities stats } }`,
        {
          id: named.endpointId
        }
      )

      const units = yield* field(
        answer,
        "ingestionUnits",
        Schema.Array(Schema.Record(Schema.String, Schema.Json))
      )
      const listed = units.find((unit) => unit["unitId"] === "public.listed")
      assert.deepInclude(listed, { kind: "table", capabilities: ["ingest.full", "ingest.incremental"] })
      assert.deepInclude(listed?.["stats"], { primaryKey: ["id"] })
    })
  )

  it.effect("travels again only where it changed, and a run with nothing new succeeds with zero rows", () =>
    Effect.gen(function* () {
      const { shop } = yield* World.World
      const { lake, named } = yield* World.unit("changing", 1_000, World.byChange)
      yield* runToEnd(named)
      const before = (yield* Lake.slices(lake)).length

      yield* Shop.changeRows(shop, "changing", 10, 12)
      yield* Shop.addRows(shop, "changing", 1_001, 1_002)
      yield* runToEnd(named)
      const changed = yield* status(named)
      yield* runToEnd(named)
      const nothing = yield* status(named)

      const arrived = (yield* Lake.slices(lake)).slice(before).flatMap(({ rows }) => rows)
      assert.deepStrictEqual(
        arrived.map(({ id, note }) => `${id} ${note}`).toSorted((a, b) => parseInt(a) - parseInt(b)),
        ["10 row 10 changed", "11 row 11 changed", "12 row 12 changed", "1001 row 1001", "1002 row 1002"]
      )
      assert.strictEqual(changed.stats?.["exported_rows"], 5)
      assert.deepInclude(nothing, { state: "SUCCEEDED" })
      assert.deepInclude(nothing.stats, { exported_rows: 0, applied_rows: 0 })
      assert.deepStrictEqual(nothing.checkpoint?.cursor, changed.checkpoint?.cursor)
    })
  )

  it.effect("keeps a checkpoint record whose size does not grow with the number of runs", () =>
    Effect.gen(function* () {
      const { shop } = yield* World.World
      const { named } = yield* World.unit("often", 100, World.byChange)
      const size = Effect.map(status(named), ({ checkpoint }) => JSON.stringify(checkpoint?.cursor).length)
      yield* runToEnd(named)
      const first = yield* size

      yield* Effect.forEach(Lake.range(101, 140), (id) =>
        Effect.andThen(Shop.addRows(shop, "often", id, id), runToEnd(named))
      )

      assert.isAtMost(yield* size, first + 8)
    })
  )

  it.effect("is not kept from its sink by a client that sends two starts at once (D1)", () =>
    Effect.gen(function* () {
      const { lake, named } = yield* World.unit("twice", 500)
      const events = yield* (yield* RunEvents).subscribe

      const [one, two] = yield* Effect.all([act("start", named), act("start", named)], { concurrency: 2 })
      yield* endOf(events, one.runId)

      assert.notStrictEqual(one.ok, two.ok)
      assert.strictEqual(one.runId, two.runId)
      assert.deepStrictEqual(yield* Lake.ids(lake), Lake.range(1, 500))
    })
  )

  it.effect(
    "stops at a slice boundary when paused, and goes on from there without losing or doubling a row (D2)",
    () =>
      Effect.gen(function* () {
        const { data } = yield* World.World
        const { lake, named } = yield* World.unit("paused", 60_000, { targetSliceSize: 500 })
        const events = yield* (yield* RunEvents).subscribe
        const started = yield* act("start", named)

        yield* events.pipe(
          Stream.filter(({ event, runId }) => event === "SLICE_COMMITTED" && runId === started.runId),
          Stream.runHead
        )
        const paused = yield* act("pause", named)
        const end = yield* endOf(events, started.runId)
        const held = yield* Lake.unseen(lake)
        const resumed = yield* runToEnd(named)

        assert.deepInclude(paused, { ok: true, state: "PAUSED", runId: started.runId })
        assert.strictEqual(end.event, "RUN_PAUSED")
        assert.isTrue(held > 0 && held < 60_000)
        assert.strictEqual(resumed.event, "RUN_SUCCEEDED")
        assert.strictEqual(resumed.exportedRows, 60_000 - held)
        assert.deepStrictEqual(yield* Lake.ids(lake), Lake.range(1, 60_000))
        assert.deepStrictEqual(readdirSync(join(data, "staging")), [])
      })
  )

  it.effect(
    "starts over after a reset, in a new generation, and keeps the checkpoint of another sink (D5)",
    () =>
      Effect.gen(function* () {
        const { lake, named } = yield* World.unit("again", 300, World.byChange)
        const other = yield* World.unit("other", 1)
        yield* runToEnd(named)
        const before = (yield* Lake.slices(lake)).at(-1)
        yield* runToEnd({ ...named, sinkId: other.named.sinkId })

        const reset = yield* act("reset", named)
        const elsewhere = yield* status(named)
        yield* runToEnd(named)

        const after = (yield* Lake.slices(lake)).at(-1)
        assert.deepInclude(reset, { ok: true, state: "IDLE", runId: null })
        assert.isNotNull(elsewhere.checkpoint)
        assert.strictEqual((yield* status(named)).stats?.["exported_rows"], 300)
        assert.isAbove(after?.generation ?? 0, before?.generation ?? 0)
      })
  )
})
