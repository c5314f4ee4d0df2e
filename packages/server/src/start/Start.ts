/**
 * What `npm start` does, from top to bottom: a server, a shop, a run through
 * the server's own API, what arrived, what to try next; then it keeps serving.
 */
import { RunEvents, type RunProgress } from "@headrace/core/services/RunEvents"
import type { RunId } from "@headrace/core/domain/Run"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { mkdirSync } from "node:fs"
import { join, resolve } from "node:path"
import { settings } from "../cli/Engine.ts"
import { Exit } from "../cli/Exit.ts"
import { rows, span } from "../cli/Figures.ts"
import { hint } from "../cli/Hint.ts"
import { refuse, type Refused } from "../cli/Message.ts"
import { report } from "../cli/Outcome.ts"
import { Screen } from "../cli/Screen.ts"
import { Signals } from "../cli/Signals.ts"
import type { Verb } from "../cli/Verb.ts"
import { ingest, isRunning } from "../cli/verbs/Ingest.ts"
import * as Server from "../cli/verbs/Serve.ts"
import { watch } from "../cli/Watch.ts"
import type { ApiRefused } from "../ApiClient.ts"
import type { ServerConfig } from "../Config.ts"
import * as ServerLog from "../ServerLog.ts"
import { postgresFolder } from "../Wiring.ts"
import * as SampleDatabase from "./SampleDatabase.ts"
import * as ShopRun from "./ShopRun.ts"
import { shopUnit } from "./ShopSql.ts"
import { checked, type StartFlags } from "./StartFlags.ts"
import { referenceOf, story } from "./Story.ts"

export const start = (flags: StartFlags): Verb =>
  Effect.gen(function* () {
    const config = yield* settings
    yield* checked(flags)
    const server = yield* serving(config)
    const exit = yield* flags.source === null ? shop(config, server, flags) : own(flags)
    if (server.events === null)
      (yield* Screen).tell(`  Another process serves ${server.url}; this one ends here.`)
    if (flags.once || server.events === null || exit !== Exit.done) return exit
    yield* (yield* Signals).next
    return Exit.done
  }).pipe(Effect.scoped, Effect.provide(ServerLog.layer(process.stderr)))

interface Server {
  readonly url: string
  /** What happens to runs; null when the server is another process. */
  readonly events: RunEvents["Service"] | null
}

/** The server of the data directory: the one that runs, or one in this process. */
const serving = Effect.fn("start.serving")(function* (config: ServerConfig) {
  // It tells its story itself; the log is for what is wrong, unless more was asked for.
  const logLevel = process.env["HEADRACE_LOG_LEVEL"] === undefined ? "Warn" : config.logLevel
  const { url, services } = yield* Server.started({ ...config, logLevel })
  return { url, events: services === null ? null : Context.get(services, RunEvents) } satisfies Server
})

const shop = Effect.fn("start.shop")(function* (config: ServerConfig, server: Server, flags: StartFlags) {
  const screen = yield* Screen
  const data = resolve(config.data)
  const lake = resolve(flags.sink ?? "lake")
  const sample = yield* Effect.mapError(SampleDatabase.open(data, postgresFolder(data)), notPrepared)
  yield* filled(sample)
  if (flags.touch !== null) {
    const changed = yield* Effect.mapError(sample.touch(flags.touch), notPrepared)
    screen.tell(`Changed ${rows(changed)} of the shop.`)
  }
  mkdirSync(lake, { recursive: true })
  const started = yield* ShopRun.registerEnds(server.url, { shop: sample.parameters, lake }).pipe(
    Effect.andThen(subscribed(server)),
    Effect.flatMap((events) => Effect.map(ShopRun.startRun(server.url), (answer) => ({ ...answer, events }))),
    Effect.mapError(apiFailed)
  )
  if (!started.ok || started.runId === null) return yield* isRunning(shopUnit.unitId, started)
  const { last, tally } = yield* watch(started.events(started.runId))
  // No row of the shop can be refused, and no policy of its sets one aside.
  const journey = {
    source: "the sample shop",
    sink: lake,
    isFull: false,
    showAside: hint("quarantine", "list")
  }
  const exit = yield* report(last, tally, journey)
  if (screen.format === "text")
    story({
      location: join(lake, shopUnit.unitId),
      url: flags.once || server.events === null ? null : server.url,
      shop: referenceOf(sample.parameters)
    }).forEach(screen.tell)
  return exit
})

/** Subscribed before the run is started, so that nothing of it is missed. */
const subscribed = Effect.fnUntraced(function* ({ url, events }: Server) {
  if (events === null)
    return (runId: RunId): Stream.Stream<RunProgress> => Stream.orDie(ShopRun.lastEvent(url, runId))
  const all = yield* events.subscribe
  return (runId: RunId) => Stream.filter(all, (event) => event.runId === runId)
})

const filled = Effect.fnUntraced(function* (sample: SampleDatabase.SampleDatabase) {
  const screen = yield* Screen
  if (yield* Effect.mapError(sample.isFilled, notPrepared)) return
  screen.tell("Filling the sample shop: TPC-H's eight tables, a million rows …")
  const [took] = yield* Effect.timed(Effect.mapError(sample.fill, notPrepared))
  screen.tell(`  done in ${span(Duration.toSeconds(took))}`)
})

/** The visitor's own data travels as the command would carry it. */
const own = ({ source, unit, sink, ...policy }: StartFlags) =>
  ingest({ ...policy, source: source ?? "", unit, sink: sink ?? "./own" })

const notPrepared = ({ step, why }: SampleDatabase.SampleDatabaseFailed): Refused =>
  refuse({
    title: "The sample shop could not be prepared",
    number: "HR1601",
    exit: Exit.failed,
    why: [`${step}: ${why}`],
    advice: ["The same command tries again. With --source, --unit and --sink it carries your own data."]
  })

const apiFailed = ({ code, detail }: ApiRefused): Refused =>
  refuse({
    title: "The server refused",
    number: "HR5602",
    exit: Exit.failed,
    why: [`${code}: ${detail}`]
  })
