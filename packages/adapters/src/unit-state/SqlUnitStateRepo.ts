/**
 * `UnitStateRepo` over the existing table `"IngestionUnitState"`. An event reads
 * the row, asks the pure `transition` and writes the answer if the row is still
 * the one that was read; columns we do not know stay as they are.
 */
import { PgClient } from "@effect/sql-pg"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import {
  IllegalTransition,
  initial,
  type IngestionUnitEvent,
  IngestionUnitState,
  transition
} from "@headrace/core/domain/IngestionUnitState"
import { UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { UnitStateRepo, UnitStateRepoError } from "@headrace/core/services/UnitStateRepo"
import { Data, DateTime, Effect, Layer, Option, Schema } from "effect"
import { SqlSchema } from "effect/sql"

const { unit: _, ...columns } = IngestionUnitState.fields

const Row = Schema.Struct({
  ...columns,
  endpointId: EndpointId,
  unitId: UnitId,
  lastRunAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  updatedAt: Schema.DateTimeUtcFromDate,
  /** Another one after every write, whoever writes. */
  version: Schema.String
})

/** Somebody wrote the row between our reading and our writing. */
class Overtaken extends Data.TaggedError("Overtaken") {}

const stateOf = ({ endpointId, unitId, version: __, ...row }: typeof Row.Type): IngestionUnitState =>
  IngestionUnitState.make({ ...row, unit: UnitKey.make({ endpointId, unitId }) })

/** No event of a run can be the first: the run would have started without us. */
const unseen = (event: IngestionUnitEvent) =>
  new IllegalTransition({ from: "IDLE", event: event._tag, currentRunId: null })

const failed = (cause: unknown) => new UnitStateRepoError({ cause })

export const make = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient

  const selected = sql.literal(
    `select "endpointId", "unitId", "sinkId", "state", "lastRunId", "lastRunAt", "lastError", "stats", "updatedAt",
       xmin::text as "version"
     from "IngestionUnitState"`
  )

  const find = SqlSchema.findOneOption({
    Request: UnitKey,
    Result: Row,
    execute: ({ endpointId, unitId }) =>
      sql`${selected} where "endpointId" = ${endpointId} and "unitId" = ${unitId}`
  })

  const findAll = SqlSchema.findAll({
    Request: EndpointId,
    Result: Row,
    execute: (endpointId) => sql`
      ${selected} where "endpointId" = ${endpointId} order by "updatedAt" desc, "unitId" collate "C"`
  })

  const columnsOf = ({
    lastRunAt,
    stats,
    updatedAt,
    unit: { endpointId, unitId },
    ...state
  }: IngestionUnitState) => ({
    endpointId,
    unitId,
    ...state,
    lastRunAt: lastRunAt === null ? null : DateTime.toDateUtc(lastRunAt),
    stats: stats === null ? null : sql.json(stats),
    updatedAt: DateTime.toDateUtc(updatedAt)
  })

  /** Of two that begin a unit at once, the second begins again with what the first made. */
  const begin = (state: IngestionUnitState) => sql`
    insert into "IngestionUnitState" ${sql.insert(columnsOf(state))}
    on conflict ("endpointId", "unitId") do nothing
    returning 1`

  const replace = ({ endpointId, unitId, version }: typeof Row.Type, state: IngestionUnitState) => sql`
    update "IngestionUnitState" set ${sql.update(columnsOf(state), ["endpointId", "unitId"])}
    where "endpointId" = ${endpointId} and "unitId" = ${unitId} and xmin::text = ${version}
    returning 1`

  const applyOnce = Effect.fnUntraced(function* (unit: UnitKey, event: IngestionUnitEvent) {
    const row = yield* find(unit)
    const before = yield* Option.match(row, {
      onSome: (found) => Effect.succeed(stateOf(found)),
      onNone: () =>
        event._tag === "Completed" || event._tag === "Failed"
          ? Effect.fail(unseen(event))
          : Effect.succeed(initial(unit, event))
    })
    const after = yield* Effect.fromResult(transition(before, event))
    if (Option.isSome(row) && after === before) return after
    const written = yield* Option.isSome(row) ? replace(row.value, after) : begin(after)
    return written.length === 0 ? yield* new Overtaken() : after
  })

  return UnitStateRepo.of({
    get: Effect.fn("SqlUnitStateRepo.get")((unit: UnitKey) =>
      find(unit).pipe(Effect.map(Option.map(stateOf)), Effect.mapError(failed))
    ),
    list: Effect.fn("SqlUnitStateRepo.list")((endpointId: EndpointId) =>
      findAll(endpointId).pipe(
        Effect.map((rows) => rows.map(stateOf)),
        Effect.mapError(failed)
      )
    ),
    apply: Effect.fn("SqlUnitStateRepo.apply")((unit: UnitKey, event: IngestionUnitEvent) =>
      applyOnce(unit, event).pipe(
        Effect.retry({ while: ({ _tag }) => _tag === "Overtaken" }),
        Effect.mapError((error) => (error._tag === "IllegalTransition" ? error : failed(error)))
      )
    ),
    copyCheckpoint: Effect.fn("SqlUnitStateRepo.copyCheckpoint")((unit: UnitKey, record: Schema.Json) =>
      sql`
        update "IngestionUnitState" set "checkpoint" = ${record === null ? null : sql.json(record)}
        where "endpointId" = ${unit.endpointId} and "unitId" = ${unit.unitId}`.pipe(
        Effect.asVoid,
        Effect.mapError(failed)
      )
    )
  })
})

export const layer: Layer.Layer<UnitStateRepo, never, PgClient.PgClient> = Layer.effect(UnitStateRepo, make)
