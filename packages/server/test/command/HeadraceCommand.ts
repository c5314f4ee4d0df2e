/** The command in a process of its own, as a shell would start it: what it printed, said, and its exit code. */
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { python } from "../scenario/Lake.ts"

export interface Surroundings {
  /** Current folder of the process. */
  readonly folder: string
  /** The data directory. */
  readonly data: string
  readonly environment?: Readonly<Record<string, string>>
  /** With a shell between us and it, as npm has one; `child` is the shell. */
  readonly belowShell?: boolean
}

export interface Ended {
  readonly exit: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Going {
  readonly child: ChildProcess
  /** Completes when a line of stdout holds the text; dies when the process ends before. */
  readonly printed: (text: string) => Effect.Effect<string>
  readonly ended: Effect.Effect<Ended>
}

const programs = { headrace: "../../src/main.ts", start: "../../src/start.ts" }

const launch = (
  program: keyof typeof programs,
  words: ReadonlyArray<string>,
  { folder, data, environment, belowShell }: Surroundings
) => {
  const path = fileURLToPath(new URL(programs[program], import.meta.url))
  const line = [process.execPath, "--conditions=@headrace/source", path, ...words]
  // A shell that has something left to do does not become what it starts.
  const [file = "", ...rest] = belowShell ? ["sh", "-c", '"$@"; exit $?', "sh", ...line] : line
  return spawn(file, rest, {
    cwd: folder,
    // A group of its own, so that both can be ended at once.
    detached: belowShell === true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      HOME: folder,
      HEADRACE_DATA: data,
      HEADRACE_PYTHON: python,
      ...environment
    }
  })
}

const followed = (child: ReturnType<typeof launch>): Going => {
  const said = { stdout: "", stderr: "" }
  const lines: Array<string> = []
  const watchers = new Set<() => void>()
  const notify = () => watchers.forEach((watcher) => watcher())
  createInterface(child.stdout).on("line", (line) => {
    said.stdout += `${line}\n`
    lines.push(line)
    notify()
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said.stderr += text))
  const closed = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)))
  void closed.then(notify)
  return {
    child,
    printed: (text) =>
      Effect.callback((resume) => {
        const look = () => {
          const found = lines.find((line) => line.includes(text))
          if (found !== undefined) resume(Effect.succeed(found))
          else if (child.exitCode !== null || child.signalCode !== null)
            resume(Effect.die(new Error(`ended before it printed ${text}:\n${said.stdout}${said.stderr}`)))
          else return
          watchers.delete(look)
        }
        watchers.add(look)
        look()
      }),
    ended: Effect.map(
      Effect.promise(() => closed),
      (exit) => ({ exit, ...said })
    )
  }
}

/** The shell may be gone while what it started is not. */
const endGroup = ({ pid }: ChildProcess): void => {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL")
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "ESRCH")) throw cause
  }
}

/** Starts it and does not wait; gone with the scope. */
export const begun = (
  program: keyof typeof programs,
  words: ReadonlyArray<string>,
  surroundings: Surroundings
) =>
  Effect.acquireRelease(
    Effect.sync(() => followed(launch(program, words, surroundings))),
    ({ child, ended }) =>
      Effect.suspend(() => {
        if (surroundings.belowShell) endGroup(child)
        else child.kill("SIGKILL")
        return ended
      })
  )

/** Runs it to its end. */
export const run = (
  program: keyof typeof programs,
  words: ReadonlyArray<string>,
  surroundings: Surroundings
) => Effect.scoped(Effect.flatMap(begun(program, words, surroundings), ({ ended }) => ended))

/** What `-o jsonl` printed. */
export const jsonLines = (stdout: string): ReadonlyArray<Record<string, unknown>> =>
  stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Record<string, unknown> => JSON.parse(line))
