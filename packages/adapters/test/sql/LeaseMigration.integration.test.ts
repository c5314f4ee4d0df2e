/** A database in which `hr_run` kept epochs and generations: what the lease and the generations take over from it. */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as SqlKvStore from "@headrace/adapters/kv/SqlKvStore"
import * as SqlSliceLedger from "@headrace/adapters/ledger/SqlSliceLedger"
import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import { migrate, migrations } from "@headrace/adapters/sql/Migrations"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { RunId } from "@headrace/core/domain/Run"
import { SinkId, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { absent } from "@headrace/core/services/KvStore"
import { SliceLedger } from "@headrace/core/services/SliceLedger"
import { landed, record } from "@headrace/core/testing/RunRepoFixtures"
import { Context, Effect, Layer, Option } from "effect"
import { Migrator } from "effect/sql"
import * as Database from "../Database.ts"

const names = [
  "0001_create_existing_tables",
  "0002_create_endpoint_scope",
  "0003_create_kv",
  "0004_create_run"
] as const

/** The database as the version before left it. */
const before = Migrator.make({})({
  loader: Migrator.fromRecord(Object.fromEntries(names.map((name) => [name, migrations[name]]))),
  table: "hr_migration"
})

interface Kept {
  readonly unit: string
  readonly sink?: string
  readonly epoch: number
  readonly generation?: number
  readonly nextSeq?: number
  readonly outcome?: "SUCCEEDED" | "FAILED" | "PAUSED" | "RESET" | null
  readonly ended?: boolean
}

/** A run as that version noted it; without an outcome it is open, and its owner is long dead. */
const kept = Effect.fnUntraced(function* (run: Kept) {
  const { unit, sink = "lake", epoch, generation = 1, nextSeq = 0, outcome = "FAILED", ended = false } = run
  const sql = yield* PgClient.PgClient
  yield* sql`
    insert into hr_run (tenant, run_id, endpoint_id, unit_id, sink_id, epoch, generation, next_seq, owner,
      started_at, closed_at, outcome, generation_ended)
    values ('acme', ${`${unit}-${epoch}`}, 'shop', ${unit}, ${sink}, ${epoch}, ${generation}, ${nextSeq},
      gen_random_uuid(), now(), case when ${outcome}::text is not null then now() end, ${outcome}, ${ended})`
})

const sqlLedger = Layer.provide(SqlSliceLedger.layer, SqlKvStore.layer)

const asking = (unit: string, { sink = "lake", fresh = false } = {}) => ({
  runId: RunId.make(`${unit}-${crypto.randomUUID()}`),
  tenant: "acme",
  unit: UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make(unit) }),
  sinkId: SinkId.make(sink),
  fresh
})

/** What the next run of the unit is given after the upgrade. */
const given = Effect.fnUntraced(function* (...asked: Parameters<typeof asking>) {
  const runs = yield* SqlRunRepo.make
  const run = yield* runs.acquire(asking(...asked))
  yield* runs.close(run, { _tag: "Failed", reason: "BUG: It broke." })
  const { epoch, generation, nextSeq } = run
  return [Number(epoch), Number(generation), Number(nextSeq)]
})

layer(Database.layerEmpty, { timeout: "60 seconds", excludeTestServices: true })(
  "an upgraded database goes on",
  (it) => {
    it.effect("with the runs of its units", () =>
      Effect.gen(function* () {
        yield* before
        yield* kept({ unit: "broke", epoch: 6, generation: 3, nextSeq: 9, outcome: "SUCCEEDED" })
        yield* kept({ unit: "broke", epoch: 7, generation: 4, nextSeq: 5 })
        yield* kept({ unit: "begun", epoch: 1, nextSeq: 5 })
        yield* kept({ unit: "done", epoch: 2, nextSeq: 4, outcome: "SUCCEEDED" })
        yield* kept({ unit: "reset", epoch: 3, generation: 2, nextSeq: 8, outcome: "RESET", ended: true })
        yield* kept({ unit: "both", epoch: 1, generation: 5, nextSeq: 2 })
        yield* kept({ unit: "both", sink: "kb", epoch: 2, nextSeq: 7, outcome: "PAUSED" })
        yield* kept({ unit: "orphan", epoch: 4, generation: 2, nextSeq: 3, outcome: null })

        const ran = yield* migrate

        assert.deepStrictEqual(ran[0], [5, "create_lease_and_generation"])
      })
    )

    it.effect("the generation and slice of its latest run, under a higher epoch", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* given("broke"), [8, 4, 5])
        assert.deepStrictEqual(yield* given("broke", { fresh: true }), [9, 4, 5])
      })
    )

    it.effect("the ledger begins at the slice that was the next one", () =>
      Effect.gen(function* () {
        const runs = yield* SqlRunRepo.make
        const ledger = Context.get(yield* Layer.build(sqlLedger), SliceLedger)
        const run = yield* runs.acquire(asking("begun"))

        yield* ledger.finalise(run, { slice: landed(run, 6), checkpoint: record(6), expected: absent })

        yield* runs.close(run, { _tag: "Failed", reason: "BUG: It broke." })
        const slices = yield* ledger.slicesOf(run, run.generation)
        assert.deepStrictEqual(
          slices.map(({ sliceSeq, phase }) => [Number(sliceSeq), phase]),
          [[5, "COMMITTED"]]
        )
      })
    )

    it.effect("each sink with its own, and one epoch for all", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* given("both"), [3, 5, 2])
        assert.deepStrictEqual(yield* given("both", { sink: "kb" }), [4, 1, 7])
      })
    )

    it.effect("a generation that holds all there was so far, unless the run is fresh", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* given("done"), [3, 1, 4])
        assert.deepStrictEqual(yield* given("done", { fresh: true }), [4, 2, 0])
      })
    )

    it.effect("with a new generation where the last was reset", () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* given("reset"), [4, 3, 0])
      })
    )

    it.effect("the run of a process that died is an orphan, and its unit can be acquired", () =>
      Effect.gen(function* () {
        const runs = yield* SqlRunRepo.make
        const orphans = yield* runs.orphans

        assert.deepStrictEqual(
          orphans.map(({ runId }) => String(runId)),
          ["orphan-4"]
        )
        assert.deepStrictEqual(yield* runs.live(asking("orphan").unit), Option.none())
        assert.deepStrictEqual(yield* given("orphan"), [5, 2, 3])
      })
    )

    it.effect("a server of the version before opens no run beside it any more", () =>
      Effect.gen(function* () {
        const refused = yield* Effect.flip(kept({ unit: "late", epoch: 1 }))

        assert.match(String(refused.reason.cause), /column "owner"/)
      })
    )
  }
)
