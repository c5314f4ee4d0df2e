/** A server that dies under its users: whoever uses it has it again, at the same place, with what it had promised. */
import { assert, layer } from "@effect/vitest"
import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import * as Database from "@headrace/adapters/sql/Database"
import { EmbeddedPostgres } from "@headrace/adapters/sql/EmbeddedPostgres"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { RunId } from "@headrace/core/domain/Run"
import { knowledgeBase, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { Effect, Layer, Option } from "effect"
import { spawn } from "node:child_process"
import { existsSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Folders from "./Folders.ts"
import * as OtherProcess from "../OtherProcess.ts"
import { acquire, again, on, otherUser, postmasterOf, read, runs, write } from "./Servers.ts"

const unit = UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make("orders") })
const opening = { runId: RunId.make("run-1"), tenant: "dev", unit, sinkId: knowledgeBase, fresh: false }

layer(Folders.Template.layer, { timeout: "60 seconds", excludeTestServices: true })(
  "EmbeddedPostgres that dies",
  (it) => {
    it.effect("a server that was killed is started again where it was, with what it had promised", () =>
      Effect.gen(function* () {
        const dataDir = yield* Folders.initialised
        const killed = yield* otherUser(dataDir)
        yield* on(killed.socketPath, write)
        const pid = postmasterOf(dataDir)
        yield* OtherProcess.end(killed.child, "SIGKILL")
        process.kill(pid, "SIGKILL")

        const next = yield* acquire(dataDir)

        assert.notStrictEqual(next.pid, pid)
        assert.strictEqual(next.server.socketPath, killed.socketPath)
        assert.deepStrictEqual(yield* on(next.server.socketPath, read), [{ n: 42 }])
        yield* next.leave
        assert.isFalse(existsSync(next.server.socketDir))
      })
    )

    it.effect("a server that is killed under its user is there again without anybody's doing", () =>
      Effect.gen(function* () {
        const dataDir = yield* Folders.initialised
        const { server, pid, leave } = yield* acquire(dataDir)
        yield* on(server.socketPath, write)

        process.kill(pid, "SIGKILL")

        yield* again(server.ensureDatabase("made after the death"))
        assert.deepStrictEqual(yield* on(server.socketPath, read), [{ n: 42 }])
        const successor = postmasterOf(dataDir)
        assert.notStrictEqual(successor, pid)
        yield* leave
        assert.isFalse(runs(successor, dataDir))
        assert.isFalse(existsSync(server.socketDir))
      })
    )

    it.effect("a server that is stopped under its users is there again for each of them", () =>
      Effect.gen(function* () {
        const dataDir = yield* Folders.initialised
        const here = yield* acquire(dataDir)
        const other = yield* otherUser(dataDir)
        yield* on(here.server.socketPath, write)

        process.kill(here.pid, "SIGINT")

        yield* again(here.server.ensureDatabase("made after the stop"))
        assert.deepStrictEqual(yield* on(other.socketPath, read), [{ n: 42 }])
        yield* OtherProcess.end(other.child, "SIGTERM")
        assert.deepStrictEqual(yield* on(here.server.socketPath, read), [{ n: 42 }])
      })
    )

    it.effect(
      "a stale file whose process id is somebody else's now does not keep the server from starting",
      () =>
        Effect.gen(function* () {
          const dataDir = yield* Folders.initialised
          const { uid, gid } = statSync(dataDir)
          const stranger = yield* Effect.acquireRelease(
            Effect.sync(() => spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { uid, gid })),
            (child) => OtherProcess.end(child, "SIGKILL")
          )
          writeFileSync(
            join(dataDir, "postmaster.pid"),
            `${stranger.pid}\n${dataDir}\n1\n5432\n/tmp/hr-pg-gone\n\n0 0\nready   \n`
          )

          const { pid } = yield* acquire(dataDir)

          assert.isTrue(runs(pid, dataDir))
          assert.isNull(stranger.exitCode)
        })
    )

    it.effect("D18 the runs of a process whose server died are its own still, and it goes on with them", () =>
      Effect.gen(function* () {
        const dataDir = yield* Folders.initialised
        const { server, pid } = yield* acquire(dataDir)
        const database = Database.layerEmbedded.pipe(Layer.provide(Layer.succeed(EmbeddedPostgres, server)))
        yield* Effect.gen(function* () {
          const repo = yield* SqlRunRepo.make
          const run = yield* repo.acquire(opening)

          process.kill(pid, "SIGKILL")

          const other = {
            ...opening,
            runId: RunId.make("run-2"),
            unit: UnitKey.make({ endpointId: unit.endpointId, unitId: UnitId.make("other") })
          }
          // Each connection of the pool finds out for itself that its server is gone.
          yield* again(repo.acquire(other))
          const live = yield* again(Effect.flatMap(repo.live(unit), Effect.fromOption))
          assert.strictEqual(live.runId, run.runId)
          yield* again(repo.close(run, { _tag: "Failed", reason: "BUG: It broke." }))
          assert.deepStrictEqual(yield* again(repo.live(unit)), Option.none())
          assert.deepStrictEqual(yield* again(repo.orphans), [])
        }).pipe(Effect.provide(database))
      })
    )
  }
)
