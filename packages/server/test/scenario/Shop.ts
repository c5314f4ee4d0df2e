/** The visitor's database: tables in a database of their own, on the embedded server of a data directory. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { embeddedDatabase } from "@headrace/adapters/sql/Database"
import * as EmbeddedPostgres from "@headrace/adapters/sql/EmbeddedPostgres"
import { Context, Effect, Layer } from "effect"
import { lstatSync, readdirSync, realpathSync, rmSync } from "node:fs"
import { join } from "node:path"
import * as LeftBehind from "../../../adapters/test/LeftBehind.ts"
import { postgresFolder } from "../../src/Wiring.ts"

/** What the databases of all data directories in a folder put elsewhere because we are root. */
const elsewhere = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => postgresFolder(join(folder, name)))
    .filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink())
    .map((link) => realpathSync(link))

/** An empty folder; everything that came of it goes with it. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => LeftBehind.temporaryFolder("scenario")),
  (folder) =>
    Effect.sync(() => {
      for (const path of [...elsewhere(folder), folder])
        rmSync(path, { recursive: true, force: true, maxRetries: 5 })
    })
)

export interface Shop {
  readonly sql: PgClient.PgClient
  /** Headrace's own database on the same server. */
  readonly control: PgClient.PgClient
  readonly dataDir: string
  /** Connection parameters of `jdbc.postgres` for this database. */
  readonly parameters: Readonly<Record<string, string>>
}

/** Attaches to the server of the data directory, or starts it; keeps it running until the scope ends. */
export const open = Effect.fnUntraced(function* (data: string) {
  const server = yield* EmbeddedPostgres.acquire(postgresFolder(data))
  yield* server.ensureDatabase("shop")
  const { socketPath: path, username } = server
  const connect = (database: string) =>
    Effect.map(Layer.build(PgClient.layer({ path, username, database })), Context.get(PgClient.PgClient))
  const parameters = {
    host: server.socketDir,
    port: `${server.port}`,
    database: "shop",
    username: server.username,
    password: "hunter2"
  }
  const control = yield* connect(embeddedDatabase)
  return { sql: yield* connect("shop"), control, dataDir: server.dataDir, parameters } satisfies Shop
})

/** `public.<name>` with ids from 1 to `rows`, a text, and a column that grows with every change. */
export const makeTable = Effect.fnUntraced(function* ({ sql }: Shop, name: string, rows: number) {
  yield* sql`create sequence ${sql(`${name}_changes`)}`
  yield* sql`create table ${sql(name)} (
    id bigint primary key, note text, changed bigint not null default nextval(${sql.literal(`'${name}_changes'`)}))`
  yield* addRows({ sql }, name, 1, rows)
  yield* sql`analyze ${sql(name)}`
})

export const addRows = ({ sql }: Pick<Shop, "sql">, name: string, from: number, to: number) =>
  sql`insert into ${sql(name)} (id, note) select n, 'row ' || n from generate_series(${from}::bigint, ${to}::bigint) n`

export const changeRows = ({ sql }: Shop, name: string, from: number, to: number) =>
  sql`update ${sql(name)} set note = note || ' changed', changed = nextval(${`${name}_changes`})
      where id between ${from}::bigint and ${to}::bigint`
