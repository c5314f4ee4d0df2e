/** The embedded servers of a test: used from here and from other processes, and looked at from outside. */
import { PgClient } from "@effect/sql-pg"
import * as EmbeddedPostgres from "@headrace/adapters/sql/EmbeddedPostgres"
import * as PostmasterFile from "@headrace/adapters/sql/PostmasterFile"
import { Effect, Exit, Schedule, Schema, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { readFileSync, realpathSync } from "node:fs"
import { join } from "node:path"
import * as OtherProcess from "../OtherProcess.ts"

const Held = Schema.fromJsonString(Schema.Struct({ socketPath: Schema.String }))

export const postmasterOf = (dataDir: string): number =>
  Number(readFileSync(join(dataDir, "postmaster.pid"), "utf8").split("\n")[0])

export const runs = (pid: number, dataDir: string) => PostmasterFile.isPostmaster(pid, realpathSync(dataDir))

/** The server for as long as the answered scope, which the test closes, or its own end. */
export const acquire = Effect.fnUntraced(function* (dataDir: string) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const server = yield* Scope.provide(EmbeddedPostgres.acquire(dataDir), scope)
  return { server, leave: Scope.close(scope, Exit.void), pid: postmasterOf(dataDir) }
})

export const on = <A, E>(socketPath: string, use: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.provide(use, PgClient.layer({ path: socketPath, username: "postgres", database: "postgres" }))

export const write = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`create table kept as select 42 as n`)
export const read = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select n from kept`)

/** Until it works: a statement that was on its way when the server died fails. */
export const again = Effect.retry({ schedule: Schedule.spaced("20 millis") })

/** Another process that uses the server of the folder. */
export const otherUser = Effect.fnUntraced(function* (dataDir: string) {
  const child = yield* OtherProcess.start(new URL("HoldServer.ts", import.meta.url), dataDir)
  const line = yield* OtherProcess.firstLine(child)
  return { child, ...(yield* Schema.decodeUnknownEffect(Held)(line)) }
})
