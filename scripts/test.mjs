// Runs the tests of both languages, the second also when the first fails, and leaves their reports for `count-tests.mjs`.
// Usage: node scripts/test.mjs REPORT_NAME [-- vitest arguments] [-- pytest arguments]
import { spawnSync } from "node:child_process"
import { mkdirSync, rmSync } from "node:fs"
import { resolve } from "node:path"

const [name = "unit", ...rest] = process.argv.slice(2)
const [, vitestArgs = [], pytestArgs = []] = rest.reduce(
  (groups, argument) =>
    argument === "--" ? [...groups, []] : [...groups.slice(0, -1), [...groups.at(-1), argument]],
  [[]]
)
const reports = resolve(".headrace/reports")
mkdirSync(reports, { recursive: true })

/** Runs a command with its output shown; a report of an earlier run must not be counted for this one. */
const run = (command, args, report, cwd = ".") => {
  rmSync(report, { force: true })
  return spawnSync(command, args, { stdio: "inherit", cwd }).status ?? 1
}

const vitest = `${reports}/${name}.vitest.json`
const pytest = `${reports}/${name}.pytest.xml`
const statuses = [
  run(
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
  run(
    resolve(".venv/bin/python"),
    ["-m", "pytest", "-q", `--junitxml=${pytest}`, ...pytestArgs],
    pytest,
    "python"
  )
]
process.exit(Math.max(...statuses))
