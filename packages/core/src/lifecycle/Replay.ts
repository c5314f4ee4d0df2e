/**
 * Rows that were set aside, tried again: as slices of their unit, in the
 * generation that is there, under the unit's own chain of commits. The
 * checkpoint stays where it is. What the sink takes is done with, and counts
 * once, whatever dies; what it refuses again waits on with its new reason.
 */
import { Context, Effect, Layer, Option, Schema } from "effect"
import type { JsonObject, Scope } from "../domain/Endpoint.ts"
import { contradictionOf } from "../domain/Policy.ts"
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

/** Rows of a policy that says otherwise are not tried so: they would land twice, or over newer ones. */
export class ReplayContradicted extends Schema.TaggedError<ReplayContradicted>()("ReplayContradicted", {
  key: Schema.String,
  asked: Schema.Json,
  /** Null: the run that set them aside did not say. */
  carriedWith: Schema.Json
}) {}

/** A run that was to take rows in failed; those taken in before it are done with. */
export class ReplayFailed extends Schema.TaggedError<ReplayFailed>()("ReplayFailed", {
  reason: Schema.String
}) {}

type StartError = Effect.Error<ReturnType<Ingestion["Service"]["start"]>>
type ReplayError =
  | AlreadyRunning
  | QuarantineError
  | ReplayContradicted
  | ReplayFailed
  | SecretsError
  | StartError

export class Replay extends Context.Service<
  Replay,
  {
    /** Where rows of the unit on their way into the sink are kept. */
    readonly place: (
      scope: Scope,
      unit: UnitName
    ) => Effect.Effect<QuarantinePlace, SinkLookupError | UnitLookupError>

    /**
     * Tries every row that waits, once, with the policy of the run that set it
     * aside and over it the one given, which may not say where rows land;
     * answers when the last run has ended.
     */
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
          { carriedWith, rows: replay }: Group
        ) {
          const policy = { ...start.policy, quarantine: { maxRows: replay.length, maxRatio: 1 } }
          const last = yield* Effect.provideContext(
            runToEnd(scope, { ...start, policy, carriedWith, replay }),
            services
          )
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
          yield* Effect.forEach(groups, ({ carriedWith }) => agreed(carriedWith, start.policy))
          const refusals = yield* Effect.forEach(groups, (group) => attempt(scope, start, group))
          const tried = groups.reduce((sum, { rows }) => sum + rows.length, 0)
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
const decode = Schema.decodeUnknownOption(Payload)

/** Which columns were kept of a row; null where none were, and it can only be read anew. */
const columnsOf = (payload: string): string | null =>
  Option.getOrNull(Option.map(decode(payload), ({ columns }) => columns))

/** Was enough of the row kept to try it again? */
export const canBeTried = ({ payload }: Pick<KeptRow, "payload">): boolean =>
  payload !== null && columnsOf(payload) !== null

const agreed = (carriedWith: JsonObject | null, asked: JsonObject = {}) => {
  const contradiction = carriedWith === null ? null : contradictionOf(carriedWith, asked)
  return contradiction === null ? Effect.void : Effect.fail(new ReplayContradicted(contradiction))
}

/** Rows that one run tries: they have the same columns, came under the same policy, and are not too many for one request. */
interface Group {
  readonly carriedWith: JsonObject | null
  readonly rows: ReadonlyArray<ReplayedRow>
}

const groupsOf = (waiting: ReadonlyArray<KeptRow>): ReadonlyArray<Group> => {
  const rows = waiting.flatMap(({ payload, policy, generation, sliceSeq, position }) => {
    const columns = payload === null ? null : columnsOf(payload)
    if (payload === null || columns === null) return []
    const key = { generation, sliceSeq, position }
    return [{ alike: JSON.stringify([columns, policy]), policy, row: { key, payload } }]
  })
  return [...Map.groupBy(rows, ({ alike }) => alike).values()].flatMap((alike) =>
    cut(alike.map(({ row }) => row)).map((part) => ({ carriedWith: alike[0]?.policy ?? null, rows: part }))
  )
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
