// Makes node_modules fit package-lock.json, checks Node, then makes .venv fit a lock file: with uv if there is one,
// else with a uv brought in by pip, else with pip.
// Usage: node scripts/setup.mjs python/requirements.lock
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { delimiter, join, resolve } from "node:path"

const UV = "0.13.9"
const lock = process.argv[2] ?? "python/requirements.lock"
const venv = ".venv"
const python = join(venv, process.platform === "win32" ? "Scripts/python.exe" : "bin/python")
const stamp = join(venv, `.${lock.replaceAll(/[^a-z.-]/g, "-")}.sha256`)
const want = createHash("sha256").update(readFileSync(lock)).digest("hex")
const run = (command, args, quiet = false) =>
  spawnSync(command, args, {
    stdio: quiet ? "ignore" : ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      PIP_DISABLE_PIP_VERSION_CHECK: "1",
      PATH: `${process.env.PATH}${delimiter}.headrace/uv/bin`
    }
  }).status === 0

const die = (message) => {
  console.error(`\n${message}\n`)
  process.exit(1)
}

// `npm ci` empties node_modules first, so an install that was cut short leaves no stamp.
const npmStamp = "node_modules/.headrace-lock.sha256"
const npmLock = createHash("sha256").update(readFileSync("package-lock.json")).digest("hex")
if (!existsSync(npmStamp) || readFileSync(npmStamp, "utf8") !== npmLock) {
  console.error("Installing the Node packages …")
  // npm names itself to the scripts it runs; outside npm, the one on the PATH.
  const npm = process.env.npm_execpath
  const [command, ...args] = npm ? [process.execPath, npm] : ["npm"]
  if (!run(command, [...args, "ci", "--loglevel=error"]))
    die("The Node packages could not be installed; the lines above say why. Then try again.")
  writeFileSync(npmStamp, npmLock)
}

// What a program started from here will find (after `npm ci` the repository's own), not the one that runs this file.
const version = spawnSync("node", ["--version"], { encoding: "utf8" }).stdout.trim()
const [major, minor] = version.slice(1).split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) die(`Headrace needs Node 22.19 or newer; this is ${version}.`)

if (existsSync(python) && existsSync(stamp) && readFileSync(stamp, "utf8") === want) process.exit(0)

console.error("Preparing the Python environment (first run only) …")
const started = performance.now()
const system = ["python3", "python"].find((p) =>
  run(p, ["-c", "import sys; sys.exit(sys.version_info < (3, 11))"], true)
)
const hasUv =
  run("uv", ["--version"], true) ||
  (system !== undefined &&
    run(system, ["-m", "pip", "install", "-q", "--target", ".headrace/uv", `uv==${UV}`], true))
if (hasUv) {
  if (!existsSync(python) && !run("uv", ["venv", "-q", "--python", ">=3.11", venv]))
    die("uv could not make a Python environment.")
  if (!run("uv", ["pip", "install", "-q", "--python", python, "--require-hashes", "-r", lock]))
    die("The Python packages could not be installed.")
} else {
  if (system === undefined)
    die(
      "Headrace needs Python 3.11 or newer, or uv (which brings a Python along). Install either and try again."
    )
  if (!existsSync(python) && !run(system, ["-m", "venv", venv]))
    die(
      `${system} cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv. Or install uv.`
    )
  if (!run(python, ["-m", "pip", "install", "-q", "--require-hashes", "-r", lock]))
    die("The Python packages could not be installed.")
}
// The worker's own source, importable without an install step.
const site = spawnSync(python, ["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], {
  encoding: "utf8"
}).stdout.trim()
writeFileSync(join(site, "headrace.pth"), `${resolve("python/src")}\n`)
writeFileSync(stamp, want)
console.error(`Python environment ready in ${((performance.now() - started) / 1000).toFixed(1)} s.`)
