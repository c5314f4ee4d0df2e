/**
 * Who holds a unit: a process, by an id of its own and by where it runs. What
 * a dead one held passes with its lease; a process of the same machine need not
 * wait so long, since the system says which of its processes are gone.
 */
import { readFileSync, readlinkSync } from "node:fs"

export interface RunOwner {
  readonly id: string
  /** Null where the system does not say; then only the lease tells. */
  readonly place: string | null
}

const textOf = (path: string): string | null => {
  try {
    return readFileSync(path, "utf8").trim()
  } catch {
    return null
  }
}

/**
 * This boot of this machine, and the processes that are numbered together with us: of two containers,
 * each has its own process 7. Null outside of Linux.
 */
const machineOf = (): string | null => {
  const boot = textOf("/proc/sys/kernel/random/boot_id")
  try {
    return boot === null ? null : `${boot} ${readlinkSync("/proc/self/ns/pid")}`
  } catch {
    return null
  }
}

/** When the process began, in ticks since the boot, which tells it from a later one of its number. Null: it is gone. */
const startOf = (pid: number): string | null => {
  const stat = textOf(`/proc/${pid}/stat`)
  // The name in parentheses is the process's own choice, so fields are counted from behind it: proc(5).
  const [state, ...fields] = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? []
  return state === undefined || state === "Z" || state === "X" ? null : (fields[18] ?? null)
}

export const machine = machineOf()

export const make = (): RunOwner => ({
  id: crypto.randomUUID(),
  place: machine === null ? null : `${machine} ${process.pid} ${startOf(process.pid)}`
})

/** Is the process gone that ran at `place`? Asked of places on our machine. */
export const isGone = (place: string): boolean => {
  const [pid = "", start] = place.split(" ").slice(-2)
  return startOf(Number(pid)) !== start
}
