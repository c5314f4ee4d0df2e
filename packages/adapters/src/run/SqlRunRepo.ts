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
import { LeaseTimes, Run, RunRepo, RunRepoError, UnitBusy } from "@headrace/core/services/RunRepo"
import { Data, DateTime, Effect, Layer, Option, Schema } from "effect"
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

const decodePlaces = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ place: Schema.String })))

/** The one row that closing answers. */
const decodeReached = Schema.decodeUnknownEffect(
  Schema.Tuple([Schema.Struct({ outcome: RunOutcome, isShown: Schema.Boolean })])
)

const runOf = ({ endpointId, unitId, ...row }: typeof Row.Type): Run =>
  Run.make({ ...row, unit: UnitKey.make({ endpointId, unitId }) })

const failed = (cause: unknown) => new RunRepoError({ cause })

/** Who held the unit has just let it go: it is there to be acquired. */
class NotAcquired extends Data.TaggedError("NotAcquired") {
  override readonly message = "the unit was held and let go again and again"
}

const untilAcquired = <A, E>(acquiring: Effect.Effect<A, E | NotAcquired>) =>
  Effect.retry(acquiring, { while: (error) => error instanceof NotAcquired, times: 20 })

export const make = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient
  const { ttl } = yield* LeaseTimes
  const owner = RunOwner.make()
  const say = statements(sql)
  const now = Effect.map(DateTime.now, DateTime.toDateUtc)

  yield* Effect.addFinalizer(() =>
    Effect.catchCause(say.leave(owner), (cause) =>
      Effect.logDebug("What this process held could not be let go, and passes by itself", cause)
    )
  )

  const runsOf = (rows: ReturnType<typeof say.live>) =>
    rows.pipe(
      Effect.flatMap(decodeRows),
      Effect.map((found) => found.map(runOf))
    )

  /** Lets go what dead processes of this machine hold. Was there any? */
  const buried = Effect.gen(function* () {
    if (RunOwner.machine === null) return false
    const held = yield* Effect.flatMap(say.places(RunOwner.machine), decodePlaces)
    const gone = held.map(({ place }) => place).filter(RunOwner.isGone)
    if (gone.length > 0) yield* say.letGo(gone)
    return gone.length > 0
  })

  const acquire = Effect.fnUntraced(function* (request: Request) {
    const [run] = yield* runsOf(say.acquire(request, owner, ttl, yield* now))
    if (run !== undefined) return run
    const [busy] = yield* runsOf(say.live(request.unit))
    if (busy === undefined || (yield* buried)) return yield* new NotAcquired()
    return yield* new UnitBusy({ unit: request.unit, runId: busy.runId })
  })

  return RunRepo.of({
    acquire: Effect.fn("SqlRunRepo.acquire")((request) =>
      acquire(request).pipe(
        untilAcquired,
        Effect.mapError((error) => (error._tag === "UnitBusy" ? error : failed(error)))
      )
    ),
    renew: Effect.fn("SqlRunRepo.renew")((run) =>
      say.renew(run, ttl).pipe(
        Effect.map((rows) => rows.length > 0),
        Effect.mapError(failed)
      )
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
    orphans: Effect.andThen(buried, runsOf(say.orphans)).pipe(
      Effect.mapError(failed),
      Effect.withSpan("SqlRunRepo.orphans")
    )
  })
})

/** One process; what its runs hold when the layer ends is free. */
export const layer: Layer.Layer<RunRepo, never, PgClient.PgClient> = Layer.effect(RunRepo, make)
