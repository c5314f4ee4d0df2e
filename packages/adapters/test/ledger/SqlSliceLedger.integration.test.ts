import * as SqlKvStore from "@headrace/adapters/kv/SqlKvStore"
import * as SqlSliceLedger from "@headrace/adapters/ledger/SqlSliceLedger"
import * as SqlQuarantine from "@headrace/adapters/quarantine/SqlQuarantine"
import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import * as SqlUnitStateRepo from "@headrace/adapters/unit-state/SqlUnitStateRepo"
import * as SliceLedgerSuite from "@headrace/core/testing/SliceLedgerSuite"
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as MemoryKvStore from "@headrace/core/memory/MemoryKvStore"
import { checkpointKey } from "@headrace/core/domain/Checkpoint"
import { absent, KvStore, Version } from "@headrace/core/services/KvStore"
import { RunRepo } from "@headrace/core/services/RunRepo"
import { SliceLedger } from "@headrace/core/services/SliceLedger"
import { finalising } from "@headrace/core/testing/SliceLedgerFixtures"
import { asking, landed, record, unitOf } from "@headrace/core/testing/RunRepoFixtures"
import { Effect, Layer } from "effect"
import * as Database from "../Database.ts"
import { lapse } from "../run/Lapse.ts"

const stores = Layer.provideMerge(Layer.merge(SqlQuarantine.layer, SqlUnitStateRepo.layer), Database.layer)
const table = Layer.provideMerge(SqlKvStore.layer, stores)

SliceLedgerSuite.suite("sql", table, Layer.merge(SqlRunRepo.layer, SqlSliceLedger.layer), lapse)

const apart = Layer.merge(SqlRunRepo.layer, SqlSliceLedger.layerApart)
const elsewhere = Layer.provideMerge(MemoryKvStore.layer, stores)

SliceLedgerSuite.suite("sql, with the checkpoint elsewhere", elsewhere, apart, lapse)

layer(table, { timeout: "60 seconds", excludeTestServices: true })(
  "the state's copy of the checkpoint",
  (it) => {
    it.effect("is written with the slice, unless the unit shows another run", () =>
      Effect.gen(function* () {
        const [runs, ledger] = [yield* SqlRunRepo.make, yield* SqlSliceLedger.make]
        const sql = yield* PgClient.PgClient
        const run = yield* runs.acquire(asking(unitOf("copied")))
        const copy = sql`select "checkpoint" from "IngestionUnitState"`
        const finalise = (next: number, expected: number) =>
          ledger.finalise(run, {
            slice: landed(run, next),
            checkpoint: record(next),
            expected: Version.make(expected)
          })

        yield* finalise(1, absent)
        const first = yield* copy
        yield* sql`update "IngestionUnitState" set "lastRunId" = 'another'`
        yield* finalise(2, 1)

        assert.deepStrictEqual(
          [first, yield* copy],
          [[{ checkpoint: record(1) }], [{ checkpoint: record(1) }]]
        )
      })
    )
  }
)

layer(Layer.provideMerge(apart, elsewhere), { timeout: "60 seconds", excludeTestServices: true })(
  "a checkpoint that is kept elsewhere",
  (it) => {
    it.effect("is not kept here as well", () =>
      Effect.gen(function* () {
        const run = yield* (yield* RunRepo).acquire(asking(unitOf("elsewhere")))

        yield* (yield* SliceLedger).finalise(run, yield* finalising(run, 1))

        assert.deepStrictEqual(yield* (yield* PgClient.PgClient)`select k from hr_kv`, [])
      })
    )

    it.effect(
      "and was moved by a process that died before its slice counted does not keep it from counting",
      () =>
        Effect.gen(function* () {
          const ledger = yield* SliceLedger
          const run = yield* (yield* RunRepo).acquire(asking(unitOf("between")))
          const to = yield* finalising(run, 1)
          const key = checkpointKey(run.unit, run.sinkId)
          yield* (yield* KvStore).put(run.tenant, key, to.checkpoint, to.expected)

          const reached = yield* ledger.finalise(run, to)

          assert.deepStrictEqual(reached, { _tag: "Counted", version: Version.make(1) })
          const [slice] = yield* ledger.slicesOf(run, run.generation)
          assert.strictEqual(slice?.phase, "COMMITTED")
        })
    )
  }
)
