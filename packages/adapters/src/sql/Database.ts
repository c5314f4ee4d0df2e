/**
 * The control database behind one SQL client: a PostgreSQL of the user's, or
 * the embedded one. Whoever gets the client gets it migrated and answering.
 */
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted, Schema } from "effect"
import { type Migrator, SqlClient } from "effect/sql"
import * as Reactivity from "effect/reactivity/Reactivity"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { EmbeddedPostgres } from "./EmbeddedPostgres.ts"
import { migrate } from "./Migrations.ts"
import { reasonOf } from "./SqlFailure.ts"

type Client = PgClient.PgClient | SqlClient.SqlClient

/** The database does not let us work: it is not there, refuses us, or cannot be migrated. */
export class DatabaseUnavailable extends Schema.TaggedError<DatabaseUnavailable>()("DatabaseUnavailable", {
  /** Host, port and database; never a password. */
  where: Schema.String,
  why: Schema.String,
  advice: Schema.String
}) {
  override get message() {
    return `The database cannot be used (${this.where}): ${this.why}. ${this.advice}`
  }
}

/** The name of our database on the embedded server. */
export const embeddedDatabase = "headrace"

/** A PostgreSQL of the user's: `postgresql://user:password@host:port/database?sslmode=…`. */
export const layerUrl = (url: Redacted.Redacted): Layer.Layer<Client, DatabaseUnavailable> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const parsed = URL.parse(Redacted.value(url))
      if (parsed === null || !/^postgres(ql)?:$/.test(parsed.protocol)) return yield* malformed
      return layerReady({ url }, `${parsed.host}${parsed.pathname}`)
    })
  )

/** The version of the PostgreSQL at the url, asked without migrating or changing anything. */
export const answers = (url: Redacted.Redacted): Effect.Effect<string, DatabaseUnavailable> =>
  Effect.gen(function* () {
    const parsed = URL.parse(Redacted.value(url))
    const where = `${parsed?.host ?? ""}${parsed?.pathname ?? ""}`
    const ask = Effect.gen(function* () {
      const sql = yield* PgClient.make(settings({ url }))
      return yield* sql<{ readonly version: string }>`select current_setting('server_version') as version`
    })
    const [row] = yield* Effect.mapError(ask, unavailable(where))
    return row?.version ?? ""
  }).pipe(Effect.scoped, Effect.provide(Reactivity.layer))

/** Our database on the embedded server. */
export const layerEmbedded: Layer.Layer<Client, DatabaseUnavailable, EmbeddedPostgres> = Layer.unwrap(
  Effect.gen(function* () {
    const { ensureDatabase, socketPath, username } = yield* EmbeddedPostgres
    const where = `${socketPath}, database ${embeddedDatabase}`
    yield* Effect.mapError(ensureDatabase(embeddedDatabase), unavailable(where))
    return layerReady({ path: socketPath, username, database: embeddedDatabase }, where)
  })
)

const layerReady = (connection: PgClient.PgClientConfig, where: string) =>
  PgClient.layerFrom(
    Effect.gen(function* () {
      const client = yield* PgClient.make(settings(connection))
      yield* Effect.provideService(migrate, SqlClient.SqlClient, client)
      return client
    }).pipe(Effect.mapError(unavailable(where)))
  )

/** No statement of ours takes long; one that does is stuck. Times without zone are UTC in existing tables. */
export const settings = (connection: PgClient.PgClientConfig): PgClient.PgPoolConfig => ({
  applicationName: "headrace",
  connectTimeout: "5 seconds",
  startupParameters: {
    timezone: "UTC",
    statement_timeout: "5000",
    idle_in_transaction_session_timeout: "30000"
  },
  ...connection
})

const malformed = new DatabaseUnavailable({
  where: "HEADRACE_DATABASE_URL",
  why: "it is not a URL of PostgreSQL",
  advice: "Write it as postgresql://user:password@host:5432/database, or unset it to use the embedded one."
})

const unavailable =
  (where: string) =>
  (error: SqlError | Migrator.MigrationError): DatabaseUnavailable =>
    error._tag === "SqlError"
      ? new DatabaseUnavailable({ where, why: reasonOf(error), advice: adviceFor(error) })
      : new DatabaseUnavailable({
          where,
          why: `${error.message}${isSqlError(error.cause) ? `: ${reasonOf(error.cause)}` : ""}`,
          advice:
            "The database is as it was before. Give its user the right to create tables, or report this."
        })

/** What a person can do about it, by what kind of failure it is. */
const adviceFor = (error: SqlError): string => {
  switch (error.reason._tag) {
    case "ConnectionError":
      return "Check host and port in HEADRACE_DATABASE_URL and that the server runs, or unset it to use the embedded one."
    case "AuthenticationError":
      return "Check user and password in HEADRACE_DATABASE_URL."
    case "AuthorizationError":
      return "Give the user of HEADRACE_DATABASE_URL the right to connect and to create tables."
    default:
      return "Check that the database named in HEADRACE_DATABASE_URL exists and is PostgreSQL 13 or newer."
  }
}
