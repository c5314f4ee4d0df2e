/**
 * Shows a run while it goes on, in the way the screen was asked to, and answers
 * how it ended. Knows events only: whether they come from this process or from
 * a server is the caller's affair.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { isTerminal, type RunProgress } from "@headrace/core/services/RunEvents"
import { progressLine } from "./JsonLines.ts"
import { plainLine, type Said, terminalLine } from "./ProgressLine.ts"
import { Screen, type ScreenShape } from "./Screen.ts"
import { later, observe, type Tally } from "./Tally.ts"

/** The run's last event and where it stood then. Never ends when the events do not end the run. */
export const watch = Effect.fn("watch")(function* (events: Stream.Stream<RunProgress>) {
  const screen = yield* Screen
  const tally = yield* Ref.make<Tally | null>(null)
  const painter = yield* Effect.forkScoped(paint(screen, tally))
  const last = yield* events.pipe(
    Stream.tap((event) => noticed(screen, tally, event)),
    Stream.takeUntil(isTerminal),
    Stream.runLast,
    Effect.flatMap(Effect.fromOption),
    Effect.catchTag("NoSuchElementError", () => Effect.never)
  )
  yield* Effect.sync(() => screen.draw(null))
  painter.interruptUnsafe()
  return { last, tally: observe(yield* Ref.get(tally), last) }
}, Effect.scoped)

const noticed = (screen: ScreenShape, tally: Ref.Ref<Tally | null>, event: RunProgress) =>
  Effect.gen(function* () {
    const now = yield* Ref.updateAndGet(tally, (before) => observe(before, event))
    if (now === null) return
    if (event.message !== null && !isTerminal(event)) screen.tell(`! ${event.message}`)
    if (isTerminal(event)) return
    const line = progressLine(event.event, now)
    screen.emit(line)
    if (screen.progress === "json") screen.tell(JSON.stringify(line))
  })

/** Redraws ten times a second on a terminal; elsewhere looks often enough to miss no phase. */
const paint = (screen: ScreenShape, tally: Ref.Ref<Tally | null>) => {
  let tick = 0
  let said: Said | null = null
  const show = Effect.gen(function* () {
    const known = yield* Ref.get(tally)
    if (known === null) return
    const now = later(known, yield* Clock.currentTimeMillis)
    if (screen.progress === "tty") screen.draw(terminalLine(now, tick++, screen.columns()))
    if (screen.progress !== "plain") return
    if (now.phase === "start") return
    const due = plainLine(said, now)
    said = due.said
    if (due.line !== null) screen.tell(due.line)
  })
  return Effect.repeat(show, Schedule.spaced("100 millis"))
}
