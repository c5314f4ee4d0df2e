/**
 * One embedded server for a whole test run; test files get a database of their
 * own on it (`Database.ts`). It is loaded outside of the tests, where packages
 * cannot be imported by name.
 */
import * as EmbeddedPostgres from "../src/sql/EmbeddedPostgres.ts"
import { Effect, Exit, Scope } from "effect"
import { rmSync } from "node:fs"
import * as LeftBehind from "./LeftBehind.ts"
import type { TestProject } from "vitest/node"

declare module "vitest" {
  interface ProvidedContext {
    /** The path of the server's socket; its user is `postgres`, without a password. */
    readonly postgres: string
  }
}

export default async (project: TestProject) => {
  await Effect.runPromise(LeftBehind.sweep())
  const dir = LeftBehind.temporaryFolder("test")
  const scope = Effect.runSync(Scope.make())
  const server = await Effect.runPromise(Scope.provide(EmbeddedPostgres.acquire(dir), scope))
  project.provide("postgres", server.socketPath)
  // Vitest does not wait for this when it is ended by a signal: then the next tests sweep.
  return async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    rmSync(dir, { recursive: true, force: true })
  }
}
