/**
 * The frame every verb is performed in: it has a screen, hears signals, and
 * whatever happens inside ends as one message and one exit code.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { Exit } from "./Exit.ts"
import { type Message, messageOf, refuse, type Refused } from "./Message.ts"
import * as Screen from "./Screen.ts"
import * as Signals from "./Signals.ts"

export interface Flags {
  readonly output: "auto" | Screen.OutputFormat
  readonly progress: "auto" | Screen.ProgressStyle
  readonly quiet: boolean
  readonly verbose: boolean
}

/** Ends with an exit code, or with the message that says why not. */
export type Verb = Effect.Effect<Exit, Refused, Screen.Screen | Signals.Signals>

/** `ending` is the type of the JSON line that ends the verb when it fails. */
export const perform = <R>(
  flags: Effect.Effect<Flags, never, R>,
  ending: "run.finished" | "failed",
  load: () => Promise<Verb>
): Effect.Effect<void, never, R> =>
  Effect.gen(function* () {
    const given = yield* flags
    const screen = screenFor(given)
    const exit = yield* Effect.promise(load).pipe(
      Effect.flatten,
      Effect.catchCause((cause) => Effect.sync(() => end(screen, ending, told(cause, given.verbose)))),
      Effect.provide(Signals.layer),
      Effect.provide(logging(screen, given.verbose)),
      Effect.provideService(Screen.Screen, screen)
    )
    process.exitCode = exit
  })

const screenFor = ({ output, progress, quiet }: Flags): Screen.ScreenShape => {
  const format = output === "auto" ? "text" : output
  return Screen.make({
    stdout: process.stdout,
    stderr: process.stderr,
    format,
    progress: Screen.chooseProgress(progress, format, process.stderr),
    isQuiet: quiet
  })
}

const end = (screen: Screen.ScreenShape, type: "run.finished" | "failed", message: Message): Exit => {
  screen.complain(message)
  const { runId, ...error } = message
  const { exit } = error
  screen.emit({
    type,
    outcome: exit === Exit.interrupted || exit === Exit.terminated ? "INTERRUPTED" : "FAILED",
    ...(type === "run.finished" && { runId }),
    error
  })
  return exit
}

const told = (cause: Cause.Cause<Refused>, isVerbose: boolean): Message => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return messageOf(failure.error)
  if (Cause.hasInterruptsOnly(cause)) return interrupted
  const defect = Cause.squash(cause)
  return refuse({
    title: "Headrace made a mistake",
    number: "HR9001",
    exit: Exit.bug,
    why: [isVerbose ? Cause.pretty(cause) : defect instanceof Error ? defect.message : String(defect)],
    advice: [
      isVerbose
        ? "Please report it with the lines above."
        : "The same command with --verbose shows more. Please report it."
    ]
  })
}

const interrupted: Message = refuse({ title: "Interrupted", number: "HR5502", exit: Exit.interrupted })

/** What the parts below say goes through the screen, so that it neither breaks a drawn line nor shows a secret. */
const logging = (screen: Screen.ScreenShape, isVerbose: boolean) =>
  Layer.merge(
    Logger.layer([
      Logger.make(({ logLevel, message }) => {
        const parts = Array.isArray(message) ? message : [message]
        screen.tell(`${logLevel.toLowerCase()}: ${parts.map(String).join(" ")}`)
      })
    ]),
    Layer.succeed(References.MinimumLogLevel, isVerbose ? "Debug" : "Error")
  )
