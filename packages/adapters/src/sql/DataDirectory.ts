/**
 * The folder of an embedded database: where it really is, and how it is made.
 * It is made beside its place and moved there whole, so a kill leaves nothing
 * half-made, and of two processes that make it at once one wins.
 */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  renameSync,
  rmSync,
  symlinkSync
} from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { adviceFor, EmbeddedPostgresError, refused } from "./EmbeddedPostgresError.ts"
import type { PostgresBinaries } from "./PostgresBinaries.ts"
import { unlessThere } from "./Race.ts"
import { isThere } from "./PostmasterFile.ts"
import { accountFor, isReachableByOthers, isRoot, openFolder } from "./ServerAccount.ts"

/** No secret of ours belongs into the environment of a server that outlives us. */
export const environment = { PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" }

const hasDatabase = (dataDir: string) => existsSync(join(dataDir, "PG_VERSION"))

/**
 * The real folder for the one that was asked for. Under root, a place that
 * `nobody` cannot reach becomes a link to a folder below `openFolder`.
 */
export const locate = (wanted: string): Effect.Effect<string, EmbeddedPostgresError> =>
  Effect.try({
    try: () => {
      const dataDir = resolve(wanted)
      mkdirSync(dirname(dataDir), { recursive: true })
      if (lstatSync(dataDir, { throwIfNoEntry: false })?.isSymbolicLink()) return follow(dataDir)
      if (isRoot() && !hasDatabase(dataDir) && !isReachableByOthers(dataDir)) return linkToOpenFolder(dataDir)
      return join(realpathSync(dirname(dataDir)), basename(dataDir))
    },
    catch: refused("place", wanted)
  })

const follow = (link: string): string => {
  if (!existsSync(link)) throw new Error(`it is a link to ${readlinkSync(link)}, and that is gone`)
  return realpathSync(link)
}

const linkToOpenFolder = (dataDir: string): string => {
  mkdirSync(openFolder, { recursive: true, mode: 0o755 })
  const target = mkdtempSync(join(openFolder, "data-"))
  const account = accountFor(target)
  if (account !== undefined) chownSync(target, account.uid, account.gid)
  if (existsSync(dataDir)) rmdirSync(dataDir)
  if (!unlessThere(() => symlinkSync(target, dataDir))) rmdirSync(target)
  return realpathSync(dataDir)
}

/** Makes an empty database when there is none. */
export const prepare = (
  binaries: PostgresBinaries,
  dataDir: string
): Effect.Effect<void, EmbeddedPostgresError> =>
  Effect.suspend(() =>
    hasDatabase(dataDir)
      ? Effect.void
      : Effect.acquireUseRelease(
          freshFolder(dataDir),
          (fresh) => Effect.andThen(initdb(binaries, fresh), moveTo(dataDir, fresh)),
          (fresh) => Effect.sync(() => rmSync(fresh, { recursive: true, force: true }))
        )
  )

const freshFolder = (dataDir: string) =>
  Effect.try({
    try: () => {
      sweepUnfinished(dataDir)
      const fresh = mkdtempSync(`${dataDir}.new-${process.pid}-`)
      const account = accountFor(dataDir)
      if (account !== undefined) chownSync(fresh, account.uid, account.gid)
      return fresh
    },
    catch: refused("place", dirname(dataDir))
  })

/** What killed processes left half-made. */
const sweepUnfinished = (dataDir: string): void => {
  const prefix = `${basename(dataDir)}.new-`
  for (const name of readdirSync(dirname(dataDir)).filter((entry) => entry.startsWith(prefix))) {
    const pid = Number(name.slice(prefix.length).split("-")[0])
    if (!isThere(pid)) rmSync(join(dirname(dataDir), name), { recursive: true, force: true })
  }
}

const moveTo = (dataDir: string, fresh: string) =>
  Effect.try({
    try: () => {
      if (!unlessThere(() => renameSync(fresh, dataDir)) && !hasDatabase(dataDir)) {
        throw new Error("the folder is not empty and holds no database")
      }
    },
    catch: refused("place", dataDir)
  })

/** UTF-8 with PostgreSQL's own collation: the same order and the same letters on every machine. */
const initdbOptions = [
  "--username=postgres",
  "--auth=trust",
  "--no-instructions",
  "--encoding=UTF8",
  "--locale=C",
  "--locale-provider=builtin",
  "--builtin-locale=C.UTF-8"
]

const initdb = (binaries: PostgresBinaries, fresh: string) =>
  Effect.callback<void, EmbeddedPostgresError>((resume) => {
    const child = spawn(binaries.initdb, ["-D", fresh, ...initdbOptions], {
      ...accountFor(fresh),
      cwd: fresh,
      env: environment,
      stdio: ["ignore", "ignore", "pipe"]
    })
    let said = ""
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()))
    child.once("error", (cause) => resume(Effect.fail(refused("initdb", binaries.initdb)(cause))))
    child.once("close", (code) => resume(code === 0 ? Effect.void : Effect.fail(initdbFailed(fresh, said))))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const initdbFailed = (fresh: string, said: string) => {
  const why = said.trim().replaceAll(/\s*\n\s*/g, "; ") || "initdb ended without a word"
  return new EmbeddedPostgresError({ step: "initdb", where: fresh, why, advice: adviceFor(why) })
}
