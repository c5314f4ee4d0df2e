/**
 * `headrace doctor`: looks at everything a run needs and says of each whether
 * it is there, and what to do when it is not. Leaves nothing behind and changes nothing.
 */
import { PythonWorker } from "@headrace/core/services/PythonWorker"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { existsSync, lstatSync, mkdtempSync, readlinkSync, rmdirSync, statSync } from "node:fs"
import { createServer } from "node:net"
import { dirname, join, resolve } from "node:path"
import type { ServerConfig } from "../../Config.ts"
import * as RunningServer from "../../RunningServer.ts"
import * as Wiring from "../../Wiring.ts"
import { settings, withWorker } from "../Engine.ts"
import { Exit } from "../Exit.ts"
import { refusedByWorker } from "../Failures.ts"
import { Screen } from "../Screen.ts"
import type { Verb } from "../Verb.ts"

interface Finding {
  readonly what: string
  readonly ok: boolean
  readonly detail: string
}

const fine = (what: string, detail: string): Finding => ({ what, ok: true, detail })
const wrong = (what: string, detail: string): Finding => ({ what, ok: false, detail })

export const doctor: Verb = Effect.gen(function* () {
  const screen = yield* Screen
  const config = yield* settings
  const findings = [
    node(),
    yield* worker(config),
    yield* database(config),
    dataDirectory(resolve(config.data)),
    yield* port(config)
  ]
  for (const finding of findings) {
    if (screen.format === "text")
      screen.print(`${finding.ok ? "✓" : "✗"} ${finding.what.padEnd(15)} ${finding.detail}`)
    else screen.print(JSON.stringify({ v: 1, type: "doctor", ...finding }))
  }
  return findings.every(({ ok }) => ok) ? Exit.done : Exit.configuration
})

const node = (): Finding => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  return major > 22 || (major === 22 && minor >= 19)
    ? fine("Node", process.versions.node)
    : wrong("Node", `${process.versions.node} is too old. Install 22.19 or newer.`)
}

/** A system's own words may lack the full stop that ours behind them need. */
const ended = (sentence: string): string => (/[.!?]$/.test(sentence) ? sentence : `${sentence}.`)

/** Really starts one: an interpreter that is there and lacks a library is no worker. */
const worker = ({ python }: ServerConfig) =>
  Effect.flatMap(PythonWorker, (asked) => asked.listTemplates(null)).pipe(
    Effect.map((templates) =>
      fine("Python worker", `${python}, templates: ${templates.map(({ id }) => id).join(", ")}`)
    ),
    Effect.mapError((error) => refusedByWorker(error, "source", null)),
    withWorker,
    Effect.catch(({ title, why }) =>
      Effect.succeed(
        wrong(
          "Python worker",
          `${title}: ${why.map(ended).join(" ")} Set HEADRACE_PYTHON to a Python 3.11 that has Headrace's packages.`
        )
      )
    )
  )

const database = (config: ServerConfig): Effect.Effect<Finding> =>
  Wiring.postgresVersion(config).pipe(
    Effect.match({
      onSuccess: (found) => fine("PostgreSQL", `${found}${placeOf(config)}`),
      onFailure: (why) => wrong("PostgreSQL", why)
    })
  )

/** Host and database of a PostgreSQL that somebody chose; the embedded one needs no place. */
const placeOf = ({ databaseUrl }: ServerConfig): string => {
  const url = Option.map(databaseUrl, (said) => URL.parse(Redacted.value(said)))
  return Option.match(
    Option.filter(url, (parsed) => parsed !== null),
    {
      onNone: () => "",
      onSome: ({ host, pathname }) => ` at ${host}${pathname}`
    }
  )
}

/** Tried in the nearest folder that exists: permissions alone do not say whether the rest can be made there. */
const dataDirectory = (path: string): Finding => {
  const there = existsSync(path)
  let folder = path
  while (!existsSync(folder)) folder = dirname(folder)
  try {
    rmdirSync(mkdtempSync(join(folder, ".doctor-")))
    const isOpen = there && (statSync(path).mode & 0o077) !== 0
    return fine(
      "Data directory",
      `${path}${there ? "" : " (made when it is needed)"}${isOpen ? ", open to others until the next start" : ""}${elsewhere(path)}`
    )
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    return wrong("Data directory", `${path}: ${why}. Set HEADRACE_DATA to a folder of your own.`)
  }
}

/** PostgreSQL does not run as root; under root its files may have to lie where another user can reach them. */
const elsewhere = (data: string): string => {
  const place = Wiring.postgresFolder(data)
  if (lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return ""
  return `; its database is in ${readlinkSync(place)}, since PostgreSQL does not run as root: copy, move and remove both`
}

/** Taken is fine when it is our own server who took it. */
const port = Effect.fnUntraced(function* (config: ServerConfig) {
  const where = `${config.host}:${config.port}`
  const running = yield* RunningServer.find(resolve(config.data))
  if (Option.isSome(running)) return fine("Server", `runs and answers at ${running.value}`)
  const refusal = yield* whyNotOpen(config)
  return refusal === null
    ? fine(
        "Port",
        config.port === 0 ? `any free one of ${config.host}, chosen at the start` : `${where} is free`
      )
    : wrong("Port", `${where} cannot be opened: ${refusal}. Choose another one with HEADRACE_PORT.`)
})

const whyNotOpen = ({ host, port: wanted }: ServerConfig): Effect.Effect<string | null> =>
  Effect.callback((resume) => {
    const probe = createServer()
    probe.once("error", (error) => resume(Effect.succeed(error.message)))
    probe.listen(wanted, host, () => probe.close(() => resume(Effect.succeed(null))))
  })
