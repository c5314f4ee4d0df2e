/**
 * A process of its own that uses the embedded server of a folder: prints where
 * it found it as one line of JSON, stays until it is told to end, and tidies up
 * then. To be killed at will.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as EmbeddedPostgres from "@headrace/adapters/sql/EmbeddedPostgres"
import { Effect } from "effect"

const hold = Effect.gen(function* () {
  const server = yield* EmbeddedPostgres.acquire(process.argv[2] ?? "")
  yield* Effect.sync(() => process.stdout.write(`${JSON.stringify(server)}\n`))
  return yield* Effect.never
})

NodeRuntime.runMain(Effect.scoped(hold))
