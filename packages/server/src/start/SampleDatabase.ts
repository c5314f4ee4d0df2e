/**
 * The database `shop` on the embedded PostgreSQL: filled when it is not there,
 * changed on request, and found under the same host at every start, so that an
 * endpoint registered once stays true.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as EmbeddedPostgres from "@headrace/adapters/sql/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { createHash } from "node:crypto"
import { mkdtempSync, renameSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fillShop, findShop, shopReader, touchShop } from "./ShopSql.ts"

export const shopDatabase = "shop"

export interface SampleDatabase {
  /** Parameters of a `jdbc.postgres` endpoint. */
  readonly parameters: Readonly<Record<string, string>>
  readonly isFilled: Effect.Effect<boolean, SampleDatabaseFailed>
  /** Nothing is done when somebody filled it meanwhile. */
  readonly fill: Effect.Effect<void, SampleDatabaseFailed>
  /** Changes that many rows and answers how many it were. */
  readonly touch: (rows: number) => Effect.Effect<number, SampleDatabaseFailed>
}

/** The shop could not be made, read or changed. What was there before is there still. */
export class SampleDatabaseFailed extends Schema.TaggedError<SampleDatabaseFailed>()("SampleDatabaseFailed", {
  step: Schema.Literals(["open", "fill", "touch"]),
  why: Schema.String
}) {}

/** The shop of a data directory; its server runs for as long as the scope lives. `folder` is the database's. */
export const open = Effect.fn("SampleDatabase.open")(function* (data: string, folder: string) {
  const server = yield* Effect.mapError(EmbeddedPostgres.acquire(folder), failed("open"))
  yield* Effect.mapError(server.ensureDatabase(shopDatabase), failed("open"))
  const host = yield* Effect.try({ try: () => lastingHost(data, server.socketDir), catch: failed("open") })
  const sql = yield* connect(server)
  const found = sql.unsafe<{ readonly found: boolean }>(findShop)
  const sample: SampleDatabase = {
    parameters: { host, port: `${server.port}`, database: shopDatabase, username: shopReader, password: "" },
    isFilled: found.pipe(
      Effect.map((rows) => rows[0]?.found === true),
      Effect.mapError(failed("open"))
    ),
    fill: sql.withTransaction(fillOnce(sql, found)).pipe(Effect.mapError(failed("fill"))),
    touch: (rows) =>
      sql.unsafe<{ readonly changed: number }>(touchShop(rows)).pipe(
        Effect.map(([row]) => row?.changed ?? 0),
        Effect.mapError(failed("touch"))
      )
  }
  return sample
})

/** The number of the lock under which a shop is filled. */
const filling = 48_540_001

/** Of several that fill it at once one does, and the others wait for it. */
const fillOnce = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, found: Found) {
  yield* sql`select pg_advisory_xact_lock(${filling})`
  const [row] = yield* found
  if (row?.found === true) return
  yield* Effect.forEach(fillShop, (statement) => sql.unsafe(statement), { discard: true })
})

type Found = Effect.Effect<ReadonlyArray<{ readonly found: boolean }>, SqlError>

const connect = ({ socketPath, username }: EmbeddedPostgres.EmbeddedServer) =>
  Layer.build(
    PgClient.layer({
      path: socketPath,
      username,
      database: shopDatabase,
      applicationName: "headrace sample",
      maxConnections: 1
    })
  ).pipe(
    Effect.map((context) => Effect.provideContext(SqlClient.SqlClient, context)),
    Effect.flatten,
    Effect.mapError(failed("open"))
  )

const failed = (step: SampleDatabaseFailed["step"]) => (cause: unknown) =>
  new SampleDatabaseFailed({ step, why: cause instanceof Error ? cause.message : String(cause) })

/** What PostgreSQL adds to its folder, and the longest path a socket may have. */
const socketName = "/.s.PGSQL.5432"
const longestSocketPath = 100

/** The folder of the socket changes with every start of the server; this link to it does not. */
const lastingHost = (data: string, socketDir: string): string => {
  const near = join(data, "shop")
  const far = join(tmpdir(), `headrace-shop-${createHash("sha256").update(data).digest("hex").slice(0, 12)}`)
  const link = Buffer.byteLength(near + socketName) <= longestSocketPath ? near : far
  const fresh = mkdtempSync(join(dirname(link), ".shop-"))
  symlinkSync(socketDir, join(fresh, "link"))
  renameSync(join(fresh, "link"), link)
  rmSync(fresh, { recursive: true })
  return link
}
