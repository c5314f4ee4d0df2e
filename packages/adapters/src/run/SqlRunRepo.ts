/**
 * `RunRepo` over the table `hr_run`. Opening gives up what dead owners left open,
 * then writes one row; the indexes on owned open runs and on epochs keep the unit
 * single, whoever opens at the same moment.
 */
import { PgClient } from "@effect/sql-pg"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { Epoch, Generation, RunId, SliceSeq } from "@headrace/core/domain/Run"
import { SinkId, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { Run, RunRepo, RunRepoError, UnitBusy } from "@headrace/core/services/RunRepo"
import { Data, Effect, Layer, Option, Schedule, Schema } from "effect"
import type { Fragment } from "effect/sql/Statement"
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

/** Our session is broken, so that a run of ours would look like a dead one's; or somebody else was first. */
class NotOpened extends Data.TaggedError("NotOpened") {
  override readonly message = "the database session that shows that this process lives is broken"
}

/** A broken session is replaced within moments, and who was first is busy now; nothing was opened until then. */
const untilOpened = <A, E>(opening: Effect.Effect<A, E | NotOpened>) =>
  opening.pipe(
    Effect.retry({
      while: (error) => error instanceof NotOpened,
      schedule: Schedule.spaced("50 millis")
    }),
    Effect.timeoutOrElse({
      duration: "10 seconds",
      orElse: () => Effect.fail(new NotOpened())
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

    /** The unit's open run whose owner lives; those of dead owners have none from now on. */
    busy: (unit: UnitKey) => sql`
      with dead as (
        update hr_run set owner = null
        where ${ofUnit(unit)} and closed_at is null and owner is not null and not ${ownerLives}
      )
      select ${columns} from hr_run
      where ${ofUnit(unit)} and closed_at is null and owner is not null and ${ownerLives}`,

    open: (where: Fragment) => sql`select ${columns} from hr_run where closed_at is null and ${where}`,

    /**
     * Goes on where the latest run into the sink stopped, or begins a generation. No row when `owner` is dead,
     * or when somebody else was first: the run it goes on from must have been closed before this statement began.
     */
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
        and not exists (select from hr_run where ${ofUnit(unit)} and closed_at is null and owner is not null)
      on conflict do nothing
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
    const [busy] = yield* Effect.flatMap(say.busy(request.unit), decodeRows)
    if (busy !== undefined) return yield* new UnitBusy({ unit: request.unit, runId: busy.runId })
    const [run] = yield* Effect.flatMap(say.insert(request, owner.id), decodeRows)
    return run === undefined ? yield* new NotOpened() : runOf(run)
  })

  return RunRepo.of({
    open: Effect.fn("SqlRunRepo.open")((request) =>
      owner.present.pipe(
        Effect.andThen(open(request)),
        untilOpened,
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
