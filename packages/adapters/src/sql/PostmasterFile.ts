/**
 * What `postmaster.pid` says about a database folder, checked against the
 * processes there are: a killed server leaves the file behind, and its process
 * id may belong to somebody else by now.
 */
import { Schema } from "effect"
import { readFileSync, readlinkSync, renameSync, rmSync } from "node:fs"
import { basename, join } from "node:path"
import { spawnSync } from "node:child_process"
import { unlessGone } from "./Race.ts"

export const PostmasterFile = Schema.TaggedUnion({
  /** Nobody runs a server on the folder. */
  Absent: {},
  /** The server that wrote the file is gone; `recycled` says that its process id now is somebody else's. */
  Stale: { pid: Schema.Int, text: Schema.String, socketDir: Schema.String, recycled: Schema.Boolean },
  /** A server that is coming up or going down. */
  Passing: { pid: Schema.Int },
  /** A server that takes connections at its socket. */
  Ready: { pid: Schema.Int, socketDir: Schema.String, port: Schema.Int }
})
export type PostmasterFile = typeof PostmasterFile.Type

const pathOf = (dataDir: string) => join(dataDir, "postmaster.pid")

/** What a file holds; undefined when there is none, or none any more: one of /proc says so of a process that just ends. */
export const textOf = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8")
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ESRCH"))
      return undefined
    throw cause
  }
}

/** Reads the file; throws what the system says when it is there and cannot be read. */
export const read = (dataDir: string): PostmasterFile => {
  const text = textOf(pathOf(dataDir))
  if (text === undefined) return { _tag: "Absent" }
  const [first, , , port, socketDir = "", , , status = ""] = text.split("\n")
  const pid = Number(first)
  if (!isPostmaster(pid, dataDir)) {
    return { _tag: "Stale", pid, text, socketDir, recycled: pid > 0 && isThere(pid) }
  }
  return status.trim() === "ready" && socketDir !== ""
    ? { _tag: "Ready", pid, socketDir, port: Number(port) }
    : { _tag: "Passing", pid }
}

/**
 * Takes a stale file away; false when somebody else did. Another process may put a new one there at the
 * same moment, so the file is moved first and put back when it is not the one judged.
 */
export const remove = (dataDir: string, stale: { readonly text: string }): boolean => {
  const aside = `${pathOf(dataDir)}.stale-${process.pid}`
  if (!unlessGone(() => renameSync(pathOf(dataDir), aside))) return false
  const isJudged = textOf(aside) === stale.text
  if (isJudged) rmSync(aside)
  else renameSync(aside, pathOf(dataDir))
  return isJudged
}

/** Is the process a PostgreSQL server of this folder, and not a dead one that nobody has buried? */
export const isPostmaster = (pid: number, dataDir: string): boolean => {
  if (!Number.isInteger(pid) || pid <= 1 || !isThere(pid)) return false
  return process.platform === "linux" ? isPostmasterByProc(pid, dataDir) : isPostmasterByPs(pid)
}

/** Is there a process of that id, whoever's it is? */
export const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code === "EPERM"
  }
}

/** A server works in its folder; where that is hidden from us, its name has to do. */
const isPostmasterByProc = (pid: number, dataDir: string): boolean => {
  const command = textOf(`/proc/${pid}/cmdline`)?.split("\0")[0] ?? ""
  if (basename(command) !== "postgres") return false
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === dataDir
  } catch {
    return true
  }
}

const isPostmasterByPs = (pid: number): boolean =>
  /(^|\/)postgres( |$)/.test(
    spawnSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" }).stdout
  )
