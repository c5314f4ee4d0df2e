/** What the suite cannot play in one process: a real death, and a connection that breaks. */
import { PgClient } from "@effect/sql-pg"
import { assert, layer } from "@effect/vitest"
import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { RunId } from "@headrace/core/domain/Run"
import { knowledgeBase, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { Effect, Option } from "effect"
import { inject } from "vitest"
import * as Database from "../Database.ts"
import * as OtherProcess from "../OtherProcess.ts"

const unitOf = (endpointId: string) =>
  UnitKey.make({ endpointId: EndpointId.make(endpointId), unitId: UnitId.make("orders") })

const opening = (unit: UnitKey, runId: string) => ({
  runId: RunId.make(runId),
  tenant: "dev",
  unit,
  sinkId: knowledgeBase,
  fresh: false
})

/** Returns when nobody holds the lock of the run's owner: waits for it as the server lets others wait. */
const ownerGone = Effect.fnUntraced(function* (runId: string) {
  const sql = yield* PgClient.PgClient
  const lock = sql`select pg_advisory_xact_lock(hashtextextended(owner::text, 4852)) from hr_lease where run_id = ${runId}`
  yield* lock
})

layer(Database.layer, { timeout: "60 seconds", excludeTestServices: true })("the owner of runs", (it) => {
  it.effect("P21 the runs of a process that was killed with SIGKILL become orphans at once", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const survivor = yield* SqlRunRepo.make
      const unit = unitOf("killed")
      const script = new URL("OpenRun.ts", import.meta.url)
      const child = yield* OtherProcess.start(
        script,
        inject("postgres"),
        sql.config.database ?? "",
        unit.endpointId
      )
      const runId = yield* OtherProcess.firstLine(child)
      const before = yield* survivor.live(unit)

      yield* OtherProcess.end(child, "SIGKILL")
      yield* ownerGone(runId)

      assert.strictEqual(Option.getOrThrow(before).runId, runId)
      assert.deepStrictEqual(yield* survivor.live(unit), Option.none())
      assert.deepStrictEqual(
        (yield* survivor.orphans).map((run) => String(run.runId)),
        [runId]
      )
    })
  )

  it.effect("a process whose connection breaks takes its lock again, and its runs live on", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const runs = yield* SqlRunRepo.make
      const unit = unitOf("broken")
      const run = yield* runs.acquire(opening(unit, "run-1"))
      const broken = yield* sql`
        select pg_terminate_backend(l.pid, 5000) as ended from pg_locks l, hr_lease
        where l.locktype = 'advisory' and run_id = ${run.runId}
          and (l.classid::int8 << 32 | l.objid::int8) = hashtextextended(owner::text, 4852)`

      const other = yield* runs.acquire(opening(unitOf("after"), "run-2"))

      assert.deepStrictEqual(broken, [{ ended: true }])
      assert.strictEqual(other.runId, "run-2")
      assert.strictEqual(Option.getOrThrow(yield* runs.live(unit)).runId, "run-1")
      const refused = yield* Effect.flip(runs.acquire(opening(unit, "run-3")))
      assert.deepInclude(refused, { _tag: "UnitBusy", runId: run.runId })
    })
  )
})
