/** The schema, on an empty database and on one that has tables and rows from before Headrace. */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import { Endpoint, EndpointId } from "@headrace/core/domain/Endpoint"
import { IngestionUnitEvent } from "@headrace/core/domain/IngestionUnitState"
import { RunId } from "@headrace/core/domain/Run"
import { SinkId, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import * as SqlEndpointRepo from "@headrace/adapters/endpoint/SqlEndpointRepo"
import { migrate, migrations } from "@headrace/adapters/sql/Migrations"
import * as SqlTemplateCatalog from "@headrace/adapters/template/SqlTemplateCatalog"
import * as SqlUnitStateRepo from "@headrace/adapters/unit-state/SqlUnitStateRepo"
import { DateTime, Effect, Option } from "effect"
import * as Database from "../Database.ts"

const excluded = { timeout: "60 seconds", excludeTestServices: true } as const

layer(Database.layerEmpty, excluded)("migrations of an empty database", (it) => {
  it.effect("run once, also when several processes start at the same time", () =>
    Effect.gen(function* () {
      const ran = yield* Effect.all([migrate, migrate, migrate], { concurrency: "unbounded" })

      const names = ran.flat().map(([, name]) => name)
      assert.deepStrictEqual(
        names,
        Object.keys(migrations).map((key) => key.slice(5))
      )
      assert.deepStrictEqual(yield* migrate, [])
    })
  )

  it.effect("every table of ours begins with hr_, and the others are those of existing databases", () =>
    Effect.gen(function* () {
      yield* migrate
      const sql = yield* PgClient.PgClient

      const tables = yield* sql`select tablename from pg_tables where schemaname = 'public' order by 1`

      assert.deepStrictEqual(
        tables.map(({ tablename }) => tablename),
        [
          "IngestionUnitState",
          "MetadataEndpoint",
          "MetadataEndpointTemplate",
          "MetadataProject",
          "hr_endpoint",
          "hr_generation",
          "hr_kv",
          "hr_lease",
          "hr_migration",
          "hr_quarantine",
          "hr_run",
          "hr_slice"
        ].toSorted()
      )
    })
  )
})

/** Tables as another program made them: with a column we do not know, without some defaults, times in UTC. */
const before = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient
  yield* sql`create table "MetadataProject" ("id" text primary key, "slug" text not null unique,
    "displayName" text not null, "description" text, "labels" text[],
    "createdAt" timestamp(3) not null default current_timestamp, "updatedAt" timestamp(3) not null)`
  yield* sql`create table "MetadataEndpoint" ("id" text primary key, "projectId" text references "MetadataProject",
    "sourceId" text not null unique, "name" text not null, "description" text, "verb" text not null,
    "url" text not null, "authPolicy" text, "domain" text, "labels" text[], "config" jsonb,
    "detectedVersion" text, "versionHint" text, "capabilities" text[],
    "createdAt" timestamp(3) not null default current_timestamp, "updatedAt" timestamp(3) not null,
    "deletedAt" timestamp(3), "deletionReason" text, "owner" text)`
  yield* sql`create table "MetadataEndpointTemplate" ("id" text primary key, "family" text not null,
    "title" text not null, "vendor" text not null, "descriptor" jsonb not null,
    "createdAt" timestamp(3) not null default current_timestamp, "updatedAt" timestamp(3) not null)`
  yield* sql`create table "IngestionUnitState" ("endpointId" text not null, "unitId" text not null,
    "sinkId" text not null, "state" text not null default 'IDLE', "checkpoint" jsonb, "lastRunId" text,
    "lastRunAt" timestamp(3), "lastError" text, "stats" jsonb,
    "createdAt" timestamp(3) not null default current_timestamp, "updatedAt" timestamp(3) not null,
    "note" text, primary key ("endpointId", "unitId"))`
  yield* sql`insert into "MetadataProject" values ('p1', 'global', 'Global', null, null, '2024-01-01', '2024-01-01')`
  yield* sql`insert into "MetadataEndpoint" ("id", "projectId", "sourceId", "name", "verb", "url", "config",
    "createdAt", "updatedAt", "owner") values ('e1', 'p1', 'global-shop', 'Shop', 'POST', 'postgresql://db/shop',
    '{"a": [1]}', '2024-05-06 07:08:09.123', '2024-05-06 07:08:10', 'somebody')`
  yield* sql`insert into "MetadataEndpointTemplate" values ('old', 'JDBC', 'Old', 'Them', '{"shape": "theirs"}',
    '2024-01-01', '2024-01-01')`
  yield* sql`insert into "IngestionUnitState" values ('e1', 'public.orders', 'kb', 'FAILED', '{"cursor": 7}', 'run-1',
    '2024-05-06 07:08:09.123', 'it broke', '{"rows": 3}', '2024-01-01', '2024-05-06 07:08:10.5', 'keep me')`
})

const contents = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient
  return yield* Effect.all([
    sql`select * from "MetadataProject"`,
    sql`select * from "MetadataEndpoint"`,
    sql`select * from "MetadataEndpointTemplate"`,
    sql`select * from "IngestionUnitState"`,
    sql`select table_name, column_name, data_type, is_nullable, column_default from information_schema.columns
      where table_schema = 'public' and table_name ~ '^[A-Z]' order by 1, 2`
  ])
})

const unit = UnitKey.make({ endpointId: EndpointId.make("e1"), unitId: UnitId.make("public.orders") })

layer(Database.layerEmpty, excluded)("migrations of a database from before", (it) => {
  it.effect("D15 existing tables, columns and rows stay as they are", () =>
    Effect.gen(function* () {
      yield* before
      const first = yield* contents

      yield* migrate

      assert.deepStrictEqual(yield* contents, first)
    })
  )

  it.effect(
    "an endpoint without an entry is the default tenant's, in project global, and nobody else's",
    () =>
      Effect.gen(function* () {
        const endpoints = yield* SqlEndpointRepo.make({ defaultTenant: "dev" })
        const global = { tenant: "dev", project: "global" }

        const [shop] = yield* endpoints.list(global)

        assert.deepInclude(shop, { name: "Shop", labels: [], capabilities: [], config: { a: [1] } })
        assert.deepStrictEqual(shop?.createdAt, DateTime.makeUnsafe("2024-05-06T07:08:09.123Z"))
        assert.deepStrictEqual(yield* endpoints.list({ tenant: "acme", project: "global" }), [])
        assert.deepStrictEqual(
          yield* endpoints.get({ tenant: "dev", project: "p1" }, shop!.id),
          Option.none()
        )
      })
  )

  it.effect("an endpoint that is put again keeps the columns we do not know", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const endpoints = yield* SqlEndpointRepo.make({ defaultTenant: "dev" })
      const [shop] = yield* endpoints.list({ tenant: "dev", project: "global" })

      yield* endpoints.put(Endpoint.make(Object.assign({}, shop, { name: "Store" })))

      assert.deepStrictEqual(
        yield* sql`select "name", "owner", "projectId", "createdAt"::text from "MetadataEndpoint"`,
        [{ name: "Store", owner: "somebody", projectId: "p1", createdAt: "2024-05-06 07:08:09.123" }]
      )
    })
  )

  it.effect("an event keeps the checkpoint and the columns we do not know, and writes times in UTC", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const states = yield* SqlUnitStateRepo.make
      const found = Option.getOrThrow(yield* states.get(unit))
      const at = DateTime.makeUnsafe("2025-01-02T03:04:05.678Z")
      const started = IngestionUnitEvent.cases.Started.make({
        runId: RunId.make("run-2"),
        sinkId: SinkId.make("lake"),
        at
      })

      yield* states.apply(unit, started)

      assert.deepStrictEqual(found.lastRunAt, DateTime.makeUnsafe("2024-05-06T07:08:09.123Z"))
      assert.deepStrictEqual(
        yield* sql`select "state", "checkpoint", "stats", "note", "createdAt"::text, "updatedAt"::text
          from "IngestionUnitState"`,
        [
          {
            state: "RUNNING",
            checkpoint: { cursor: 7 },
            stats: { rows: 3 },
            note: "keep me",
            createdAt: "2024-01-01 00:00:00",
            updatedAt: "2025-01-02 03:04:05.678"
          }
        ]
      )
    })
  )

  it.effect("a template in a shape of theirs is not known, and does not keep ours from being", () =>
    Effect.gen(function* () {
      const catalog = yield* SqlTemplateCatalog.make

      assert.deepStrictEqual(yield* catalog.known, [])
    })
  )
})
