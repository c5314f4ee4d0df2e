/** An empty database of one's own on the run's server, so that test files can run side by side. */
import { PgClient } from "@effect/sql-pg"
import * as Database from "@headrace/adapters/sql/Database"
import { migrate } from "@headrace/adapters/sql/Migrations"
import { Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { randomBytes } from "node:crypto"
import { inject } from "vitest"

/** Where a database of that name is, as `PgClient` takes it. */
export const connectionTo = (database: string) => ({
  path: inject("postgres"),
  username: "postgres",
  database
})

const admin = PgClient.layer(Database.settings(connectionTo("postgres")))

/** A new database, gone again with the scope; answers its name. */
export const make = Effect.gen(function* () {
  const sql = Context.get(yield* Layer.build(admin), SqlClient.SqlClient)
  const name = `test_${randomBytes(6).toString("hex")}`
  return yield* Effect.acquireRelease(
    Effect.as(sql`create database ${sql(name)} strategy file_copy`, name),
    () => Effect.ignore(sql`drop database ${sql(name)} with (force)`)
  )
})

/** Without a table. */
export const layerEmpty = Layer.unwrap(
  Effect.map(make, (name) => PgClient.layer(Database.settings(connectionTo(name))))
)

/** With ours. */
export const layer = Layer.effectDiscard(migrate).pipe(Layer.provideMerge(layerEmpty))
