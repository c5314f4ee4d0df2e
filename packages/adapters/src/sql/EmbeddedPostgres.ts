/**
 * A real PostgreSQL in a folder, shared by the Headrace processes that use it:
 * the first one starts it, others attach, the last one stops it. A killed
 * process leaves it running and the next one attaches; a killed server is
 * started again, at the same place, by whoever uses it.
 *
 * Who uses it is known to the server itself: every process holds a shared
 * session lock, and only who can have it alone may stop the server. While that
 * lock is held alone, nobody can come in.
 */
import { Context, Effect, Layer, Schedule, Semaphore } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { join } from "node:path"
import * as DataDirectory from "./DataDirectory.ts"
import { reasonOf } from "./SqlFailure.ts"
import { adviceFor, EmbeddedPostgresError, refused } from "./EmbeddedPostgresError.ts"
import * as PostgresBinaries from "./PostgresBinaries.ts"
import * as Postmaster from "./Postmaster.ts"
import * as PostmasterFile from "./PostmasterFile.ts"
import * as SessionLock from "./SessionLock.ts"

/** A running server, reached through a socket only; there is no password, the folder of the socket is private. */
export interface EmbeddedServer {
  /** The database folder, as it really is. */
  readonly dataDir: string
  /** libpq's `host`. */
  readonly socketDir: string
  /** libpq's `port`; part of the socket's name. */
  readonly port: number
  /** `<socketDir>/.s.PGSQL.<port>`, what `PgClient` calls `path`. */
  readonly socketPath: string
  /** A superuser, so that databases can be made. */
  readonly username: string
  /** Makes the database when there is none of that name; several callers at once are safe. */
  readonly ensureDatabase: (name: string) => Effect.Effect<void, SqlError>
}

export class EmbeddedPostgres extends Context.Service<EmbeddedPostgres, EmbeddedServer>()(
  "@headrace/adapters/sql/EmbeddedPostgres"
) {}

/** The server of a folder, for as long as the layer lives. */
export const layer = (dataDir: string): Layer.Layer<EmbeddedPostgres, EmbeddedPostgresError> =>
  Layer.effect(EmbeddedPostgres, acquire(dataDir))

/** Attaches to the server that runs on the folder, or starts one; makes the database when there is none. */
export const acquire = Effect.fn("EmbeddedPostgres.acquire")(function* (wanted: string) {
  const dataDir = yield* DataDirectory.locate(wanted)
  return yield* attachOrStart(dataDir, null, enter(dataDir)).pipe(
    Effect.retry({
      while: ({ _tag }) => _tag === "Occupied",
      schedule: Schedule.spaced("50 millis"),
      times: 1200
    }),
    Effect.catchTag("Occupied", ({ why }) => Effect.fail(occupiedFor(dataDir, why)))
  )
})

/** Starting and stopping take seconds; a minute of it means that something else is wrong. */
const occupiedFor = (dataDir: string, why: string) =>
  new EmbeddedPostgresError({
    step: "start",
    where: dataDir,
    why: `another process has been starting or stopping it for a minute: ${why}`,
    advice: adviceFor(why)
  })

/** Uses the server that runs on the folder, or one that is started for it; `place` is where its sockets should be. */
const attachOrStart = <A, E, R>(
  dataDir: string,
  place: string | null,
  use: (server: Postmaster.Server) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const file = yield* read(dataDir)
    switch (file._tag) {
      case "Ready":
        return yield* use(file)
      case "Passing":
        return yield* new Postmaster.Occupied({ why: `process ${file.pid} is starting or stopping` })
      case "Stale":
        if (file.recycled) yield* clear(dataDir, file)
    }
    const binaries = yield* PostgresBinaries.find(PostgresBinaries.packageName)
    // A database that was there a moment ago and is gone must not be taken for a new one.
    if (place === null) yield* DataDirectory.prepare(binaries, dataDir)
    const before = file._tag === "Stale" ? file.socketDir : place
    return yield* Postmaster.start(binaries, dataDir, before, use)
  })

const read = (dataDir: string) =>
  Effect.try({ try: () => PostmasterFile.read(dataDir), catch: refused("place", dataDir) })

/** What a server left behind whose process id is somebody else's now. PostgreSQL itself deals with one that is gone. */
const clear = (dataDir: string, file: Extract<PostmasterFile.PostmasterFile, { readonly _tag: "Stale" }>) =>
  Effect.try({
    try: () => {
      if (PostmasterFile.remove(dataDir, file)) Postmaster.unlock(file)
    },
    catch: refused("place", dataDir)
  })

/** Has a server run on the folder again that is found where this one was. */
const revive = (dataDir: string, { socketDir }: Postmaster.Server) =>
  attachOrStart(dataDir, socketDir, (server) =>
    Effect.try({
      try: () => Postmaster.lead(socketDir, server.socketDir),
      catch: refused("place", socketDir)
    })
  )

/** The number of the lock that users of a server share, and of the one under which databases are made. */
const locks = { users: 48_520_001n, databases: 48_520_002n } as const

/** Joins the users of a running server; leaves them, and stops the server as the last, when the scope ends. */
const enter = (dataDir: string) => (server: Postmaster.Server) =>
  Effect.gen(function* () {
    const socketPath = join(server.socketDir, `.s.PGSQL.${server.port}`)
    const username = "postgres"
    let said = ""
    const lock = yield* SessionLock.hold<EmbeddedPostgresError | Postmaster.Occupied | SqlError>({
      session: {
        path: socketPath,
        username,
        database: "postgres",
        applicationName: "headrace presence",
        connectTimeout: "5 seconds"
      },
      take: (query) =>
        Effect.flatMap(query("select pg_try_advisory_lock_shared($1) as got", [locks.users]), ([row]) =>
          row?.["got"] === true
            ? Effect.void
            : new Postmaster.Occupied({ why: "its last user is stopping it" })
        ),
      revive: revive(dataDir, server).pipe(
        Effect.tapError((error) => {
          if (error._tag === "Occupied" || error.message === said) return Effect.void
          said = error.message
          return Effect.logError("The embedded PostgreSQL has gone and cannot be started again.", said)
        })
      ),
      farewell: (query) => leave(query, dataDir, server)
    }).pipe(Effect.catchTag("SqlError", (error) => Effect.fail(cannotEnter(socketPath, error))))
    const { socketDir, port } = server
    return { dataDir, socketDir, port, socketPath, username, ensureDatabase: yield* databaseMaker(lock) }
  })

/** A socket that is closed to us stays so; anything else may pass, as a server that is going down does. */
const cannotEnter = (socketPath: string, error: SqlError) => {
  const why = reasonOf(error)
  return /EACCES|EPERM/.test(why)
    ? refused("place", socketPath)(new Error(why))
    : new Postmaster.Occupied({ why })
}

/** Holding the lock alone keeps others out until the server is gone: this one, or the one that took its place. */
const leave = (query: SessionLock.Query, dataDir: string, { socketDir }: Postmaster.Server) =>
  Effect.gen(function* () {
    yield* query("select pg_advisory_unlock_shared($1)", [locks.users])
    const [row] = yield* query("select pg_try_advisory_lock($1) as alone", [locks.users])
    if (row?.["alone"] !== true) return
    const now = yield* read(dataDir)
    if (now._tag === "Ready") yield* Postmaster.stop(dataDir, now)
    yield* Effect.sync(() => Postmaster.removeSockets(socketDir))
  })

/** One at a time, in this process and in others: PostgreSQL refuses two that copy one template. */
const databaseMaker = Effect.fnUntraced(function* ({ query }: SessionLock.SessionLock) {
  const turn = yield* Semaphore.make(1)
  const make = Effect.fnUntraced(function* (name: string) {
    const found = yield* query("select from pg_database where datname = $1", [name])
    if (found.length === 0) yield* query(`create database "${name.replaceAll('"', '""')}"`)
  })
  return Effect.fn("EmbeddedPostgres.ensureDatabase")((name: string) =>
    Effect.acquireUseRelease(
      query("select pg_advisory_lock($1)", [locks.databases]),
      () => make(name),
      () => Effect.ignore(query("select pg_advisory_unlock($1)", [locks.databases]))
    ).pipe(turn.withPermits(1))
  )
})
