import { assert, layer } from "@effect/vitest"
import { RunEvents } from "@headrace/core/services/RunEvents"
import { Deferred, Effect, Schema } from "effect"
import { act, endOf, field, register, runToEnd, status } from "../Api.ts"
import { ask } from "../GraphqlClient.ts"
import { both, orders } from "../BothEnds.ts"
import * as MemoryServer from "../MemoryServer.ts"

const Units = Schema.Array(Schema.Record(Schema.String, Schema.Json))

layer(MemoryServer.layer(), { excludeTestServices: true })("units and statuses", (it) => {
  it.effect(
    "answers a discovered unit with every field, by row id also when asked by sourceId (P18, D9)",
    () =>
      Effect.gen(function* () {
        const { source } = yield* both
        const document = `query U($endpointId: ID!) { ingestionUnits(endpointId: $endpointId) {
        endpointId unitId kind displayName driverId sinkId sinkEndpointId capabilities
      } }`

        const answer = yield* ask(document, { endpointId: source.sourceId })

        assert.deepStrictEqual(yield* field(answer, "ingestionUnits", Units), [
          {
            endpointId: source.id,
            unitId: orders,
            kind: "table",
            displayName: orders,
            driverId: "worker",
            sinkId: "kb",
            sinkEndpointId: null,
            capabilities: ["ingest.full", "ingest.incremental"]
          }
        ])
      })
  )

  it.effect("prefers a declared unit, and its sink as the default (D9, D17)", () =>
    Effect.gen(function* () {
      const lake = yield* register(MemoryServer.lake)
      const ingestionUnits = [
        { unitId: orders, displayName: "Orders", sinkId: lake.sourceId },
        { kind: "no id" }
      ]
      const { id } = yield* register(MemoryServer.source({ ingestionUnits }))

      const answer = yield* ask(
        `query U($id: ID!) { ingestionUnits(endpointId: $id) { displayName sinkId sinkEndpointId } }`,
        {
          id
        }
      )

      assert.deepStrictEqual(yield* field(answer, "ingestionUnits", Units), [
        { displayName: "Orders", sinkId: lake.id, sinkEndpointId: lake.id }
      ])
    })
  )

  it.effect("shows a unit that never ran as IDLE, and reads change nothing", () =>
    Effect.gen(function* () {
      const unit = yield* both

      const first = yield* status(unit)
      yield* Effect.replicateEffect(status(unit), 5)
      const list = yield* ask(
        `query S($id: ID!) { ingestionStatuses(endpointId: $id) { unitId state lastRunAt } }`,
        {
          id: unit.endpointId
        }
      )

      assert.deepInclude(first, {
        state: "IDLE",
        sinkId: "kb",
        lastRunId: null,
        checkpoint: null,
        stats: null
      })
      assert.deepStrictEqual(yield* status(unit), first)
      assert.deepStrictEqual(list.data, {
        ingestionStatuses: [{ unitId: orders, state: "IDLE", lastRunAt: null }]
      })
    })
  )

  it.effect("answers [] for an endpoint without units, not an error", () =>
    Effect.gen(function* () {
      const { id } = yield* register({ name: "Bare", url: "https://x" })

      const answer = yield* ask(
        `query U($id: ID!) { ingestionUnits(endpointId: $id) { unitId } ingestionStatuses(endpointId: $id) { unitId } }`,
        { id }
      )

      assert.deepStrictEqual(answer, { data: { ingestionUnits: [], ingestionStatuses: [] } })
    })
  )
})

layer(MemoryServer.layer(), { excludeTestServices: true })("a run", (it) => {
  it.effect("is one id from start to checkpoint, and leaves record and stats as promised (D10, P24)", () =>
    Effect.gen(function* () {
      const { lake, source, ...unit } = yield* both
      const events = yield* (yield* RunEvents).subscribe

      const started = yield* act("start", { ...unit, stagingProviderId: "local_disk" })
      yield* endOf(events, started.runId)
      const ended = yield* status(unit)

      assert.deepInclude(started, { ok: true, state: "RUNNING", message: null })
      assert.isTrue(started.runId?.startsWith(`ingestion-${source.id}-${orders}-`))
      assert.deepInclude(ended, {
        state: "SUCCEEDED",
        lastError: null,
        sinkId: lake.id,
        sinkEndpointId: lake.id
      })
      assert.deepInclude(ended, { lastRunId: started.runId, stagingProviderId: "local_disk" })
      assert.deepInclude(ended.stats, { exported_rows: 10, applied_rows: 10, processed: 10 })
      assert.strictEqual(ended.checkpoint?.lastRunId, started.runId)
    })
  )

  it.effect("is asked for with sinkEndpointId first, sourceId as good as row id (D4)", () =>
    Effect.gen(function* () {
      const { lake, ...unit } = yield* both

      yield* runToEnd({ ...unit, sinkId: "kb", sinkEndpointId: ` ${lake.sourceId} `.trim() })

      assert.strictEqual((yield* status(unit)).sinkId, lake.id)
    })
  )

  it.effect("without a sink goes to the knowledge base, and stats count nodes and edges (P17, D19)", () =>
    Effect.gen(function* () {
      const { endpointId, unitId } = yield* both

      yield* runToEnd({ endpointId, unitId, sinkId: null })
      const ended = yield* status({ endpointId, unitId })

      assert.deepInclude(ended, { state: "SUCCEEDED", sinkId: "kb", sinkEndpointId: null })
      assert.hasAnyKeys(ended.stats, ["upserts"])
    })
  )

  it.effect("resets to IDLE, keeps its stats, and the next one loads everything again", () =>
    Effect.gen(function* () {
      const { lake: _lake, source: _source, ...unit } = yield* both
      yield* runToEnd(unit)
      const before = yield* status(unit)

      const reset = yield* act("reset", unit)
      const after = yield* status(unit)
      yield* runToEnd(unit)

      assert.deepInclude(reset, { ok: true, runId: null, state: "IDLE" })
      assert.isNotEmpty(reset.message)
      assert.deepStrictEqual(after, { ...before, state: "IDLE", checkpoint: null })
      assert.deepInclude((yield* status(unit)).stats, { exported_rows: 10 })
    })
  )

  it.effect("of a source without a template ends FAILED and says what is missing", () =>
    Effect.gen(function* () {
      const { id } = yield* register({
        name: "Bare",
        url: "https://x",
        config: { ingestionUnits: [{ unitId: "u" }] }
      })

      const end = yield* runToEnd({ endpointId: id, unitId: "u" })

      assert.strictEqual(end.event, "RUN_FAILED")
      assert.match((yield* status({ endpointId: id, unitId: "u" })).lastError ?? "", /^[A-Z_]+: .*templateId/)
    })
  )

  it.effect("names the endpoints of its reason as clients do, and not by their row ids", () =>
    Effect.gen(function* () {
      const bare = { name: "Bare", url: "https://x", config: { ingestionUnits: [{ unitId: "u" }] } }
      const { id } = yield* register({ ...bare, sourceId: "bare-shop" })

      yield* runToEnd({ endpointId: id, unitId: "u" })
      const one = yield* status({ endpointId: id, unitId: "u" })
      const all = yield* ask(`query S($id: ID!) { ingestionStatuses(endpointId: $id) { lastError } }`, { id })

      assert.include(one.lastError ?? "", "The endpoint bare-shop has no")
      assert.deepStrictEqual(yield* field(all, "ingestionStatuses", Units), [{ lastError: one.lastError }])
    })
  )

  it.effect("of a declared unit the source does not have ends FAILED and names it", () =>
    Effect.gen(function* () {
      const { id } = yield* register(MemoryServer.source({ ingestionUnits: [{ unitId: "public.ghost" }] }))

      yield* runToEnd({ endpointId: id, unitId: "public.ghost" })

      assert.include((yield* status({ endpointId: id, unitId: "public.ghost" })).lastError, "public.ghost")
    })
  )
})

const mayGoOn = Deferred.makeUnsafe<void>()
const stalled = MemoryServer.layer({
  sliceRows: 5,
  during: ({ name, slice }) => (name === "staged" && slice === 1 ? Deferred.await(mayGoOn) : Effect.void)
})

layer(stalled, { excludeTestServices: true })("while a run is active", (it) => {
  it.effect(
    "a second start is refused as data with the live run's id, and a pause lets it stop in order (D1, D2)",
    () =>
      Effect.gen(function* () {
        const { lake: _lake, source: _source, ...unit } = yield* both
        const events = yield* (yield* RunEvents).subscribe

        const [one, two] = yield* Effect.all([act("start", unit), act("start", unit)], { concurrency: 2 })
        const running = yield* status(unit)
        const paused = yield* act("pause", unit)
        const winding = yield* act("start", unit)
        yield* Deferred.succeed(mayGoOn, undefined)
        yield* endOf(events, one.runId)
        const ended = yield* status(unit)

        assert.notStrictEqual(one.ok, two.ok)
        assert.strictEqual(one.runId, two.runId)
        assert.deepInclude(running, { state: "RUNNING", lastRunId: one.runId, lastError: null })
        assert.deepInclude(paused, { ok: true, state: "PAUSED", runId: one.runId })
        assert.deepInclude(winding, { ok: false, state: "PAUSED", runId: one.runId })
        assert.isNotEmpty(winding.message)
        assert.strictEqual(ended.state, "PAUSED")
      })
  )
})
