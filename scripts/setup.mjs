// Prepares a clone: makes node_modules fit package-lock.json, checks Node, then makes .venv fit a lock file with
// hashes: by uv if there is one, else by a uv brought in by pip, else by pip. Remembers what it did, so that the
// next time costs a few hundredths of a second. Needs nothing but Node.
// Usage: node scripts/setup.mjs python/requirements.lock
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { delimiter, join, resolve } from "node:path"

const UV = "0.13.9"
const lock = process.argv[2] ?? "python/requirements.lock"
const venv = ".venv"
const python = join(venv, process.platform === "win32" ? "Scripts/python.exe" : "bin/python")

const run = (command, args, quiet = false) =>
  spawnSync(command, args, {
    stdio: quiet ? "ignore" : ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      PIP_DISABLE_PIP_VERSION_CHECK: "1",
      PATH: `${process.env.PATH}${delimiter}.headrace/uv/bin`
    }
  }).status === 0

/** What happened, why, what to do; exit code 3: something is missing or set wrongly. */
const die = (what, ...lines) => {
  console.error([`\n✗ ${what}`, ...lines.map((line) => `  ${line}`), ""].join("\n"))
  process.exit(3)
}

const digest = (file) => {
  try {
    return createHash("sha256").update(readFileSync(file)).digest("hex")
  } catch {
    return die(
      `There is no ${file} here`,
      `Looked in ${process.cwd()}.`,
      "Call this from the root of the repository."
    )
  }
}

const holds = (stamp, want) => existsSync(stamp) && readFileSync(stamp, "utf8") === want

/** Says what is being done before it begins, and how long it took after. */
const step = (title, work) => {
  console.error(`${title} …`)
  const started = performance.now()
  work()
  console.error(`  done in ${((performance.now() - started) / 1000).toFixed(1)} s`)
}

const installNode = () => {
  // npm names itself to the scripts it runs; outside npm, the one on the PATH.
  const npm = process.env.npm_execpath
  const [command, ...args] = npm ? [process.execPath, npm] : ["npm"]
  if (!run(command, [...args, "ci", "--loglevel=error"]))
    die(
      "The Node packages could not be installed",
      "npm ci failed; the lines above say why.",
      "Mend that (network, disk space, a proxy in ~/.npmrc) and call the same command again."
    )
}

/** What a program started from here will find (after `npm ci` the repository's own), not the one that runs this file. */
const checkNode = () => {
  const version = (spawnSync("node", ["--version"], { encoding: "utf8" }).stdout ?? "").trim()
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version) ?? []
  if (major === undefined)
    die(
      "The Node of this repository does not run here",
      "node_modules/.bin/node is built for Linux with glibc; this may be Alpine or another musl system.",
      "Remove node_modules/node-linux-* and install Node 22.19 or newer yourself."
    )
  if (Number(major) < 22 || (Number(major) === 22 && Number(minor) < 19))
    die(
      "Node is too old",
      `Found ${version}; Headrace needs 22.19 or newer.`,
      "Install a newer Node (https://nodejs.org) and call the same command again."
    )
}

const installPython = () => {
  const system = ["python3", "python", "python3.14", "python3.13", "python3.12", "python3.11"].find((p) =>
    run(p, ["-c", "import sys; sys.exit(sys.version_info < (3, 11))"], true)
  )
  const hasUv =
    run("uv", ["--version"], true) ||
    (system !== undefined &&
      run(system, ["-m", "pip", "install", "-q", "--target", ".headrace/uv", `uv==${UV}`], true))
  if (!hasUv && system === undefined)
    die(
      "There is no Python 3.11 or newer",
      "Looked for python3, python and python3.11 to python3.14 on the PATH.",
      "Install Python 3.11 or newer, or uv (which brings a Python along), and call the same command again."
    )
  const made = hasUv
    ? run("uv", ["venv", "-q", "--allow-existing", "--python", ">=3.11", venv])
    : existsSync(python) || run(system, ["-m", "venv", venv])
  if (!made)
    die(
      "The Python environment .venv could not be made",
      "The lines above say why.",
      "On Debian and Ubuntu:  apt-get install python3-venv.  Or install uv."
    )
  const [command, ...args] = hasUv
    ? ["uv", "pip", "install", "-q", "--python", python]
    : [python, "-m", "pip", "install", "-q"]
  if (!run(command, [...args, "--require-hashes", "-r", lock]))
    die(
      "The Python packages could not be installed",
      `${lock} names them; the lines above say what failed.`,
      "Mend that (network, disk space, a proxy) and call the same command again."
    )
  // The worker's own source, importable without an install step.
  const site = spawnSync(python, ["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], {
    encoding: "utf8"
  }).stdout.trim()
  writeFileSync(join(site, "headrace.pth"), `${resolve("python/src")}\n`)
}

// `npm ci` empties node_modules first, so an install that was cut short leaves no stamp.
const npmStamp = "node_modules/.headrace-lock.sha256"
const npmLock = digest("package-lock.json")
if (!holds(npmStamp, npmLock)) {
  step("Installing the Node packages (first run only)", installNode)
  writeFileSync(npmStamp, npmLock)
}
checkNode()

// The folder is part of it: an environment that was moved or copied points to its old place.
const venvStamp = join(venv, `.${lock.replaceAll(/[^a-z.-]/g, "-")}.sha256`)
const want = `${digest(lock)} ${process.cwd()}`
if (!existsSync(python) || !holds(venvStamp, want)) {
  step("Preparing the Python environment (first run only)", installPython)
  writeFileSync(venvStamp, want)
}
