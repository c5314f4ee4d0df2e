/** The launcher against real processes: started, shared and damaged. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { chmodSync, existsSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Folders from "./Folders.ts"
import * as OtherProcess from "../OtherProcess.ts"
import { acquire, on, otherUser, postmasterOf, read, runs, write } from "./Servers.ts"

const isRoot = process.getuid?.() === 0

layer(Folders.Template.layer, { timeout: "60 seconds", excludeTestServices: true })(
  "EmbeddedPostgres",
  (it) => {
    it.effect("makes a database where there is none, open to its owner only", () =>
      Effect.gen(function* () {
        const dataDir = join(yield* Folders.temporary, "data", "postgres")

        const { server } = yield* acquire(dataDir)

        assert.deepStrictEqual(yield* on(server.socketPath, Effect.as(write, "written")), "written")
        assert.strictEqual(statSync(dataDir).mode & 0o777, 0o700)
        assert.strictEqual(statSync(server.socketDir).mode & 0o777, 0o700)
      })
    )

    it.effect("a second user in the same process attaches, and the last one to leave stops the server", () =>
      Effect.gen(function* () {
        const dataDir = yield* Folders.initialised
        const first = yield* acquire(dataDir)
        const second = yield* acquire(dataDir)

        yield* first.leave
        const afterFirst = runs(first.pid, dataDir)
        yield* second.leave

        assert.strictEqual(second.server.socketPath, first.server.socketPath)
        assert.deepStrictEqual([afterFirst, runs(first.pid, dataDir)], [true, false])
        assert.isFalse(existsSync(first.server.socketDir))
      })
    )

    it.effect("listens on no network address", () =>
      Effect.gen(function* () {
        const { server } = yield* acquire(yield* Folders.initialised)

        const setting = yield* on(
          server.socketPath,
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql`show listen_addresses`)
        )

        assert.deepStrictEqual(setting, [{ listen_addresses: "" }])
      })
    )

    it.effect("ensureDatabase makes a database once, also for several callers", () =>
      Effect.gen(function* () {
        const { server } = yield* acquire(yield* Folders.initialised)
        const name = `a "shop"`

        yield* Effect.all(
          [1, 2, 3].map(() => server.ensureDatabase(name)),
          { concurrency: "unbounded" }
        )

        const named = Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`select datname from pg_database where datname = ${name}`
        )
        assert.deepStrictEqual(yield* on(server.socketPath, named), [{ datname: name }])
      })
    )

    it.effect(
      "a process that is killed leaves the server running, and the next one attaches to its data",
      () =>
        Effect.gen(function* () {
          const dataDir = yield* Folders.initialised
          const killed = yield* otherUser(dataDir)
          yield* on(killed.socketPath, write)
          const pid = postmasterOf(dataDir)

          yield* OtherProcess.end(killed.child, "SIGKILL")

          const next = yield* acquire(dataDir)
          assert.strictEqual(next.pid, pid)
          assert.deepStrictEqual(yield* on(next.server.socketPath, read), [{ n: 42 }])
          yield* next.leave
          assert.isFalse(runs(pid, dataDir))
        })
    )

    it.effect("a process that ends in order leaves the server to the others", () =>
      Effect.gen(function* () {
        const dataDir = yield* Folders.initialised
        const starter = yield* otherUser(dataDir)
        const here = yield* acquire(dataDir)
        yield* on(here.server.socketPath, write)

        yield* OtherProcess.end(starter.child, "SIGTERM")

        assert.deepStrictEqual(yield* on(here.server.socketPath, read), [{ n: 42 }])
      })
    )

    it.effect("of two processes that start at once on a new folder one makes it, and both use it", () =>
      Effect.gen(function* () {
        const dataDir = join(yield* Folders.temporary, "postgres")

        const users = yield* Effect.all([otherUser(dataDir), otherUser(dataDir)], {
          concurrency: "unbounded"
        })

        assert.strictEqual(new Set(users.map(({ socketPath }) => socketPath)).size, 1)
        yield* Effect.all(
          users.map(({ child }) => OtherProcess.end(child, "SIGTERM")),
          { concurrency: "unbounded" }
        )
        assert.isFalse(existsSync(join(dataDir, "postmaster.pid")))
      })
    )

    it.effect("says what the server said when the database is damaged, and leaves nothing running", () =>
      Effect.gen(function* () {
        const dataDir = yield* Folders.initialised
        rmSync(join(dataDir, "global", "pg_control"))

        const error = yield* Effect.flip(acquire(dataDir))

        assert.deepInclude(error, { _tag: "EmbeddedPostgresError", step: "start", where: dataDir })
        assert.match(error.message, /pg_control.*No such file.*restore it from a copy/s)
        assert.isFalse(existsSync(join(dataDir, "postmaster.pid")))
      })
    )

    it.effect("says that a database of another major version needs that version", () =>
      Effect.gen(function* () {
        const dataDir = yield* Folders.initialised
        writeFileSync(join(dataDir, "PG_VERSION"), "12\n")

        const error = yield* Effect.flip(acquire(dataDir))

        assert.match(error.message, /version 12.*another major version/s)
      })
    )

    it.effect("says which folder cannot be used", () =>
      Effect.gen(function* () {
        const file = join(yield* Folders.temporary, "file")
        writeFileSync(file, "")

        const error = yield* Effect.flip(acquire(join(file, "postgres")))

        assert.deepInclude(error, { step: "place", where: join(file, "postgres") })
        assert.match(error.message, /cannot be used .*(ENOTDIR|EEXIST)/)
      })
    )

    it.effect("says that it may not write to the folder, and what to do", () =>
      Effect.gen(function* () {
        const closed = isRoot ? "/sys/kernel" : yield* Folders.temporary
        if (!isRoot) chmodSync(closed, 0o500)

        const error = yield* Effect.flip(acquire(join(closed, "headrace", "postgres")))

        assert.strictEqual(error.step, "place")
        assert.match(error.message, /headrace.*(EACCES|EPERM|EROFS).*the right to write there/)
      })
    )

    it.effect("a link to a folder that is gone is refused, not taken for an empty database", () =>
      Effect.gen(function* () {
        const link = join(yield* Folders.temporary, "postgres")
        symlinkSync("/nowhere/headrace", link)

        const error = yield* Effect.flip(acquire(link))

        assert.match(error.message, /link to \/nowhere\/headrace, and that is gone/)
      })
    )

    it.effect.runIf(isRoot)(
      "root becomes nobody in the folder that was asked for, when nobody can reach it",
      () =>
        Effect.gen(function* () {
          const dataDir = yield* Folders.initialised

          const { server, pid } = yield* acquire(dataDir)

          assert.strictEqual(statSync(`/proc/${pid}`).uid, 65_534)
          assert.strictEqual(server.dataDir, realpathSync(dataDir))
        })
    )

    it.effect.runIf(isRoot)("root puts a folder that nobody can reach elsewhere and leaves a link", () =>
      Effect.gen(function* () {
        const closed = yield* Folders.temporary
        chmodSync(closed, 0o700)

        const { server } = yield* acquire(join(closed, "postgres"))
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => rmSync(server.dataDir, { recursive: true, force: true }))
        )

        assert.strictEqual(realpathSync(join(closed, "postgres")), server.dataDir)
        assert.isFalse(server.dataDir.startsWith(closed))
      })
    )
  }
)
