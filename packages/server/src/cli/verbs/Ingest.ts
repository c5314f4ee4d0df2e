/**
 * `headrace ingest`: one unit carried here and now, by the same engine the
 * server has. Source and sink become endpoints under an identity that holds no
 * credential, so the same command goes on from the checkpoint of the last one.
 */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import type { JsonObject } from "@headrace/core/domain/Endpoint"
import { withMode } from "@headrace/core/domain/Policy"
import { Endpoints } from "@headrace/core/lifecycle/Endpoints"
import { type ActionResult, Ingestion } from "@headrace/core/lifecycle/Ingestion"
import { fromTemplate } from "@headrace/core/lifecycle/Registration"
import { Units } from "@headrace/core/lifecycle/Units"
import { RunEvents } from "@headrace/core/services/RunEvents"
import { withCursors } from "../CursorAdvice.ts"
import { withNames } from "../EndpointNames.ts"
import { Owner, withEngine } from "../Engine.ts"
import { Exit } from "../Exit.ts"
import { refusedAction, refusedByStore, refusedBySystem } from "../Failures.ts"
import { given, unregistered } from "../Given.ts"
import { hintOf } from "../Hint.ts"
import { messageOf, refuse, type Refused } from "../Message.ts"
import { interrupted, type Journey, report } from "../Outcome.ts"
import { parsePolicy, type PolicyFlags } from "../Policy.ts"
import type { Reference } from "../Reference.ts"
import { withReset } from "../ResetAdvice.ts"
import { Screen } from "../Screen.ts"
import { exitOf, type Signal, Signals } from "../Signals.ts"
import { renameFormer, sinkIdOf } from "../SinkName.ts"
import { onlyUnitOf } from "../Units.ts"
import type { Verb } from "../Verb.ts"
import { watch } from "../Watch.ts"

interface IngestFlags extends PolicyFlags {
  readonly source: string
  readonly unit: string | null
  readonly sink: string
}

export const ingest = (flags: IngestFlags): Verb =>
  Effect.gen(function* () {
    // What is wrong with the words is said before anything is started.
    const policy = yield* Effect.fromResult(parsePolicy(flags))
    const source = yield* given(flags.source)
    const sink = yield* given(flags.sink)
    return yield* carry({ source, sink, unit: flags.unit, policy }).pipe(withEngine)
  })

interface Order {
  readonly source: Reference
  readonly sink: Reference
  readonly unit: string | null
  readonly policy: JsonObject
}

const carry = Effect.fn("ingest.carry")(function* ({ source, sink, unit, policy }: Order) {
  const scope = yield* Owner
  const ingestion = yield* Ingestion
  const isFull = withMode(policy, true)["mode"] === "full"
  const { from, unitId } = yield* sourceWith({ source, sink, unit })
  const to = yield* kept(sink)
  const named = { endpointId: from.id, unitId, sinkEndpointId: to.id }
  const showAside = hintOf(["quarantine", "show"], { source, unitId, sink })
  const journey = { source: source.shown, sink: sink.shown, isFull, showAside }

  const events = yield* (yield* RunEvents).subscribe
  const started = yield* ingestion
    .start(scope, { ...named, policy })
    .pipe(Effect.mapError((error) => refusedAction(error, source, sink)))
  if (!started.ok) return yield* isRunning(unitId, started)

  const own = Stream.filter(events, ({ runId }) => runId === started.runId)
  const pause = Effect.mapError(ingestion.pause(scope, named), refusedByStore)
  return yield* untilItEnds({ watching: watch(own), pause, journey, runId: started.runId }).pipe(
    Effect.catch((refused) =>
      withCursors(withReset(refused, { source, sink, unitId }), source, unitId).pipe(
        Effect.flatMap((told) => withNames(told, sink)),
        Effect.flatMap(Effect.fail)
      )
    )
  )
}, Effect.scoped)

/** The source and its unit. A unit that it does not have leaves nothing behind, neither of source nor of sink. */
const sourceWith = Effect.fnUntraced(
  function* ({ source, sink, unit }: Omit<Order, "policy">) {
    const { endpoint, keep } = yield* (yield* Endpoints)
      .attempt(yield* Owner, fromTemplate(source.sourceId, source.templateId, source.parameters))
      .pipe(Effect.mapError((error) => refusedBySystem(error, "source", source)))
    const unitId = unit || (yield* onlyUnitOf(unregistered(source), source))
    const found = yield* (yield* Units)
      .find(endpoint, unitId)
      .pipe(Effect.mapError((error) => refusedAction(error, source, sink)))
    return { from: yield* keep, unitId: found.unitId }
  },
  // Of two commands that set it up at once, the second finds it there.
  Effect.retry({ times: 1, while: ({ _tag }) => _tag === "DuplicateSourceId" }),
  Effect.mapError((error) => (error._tag === "Refused" ? error : refusedByStore(error)))
)

/** The sink, known to Headrace from now on; tested before it is stored. */
const kept = Effect.fnUntraced(function* (sink: Reference) {
  yield* Effect.mapError(renameFormer(sink), refusedByStore)
  return yield* (yield* Endpoints)
    .ensure(yield* Owner, fromTemplate(sinkIdOf(sink), sink.templateId, sink.parameters))
    .pipe(Effect.mapError((error) => refusedBySystem(error, "sink", sink)))
})

interface Going<R> {
  readonly watching: ReturnType<typeof watch>
  readonly pause: Effect.Effect<unknown, Refused, R>
  readonly journey: Journey
  readonly runId: string | null
}

/** The first signal asks the run to stop at its next slice boundary, the second drops the slice in flight. */
const untilItEnds = Effect.fnUntraced(function* <R>({ watching, pause, journey, runId }: Going<R>) {
  const screen = yield* Screen
  const signals = yield* Signals
  const heard = yield* Ref.make<Signal>("SIGINT")
  const stopping = Effect.gen(function* () {
    yield* Ref.set(heard, yield* signals.next)
    screen.tell("Stopping… the slice in flight is finished first (Ctrl-C again drops it)")
    yield* pause
    yield* Ref.set(heard, yield* signals.next)
    return yield* interrupted({ committed: null, runId })
  })
  return yield* Effect.raceFirst(watching, stopping).pipe(
    Effect.flatMap(({ last, tally }) => report(last, tally, journey)),
    Effect.catch((refused) =>
      refused.exit === Exit.interrupted
        ? Effect.flatMap(Ref.get(heard), (signal) => refuse({ ...messageOf(refused), exit: exitOf(signal) }))
        : refused
    )
  )
})

/** Nothing was started: somebody carries the unit, or is about to have carried it. */
export const isRunning = (unitId: string, { runId, state }: NotStarted): Refused =>
  refuse({
    title: `${unitId} is already running`,
    number: "HR5001",
    exit: Exit.running,
    runId,
    why: [
      state === "RUNNING"
        ? "Another command, or a server, carries it; it was not started again."
        : "Its last run is still winding down."
    ],
    advice: ["One run of a unit at a time. Wait for it to end, then say the same command."]
  })

type NotStarted = Pick<ActionResult, "runId" | "state">
