/**
 * One `python -m headrace.worker`: started with a clean environment that holds
 * its token, connected to over a socket nobody else can reach, ended with
 * SIGTERM and, when that does not help, SIGKILL.
 */
import { WorkerUnavailable } from "@headrace/core/services/PythonWorker"
import { Deferred, type Duration, Effect, Schedule } from "effect"
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { connect, type Socket } from "node:net"
import type { Readable } from "node:stream"
import * as PrivateDirectory from "./PrivateDirectory.ts"
import { logLine, messageOf, readLines } from "./WorkerLog.ts"

export interface Options {
  /** Path or name of the interpreter that has the package's dependencies. */
  readonly python: string
  /** Where `headrace` is imported from, when it is not installed for that interpreter. */
  readonly pythonPath?: string | undefined
  /** Where staging on local disk is kept. */
  readonly stagingDir: string
  /** Further variables of the worker's environment. Everything else of ours stays here. */
  readonly env?: Readonly<Record<string, string>> | undefined
}

export interface WorkerProcess {
  readonly pid: number
  /** Proves in `hello` that we are who started the process. */
  readonly token: string
  readonly socketPath: string
  /** Completes when the process is gone, with how it ended. */
  readonly exited: Effect.Effect<string>
}

/** Arrow's usual allocator keeps some 50 MiB more of what was given back to it. It has the other one where Linux is. */
const allocator: Record<string, string> =
  process.platform === "linux" ? { ARROW_DEFAULT_MEMORY_POOL: "jemalloc" } : {}

/** What an interpreter needs to run; no credentials, and no `PG*` that would change where a source connects. */
const inherited = ["PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"] as const

const environment = (options: Options, token: string): Record<string, string> => ({
  ...Object.fromEntries(
    inherited.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))
  ),
  ...(options.pythonPath === undefined ? {} : { PYTHONPATH: options.pythonPath }),
  // The current folder must not provide modules, and a line of the log must not wait in a buffer.
  PYTHONSAFEPATH: "1",
  PYTHONUNBUFFERED: "1",
  PYTHONUTF8: "1",
  ...allocator,
  ...options.env,
  HEADRACE_STAGING_DIR: options.stagingDir,
  // A worker that is still starting when this process dies learns of it only so.
  HEADRACE_WORKER_STARTER: String(process.pid),
  HEADRACE_WORKER_TOKEN: token
})

type Child = ChildProcessByStdio<null, Readable, Readable>

const started = (options: Options, socketPath: string, token: string) =>
  Effect.callback<Child & { readonly pid: number }, WorkerUnavailable>((resume) => {
    const child = spawn(options.python, ["-m", "headrace.worker", "--socket", socketPath], {
      stdio: ["ignore", "pipe", "pipe"],
      env: environment(options, token)
    })
    const { pid } = child
    if (pid !== undefined) resume(Effect.succeed(Object.assign(child, { pid })))
    child.on("error", (error) =>
      resume(
        Effect.fail(new WorkerUnavailable({ detail: `${options.python} does not start: ${error.message}` }))
      )
    )
  })

const hasExited = (child: Child): boolean => child.exitCode !== null || child.signalCode !== null

/** SIGTERM, then SIGKILL after `grace`. Completes when the process is gone. */
const terminate = (child: Child, exited: Effect.Effect<string>, grace: Duration.Input) =>
  Effect.gen(function* () {
    if (!hasExited(child)) child.kill("SIGTERM")
    yield* Effect.timeoutOrElse(exited, {
      duration: grace,
      orElse: () =>
        Effect.andThen(
          Effect.sync(() => child.kill("SIGKILL")),
          exited
        )
    })
  })

/** Starts a worker for the length of the scope; at its end the process is gone and its directory too. */
export const make = Effect.fnUntraced(function* (options: Options, grace: Duration.Input) {
  const socketPath = yield* PrivateDirectory.acquire("worker.sock")
  const token = randomBytes(32).toString("hex")
  const exited = yield* Deferred.make<string>()
  const child = yield* Effect.acquireRelease(started(options, socketPath, token), (running) =>
    terminate(running, Deferred.await(exited), grace)
  )
  const context = yield* Effect.context()
  const log = (line: string) =>
    void Effect.runForkWith(context)(Effect.annotateLogs(logLine(line), { worker: child.pid }))
  let lastLine = ""
  readLines(child.stdout, log)
  readLines(child.stderr, (line) => {
    lastLine = messageOf(line).slice(0, 500)
    log(line)
  })
  child.once("exit", (code, signal) => {
    const tell = () => {
      const words = lastLine === "" ? "" : `; its last words: ${lastLine}`
      Deferred.doneUnsafe(exited, Effect.succeed(signal ?? `exit code ${code}${words}`))
    }
    // What it said last may still be in the pipe, which a grandchild may keep open for ever.
    child.once("close", tell)
    setTimeout(tell, 200).unref()
  })
  const made: WorkerProcess = { pid: child.pid, token, socketPath, exited: Deferred.await(exited) }
  return made
})

const open = (socketPath: string) =>
  Effect.callback<Socket, string>((resume) => {
    const fault = PrivateDirectory.faultOf(socketPath, "socket")
    if (fault !== undefined) return resume(Effect.fail(fault))
    const socket = connect(socketPath)
    socket.once("connect", () => resume(Effect.succeed(socket)))
    socket.once("error", (error) => resume(Effect.fail(error.message)))
    return Effect.sync(() => socket.destroy())
  })

/** Connects as soon as the process listens. Fails when its socket is not ours alone, or the process ends first. */
export const connection = (running: WorkerProcess, patience: Duration.Input) => {
  let last = "it never listened"
  const attempt = open(running.socketPath).pipe(
    Effect.tapError((detail) => Effect.sync(() => (last = detail))),
    Effect.retry(Schedule.spaced("10 millis"))
  )
  const ended = Effect.flatMap(running.exited, (how) =>
    unavailable(`the worker ended before it listened: ${how}`)
  )
  return Effect.timeoutOrElse(Effect.raceFirst(attempt, ended), {
    duration: patience,
    orElse: () => unavailable(`the worker did not listen in time: ${last}`)
  }).pipe(Effect.catch((error) => (typeof error === "string" ? unavailable(error) : Effect.fail(error))))
}

const unavailable = (detail: string) => Effect.fail(new WorkerUnavailable({ detail }))
