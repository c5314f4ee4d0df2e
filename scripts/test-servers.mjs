// The PostgreSQL servers that tests have started: processes of their own, which no signal to the tests reaches.
import { spawnSync } from "node:child_process"

/** Every process there is. */
const processes = () =>
  spawnSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" })
    .stdout.split("\n")
    .flatMap((line) => {
      const [, pid, parent, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? []
      return pid === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), args }]
    })

const isServer = ({ args }) => /^\S*\/postgres -D /.test(args)

/** The servers below a process: gone from there, and hard to find, once the process has ended. */
export const serversBelow = (root) => {
  const all = processes()
  const below = new Set([root])
  for (let size = 0; size !== below.size;) {
    size = below.size
    for (const { pid, parent } of all) if (below.has(parent)) below.add(pid)
  }
  return all.filter((each) => below.has(each.pid) && isServer(each))
}

/** Ends those that still run, each as the server it was found as; a signal makes it close its database first. */
export const stop = (servers) => {
  const now = processes()
  const left = servers.filter(({ pid, args }) => now.some((each) => each.pid === pid && each.args === args))
  for (const { pid } of left) process.kill(pid, "SIGINT")
  return left.length
}
