/** What the suite cannot play in one process: a real death, and a machine that is not ours. */
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it, layer } from "@effect/vitest"
import * as RunOwner from "@headrace/adapters/run/RunOwner"
import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { RunId } from "@headrace/core/domain/Run"
import { knowledgeBase, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { Effect, Option } from "effect"
import { inject } from "vitest"
import * as Database from "../Database.ts"
import * as OtherProcess from "../OtherProcess.ts"
import { lapse } from "./Lapse.ts"

const unitOf = (endpointId: string) =>
  UnitKey.make({ endpointId: EndpointId.make(endpointId), unitId: UnitId.make("orders") })

const opening = (unit: UnitKey, runId: string) => ({
  runId: RunId.make(runId),
  tenant: "dev",
  unit,
  sinkId: knowledgeBase,
  fresh: false
})

/** The unit is held by a run of another process, which can be killed. */
const heldElsewhere = Effect.fnUntraced(function* (unit: UnitKey) {
  const sql = yield* PgClient.PgClient
  const script = new URL("OpenRun.ts", import.meta.url)
  const database = sql.config.database ?? ""
  const child = yield* OtherProcess.start(script, inject("postgres"), database, unit.endpointId)
  return { child, runId: yield* OtherProcess.firstLine(child) }
})

layer(Database.layer, { timeout: "60 seconds", excludeTestServices: true })("the owner of runs", (it) => {
  it.effect(
    "P21 the runs of a process that was killed with SIGKILL are orphans as soon as somebody looks",
    () =>
      Effect.gen(function* () {
        const survivor = yield* SqlRunRepo.make
        const unit = unitOf("killed")
        const { child, runId } = yield* heldElsewhere(unit)
        const before = yield* survivor.live(unit)

        yield* OtherProcess.end(child, "SIGKILL")
        const orphans = yield* survivor.orphans

        assert.strictEqual(Option.getOrThrow(before).runId, runId)
        assert.deepStrictEqual(
          orphans.map((run) => String(run.runId)),
          [runId]
        )
        assert.deepStrictEqual(yield* survivor.live(unit), Option.none())
      })
  )

  it.effect("a unit that such a process held is acquired without waiting for its lease", () =>
    Effect.gen(function* () {
      const survivor = yield* SqlRunRepo.make
      const unit = unitOf("inherited")
      const { child } = yield* heldElsewhere(unit)
      const refused = yield* Effect.flip(survivor.acquire(opening(unit, "too-early")))
      yield* OtherProcess.end(child, "SIGKILL")

      const next = yield* survivor.acquire(opening(unit, "next"))

      assert.strictEqual(refused._tag, "UnitBusy")
      assert.strictEqual(next.epoch, 2)
    })
  )

  it.effect("of a process on another machine only its lease tells", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      const [here, there] = [yield* SqlRunRepo.make, yield* SqlRunRepo.make]
      const unit = unitOf("elsewhere")
      const run = yield* there.acquire(opening(unit, "run-elsewhere"))
      yield* sql`update hr_lease set place = 'another-boot pid:[1] 1 1' where run_id = ${run.runId}`

      const before = yield* here.orphans
      const live = yield* here.live(unit)
      yield* lapse(run)

      assert.isFalse(before.some(({ runId }) => runId === run.runId))
      assert.strictEqual(Option.getOrThrow(live).runId, run.runId)
      assert.isTrue((yield* here.orphans).some(({ runId }) => runId === run.runId))
    })
  )

  it.effect("what a process holds that leaves in order is free at once", () =>
    Effect.gen(function* () {
      const runs = yield* SqlRunRepo.make
      const unit = unitOf("left")
      yield* Effect.scoped(
        Effect.flatMap(SqlRunRepo.make, (leaving) => leaving.acquire(opening(unit, "run-left")))
      )

      assert.deepStrictEqual(yield* runs.live(unit), Option.none())
      assert.strictEqual((yield* runs.acquire(opening(unit, "run-next"))).epoch, 2)
    })
  )
})

describe("the place of a process", () => {
  it("is known where the system tells, and is nobody's once the process is gone or another has its number", () => {
    const { place } = RunOwner.make()
    if (place === null) return assert.isNull(RunOwner.machine)
    const [pid, start] = place.split(" ").slice(-2)

    assert.strictEqual(Number(pid), process.pid)
    assert.isFalse(RunOwner.isGone(place))
    assert.isTrue(RunOwner.isGone(`${RunOwner.machine} ${pid} ${Number(start) + 1}`))
    assert.isTrue(RunOwner.isGone(`${RunOwner.machine} 4194305 1`))
  })
})
