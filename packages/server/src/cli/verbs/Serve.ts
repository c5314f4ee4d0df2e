/** `headrace serve`: the server, until a signal ends it. What it says goes to stderr. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Context from "effect/Context"
import * as HttpServer from "effect/http/HttpServer"
import { resolve } from "node:path"
import * as RunningServer from "../../RunningServer.ts"
import * as Serve from "../../Serve.ts"
import * as ServerLog from "../../ServerLog.ts"
import { type EngineUnusable, settings, unusable } from "../Engine.ts"
import { Exit } from "../Exit.ts"
import { refuse, type Refused } from "../Message.ts"
import { Screen } from "../Screen.ts"
import { Signals } from "../Signals.ts"
import type { Verb } from "../Verb.ts"
import type { ServerConfig } from "../../Config.ts"

export const serve: Verb = Effect.gen(function* () {
  const screen = yield* Screen
  const config = yield* settings
  const { url, services } = yield* started(config)
  if (services === null) return yield* runsAlready(resolve(config.data), url)
  screen.emit({ type: "server.ready", url })
  // A log is for machines where nobody sits before it.
  if (screen.progress === "tty") screen.tell(serving(url))
  yield* (yield* Signals).next
  return Exit.done
}).pipe(Effect.scoped, Effect.provide(ServerLog.layer(process.stderr)))

export const serving = (url: string): string => `  Serving ${url}   (Ctrl-C stops)`

/**
 * The server of the data directory: in this process, for as long as the scope lives, or the one that
 * runs already, whose services are out of reach. Of several that start at once, one serves.
 */
export const started = Effect.fn("serve.started")(function* (config: ServerConfig) {
  const data = resolve(config.data)
  const screen = yield* Screen
  const waiting = (other: RunningServer.Occupied) => Effect.sync(() => screen.tell(`  ${waitingFor(other)}`))
  const other = yield* Effect.mapError(RunningServer.turn(data, waiting), noTurn)
  if (Option.isSome(other)) return { url: other.value, services: null }
  const services = yield* Effect.mapError(Layer.build(Serve.layer(config)), cannotStart)
  const url = Serve.urlOf(Context.get(services, HttpServer.HttpServer))
  yield* RunningServer.announce(data, url)
  return { url, services }
})

const noTurn = (error: Effect.Error<ReturnType<typeof RunningServer.turn>>): Refused =>
  error._tag === "Occupied"
    ? running(
        error.data,
        [`${ofOther(error)} has held ${error.lock} for a minute and does not answer.`],
        [
          error.pid === null
            ? "Wait until it has started or ended, or set HEADRACE_DATA to another folder."
            : `If it was stopped, let it go on (kill -CONT ${error.pid}); or end it, or set HEADRACE_DATA to another folder.`
        ]
      )
    : unusable(error)

const ofOther = ({ pid }: RunningServer.Occupied): string =>
  pid === null ? "Another process" : `Another server (process ${pid})`

const waitingFor = (other: RunningServer.Occupied): string =>
  `${ofOther(other)} holds ${other.lock} and does not answer. Waiting a minute for it to answer or end…`

const runsAlready = (data: string, url: string): Refused =>
  running(data, [`It answers at ${url}.`], ["Use it, stop it, or set HEADRACE_DATA to another folder."])

const running = (data: string, why: ReadonlyArray<string>, advice: ReadonlyArray<string>): Refused =>
  refuse({
    title: "A server already runs for this data directory",
    number: "HR5601",
    exit: Exit.running,
    where: data,
    why,
    advice
  })

type CannotStart = Layer.Error<ReturnType<typeof Serve.layer>>

const cannotStart = (error: CannotStart): Refused =>
  error._tag === "CannotListen"
    ? refuse({
        title: "The port cannot be opened",
        number: "HR1501",
        exit: Exit.configuration,
        where: `${error.host}:${error.port}`,
        why: [error.message]
      })
    : unusable(error satisfies EngineUnusable)
