/** Transactions that meet: whoever waited for another goes on from what that one left, not from what it saw before. */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as SqlKvStore from "@headrace/adapters/kv/SqlKvStore"
import * as SqlSliceLedger from "@headrace/adapters/ledger/SqlSliceLedger"
import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { RunId } from "@headrace/core/domain/Run"
import { knowledgeBase, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { absent } from "@headrace/core/services/KvStore"
import { landed, record } from "@headrace/core/testing/RunRepoFixtures"
import { Deferred, Effect, Fiber, Layer, Schedule } from "effect"
import * as Database from "../Database.ts"

const unitOf = (name: string) =>
  UnitKey.make({ endpointId: EndpointId.make(name), unitId: UnitId.make("orders") })

const asking = (unit: UnitKey, run: string) => ({
  runId: RunId.make(run),
  tenant: "dev",
  unit,
  sinkId: knowledgeBase,
  fresh: false
})

/** Does `first` in a transaction that is committed once `second` waits for it. */
const meeting = Effect.fnUntraced(function* <A, E, E2>(
  first: Effect.Effect<unknown, E2, PgClient.PgClient>,
  second: Effect.Effect<A, E>
) {
  const sql = yield* PgClient.PgClient
  const [written, meets] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  const isWaitedFor =
    sql`select from pg_locks where not granted and locktype in ('transactionid', 'tuple')`.pipe(
      Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("5 millis") })
    )
  const holding = yield* Effect.forkChild(
    sql.withTransaction(
      Effect.gen(function* () {
        yield* first
        yield* Deferred.succeed(written, undefined)
        yield* Deferred.await(meets)
      })
    )
  )
  yield* Deferred.await(written)
  const waiting = yield* Effect.forkChild(second)
  yield* isWaitedFor
  yield* Deferred.succeed(meets, undefined)
  yield* Fiber.join(holding)
  return yield* Fiber.join(waiting)
})

const said = (statement: TemplateStringsArray, ...values: ReadonlyArray<string>) =>
  Effect.flatMap(PgClient.PgClient, (sql) => sql(statement, ...values))

layer(Layer.provideMerge(SqlKvStore.layer, Database.layer), {
  timeout: "60 seconds",
  excludeTestServices: true
})("a run that meets another transaction", (it) => {
  it.effect("D2 ends as PAUSED when the unit is paused while it closes", () =>
    Effect.gen(function* () {
      const runs = yield* SqlRunRepo.make
      const run = yield* runs.acquire(asking(unitOf("paused"), "run-1"))
      const pausing = said`update "IngestionUnitState" set "state" = 'PAUSED' where "endpointId" = 'paused'`

      const reached = yield* meeting(
        pausing,
        runs.close(run, { _tag: "Completed", stats: {}, filled: "so far" })
      )

      assert.deepStrictEqual(reached, { outcome: "PAUSED", isShown: true })
    })
  )

  it.effect("is given the epoch and generation that the other left", () =>
    Effect.gen(function* () {
      const runs = yield* SqlRunRepo.make
      const run = yield* runs.acquire(asking(unitOf("met"), "run-2"))
      yield* runs.close(run, { _tag: "Failed", reason: "BUG: It broke." })
      const moving = Effect.andThen(
        said`update hr_lease set epoch = 40 where endpoint_id = 'met'`,
        said`update hr_generation set generation = 9, next_seq = 3 where endpoint_id = 'met'`
      )

      const next = yield* meeting(moving, runs.acquire(asking(unitOf("met"), "run-3")))

      assert.deepStrictEqual([Number(next.epoch), Number(next.generation), Number(next.nextSeq)], [41, 9, 3])
    })
  )

  it.effect("counts no slice when the other acquired its unit", () =>
    Effect.gen(function* () {
      const runs = yield* SqlRunRepo.make
      const sql = yield* PgClient.PgClient
      const run = yield* runs.acquire(asking(unitOf("lost"), "run-4"))
      const taking = said`update hr_lease set epoch = epoch + 1 where endpoint_id = 'lost'`

      const ledger = yield* SqlSliceLedger.make

      const reached = yield* meeting(
        taking,
        ledger.finalise(run, { slice: landed(run, 1), checkpoint: record(1), expected: absent })
      )

      assert.deepStrictEqual(reached, { _tag: "Fenced" })
      assert.deepStrictEqual(
        yield* sql`select next_seq::int as n from hr_generation where endpoint_id = 'lost'`,
        [{ n: 0 }]
      )
    })
  )
})
