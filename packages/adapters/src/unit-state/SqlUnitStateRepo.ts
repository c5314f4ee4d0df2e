/**
 * `UnitStateRepo` over the existing table `"IngestionUnitState"`. An event reads
 * the locked row, asks the pure `transition` and writes the answer, in one
 * transaction; columns we do not know stay as they are.
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
import { DateTime, Effect, Layer, Option, Schema } from "effect"
import { SqlSchema } from "effect/sql"
import * as Transaction from "../sql/Transaction.ts"

const { unit: _, ...columns } = IngestionUnitState.fields

const Row = Schema.Struct({
  ...columns,
  endpointId: EndpointId,
  unitId: UnitId,
  lastRunAt: Schema.NullOr(Schema.DateTimeUtcFromDate),
  updatedAt: Schema.DateTimeUtcFromDate
})

const stateOf = ({ endpointId, unitId, ...row }: typeof Row.Type): IngestionUnitState =>
  IngestionUnitState.make({ ...row, unit: UnitKey.make({ endpointId, unitId }) })

/** No event of a run can be the first: the run would have started without us. */
const unseen = (event: IngestionUnitEvent) =>
  new IllegalTransition({ from: "IDLE", event: event._tag, currentRunId: null })

const failed = (cause: unknown) => new UnitStateRepoError({ cause })

export const make = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient

  const selected = sql.literal(
    `select "endpointId", "unitId", "sinkId", "state", "lastRunId", "lastRunAt", "lastError", "stats", "updatedAt"
     from "IngestionUnitState"`
  )

  const find = SqlSchema.findOneOption({
    Request: UnitKey,
    Result: Row,
    execute: ({ endpointId, unitId }) =>
      sql`${selected} where "endpointId" = ${endpointId} and "unitId" = ${unitId}`
  })

  const findLocked = SqlSchema.findOneOption({
    Request: UnitKey,
    Result: Row,
    execute: ({ endpointId, unitId }) =>
      sql`${selected} where "endpointId" = ${endpointId} and "unitId" = ${unitId} for update`
  })

  const findAll = SqlSchema.findAll({
    Request: EndpointId,
    Result: Row,
    execute: (endpointId) => sql`
      ${selected} where "endpointId" = ${endpointId} order by "updatedAt" desc, "unitId" collate "C"`
  })

  /** Of two that begin a unit at once, the second waits here for the first. */
  const begin = (state: IngestionUnitState) => sql`
    insert into "IngestionUnitState" ("endpointId", "unitId", "sinkId", "state", "updatedAt")
    values (${state.unit.endpointId}, ${state.unit.unitId}, ${state.sinkId}, ${state.state},
      ${DateTime.toDateUtc(state.updatedAt)})
    on conflict ("endpointId", "unitId") do nothing`

  const write = ({ unit, ...state }: IngestionUnitState) => sql`
    update "IngestionUnitState" set
      "sinkId" = ${state.sinkId}, "state" = ${state.state}, "lastRunId" = ${state.lastRunId},
      "lastRunAt" = ${state.lastRunAt === null ? null : DateTime.toDateUtc(state.lastRunAt)},
      "lastError" = ${state.lastError}, "stats" = ${state.stats === null ? null : sql.json(state.stats)},
      "updatedAt" = ${DateTime.toDateUtc(state.updatedAt)}
    where "endpointId" = ${unit.endpointId} and "unitId" = ${unit.unitId}`

  const current = Effect.fnUntraced(function* (unit: UnitKey, event: IngestionUnitEvent) {
    if (event._tag === "Completed" || event._tag === "Failed") {
      const row = yield* findLocked(unit)
      return Option.isSome(row) ? stateOf(row.value) : yield* unseen(event)
    }
    yield* begin(initial(unit, event))
    return stateOf(yield* Effect.flatMap(findLocked(unit), Effect.fromOption))
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
      Effect.gen(function* () {
        const before = yield* current(unit, event)
        const after = yield* Effect.fromResult(transition(before, event))
        if (after !== before) yield* write(after)
        return after
      }).pipe(
        Transaction.within(sql),
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
