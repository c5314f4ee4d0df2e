import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { act, acting, field, register, registering, runToEnd, status } from "../Api.ts"
import { ask, codes } from "../GraphqlClient.ts"
import * as Lake from "./Lake.ts"
import * as Shop from "./Shop.ts"
import * as World from "./World.ts"

const Test = Schema.Struct({
  ok: Schema.Boolean,
  diagnostics: Schema.Array(
    Schema.Struct({ code: Schema.String, message: Schema.String, field: Schema.NullOr(Schema.String) })
  )
})

const testing = Effect.fnUntraced(function* (
  connection: Readonly<Record<string, string>>,
  endpointId?: string
) {
  const document = `mutation T($input: TestEndpointInput!) {
    testEndpoint(input: $input) { ok diagnostics { code message field } }
  }`
  const input = { templateId: "jdbc.postgres", type: "source", connection, endpointId }
  return yield* field(yield* ask(document, { input }), "testEndpoint", Test)
})

/** A user who must say `hunter2`, though everybody else on this server is trusted. */
const lockedUser = Effect.fnUntraced(function* ({ dataDir, parameters, sql }: Shop.Shop) {
  const rules = join(dataDir, "pg_hba.conf")
  yield* sql`create role locked login superuser password 'hunter2'`
  writeFileSync(rules, `local all locked scram-sha-256\n${readFileSync(rules, "utf8")}`)
  yield* sql`select pg_reload_conf()`
  return { ...parameters, username: "locked" }
})

const live = { excludeTestServices: true, timeout: "60 seconds" } as const

layer(World.layer, live)("what cannot work", (it) => {
  it.effect("is said of a connection, with the parameter to blame, and no error of the API", () =>
    Effect.gen(function* () {
      const { parameters } = (yield* World.World).shop
      const wrong = {
        host: { ...parameters, host: "no-such-host.invalid" },
        port: { ...parameters, host: "127.0.0.1", port: "1" },
        database: { ...parameters, database: "nowhere" }
      }

      const works = yield* testing(parameters)
      const tests = yield* Effect.forEach(Object.entries(wrong), ([name, each]) =>
        Effect.map(testing(each), ({ ok, diagnostics }) => ({
          name,
          ok,
          first: diagnostics.find(({ field: blamed }) => blamed)
        }))
      )

      assert.isTrue(works.ok, JSON.stringify(works))
      assert.deepStrictEqual(
        tests.map(({ name, ok, first }) => ({ name, ok, field: first?.field, code: first?.code })),
        [
          { name: "host", ok: false, field: "host", code: "E_CONN_TEST_FAILED" },
          { name: "port", ok: false, field: "port", code: "E_CONN_TEST_FAILED" },
          { name: "database", ok: false, field: "database", code: "E_CONN_TEST_FAILED" }
        ]
      )
    })
  )

  it.effect("is a wrong password; the right one is sealed, never shown, and kept on **** (D12)", () =>
    Effect.gen(function* () {
      const { shop } = yield* World.World
      const locked = yield* lockedUser(shop)
      const config = (password: string) => ({
        templateId: "jdbc.postgres",
        parameters: { ...locked, password }
      })

      const refused = yield* registering({ name: "Locked", config: config("hunter3") })
      const registered = yield* register({ name: "Locked", config: config("hunter2") })
      const withStored = yield* testing({ ...locked, password: "****" }, registered.id)
      const stored = yield* shop.control`select url, config::text as config from "MetadataEndpoint"`

      assert.deepStrictEqual(codes(refused), ["E_CONN_TEST_FAILED"])
      assert.isTrue(withStored.ok, JSON.stringify(withStored))
      assert.notMatch(JSON.stringify([refused, registered, withStored, stored]), /hunter[23]/)
    })
  )

  it.effect("is a sink whose folder is a file, or not there: nothing is stored", () =>
    Effect.gen(function* () {
      const folders = ["/dev/null", "/proc/1/nothing"]

      const answers = yield* Effect.forEach(folders, (base_path) =>
        registering({
          name: "Lake",
          projectSlug: "nowhere",
          config: { templateId: "file.local", parameters: { base_path } }
        })
      )
      const listed = yield* ask(`{ endpoints(projectSlug: "nowhere") { id } }`)

      assert.deepStrictEqual(answers.flatMap(codes), ["E_CONN_TEST_FAILED", "E_CONN_TEST_FAILED"])
      assert.deepStrictEqual(listed.data, { endpoints: [] })
    })
  )

  it.effect("is an unknown staging provider: the run ends FAILED, names it, and tries no other", () =>
    Effect.gen(function* () {
      const { lake, named } = yield* World.unit("unstaged", 10)

      const end = yield* runToEnd({ ...named, stagingProviderId: "no_such_staging" })
      const ended = yield* status(named)

      assert.strictEqual(end.event, "RUN_FAILED")
      assert.match(ended.lastError ?? "", /^[A-Z_]+: .*no_such_staging/)
      assert.deepStrictEqual(yield* Lake.slices(lake), [])
    })
  )

  it.effect("is a cursor column that does not exist: earlier rows and checkpoint stay as they were", () =>
    Effect.gen(function* () {
      const { shop } = yield* World.World
      const { lake, named } = yield* World.unit("renamed", 10, World.byChange)
      yield* runToEnd(named)
      const before = yield* status(named)

      yield* shop.sql`alter table renamed rename column changed to moved`
      yield* runToEnd(named)
      const after = yield* status(named)

      assert.strictEqual(after.state, "FAILED")
      assert.match(after.lastError ?? "", /^[A-Z_]+: .*changed/)
      assert.deepStrictEqual(after.checkpoint?.cursor, before.checkpoint?.cursor)
      assert.deepStrictEqual(after.stats, before.stats)
      assert.deepStrictEqual(yield* Lake.ids(lake), Lake.range(1, 10))
    })
  )

  it.effect("is a table that is gone: the run ends FAILED and names it", () =>
    Effect.gen(function* () {
      const { shop } = yield* World.World
      const { named } = yield* World.unit("dropped", 10)
      yield* runToEnd(named)

      yield* shop.sql`drop table dropped`
      yield* runToEnd(named)

      assert.match((yield* status(named)).lastError ?? "", /^UNIT_NOT_FOUND: .*public\.dropped/)
    })
  )

  it.effect("is a checkpoint record nobody can read: refused, and never taken for none", () =>
    Effect.gen(function* () {
      const { shop } = yield* World.World
      const { lake, named } = yield* World.unit("garbled", 10, World.byChange)
      yield* runToEnd(named)

      yield* shop.control`update hr_kv set v = '{"cursor": 7, "lastRunId": 5}'::jsonb where k like ${`%${named.endpointId}%`}`
      const end = yield* runToEnd(named)

      assert.match(end.message ?? "", /^CHECKPOINT_UNREADABLE: /)
      assert.deepStrictEqual(yield* Lake.ids(lake), Lake.range(1, 10))
    })
  )

  it.effect("is an unknown endpoint, unit or sink: an error with its code, and nothing starts", () =>
    Effect.gen(function* () {
      const { named } = yield* World.unit("known", 1)

      const answers = yield* Effect.forEach(
        [
          { ...named, endpointId: "nobody" },
          { ...named, unitId: "public.KNOWN" },
          { ...named, sinkId: `${named.endpointId}x` }
        ],
        (each) => acting("start", each)
      )

      assert.deepStrictEqual(answers.flatMap(codes), [
        "E_ENDPOINT_NOT_FOUND",
        "E_INGESTION_UNIT_NOT_FOUND",
        "E_INGESTION_SINK_MISSING"
      ])
      assert.strictEqual((yield* status(named)).lastRunId, null)
    })
  )
})

layer(World.layer, live)("what is unusual and works", (it) => {
  it.effect("is a table without rows", () =>
    Effect.gen(function* () {
      const { named } = yield* World.unit("empty", 0)

      const end = yield* runToEnd(named)

      assert.strictEqual(end.event, "RUN_SUCCEEDED")
      assert.deepInclude((yield* status(named)).stats, { exported_rows: 0, applied_rows: 0 })
    })
  )

  it.effect("is a table without a primary key, read in full", () =>
    Effect.gen(function* () {
      const { shop } = yield* World.World
      const { lake, named } = yield* World.unit("keyless", 700, { targetSliceSize: 200 })
      yield* shop.sql`alter table keyless drop constraint keyless_pkey`

      yield* runToEnd(named)

      assert.deepStrictEqual(yield* Lake.ids(lake), Lake.range(1, 700))
    })
  )

  it.effect("is a table into the knowledge base: its metadata arrives, its rows do not (P17, D19)", () =>
    Effect.gen(function* () {
      const { named } = yield* World.unit("described", 50)

      yield* runToEnd({ ...named, sinkId: "kb" })
      const { state, stats } = yield* status(named)

      assert.strictEqual(state, "SUCCEEDED")
      assert.isAbove(Number(stats?.["upserts"]), 0)
      assert.isBelow(Number(stats?.["upserts"]), 50)
    })
  )

  it.effect("is pausing and resetting what never ran", () =>
    Effect.gen(function* () {
      const { named } = yield* World.unit("never", 1)

      const paused = yield* act("pause", named)
      const reset = yield* act("reset", named)

      assert.deepInclude(paused, { ok: true, runId: null, state: "PAUSED" })
      assert.deepInclude(reset, { ok: true, runId: null, state: "IDLE" })
    })
  )
})
