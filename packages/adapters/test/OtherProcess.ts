/** Another process of ours under a test: started, heard, and killed at will. */
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"

/** Starts a script of ours; ended for good with the scope. */
export const start = (script: URL, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--conditions=@headrace/source", fileURLToPath(script), ...args], {
        stdio: ["ignore", "pipe", "inherit"]
      })
    ),
    (child) => end(child, "SIGTERM")
  )

/** The first line it prints. */
export const firstLine = (child: ChildProcess): Effect.Effect<string> =>
  Effect.callback((resume) => {
    if (child.stdout === null) return resume(Effect.die("no output"))
    createInterface(child.stdout).once("line", (line) => resume(Effect.succeed(line)))
    child.once("exit", (code) => resume(Effect.die(`ended with ${code} before it said anything`)))
  })

/** Ends it by a signal and returns when it is gone. */
export const end = (child: ChildProcess, signal: NodeJS.Signals): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill(signal)
  })
