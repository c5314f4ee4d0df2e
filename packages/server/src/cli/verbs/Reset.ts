/** `headrace reset`: forgets how far a unit was carried into a sink; the next run loads everything. Rows stay where they are. */
import * as Effect from "effect/Effect"
import { Ingestion } from "@headrace/core/lifecycle/Ingestion"
import { Owner, withEngine } from "../Engine.ts"
import { Exit } from "../Exit.ts"
import { refusedAction, refusedByStore } from "../Failures.ts"
import { given, unregistered } from "../Given.ts"
import { refuse, type Refused } from "../Message.ts"
import type { Reference } from "../Reference.ts"
import { Screen } from "../Screen.ts"
import { renameFormer, sinkIdOf } from "../SinkName.ts"
import { onlyUnitOf } from "../Units.ts"
import type { Verb } from "../Verb.ts"

interface ResetFlags {
  readonly source: string
  readonly unit: string | null
  readonly sink: string
}

export const reset = (flags: ResetFlags): Verb =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const source = yield* given(flags.source)
    const sink = yield* given(flags.sink)
    const unitId = yield* forgottenUnit(source, sink, flags.unit).pipe(withEngine)
    if (screen.format === "text")
      screen.print(`✓ ${unitId} into ${sink.shown} is forgotten. The next run loads everything.`)
    else screen.print(JSON.stringify({ v: 1, type: "reset", unit: unitId, sink: sink.shown }))
    return Exit.done
  })

/** A source is asked only when nobody says which unit. */
const forgottenUnit = Effect.fnUntraced(function* (source: Reference, sink: Reference, said: string | null) {
  const unitId = said || (yield* onlyUnitOf(unregistered(source), source))
  yield* forgotten(source, sink, unitId)
  return unitId
})

const forgotten = Effect.fn("reset.forgotten")(function* (
  source: Reference,
  sink: Reference,
  unitId: string
) {
  yield* Effect.mapError(renameFormer(sink), refusedByStore)
  const named = { endpointId: source.sourceId, unitId, sinkEndpointId: sinkIdOf(sink) }
  yield* (yield* Ingestion).reset(yield* Owner, named).pipe(
    Effect.catchTags({
      EndpointNotFound: () => neverCarried(source, sink),
      RunNotEnded: () => stillRunning(unitId)
    }),
    Effect.catchIf(
      (error) => error._tag !== "Refused",
      (error) => refusedAction(error, source, sink)
    )
  )
})

const neverCarried = ({ shown }: Reference, sink: Reference): Refused =>
  refuse({
    title: "Nothing was carried from there to there",
    number: "HR2005",
    exit: Exit.usage,
    where: `${shown} → ${sink.shown}`,
    why: ["This data directory knows no such pair, so there is nothing to forget."],
    advice: ["Write both as in the ingest command. Another data directory: HEADRACE_DATA."]
  })

const stillRunning = (unitId: string): Refused =>
  refuse({
    title: `${unitId} is still running`,
    number: "HR5001",
    exit: Exit.running,
    why: ["Its run, in another process, did not end in time."],
    advice: ["Try again in a moment."]
  })
