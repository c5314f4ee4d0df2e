/** A server in a process of its own, which a test may kill; and the requests it answers. */
import { Effect, Schema } from "effect"
import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { Answer } from "../GraphqlClient.ts"
import { python } from "./Lake.ts"

export interface ServerProcess {
  readonly url: string
  /** The first lines of its log, up to the one that names the address. */
  readonly log: ReadonlyArray<string>
  /** SIGKILL; completes when the process is gone. */
  readonly kill: Effect.Effect<void>
}

/** Starts a server over the data directory and waits for the line that says where it answers. */
export const start = (data: string, workers = 1) =>
  Effect.acquireRelease(
    Effect.callback<ServerProcess>((resume) => {
      const child = spawn(
        process.execPath,
        ["--conditions=@headrace/source", `${import.meta.dirname}/serveProgram.ts`],
        {
          stdio: ["ignore", "pipe", "inherit"],
          env: {
            ...process.env,
            HEADRACE_DATA: data,
            HEADRACE_PORT: "0",
            HEADRACE_WORKERS: `${workers}`,
            HEADRACE_PYTHON: python
          }
        }
      )
      const gone = new Promise<void>((done) => child.once("exit", () => done()))
      const kill = Effect.promise(() => {
        child.kill("SIGKILL")
        return gone
      })
      const log: Array<string> = []
      createInterface(child.stdout).on("line", (line) => {
        log.push(line)
        const url = /http:\S+\/graphql/.exec(line)?.[0]
        if (url !== undefined) resume(Effect.succeed({ url, log: [...log], kill }))
      })
      child.once("exit", (code) =>
        resume(Effect.die(new Error(`the server ended with ${code}: ${log.join("\n")}`)))
      )
    }),
    ({ kill }) => kill
  )

export const ask = (server: ServerProcess, query: string, variables: Record<string, unknown>) =>
  Effect.promise(async () => {
    const response = await fetch(server.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query, variables })
    })
    return Schema.decodeUnknownSync(Answer)(await response.json())
  })
