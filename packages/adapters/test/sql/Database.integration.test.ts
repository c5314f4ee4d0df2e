/** How the control database is reached: by URL, or as the embedded one; and what is said when it cannot be. */
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import * as Database from "@headrace/adapters/sql/Database"
import * as EmbeddedPostgres from "@headrace/adapters/sql/EmbeddedPostgres"
import { Effect, Layer, Redacted } from "effect"
import { connect, createServer } from "node:net"
import { inject } from "vitest"
import { connectionTo, make } from "../Database.ts"
import * as Folders from "./Folders.ts"

/** The run's server as if it were somewhere on the network; answers the port. */
const onNetwork = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
    const server = createServer((client) => {
      const upstream = connect(inject("postgres"))
      client.on("error", () => upstream.destroy()).pipe(upstream)
      upstream.on("error", () => client.destroy()).pipe(client)
    })
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      resume(Effect.succeed({ port, close: () => server.close() }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

/** A database whose own setting is another zone. */
const inTokyo = (name: string) =>
  Effect.flatMap(
    PgClient.PgClient,
    (sql) => sql`alter database ${sql(name)} set timezone = 'Asia/Tokyo'`
  ).pipe(Effect.provide(PgClient.layer(connectionTo(name))))

const ask = (url: string) =>
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    return yield* sql`
      select current_database() as name, current_setting('timezone') as timezone,
        current_setting('statement_timeout') as patience, (select count(*)::int from hr_run) as runs`
  }).pipe(Effect.provide(Database.layerUrl(Redacted.make(url))))

describe("Database", () => {
  it.live("by URL the client is migrated, speaks UTC and waits five seconds for a statement at most", () =>
    Effect.gen(function* () {
      const { port } = yield* onNetwork
      const name = yield* make
      yield* inTokyo(name)

      const rows = yield* ask(`postgresql://postgres:secret@127.0.0.1:${port}/${name}`)

      assert.deepStrictEqual(rows, [{ name, timezone: "UTC", patience: "5s", runs: 0 }])
    })
  )

  it.live("a server that is not there is named without the password", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ask("postgresql://me:hunter2@127.0.0.1:1/shop"))

      assert.strictEqual(error._tag, "DatabaseUnavailable")
      assert.match(error.message, /127\.0\.0\.1:1\/shop.*ECONNREFUSED.*host and port/)
      assert.notMatch(JSON.stringify(error) + error.message, /hunter2/)
    })
  )

  it.live("a database that is not there is named", () =>
    Effect.gen(function* () {
      const { port } = yield* onNetwork

      const error = yield* Effect.flip(ask(`postgresql://postgres@127.0.0.1:${port}/nowhere`))

      assert.match(error.message, /database "nowhere" does not exist.*Check that the database/)
    })
  )

  it.live.each(["nonsense", "mysql://root@localhost/shop"])("%j is refused as no URL of PostgreSQL", (url) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(ask(url))

      assert.match(error.message, /HEADRACE_DATABASE_URL.*not a URL of PostgreSQL.*postgresql:\/\//)
    })
  )

  it.live("the embedded database is called headrace, and is there again after a restart", () =>
    Effect.gen(function* () {
      const dataDir = `${yield* Folders.temporary}/postgres`
      const started = Database.layerEmbedded.pipe(Layer.provide(EmbeddedPostgres.layer(dataDir)))
      const statement = (text: string) =>
        Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe(text)).pipe(
          Effect.provide(Layer.fresh(started)),
          Effect.scoped
        )
      yield* statement("insert into hr_kv (ns, k, v, version) values ('dev', 'k', '1', 1)")

      const rows = yield* statement("select current_database() as name, k from hr_kv")

      assert.deepStrictEqual(rows, [{ name: "headrace", k: "k" }])
    })
  )
})
