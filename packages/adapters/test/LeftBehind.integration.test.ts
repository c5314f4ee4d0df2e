/** Tests that were killed: their servers and folders go when others begin, and those of tests that are going stay. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, realpathSync, symlinkSync } from "node:fs"
import { dirname, join } from "node:path"
import * as LeftBehind from "./LeftBehind.ts"
import * as OtherProcess from "./OtherProcess.ts"
import * as Folders from "./sql/Folders.ts"
import { isPostmaster } from "../src/sql/PostmasterFile.ts"
import { otherUser, postmasterOf } from "./sql/Servers.ts"

/** The id of a process that is gone. */
const gone = () => spawnSync("true").pid

layer(Folders.Template.layer, { timeout: "60 seconds", excludeTestServices: true })(
  "what tests left",
  (it) => {
    it.effect("goes with its server once who made it is gone, also where the database is elsewhere", () =>
      Effect.gen(function* () {
        const parent = yield* Folders.temporary
        const left = join(parent, `hr-scenario-${gone()}-a`)
        mkdirSync(join(left, "data"), { recursive: true })
        const dataDir = yield* Folders.initialised
        symlinkSync(dataDir, join(left, "data", "postgres"))
        const killed = yield* otherUser(dataDir)
        const [pid, place] = [postmasterOf(dataDir), realpathSync(dataDir)]
        yield* OtherProcess.end(killed.child, "SIGKILL")

        yield* LeftBehind.sweep(parent)

        assert.isFalse(isPostmaster(pid, place))
        assert.deepStrictEqual([left, dataDir, dirname(killed.socketPath)].filter(existsSync), [])
      })
    )

    it.effect("stays while who made it is there, and when somebody else made it", () =>
      Effect.gen(function* () {
        const parent = yield* Folders.temporary
        const kept = [`hr-test-${process.pid}-a`, `hr-test-abcdef`, `else-${gone()}-a`].map((name) =>
          join(parent, name)
        )
        kept.forEach((path) => mkdirSync(path))

        yield* LeftBehind.sweep(parent)

        assert.deepStrictEqual(kept.filter(existsSync), kept)
      })
    )
  }
)
