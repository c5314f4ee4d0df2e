/**
 * Ctrl-C and its relatives, as something a verb can wait for: a server ends, a
 * run is asked to stop and at the second time is dropped.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import { Exit } from "./Exit.ts"

export type Signal = "SIGINT" | "SIGTERM" | "SIGHUP"

export class Signals extends Context.Service<
  Signals,
  {
    /** The next signal that comes; each is answered by one waiter. */
    readonly next: Effect.Effect<Signal>
  }
>()("@headrace/server/cli/Signals") {}

export const exitOf = (signal: Signal): Exit => (signal === "SIGINT" ? Exit.interrupted : Exit.terminated)

/**
 * Under npm one Ctrl-C arrives twice: from the terminal, which tells every
 * process, and from npm, which passes it on.
 */
const sameKeystrokeMs = 300

/**
 * Ends when `parent` answers another process than at first: the one that
 * started us is gone, and no signal will come from it any more.
 */
export const orphaned = (parent: () => number): Effect.Effect<void> =>
  Effect.suspend(() => {
    const first = parent()
    return Effect.asVoid(
      Effect.repeat(Effect.sync(parent), {
        schedule: Schedule.spaced("500 millis"),
        until: (now) => now !== first
      })
    )
  })

/** npm and npx put a shell between themselves and us, which dies of a SIGTERM and does not pass it on. */
const isBelowNpm = process.env["npm_command"] !== undefined

/** Of this process, for as long as the layer lives. */
export const layer: Layer.Layer<Signals> = Layer.effect(
  Signals,
  Effect.gen(function* () {
    const queue = yield* Queue.unbounded<Signal>()
    const last = new Map<Signal, number>()
    const hear = (signal: Signal) => () => {
      const now = performance.now()
      const isRepeat = now - (last.get(signal) ?? -sameKeystrokeMs) < sameKeystrokeMs
      last.set(signal, now)
      if (!isRepeat) Queue.offerUnsafe(queue, signal)
    }
    const listeners = (["SIGINT", "SIGTERM", "SIGHUP"] as const).map(
      (signal) => [signal, hear(signal)] as const
    )
    yield* Effect.acquireRelease(
      Effect.sync(() => listeners.forEach(([signal, listener]) => process.on(signal, listener))),
      () => Effect.sync(() => listeners.forEach(([signal, listener]) => process.off(signal, listener)))
    )
    if (isBelowNpm)
      yield* Effect.forkScoped(
        Effect.andThen(
          orphaned(() => process.ppid),
          Effect.sync(hear("SIGTERM"))
        )
      )
    return { next: Queue.take(queue) }
  })
)
