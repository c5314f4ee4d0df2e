/**
 * Starts and stops one PostgreSQL server process. It is a process group of its
 * own with its log in a file, so neither Ctrl-C nor our death takes it along;
 * whoever comes next finds it through `postmaster.pid`.
 */
import { Data, Effect, Schedule } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import {
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync
} from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { environment } from "./DataDirectory.ts"
import { adviceFor, EmbeddedPostgresError, refused } from "./EmbeddedPostgresError.ts"
import type { PostgresBinaries } from "./PostgresBinaries.ts"
import * as PostmasterFile from "./PostmasterFile.ts"
import { unlessThere } from "./Race.ts"
import { accountFor, type ServerAccount } from "./ServerAccount.ts"

/** Another process is starting or stopping the server; look again in a moment. */
export class Occupied extends Data.TaggedError("Occupied")<{ readonly why: string }> {}

/** How often a change of another process is looked for. */
const poll = Schedule.spaced("10 millis")

const settings = (socketDir: string) =>
  [
    `unix_socket_directories=${socketDir}`,
    "unix_socket_permissions=0700",
    "listen_addresses=",
    "shared_buffers=64MB",
    "max_connections=100",
    "timezone=UTC",
    "log_timezone=UTC"
  ].flatMap((setting) => ["-c", setting])

/**
 * Starts the server and uses it once it takes connections. When either fails, nothing is left running. `place`
 * is where its sockets were before: a server that is started again is found there by all who knew it.
 */
export const start = <A, E, R>(
  binaries: PostgresBinaries,
  dataDir: string,
  place: string | null,
  use: (server: Server) => Effect.Effect<A, E, R>
) =>
  Effect.acquireUseRelease(
    Effect.try({ try: () => launch(binaries, dataDir, place), catch: refused("start", dataDir) }),
    ({ child, log }) =>
      Effect.raceFirst(ready(dataDir, child), ended(child, dataDir, log)).pipe(Effect.flatMap(use)),
    ({ child, socketDir, isNew }, exit) =>
      exit._tag === "Success"
        ? Effect.void
        : Effect.map(kill(child), () => (isNew ? removeSockets(socketDir) : undefined))
  )

/** One that takes connections. */
export type Server = Extract<PostmasterFile.PostmasterFile, { readonly _tag: "Ready" }>

interface Launched {
  readonly child: ChildProcess
  readonly socketDir: string
  /** Made for this start; one that was there before may be another's by now. */
  readonly isNew: boolean
  readonly log: Log
}

interface Log {
  readonly file: string
  /** Where this start's lines begin, in bytes. */
  readonly from: number
}

const launch = (binaries: PostgresBinaries, dataDir: string, place: string | null): Launched => {
  const account = accountFor(dataDir)
  const isNew = place === null || !isPrivate(place, account)
  const socketDir = isNew ? makeSocketDir() : place
  const file = join(dataDir, "server.log")
  const log = openSync(file, "a", 0o600)
  if (fstatSync(log).size > largestLog) ftruncateSync(log)
  if (account !== undefined) for (const path of [socketDir, file]) chownSync(path, account.uid, account.gid)
  // Before the process begins: it may have written its last words before we go on.
  const from = fstatSync(log).size
  const child = spawn(binaries.postgres, ["-D", dataDir, ...settings(socketDir)], {
    ...account,
    cwd: dataDir,
    env: environment,
    detached: true,
    stdio: ["ignore", "ignore", log]
  })
  child.unref()
  closeSync(log)
  return { child, socketDir, isNew, log: { file, from } }
}

/** In bytes; a log larger than this begins anew at the next start. */
const largestLog = 1_000_000

/** A socket's path may have about 100 bytes, so sockets do not live below the data. */
const makeSocketDir = (): string => {
  const longest = 60
  return mkdtempSync(join(tmpdir().length > longest ? "/tmp" : tmpdir(), socketPrefix))
}

const socketPrefix = "hr-pg-"

/** A folder of sockets that nobody but the server's account can have touched. */
const isPrivate = (socketDir: string, account: ServerAccount | undefined): boolean => {
  const found = lstatSync(socketDir, { throwIfNoEntry: false })
  if (found === undefined || !found.isDirectory() || !basename(socketDir).startsWith(socketPrefix))
    return false
  return found.uid === (account?.uid ?? process.getuid?.()) && (found.mode & 0o077) === 0
}

/** Removes the socket folder of a server that is gone, if it is one we made. */
export const removeSockets = (socketDir: string): void => {
  if (basename(socketDir).startsWith(socketPrefix)) rmSync(socketDir, { recursive: true, force: true })
}

/** Takes away the lock on a dead server's socket, which PostgreSQL heeds while anybody has the process id in it. */
export const unlock = ({ pid, socketDir }: { readonly pid: number; readonly socketDir: string }): void => {
  if (!basename(socketDir).startsWith(socketPrefix) || !existsSync(socketDir)) return
  for (const name of readdirSync(socketDir).filter((entry) => entry.endsWith(".lock"))) {
    const lock = join(socketDir, name)
    if (Number(PostmasterFile.textOf(lock)?.split("\n")[0]) === pid) rmSync(lock, { force: true })
  }
}

/** Leads whoever knew the place of a server's sockets to where they are now. */
export const lead = (before: string, now: string): void => {
  if (before === now || textOfLink(before) === now) return
  removeSockets(before)
  unlessThere(() => symlinkSync(now, before))
}

const textOfLink = (path: string): string | undefined =>
  lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : undefined

const ready = (dataDir: string, child: ChildProcess) =>
  Effect.suspend(() => {
    const file = PostmasterFile.read(dataDir)
    return file._tag === "Ready" && file.pid === child.pid
      ? Effect.succeed(file)
      : Effect.fail(new Occupied({ why: "starting" }))
  }).pipe(Effect.retry(poll))

/** Fails when the process ends, with what it wrote to its log. */
const ended = (child: ChildProcess, dataDir: string, log: Log) =>
  Effect.callback<never, EmbeddedPostgresError | Occupied>((resume) => {
    const onError = (cause: Error) => resume(Effect.fail(refused("start", dataDir)(cause)))
    const onExit = () =>
      resume(Effect.flatMap(lastLines(log), (why) => Effect.fail(failedStart(dataDir, why))))
    child.once("error", onError).once("exit", onExit)
    return Effect.sync(() => child.off("error", onError).off("exit", onExit))
  })

/** Another server on the folder, or what is left of one, is a matter of waiting. */
const failedStart = (dataDir: string, why: string) =>
  /lock file .* (already exists|is empty)|pre-existing shared memory block/.test(why)
    ? new Occupied({ why })
    : new EmbeddedPostgresError({ step: "start", where: dataDir, why, advice: adviceFor(why) })

const lastLines = ({ file, from }: Log) =>
  Effect.try({
    try: () => {
      const lines = readFileSync(file).subarray(from).toString().trim().split("\n").slice(-8)
      return lines.map((line) => line.replace(/^\S+ \S+ UTC \[\d+\] /, "")).join("; ")
    },
    catch: refused("start", file)
  })

const kill = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      return resume(Effect.void)
    }
    child.ref()
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGQUIT")
  })

/** Ends the server in order: open transactions are rolled back, everything is written. Returns when it is gone. */
export const stop = (dataDir: string, { pid, socketDir }: Server): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (PostmasterFile.isPostmaster(pid, dataDir)) process.kill(pid, "SIGINT")
    yield* Effect.suspend(() =>
      PostmasterFile.isPostmaster(pid, dataDir) ? Effect.fail("still there" as const) : Effect.void
    ).pipe(
      Effect.retry(poll),
      Effect.timeoutOrElse({
        duration: "30 seconds",
        orElse: () =>
          Effect.logWarning(`PostgreSQL (process ${pid}) is still writing to ${dataDir}; left to finish.`)
      }),
      Effect.ignore
    )
    yield* Effect.sync(() => removeSockets(socketDir))
  })
