/** What the script of the tests does with servers that tests have started, when the tests are ended by a signal. */
import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { execFileSync } from "node:child_process"
import * as OtherProcess from "../OtherProcess.ts"
import * as Folders from "./Folders.ts"
import { again, otherUser, postmasterOf, runs } from "./Servers.ts"

const script = new URL("../../../../scripts/test-servers.mjs", import.meta.url)

/** The value of an expression over what the script exports, as JSON. */
const said = (expression: string): string =>
  execFileSync(
    process.execPath,
    [
      "--input-type=module",
      "-e",
      `import { serversBelow, stop } from "${script.href}"; console.log(JSON.stringify(${expression}))`
    ],
    { encoding: "utf8" }
  )

const Found = Schema.fromJsonString(Schema.Array(Schema.Struct({ pid: Schema.Int, args: Schema.String })))

it.live(
  "servers of tests are found below the process that started them, and stopped when it is gone",
  () =>
    Effect.gen(function* () {
      const dataDir = yield* Folders.initialised
      const { child } = yield* otherUser(dataDir)
      const pid = postmasterOf(dataDir)

      const found = said(`serversBelow(${child.pid})`)
      yield* OtherProcess.end(child, "SIGKILL")
      const lost = said(`serversBelow(${child.pid})`)
      const stopped = said(`stop(${found})`)
      yield* Effect.sync(() => runs(pid, dataDir)).pipe(
        Effect.filterOrFail((isRunning) => !isRunning),
        again
      )
      const stoppedAgain = said(`stop(${found})`)

      const pids = (yield* Schema.decodeUnknownEffect(Found)(found)).map((server) => server.pid)
      assert.deepStrictEqual(pids, [pid])
      assert.deepStrictEqual([lost, stopped, stoppedAgain], ["[]\n", "1\n", "0\n"])
    }).pipe(Effect.scoped, Effect.provide(Folders.Template.layer)),
  60_000
)
