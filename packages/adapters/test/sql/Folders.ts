/** Database folders for the launcher's tests, each below a temporary folder of its own. */
import * as DataDirectory from "@headrace/adapters/sql/DataDirectory"
import * as PostgresBinaries from "@headrace/adapters/sql/PostgresBinaries"
import { Context, Effect, Layer } from "effect"
import { chmodSync, rmSync } from "node:fs"
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import * as LeftBehind from "../LeftBehind.ts"

/** A folder that every user may pass, gone with the scope. */
export const temporary = Effect.acquireRelease(
  Effect.sync(() => {
    const dir = LeftBehind.temporaryFolder("test")
    chmodSync(dir, 0o755)
    return dir
  }),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true }))
)

/** An empty database, made once; copying it is quicker than making another. */
export class Template extends Context.Service<Template, { readonly dataDir: string }>()("test/Template") {
  static readonly layer = Layer.effect(
    Template,
    Effect.gen(function* () {
      const dataDir = join(yield* temporary, "postgres")
      const binaries = yield* PostgresBinaries.find(PostgresBinaries.packageName)
      yield* DataDirectory.prepare(binaries, yield* DataDirectory.locate(dataDir))
      return { dataDir }
    })
  )
}

/** The path of a database that nobody has started yet. */
export const initialised = Effect.gen(function* () {
  const { dataDir: template } = yield* Template
  const dataDir = join(yield* temporary, "postgres")
  yield* Effect.sync(() => execFileSync("cp", ["-Rp", template, dataDir]))
  return dataDir
})
