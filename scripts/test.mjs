// Runs the tests of both languages, the second also when the first fails, and leaves their reports for `count-tests.mjs`.
// A signal ends what runs, and with it the database servers that its tests have started.
// Usage: node scripts/test.mjs REPORT_NAME [-- vitest arguments] [-- pytest arguments]
import { spawn } from "node:child_process"
import { mkdirSync, rmSync } from "node:fs"
import { constants } from "node:os"
import { resolve } from "node:path"
import { serversBelow, stop } from "./test-servers.mjs"

const [name = "unit", ...rest] = process.argv.slice(2)
const [, vitestArgs = [], pytestArgs = []] = rest.reduce(
  (groups, argument) =>
    argument === "--" ? [...groups, []] : [...groups.slice(0, -1), [...groups.at(-1), argument]],
  [[]]
)
const reports = resolve(".headrace/reports")
mkdirSync(reports, { recursive: true })

let signalled = null
let running = null

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => {
    signalled = signal
    if (running === null) return
    // Looked for before anything ends: a server outlives whoever started it, and then nothing leads to it.
    running.servers = new Map([
      ...running.servers,
      ...serversBelow(running.child.pid).map((each) => [each.pid, each])
    ])
    running.child.kill(signal)
  })

/** Runs a command with its output shown; a report of an earlier run must not be counted for this one. */
const run = async (command, args, report, cwd = ".") => {
  rmSync(report, { force: true })
  if (signalled !== null) return 128 + constants.signals[signalled]
  running = { child: spawn(command, args, { stdio: "inherit", cwd }), servers: new Map() }
  const status = await new Promise((done) => {
    running.child.once("error", () => done(1))
    running.child.once("close", (code) => done(code ?? 1))
  })
  const stopped = stop([...running.servers.values()])
  if (stopped > 0)
    console.error(`Stopped ${stopped} database server${stopped === 1 ? "" : "s"} of the tests.`)
  running = null
  return signalled === null ? status : 128 + constants.signals[signalled]
}

const vitest = `${reports}/${name}.vitest.json`
const pytest = `${reports}/${name}.pytest.xml`
const statuses = [
  await run(
    "vitest",
    [
      "run",
      "--config",
      "vitest.workspace.ts",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${vitest}`,
      ...vitestArgs
    ],
    vitest
  ),
  await run(
    resolve(".venv/bin/python"),
    ["-m", "pytest", "-q", `--junitxml=${pytest}`, ...pytestArgs],
    pytest,
    "python"
  )
]
process.exit(Math.max(...statuses))
