/**
 * Whose processes the embedded PostgreSQL runs as. It refuses to run as root,
 * so under root it becomes `nobody`, or whoever owns a database that is there
 * already; otherwise it stays what we are.
 */
import { existsSync, statSync } from "node:fs"
import { dirname, join } from "node:path"

export interface ServerAccount {
  readonly uid: number
  readonly gid: number
}

const nobody: ServerAccount = { uid: 65_534, gid: 65_534 }

export const isRoot = (): boolean => process.getuid?.() === 0

/** Undefined: the account we have ourselves. */
export const accountFor = (dataDir: string): ServerAccount | undefined => {
  if (!isRoot()) return undefined
  if (!existsSync(join(dataDir, "PG_VERSION"))) return nobody
  const { uid, gid } = statSync(dataDir)
  return uid === 0 ? nobody : { uid, gid }
}

/** May another user come as far as `file`? Every folder above must let it through. */
export const isReachableByOthers = (file: string): boolean => {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false
    if (folder === dirname(folder)) return true
  }
}

/** Root's own folder, open to `nobody`, for when the place that was asked for is closed to it. */
export const openFolder = "/var/lib/headrace"
