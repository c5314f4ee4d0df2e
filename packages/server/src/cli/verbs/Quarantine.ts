/** `headrace quarantine list|show|replay`: rows that were set aside, what they are, and another try. */
import * as Effect from "effect/Effect"
import { Lookups } from "@headrace/core/lifecycle/Lookups"
import { Replay } from "@headrace/core/lifecycle/Replay"
import { SetAside } from "@headrace/core/lifecycle/SetAside"
import { messageFor } from "../Catalogue.ts"
import { Owner, withEngine } from "../Engine.ts"
import { Exit } from "../Exit.ts"
import { refusedAction, refusedByStore } from "../Failures.ts"
import { count } from "../Figures.ts"
import { given, unregistered } from "../Given.ts"
import { afterReplay, contradicted, replayLine } from "../ReplayOutcome.ts"
import { refuse, Refused } from "../Message.ts"
import { parsePolicy, type PolicyFlags } from "../Policy.ts"
import type { Reference } from "../Reference.ts"
import { Screen } from "../Screen.ts"
import { keyOf, linesOf, shownRow } from "../SetAsideRow.ts"
import { sinkIdOf } from "../SinkName.ts"
import { table } from "../Table.ts"
import { onlyUnitOf } from "../Units.ts"
import type { Verb } from "../Verb.ts"
import { isRunning } from "./Ingest.ts"

const mostShown = 10_000

interface Pair {
  readonly source: string
  readonly sink: string
  readonly unit: string | null
}

export const list: Verb = Effect.gen(function* () {
  const screen = yield* Screen
  const scope = yield* Owner
  const lookups = yield* Lookups
  const waiting = yield* (yield* SetAside)
    .summary(scope.tenant)
    .pipe(Effect.mapError((error) => refusedByStore(error)))
  const nameOf = (id: string) =>
    lookups.endpoint(scope, id).pipe(
      Effect.map(({ sourceId }) => (sourceId ?? id).replace(/#sink$/, "")),
      Effect.orElseSucceed(() => id)
    )
  const found = yield* Effect.forEach(waiting, (row) =>
    Effect.gen(function* () {
      const [source, sink] = [yield* nameOf(row.unit.endpointId), yield* nameOf(row.sinkId)]
      const newest = new Date(row.newest.epochMilliseconds).toISOString()
      return { unit: row.unit.unitId, source, sink, reason: row.code, rows: row.rows, newest }
    })
  )
  if (screen.format === "json") screen.print(JSON.stringify(found))
  else if (screen.format === "jsonl") found.forEach((row) => screen.print(JSON.stringify(row)))
  else if (found.length === 0) screen.print("No row is set aside.")
  else {
    const cells = found.map((row) => [
      row.unit,
      row.source,
      row.sink,
      row.reason,
      count(row.rows),
      row.newest
    ])
    table(["unit", "source", "sink", "reason", "rows", "newest"], cells, [4]).forEach(screen.print)
  }
  return Exit.done
}).pipe(withEngine)

export const show = (flags: Pair & { readonly limit: number }): Verb =>
  Effect.gen(function* () {
    if (flags.limit < 1 || flags.limit > mostShown) return yield* outOfRange(flags.limit)
    const screen = yield* Screen
    const { pair, waiting, key } = yield* Effect.gen(function* () {
      const read = yield* carriedBy(flags)
      return { pair: read, waiting: yield* waitingOf(read, flags.limit), key: yield* keyOfUnit(read) }
    }).pipe(withEngine)
    const rows = waiting.map(shownRow)
    if (screen.format === "json") screen.print(JSON.stringify(rows))
    else if (screen.format === "jsonl") rows.forEach((row) => screen.print(JSON.stringify(row)))
    else if (rows.length === 0) screen.print(`No row of ${pair.unitId} is set aside.`)
    else for (const row of rows) linesOf(row, key).forEach(screen.print)
    return Exit.done
  })

export const replay = (flags: Pair & PolicyFlags): Verb =>
  Effect.gen(function* () {
    const policy = yield* Effect.fromResult(parsePolicy(flags))
    const screen = yield* Screen
    const { pair, done, left } = yield* Effect.gen(function* () {
      const read = yield* carriedBy(flags)
      const done = yield* replayed(read, policy)
      return { pair: read, done, left: yield* waitingOf(read, mostShown) }
    }).pipe(withEngine)
    if (screen.format === "text") {
      screen.print(replayLine(pair.unitId, done))
      afterReplay(pair, done, left).forEach(screen.tell)
    } else screen.print(JSON.stringify({ v: 1, type: "quarantine.replayed", unit: pair.unitId, ...done }))
    return done.refused + done.untried > 0 ? Exit.rejected : Exit.done
  })

interface Carried {
  readonly source: Reference
  readonly sink: Reference
  readonly unitId: string
}

const carriedBy = Effect.fnUntraced(function* (flags: Pair) {
  const source = yield* given(flags.source)
  const sink = yield* given(flags.sink)
  return { source, sink, unitId: flags.unit || (yield* onlyUnitOf(unregistered(source), source)) }
})

const namesOf = ({ source, sink, unitId }: Carried) => ({
  endpointId: source.sourceId,
  unitId,
  sinkEndpointId: sinkIdOf(sink)
})

const waitingOf = Effect.fn("quarantine.waitingOf")(function* (pair: Carried, limit: number) {
  const place = yield* (yield* Replay)
    .place(yield* Owner, namesOf(pair))
    .pipe(Effect.mapError((error) => refusedPair(error, pair)))
  return yield* (yield* SetAside).rows(place, limit).pipe(Effect.mapError((error) => refusedByStore(error)))
})

const keyOfUnit = Effect.fn("quarantine.keyOfUnit")(function* (pair: Carried) {
  const { endpointId, unitId } = namesOf(pair)
  return yield* (yield* Lookups).unit(yield* Owner, endpointId, unitId).pipe(
    Effect.map(keyOf),
    Effect.mapError((error) => refusedPair(error, pair))
  )
})

const replayed = Effect.fn("quarantine.replayed")(function* (pair: Carried, policy: Start["policy"]) {
  return yield* (yield* Replay).all(yield* Owner, { ...namesOf(pair), policy }).pipe(
    Effect.catchTags({
      AlreadyRunning: ({ runId }) => isRunning(pair.unitId, { runId, state: "RUNNING" }),
      ReplayContradicted: (error) => contradicted(error, pair),
      ReplayFailed: ({ reason }) => new Refused(messageFor(reason, pair.sink.shown))
    }),
    Effect.catchIf(
      (error) => error._tag !== "Refused",
      (error) => refusedPair(error, pair)
    )
  )
})

type Start = Parameters<Replay["Service"]["all"]>[1]
type PairError = Exclude<
  Effect.Error<ReturnType<Replay["Service"]["all"]>>,
  { readonly _tag: "AlreadyRunning" | "ReplayContradicted" | "ReplayFailed" }
>

const refusedPair = (error: PairError, { source, sink }: Carried): Refused =>
  error._tag === "EndpointNotFound" ? neverCarried(source, sink) : refusedAction(error, source, sink)

const outOfRange = (limit: number) =>
  refuse({
    title: `--limit is 1 to 10000, not ${limit}`,
    number: "HR2100",
    exit: Exit.usage
  })

const neverCarried = ({ shown }: Reference, sink: Reference): Refused =>
  refuse({
    title: "Nothing was carried from there to there",
    number: "HR2005",
    exit: Exit.usage,
    where: `${shown} → ${sink.shown}`,
    why: ["This data directory knows no such pair, so no row of it is set aside."],
    advice: ["Write both as in the ingest command. Another data directory: HEADRACE_DATA."]
  })
