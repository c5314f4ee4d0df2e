/**
 * `RunRepo` over the table `hr_run`. Opening takes turns for a unit and is one
 * transaction; an open run whose owner is dead loses it then, so that the index
 * on owned open runs keeps the unit single.
 */
import { PgClient } from "@effect/sql-pg"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { Epoch, Generation, RunId, SliceSeq } from "@headrace/core/domain/Run"
import { SinkId, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { Run, RunRepo, RunRepoError, UnitBusy } from "@headrace/core/services/RunRepo"
import { Effect, Layer, Option, Schedule, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import * as Transaction from "../sql/Transaction.ts"
import * as RunOwner from "./RunOwner.ts"

type Request = Parameters<RunRepo["Service"]["open"]>[0]

const Row = Schema.Struct({
  runId: RunId,
  tenant: Schema.NonEmptyString,
  endpointId: EndpointId,
  unitId: UnitId,
  sinkId: SinkId,
  epoch: Epoch,
  generation: Generation,
  nextSeq: SliceSeq,
  startedAt: Schema.DateTimeUtcFromDate
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))

const runOf = ({ endpointId, unitId, ...row }: typeof Row.Type): Run =>
  Run.make({ ...row, unit: UnitKey.make({ endpointId, unitId }) })

const failed = (cause: unknown) => new RunRepoError({ cause })

/** A broken session is replaced within moments; until then nothing of ours can be opened, and nothing was. */
const untilPresent = <A, E>(opening: Effect.Effect<A, E | RunOwner.OwnershipLost>) =>
  opening.pipe(
    Effect.retry({
      while: (error) => error instanceof RunOwner.OwnershipLost,
      schedule: Schedule.spaced("50 millis")
    }),
    Effect.timeoutOrElse({
      duration: "10 seconds",
      orElse: () => Effect.fail(new RunOwner.OwnershipLost())
    })
  )

/** The statements of opening, in the order in which they are said. */
const statements = (sql: PgClient.PgClient) => {
  const columns = sql.literal(
    `run_id as "runId", tenant, endpoint_id as "endpointId", unit_id as "unitId", sink_id as "sinkId",
     epoch::float8 as epoch, generation::float8 as generation, next_seq::float8 as "nextSeq",
     started_at as "startedAt"`
  )
  const ofUnit = ({ endpointId, unitId }: UnitKey) => sql`endpoint_id = ${endpointId} and unit_id = ${unitId}`
  const ownerLives = RunOwner.lives(sql, sql.literal("owner"))
  return {
    ofUnit,
    ownerLives,

    /** One at a time for a unit; the lock ends with the transaction. */
    takeTurn: ({ endpointId, unitId }: UnitKey) =>
      sql`select pg_advisory_xact_lock(hashtextextended(${JSON.stringify([endpointId, unitId])}, 4853))`,

    giveUpDead: (unit: UnitKey) => sql`
      update hr_run set owner = null
      where ${ofUnit(unit)} and closed_at is null and owner is not null and not ${ownerLives}`,

    open: (where: Fragment) => sql`select ${columns} from hr_run where closed_at is null and ${where}`,

    /** Goes on where the latest run into the sink stopped, or begins a generation. No row when `owner` is dead. */
    insert: ({ runId, tenant, unit, sinkId, fresh }: Request, owner: string) => sql`
      with latest as (
        select generation, next_seq, generation_ended or ${fresh} as ended from hr_run
        where tenant = ${tenant} and ${ofUnit(unit)} and sink_id = ${sinkId}
        order by epoch desc limit 1
      )
      insert into hr_run
        (tenant, run_id, endpoint_id, unit_id, sink_id, epoch, generation, next_seq, owner, started_at)
      select ${tenant}, ${runId}, ${unit.endpointId}, ${unit.unitId}, ${sinkId},
        (select coalesce(max(epoch), 0) + 1 from hr_run where ${ofUnit(unit)}),
        coalesce((select generation + ended::int from latest), 1),
        coalesce((select next_seq from latest where not ended), 0),
        ${owner}::uuid, clock_timestamp()::timestamptz(3)
      where ${RunOwner.lives(sql, sql`${owner}`)}
      returning ${columns}`
  }
}

export const make = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient
  const owner = yield* Effect.mapError(RunOwner.make(sql), failed)
  const say = statements(sql)

  const select = (where: Fragment) =>
    say.open(where).pipe(
      Effect.flatMap(decodeRows),
      Effect.map((rows) => rows.map(runOf))
    )

  const open = Effect.fnUntraced(function* (request: Request) {
    yield* say.takeTurn(request.unit)
    yield* say.giveUpDead(request.unit)
    const [busy] = yield* select(sql`${say.ofUnit(request.unit)} and owner is not null`)
    if (busy !== undefined) return yield* new UnitBusy({ unit: request.unit, runId: busy.runId })
    const [run] = yield* Effect.flatMap(say.insert(request, owner.id), decodeRows)
    return run === undefined ? yield* new RunOwner.OwnershipLost() : runOf(run)
  })

  return RunRepo.of({
    open: Effect.fn("SqlRunRepo.open")((request) =>
      owner.present.pipe(
        Effect.andThen(Transaction.within(sql)(open(request))),
        untilPresent,
        Effect.mapError((error) => (error._tag === "UnitBusy" ? error : failed(error)))
      )
    ),
    advance: Effect.fn("SqlRunRepo.advance")((runId: RunId, nextSeq: SliceSeq) =>
      sql`update hr_run set next_seq = ${nextSeq} where run_id = ${runId} and closed_at is null`.pipe(
        Effect.asVoid,
        Effect.mapError(failed)
      )
    ),
    close: Effect.fn("SqlRunRepo.close")((runId, outcome, { complete }) =>
      sql`
        update hr_run
        set closed_at = now(), outcome = ${outcome}, generation_ended = generation_ended or ${complete}
        where run_id = ${runId} and closed_at is null`.pipe(Effect.asVoid, Effect.mapError(failed))
    ),
    live: Effect.fn("SqlRunRepo.live")((unit: UnitKey) =>
      select(sql`${say.ofUnit(unit)} and owner is not null and ${say.ownerLives}`).pipe(
        Effect.map(([run]) => Option.fromNullishOr(run)),
        Effect.mapError(failed)
      )
    ),
    openRuns: select(sql`owner is not null and ${say.ownerLives} order by started_at`).pipe(
      Effect.mapError(failed),
      Effect.withSpan("SqlRunRepo.openRuns")
    ),
    endGeneration: Effect.fn("SqlRunRepo.endGeneration")((tenant: string, unit: UnitKey, sinkId: SinkId) =>
      sql`
        update hr_run set generation_ended = true
        where tenant = ${tenant} and ${say.ofUnit(unit)} and sink_id = ${sinkId}
          and not generation_ended`.pipe(Effect.asVoid, Effect.mapError(failed))
    ),
    orphans: select(sql`(owner is null or not ${say.ownerLives}) order by started_at`).pipe(
      Effect.mapError(failed),
      Effect.withSpan("SqlRunRepo.orphans")
    )
  })
})

/** One process: while the layer lives, so do its runs. */
export const layer: Layer.Layer<RunRepo, RunRepoError, PgClient.PgClient> = Layer.effect(RunRepo, make)
