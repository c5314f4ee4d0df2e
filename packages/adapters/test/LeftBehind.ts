/**
 * What tests leave behind that were killed: a folder with the id of the process
 * that made it in its name, and maybe a PostgreSQL that runs on it, as the
 * servers of tests outlive them like all others. The next tests sweep both.
 */
import { Effect } from "effect"
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Postmaster from "../src/sql/Postmaster.ts"
import * as PostmasterFile from "../src/sql/PostmasterFile.ts"

const ours = /^hr-(?:test|scenario)-(\d+)-/

/** An empty folder, called `hr-<kind>-…`; its maker removes it. */
export const temporaryFolder = (kind: "test" | "scenario"): string =>
  mkdtempSync(join(tmpdir(), `hr-${kind}-${process.pid}-`))

/** Stops the servers of makers that are gone, and removes their folders. */
export const sweep = Effect.fn("LeftBehind.sweep")(function* (parent: string = tmpdir()) {
  const left = readdirSync(parent).filter((name) => {
    const madeBy = ours.exec(name)?.[1]
    return madeBy !== undefined && !PostmasterFile.isThere(Number(madeBy))
  })
  yield* Effect.forEach(left, (name) => remove(join(parent, name)))
})

const remove = Effect.fnUntraced(function* (folder: string) {
  for (const dataDir of databases(folder)) {
    const file = PostmasterFile.read(dataDir)
    if (file._tag === "Ready") yield* Postmaster.stop(dataDir, file)
    // A server that comes up or goes down is left to those that come next.
    else if (file._tag === "Passing") return
    if (file._tag === "Stale") Postmaster.removeSockets(file.socketDir)
    rmSync(dataDir, { recursive: true, force: true })
  }
  rmSync(folder, { recursive: true, force: true })
})

/** The databases of a folder: itself, or those of the data directories in it, which are elsewhere under root. */
const databases = (folder: string): ReadonlyArray<string> => [
  ...new Set([folder, ...below(folder, 3)].filter(hasDatabase).map((path) => realpathSync(path)))
]

const hasDatabase = (path: string): boolean => existsSync(join(path, "PG_VERSION"))

const below = (folder: string, depth: number): ReadonlyArray<string> =>
  depth === 0 || hasDatabase(folder) || !existsSync(folder)
    ? []
    : readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
        .flatMap((entry) => {
          const path = join(folder, entry.name)
          return entry.isDirectory() ? [path, ...below(path, depth - 1)] : [path]
        })
