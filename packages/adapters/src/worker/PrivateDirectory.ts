/**
 * The directory a worker's socket lives in. Whoever may enter it may speak to
 * the worker, so it is ours alone: made with mode 0700, checked before every
 * use, removed afterwards, and swept when the process that made it is gone.
 */
import { Effect } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"

const prefix = "headrace-worker-"

/** The system refuses longer socket paths (108 bytes, less where it is not Linux). */
const longestPath = 100

const parentOf = (socketName: string): string => {
  const wanted = os.tmpdir()
  const longest = path.join(wanted, `${prefix}4194304-XXXXXX`, socketName)
  return Buffer.byteLength(longest) > longestPath ? "/tmp" : wanted
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

/** Directories of ours whose process is gone. */
const sweep = (parent: string): void => {
  for (const name of fs.readdirSync(parent)) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN
    const directory = path.join(parent, name)
    if (Number.isInteger(pid) && !isAlive(pid) && faultOf(directory, "directory") === undefined)
      fs.rmSync(directory, { recursive: true, force: true })
  }
}

/** Why this path is not ours alone, or undefined. Links are not followed. */
export const faultOf = (file: string, kind: "directory" | "socket"): string | undefined => {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false })
  if (stat === undefined) return `${file} does not exist`
  if (!(kind === "directory" ? stat.isDirectory() : stat.isSocket())) return `${file} is no ${kind}`
  if (stat.uid !== process.getuid?.()) return `${file} belongs to user ${stat.uid}`
  const mode = stat.mode & 0o777
  return (mode & 0o077) === 0 ? undefined : `${file} has mode 0${mode.toString(8)}, open to others`
}

/** The path of a socket to be, in a directory of its own that goes with the scope. */
export const acquire = (socketName: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const parent = parentOf(socketName)
      sweep(parent)
      return fs.mkdtempSync(path.join(parent, `${prefix}${process.pid}-`))
    }),
    (directory) => Effect.sync(() => fs.rmSync(directory, { recursive: true, force: true }))
  ).pipe(Effect.map((directory) => path.join(directory, socketName)))
