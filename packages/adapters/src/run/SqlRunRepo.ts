/**
 * `RunRepo` over the table `hr_run`. A process owns its runs under an id of its
 * own and holds a session lock made from it: whose lock is held, lives. When a
 * process dies, however it dies, the server ends its session and frees the lock.
 */
import { PgClient } from "@effect/sql-pg"
import { Epoch, Generation, RunId, SliceSeq } from "@headrace/core/domain/Run"
import { SinkId, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { Run, RunRepo, RunRepoError, UnitBusy } from "@headrace/core/services/RunRepo"
import { Data, Effect, Layer, Option, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
import * as SessionLock from "../sql/SessionLock.ts"

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

/** Our session broke and its lock is not back yet: a run opened now would look like a dead one's. */
class OwnershipLost extends Data.TaggedError("OwnershipLost") {}

/** The number of an owner's lock. */
const lockOf = "hashtextextended($1::text, 4852)"

/** Says that this process lives, for as long as the scope does. */
const present = (session: PgClient.PgClientConfig, owner: string) =>
  SessionLock.hold({
    session: { ...session, applicationName: "headrace owner" },
    take: (query) =>
      Effect.flatMap(query(`select pg_try_advisory_lock(${lockOf}) as got`, [owner]), ([row]) =>
        row?.["got"] === true ? Effect.void : new OwnershipLost()
      ),
    // Without it the server frees the lock only when it notices that we are gone.
    farewell: (query) => Effect.asVoid(query(`select pg_advisory_unlock(${lockOf})`, [owner]))
  })

export const make = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient
  const owner = crypto.randomUUID()
  const presence = yield* Effect.mapError(present(sql.config, owner), failed)

  const selected = sql.literal(
    `run_id as "runId", tenant, endpoint_id as "endpointId", unit_id as "unitId", sink_id as "sinkId",
     epoch::float8 as epoch, generation::float8 as generation, next_seq::float8 as "nextSeq", started_at as "startedAt"`
  )

  /** Does somebody hold the lock of that owner, in this database? */
  const lives = (who: Fragment) => sql`exists (
    select from pg_locks
    where locktype = 'advisory' and granted and objsubid = 1
      and database = (select oid from pg_database where datname = current_database())
      and (classid::int8 << 32 | objid::int8) = hashtextextended(${who}::text, 4852))`

  const ofUnit = ({ endpointId, unitId }: UnitKey) => sql`endpoint_id = ${endpointId} and unit_id = ${unitId}`

  const select = (where: Fragment) =>
    sql`select ${selected} from hr_run where closed_at is null and ${where}`.pipe(
      Effect.flatMap(decodeRows),
      Effect.map((rows) => rows.map(runOf))
    )

  /** One at a time for a unit; the lock ends with the transaction. */
  const takeTurn = ({ endpointId, unitId }: UnitKey) =>
    sql`select pg_advisory_xact_lock(hashtextextended(${JSON.stringify([endpointId, unitId])}, 4853))`

  const giveUpDead = (unit: UnitKey) => sql`
    update hr_run set owner = null
    where ${ofUnit(unit)} and closed_at is null and owner is not null and not ${lives(sql.literal("owner"))}`

  /** Goes on where the latest run into the sink stopped, or begins a generation. No row when we are not present. */
  const insert = ({ runId, tenant, unit, sinkId, fresh }: Parameters<RunRepo["Service"]["open"]>[0]) => sql`
    with latest as (
      select generation, next_seq, generation_ended or ${fresh} as ended from hr_run
      where tenant = ${tenant} and ${ofUnit(unit)} and sink_id = ${sinkId}
      order by epoch desc limit 1
    )
    insert into hr_run (tenant, run_id, endpoint_id, unit_id, sink_id, epoch, generation, next_seq, owner, started_at)
    select ${tenant}, ${runId}, ${unit.endpointId}, ${unit.unitId}, ${sinkId},
      (select coalesce(max(epoch), 0) + 1 from hr_run where ${ofUnit(unit)}),
      coalesce((select generation + ended::int from latest), 1),
      coalesce((select next_seq from latest where not ended), 0),
      ${owner}::uuid, clock_timestamp()::timestamptz(3)
    where ${lives(sql`${owner}`)}
    returning ${selected}`

  const open = Effect.fnUntraced(function* (request: Parameters<RunRepo["Service"]["open"]>[0]) {
    yield* takeTurn(request.unit)
    yield* giveUpDead(request.unit)
    const [busy] = yield* select(sql`${ofUnit(request.unit)} and owner is not null`)
    if (busy !== undefined) return yield* new UnitBusy({ unit: request.unit, runId: busy.runId })
    const [run] = yield* Effect.flatMap(insert(request), decodeRows)
    return run === undefined ? yield* new OwnershipLost() : runOf(run)
  })

  return RunRepo.of({
    open: Effect.fn("SqlRunRepo.open")((request) =>
      presence.held.pipe(
        Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => new OwnershipLost() }),
        Effect.andThen(sql.withTransaction(open(request))),
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
        update hr_run set closed_at = now(), outcome = ${outcome}, generation_ended = generation_ended or ${complete}
        where run_id = ${runId} and closed_at is null`.pipe(Effect.asVoid, Effect.mapError(failed))
    ),
    live: Effect.fn("SqlRunRepo.live")((unit: UnitKey) =>
      select(sql`${ofUnit(unit)} and owner is not null and ${lives(sql.literal("owner"))}`).pipe(
        Effect.map(([run]) => Option.fromNullishOr(run)),
        Effect.mapError(failed)
      )
    ),
    endGeneration: Effect.fn("SqlRunRepo.endGeneration")((tenant: string, unit: UnitKey, sinkId: SinkId) =>
      sql`
        update hr_run set generation_ended = true
        where tenant = ${tenant} and ${ofUnit(unit)} and sink_id = ${sinkId} and not generation_ended`.pipe(
        Effect.asVoid,
        Effect.mapError(failed)
      )
    ),
    orphans: select(sql`(owner is null or not ${lives(sql.literal("owner"))}) order by started_at`).pipe(
      Effect.mapError(failed),
      Effect.withSpan("SqlRunRepo.orphans")
    )
  })
})

/** One process: while the layer lives, so do its runs. */
export const layer: Layer.Layer<RunRepo, RunRepoError, PgClient.PgClient> = Layer.effect(RunRepo, make)
