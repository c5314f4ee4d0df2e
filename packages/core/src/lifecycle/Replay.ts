/**
 * Rows that were set aside, tried again: as slices of their unit, in the
 * generation that is there, under the unit's own chain of commits. The
 * checkpoint stays where it is. What the sink takes is done with, and counts
 * once, whatever dies; what it refuses again waits on with its new reason.
 */
import { Context, Effect, Layer, Schema } from "effect"
import type { Scope } from "../domain/Endpoint.ts"
import type { RunStats } from "../domain/Run.ts"
import { type KeptRow, type QuarantineError, type QuarantinePlace } from "../services/Quarantine.ts"
import type { ReplayedRow } from "../services/RunEngine.ts"
import { RunEvents } from "../services/RunEvents.ts"
import type { SecretsError } from "../services/Secrets.ts"
import { Ingestion, type Start, type UnitName } from "./Ingestion.ts"
import { Lookups, type SinkLookupError, type UnitLookupError } from "./Lookups.ts"
import { AlreadyRunning, runToEnd } from "./RunToEnd.ts"
import { SetAside } from "./SetAside.ts"

/** What became of the rows of a unit that waited. */
export interface Replayed {
  /** In the sink now. */
  readonly taken: number
  /** Refused again, each with its reason of today. */
  readonly refused: number
  /** Kept without their columns: they were never rows, or are too long to be kept. Correct them at the source. */
  readonly untried: number
}

/** A run that was to take rows in failed; those taken in before it are done with. */
export class ReplayFailed extends Schema.TaggedError<ReplayFailed>()("ReplayFailed", {
  reason: Schema.String
}) {}

type StartError = Effect.Error<ReturnType<Ingestion["Service"]["start"]>>
type ReplayError = AlreadyRunning | QuarantineError | ReplayFailed | SecretsError | StartError

export class Replay extends Context.Service<
  Replay,
  {
    /** Where rows of the unit on their way into the sink are kept. */
    readonly place: (
      scope: Scope,
      unit: UnitName
    ) => Effect.Effect<QuarantinePlace, SinkLookupError | UnitLookupError>

    /** Tries every row that waits, once, with the policy given; answers when the last run has ended. */
    readonly all: (scope: Scope, start: Start) => Effect.Effect<Replayed, ReplayError>
  }
>()("@headrace/core/lifecycle/Replay") {
  static readonly layer: Layer.Layer<Replay, never, Ingestion | Lookups | RunEvents | SetAside> =
    Layer.effect(
      Replay,
      Effect.gen(function* () {
        const setAside = yield* SetAside
        const lookups = yield* Lookups
        const services = yield* Effect.context<Ingestion | RunEvents>()

        const place = Effect.fn("Replay.place")(function* (scope: Scope, asked: UnitName) {
          const found = yield* lookups.unit(scope, asked.endpointId, asked.unitId)
          const { sinkId } = yield* lookups.sink(scope, found, asked)
          return { tenant: scope.tenant, unit: found.key, sinkId }
        })

        const attempt = Effect.fnUntraced(function* (
          scope: Scope,
          start: Start,
          replay: ReadonlyArray<ReplayedRow>
        ) {
          const policy = { ...start.policy, quarantine: { maxRows: replay.length, maxRatio: 1 } }
          const last = yield* Effect.provideContext(runToEnd(scope, { ...start, policy, replay }), services)
          if (last.event !== "RUN_SUCCEEDED")
            return yield* new ReplayFailed({ reason: last.message ?? "The run was ended from outside." })
          return refusedBy(last.stats)
        })

        const page = Effect.fnUntraced(function* (
          scope: Scope,
          start: Start,
          waiting: ReadonlyArray<KeptRow>
        ) {
          const groups = groupsOf(waiting)
          const refusals = yield* Effect.forEach(groups, (rows) => attempt(scope, start, rows))
          const tried = groups.reduce((sum, rows) => sum + rows.length, 0)
          const refused = refusals.reduce((sum, rows) => sum + rows, 0)
          return { taken: tried - refused, refused, untried: waiting.length - tried }
        })

        return Replay.of({
          place,
          all: Effect.fn("Replay.all")(function* (scope, start) {
            const where = yield* place(scope, start)
            let done: Replayed = { taken: 0, refused: 0, untried: 0 }
            let waiting = yield* setAside.rows(where, most.rows)
            for (let last = waiting.at(-1); last !== undefined; last = waiting.at(-1)) {
              done = sum(done, yield* page(scope, start, waiting))
              // Rows that were refused again wait on in their places, which are behind us.
              waiting = yield* setAside.rows(where, most.rows, last)
            }
            return done
          })
        })
      })
    )
}

const sum = (a: Replayed, b: Replayed): Replayed => ({
  taken: a.taken + b.taken,
  refused: a.refused + b.refused,
  untried: a.untried + b.untried
})

const refusedBy = (stats: RunStats | null): number => {
  const rows = stats?.["rejected_rows"]
  return typeof rows === "number" ? rows : 0
}

/** What one request may carry, which fits a frame; and no more rows than this are in memory. */
const most = { rows: 1000, characters: 4 * 1024 * 1024 }

const Payload = Schema.fromJsonString(Schema.Struct({ columns: Schema.String, arrow: Schema.String }))
const isReplayable = Schema.is(Schema.Struct({ columns: Schema.String, payload: Schema.String }))
const decode = Schema.decodeUnknownOption(Payload)

/** Rows of one slice have the same columns, and are not too many for one request. */
const groupsOf = (waiting: ReadonlyArray<KeptRow>): ReadonlyArray<ReadonlyArray<ReplayedRow>> => {
  const rows = waiting.flatMap(({ payload, generation, sliceSeq, position }) => {
    const said = payload === null ? null : decode(payload)
    const columns = said !== null && said._tag === "Some" ? said.value.columns : null
    const row = { columns, payload, key: { generation, sliceSeq, position } }
    return isReplayable(row) ? [row] : []
  })
  return [...Map.groupBy(rows, ({ columns }) => columns).values()].flatMap(cut)
}

const cut = (rows: ReadonlyArray<ReplayedRow>): ReadonlyArray<ReadonlyArray<ReplayedRow>> => {
  const groups: Array<Array<ReplayedRow>> = []
  let size = Infinity
  for (const { key, payload } of rows) {
    const last = groups.at(-1)
    if (last === undefined || last.length === most.rows || size + payload.length > most.characters) {
      groups.push([{ key, payload }])
      size = payload.length
    } else {
      last.push({ key, payload })
      size += payload.length
    }
  }
  return groups
}
