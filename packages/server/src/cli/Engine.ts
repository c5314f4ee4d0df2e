/**
 * What a verb works with: a worker to ask, or the whole of Headrace in this
 * process, over the stores of the data directory. A server that runs there
 * shares its PostgreSQL with us. What cannot be had is told as a message.
 */
import type { Scope } from "@headrace/core/domain/Endpoint"
import type { PythonWorker } from "@headrace/core/services/PythonWorker"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { load, type ServerConfig } from "../Config.ts"
import * as Wiring from "../Wiring.ts"
import { Exit } from "./Exit.ts"
import { refuse, type Refused } from "./Message.ts"

/** The settings this process works with; a malformed one is refused, naming it. */
export const settings: Effect.Effect<ServerConfig, Refused> = load.pipe(
  Effect.mapError((error) =>
    refuse({
      title: "A setting makes no sense",
      number: "HR1001",
      exit: Exit.configuration,
      where: error.name,
      why: [error.message]
    })
  )
)

/** Whose everything is that the command does; the same as that of the development server. */
export class Owner extends Context.Service<Owner, Scope>()("@headrace/server/cli/Engine/Owner") {}

/** Gone with the verb: staging of a worker that stages nothing. */
const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "headrace-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

const workerAlone = Layer.unwrap(
  Effect.gen(function* () {
    return Wiring.workerAlone(yield* settings, yield* temporaryFolder)
  })
)

/** For verbs that only look: one worker, no stores, nothing left behind. */
export const withWorker = <A, R>(
  verb: Effect.Effect<A, Refused, R | PythonWorker>
): Effect.Effect<A, Refused, Exclude<R, PythonWorker>> => Effect.provide(verb, workerAlone)

const engine = Layer.unwrap(
  Effect.map(settings, (config) =>
    Wiring.layer({ ...config, workers: 1 }).pipe(
      Layer.provideMerge(Layer.succeed(Owner, { tenant: config.defaultTenant, project: "global" })),
      Layer.catch((error) => Layer.effectContext(Effect.fail(unusable(error))))
    )
  )
)

/** For verbs that carry data: everything the server has but its port. Ends the runs it started before it returns. */
export const withEngine = <A, R>(
  verb: Effect.Effect<A, Refused, R>
): Effect.Effect<A, Refused, Exclude<R, Layer.Success<typeof engine>>> => Effect.provide(verb, engine)

export type EngineUnusable = Layer.Error<ReturnType<typeof Wiring.layer>>

/** Why the stores cannot be used, in the words of whoever refused. */
export const unusable = (error: EngineUnusable): Refused => {
  switch (error._tag) {
    case "FolderNotPrivate":
      return refused("The data directory cannot be used", "HR1002", error.path, error.message)
    case "SecretKeyUnusable":
      return refused("The key of the stored secrets cannot be used", "HR1401", error.path, error.message)
    case "EmbeddedPostgresError":
      return refused("The embedded PostgreSQL cannot be used", "HR1301", error.where, error.message)
    case "DatabaseUnavailable":
      return refused("The database cannot be used", "HR1302", error.where, error.message)
  }
}

const refused = (title: string, number: string, where: string | null, why: string): Refused =>
  refuse({ title, number, exit: Exit.configuration, where, why: [why] })
