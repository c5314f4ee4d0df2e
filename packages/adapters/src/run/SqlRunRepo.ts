/**
 * `RunRepo` over the tables `hr_lease`, `hr_generation` and `hr_run`, and over the
 * existing `"IngestionUnitState"`. The lease is what keeps a unit single: one row
 * a unit, which one of those who would acquire it at the same moment writes first.
 */
import { PgClient } from "@effect/sql-pg"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { Epoch, Generation, RunId, SliceSeq } from "@headrace/core/domain/Run"
import { RunOutcome } from "@headrace/core/domain/RunOutcome"
import { SinkId, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { Run, RunRepo, RunRepoError, UnitBusy } from "@headrace/core/services/RunRepo"
import { Data, DateTime, Effect, Layer, Option, Schedule, Schema } from "effect"
import * as RunOwner from "./RunOwner.ts"
import { statements } from "./RunStatements.ts"

type Request = Parameters<RunRepo["Service"]["acquire"]>[0]

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

/** The one row that closing answers. */
const decodeReached = Schema.decodeUnknownEffect(
  Schema.Tuple([Schema.Struct({ outcome: RunOutcome, isShown: Schema.Boolean })])
)

const runOf = ({ endpointId, unitId, ...row }: typeof Row.Type): Run =>
  Run.make({ ...row, unit: UnitKey.make({ endpointId, unitId }) })

const failed = (cause: unknown) => new RunRepoError({ cause })

/** Our session is broken, so that a run of ours would look like a dead one's; or who was first has ended since. */
class NotAcquired extends Data.TaggedError("NotAcquired") {
  override readonly message = "the database session that shows that this process lives is broken"
}

/** A broken session is replaced within moments; nothing was acquired until then. */
const untilAcquired = <A, E>(acquiring: Effect.Effect<A, E | NotAcquired>) =>
  acquiring.pipe(
    Effect.retry({
      while: (error) => error instanceof NotAcquired,
      schedule: Schedule.spaced("50 millis")
    }),
    Effect.timeoutOrElse({
      duration: "10 seconds",
      orElse: () => Effect.fail(new NotAcquired())
    })
  )

export const make = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient
  const owner = yield* Effect.mapError(RunOwner.make(sql), failed)
  const say = statements(sql)
  const now = Effect.map(DateTime.now, DateTime.toDateUtc)

  const runsOf = (rows: ReturnType<typeof say.live>) =>
    rows.pipe(
      Effect.flatMap(decodeRows),
      Effect.map((found) => found.map(runOf))
    )

  const acquire = Effect.fnUntraced(function* (request: Request) {
    const [run] = yield* runsOf(say.acquire(request, owner.id, yield* now))
    if (run !== undefined) return run
    const [busy] = yield* runsOf(say.live(request.unit))
    if (busy !== undefined) return yield* new UnitBusy({ unit: request.unit, runId: busy.runId })
    return yield* new NotAcquired()
  })

  return RunRepo.of({
    acquire: Effect.fn("SqlRunRepo.acquire")((request) =>
      owner.present.pipe(
        Effect.andThen(acquire(request)),
        untilAcquired,
        Effect.mapError((error) => (error._tag === "UnitBusy" ? error : failed(error)))
      )
    ),
    advance: Effect.fn("SqlRunRepo.advance")((run, to) =>
      say.advance(run, to).pipe(Effect.asVoid, Effect.mapError(failed))
    ),
    close: Effect.fn("SqlRunRepo.close")(function* (run, ending) {
      const rows = yield* Effect.mapError(say.close(run, ending, yield* now), failed)
      const [reached] = yield* Effect.mapError(decodeReached(rows), failed)
      return reached
    }),
    live: Effect.fn("SqlRunRepo.live")((unit: UnitKey) =>
      runsOf(say.live(unit)).pipe(
        Effect.map(([run]) => Option.fromNullishOr(run)),
        Effect.mapError(failed)
      )
    ),
    openRuns: runsOf(say.openRuns).pipe(Effect.mapError(failed), Effect.withSpan("SqlRunRepo.openRuns")),
    endGeneration: Effect.fn("SqlRunRepo.endGeneration")((tenant: string, unit: UnitKey, sinkId: SinkId) =>
      say.endGeneration(tenant, unit, sinkId).pipe(Effect.asVoid, Effect.mapError(failed))
    ),
    orphans: runsOf(say.orphans).pipe(Effect.mapError(failed), Effect.withSpan("SqlRunRepo.orphans"))
  })
})

/** One process: while the layer lives, so do its runs. */
export const layer: Layer.Layer<RunRepo, RunRepoError, PgClient.PgClient> = Layer.effect(RunRepo, make)
