import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { existsSync, mkdirSync } from "node:fs"
import { join } from "node:path"
import { field, Status } from "../Api.ts"
import * as Lake from "./Lake.ts"
import * as ServerProcess from "./ServerProcess.ts"
import * as Shop from "./Shop.ts"

const Registered = Schema.Struct({ id: Schema.String })
const Started = Schema.Struct({ ok: Schema.Boolean, runId: Schema.String })

const register = Effect.fnUntraced(function* (
  server: ServerProcess.ServerProcess,
  name: string,
  config: unknown
) {
  const document = `mutation R($input: EndpointInput!) { registerEndpoint(input: $input) { id } }`
  const answer = yield* ServerProcess.ask(server, document, { input: { name, verb: "POST", config } })
  return (yield* field(answer, "registerEndpoint", Registered)).id
})

const start = Effect.fnUntraced(function* (
  server: ServerProcess.ServerProcess,
  unit: Record<string, string>
) {
  const document = `mutation S($endpointId: ID!, $unitId: ID!, $sinkId: String) {
    startIngestion(endpointId: $endpointId, unitId: $unitId, sinkId: $sinkId) { ok runId }
  }`
  return yield* field(yield* ServerProcess.ask(server, document, unit), "startIngestion", Started)
})

/** Asked again and again until it is so; each answer is an event of the other process. */
const statusWhen = (
  server: ServerProcess.ServerProcess,
  unit: Record<string, string>,
  isSo: (status: typeof Status.Type) => boolean
) =>
  Effect.gen(function* () {
    const document = `query S($endpointId: ID!, $unitId: ID!) { ingestionStatus(endpointId: $endpointId, unitId: $unitId) {
      unitId sinkId sinkEndpointId state lastRunId lastRunAt lastError stats checkpoint stagingProviderId
    } }`
    return yield* field(yield* ServerProcess.ask(server, document, unit), "ingestionStatus", Status)
  }).pipe(Effect.repeat({ until: isSo }), Effect.timeout("40 seconds"))

const setUp = Effect.gen(function* () {
  const folder = yield* Shop.temporaryFolder
  const [data, lake] = [join(folder, "data"), join(folder, "lake")]
  mkdirSync(data, { mode: 0o700 })
  mkdirSync(lake)
  const shop = yield* Shop.open(data)
  yield* Shop.makeTable(shop, "orders", 60_000)
  return { data, lake, shop }
})

it.live(
  "a server killed with SIGKILL in mid-run shows the run as FAILED after its restart, and goes on from the checkpoint",
  () =>
    Effect.gen(function* () {
      const { data, lake, shop } = yield* setUp
      const first = yield* ServerProcess.start(data)
      const endpointId = yield* register(first, "shop", {
        templateId: "jdbc.postgres",
        parameters: shop.parameters,
        ingestionPolicy: { targetSliceSize: 500 }
      })
      const sinkId = yield* register(first, "lake", {
        templateId: "file.local",
        parameters: { base_path: lake }
      })
      const unit = { endpointId, unitId: "public.orders", sinkId }

      const { runId } = yield* start(first, unit)
      yield* statusWhen(first, unit, ({ checkpoint }) => checkpoint !== null)
      yield* first.kill
      const held = yield* Lake.unseen(lake)
      const second = yield* ServerProcess.start(data)
      const failed = yield* statusWhen(second, unit, ({ state }) => state !== "RUNNING")
      const next = yield* start(second, unit)
      const ended = yield* statusWhen(second, unit, ({ state }) => state !== "RUNNING")

      assert.match(first.log[0] ?? "", /Development mode/)
      assert.isTrue(held > 0 && held < 60_000)
      assert.deepInclude(failed, { state: "FAILED", lastRunId: runId })
      assert.match(failed.lastError ?? "", /^WORKER_LOST: /)
      assert.isNotNull(failed.checkpoint)
      assert.isTrue(next.ok)
      assert.strictEqual(ended.state, "SUCCEEDED", ended.lastError ?? "")
      assert.isBelow(Number(ended.stats?.["exported_rows"]), 60_000)
      assert.deepStrictEqual(yield* Lake.ids(lake), Lake.range(1, 60_000))
    }),
  90_000
)

it.live(
  "a server killed while one unit is written by key and another by pages goes on with both after its restart, and each row is there once",
  () =>
    Effect.gen(function* () {
      const { data, lake, shop } = yield* setUp
      yield* shop.sql`create table heap as select * from orders`
      const first = yield* ServerProcess.start(data, 2)
      const endpointId = yield* register(first, "shop", {
        templateId: "jdbc.postgres",
        parameters: shop.parameters,
        ingestionPolicy: { sliceBytes: 20_000 }
      })
      const unitInto = Effect.fnUntraced(function* (name: string) {
        const config = { templateId: "file.local", parameters: { base_path: join(lake, name) } }
        return { endpointId, unitId: `public.${name}`, sinkId: yield* register(first, name, config) }
      })
      const units = yield* Effect.forEach(["orders", "heap"], unitInto)

      yield* Effect.forEach(units, (unit) => start(first, unit))
      const halfway = ["orders", "heap"].map((name) =>
        join(lake, name, `public.${name}`, "_gen=1", "slice=000000")
      )
      yield* Effect.sync(() => halfway.every((folder) => existsSync(folder))).pipe(
        Effect.repeat({ until: (isSo) => isSo }),
        Effect.timeout("40 seconds")
      )
      yield* first.kill
      const second = yield* ServerProcess.start(data, 2)
      const ends = (unit: (typeof units)[number]) =>
        statusWhen(second, unit, ({ state }) => state !== "RUNNING")
      const killed = yield* Effect.forEach(units, ends)
      const again = yield* Effect.forEach(units, (unit) => start(second, unit))
      const ended = yield* Effect.forEach(units, ends)

      assert.deepStrictEqual(
        killed.map(({ state }) => state),
        ["FAILED", "FAILED"]
      )
      assert.deepStrictEqual(
        again.map(({ ok }) => ok),
        [true, true]
      )
      assert.deepStrictEqual(
        ended.map(({ state, lastError }) => [state, lastError]),
        [
          ["SUCCEEDED", null],
          ["SUCCEEDED", null]
        ]
      )
      for (const name of ["orders", "heap"]) {
        assert.deepStrictEqual(yield* Lake.ids(join(lake, name)), Lake.range(1, 60_000))
        assert.strictEqual(yield* Lake.unseen(join(lake, name)), 0)
      }
      const sessions = yield* shop.sql<{ readonly n: number }>`
        select count(*)::int as n from pg_stat_activity where datname = 'shop' and state <> 'idle' and pid <> pg_backend_pid()`
      assert.deepStrictEqual(sessions, [{ n: 0 }])
    }),
  120_000
)
