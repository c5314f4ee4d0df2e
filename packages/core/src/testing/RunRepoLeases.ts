/** How long a run holds its unit in `RunRepo`, and what is left to one whose lease has passed. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Epoch } from "../domain/Run.ts"
import type { Run, RunRepo } from "../services/RunRepo.ts"
import { asking, type Clauses, completed, failed, type Processes, seq, unitOf } from "./RunRepoFixtures.ts"

const isOrphan = (runs: RunRepo["Service"], { runId }: Run) =>
  Effect.map(runs.orphans, (all) => all.some((run) => run.runId === runId))

export const leaseClauses = <R, E>(it: Clauses<R>, { living, lapse }: Processes<R, E>) => {
  it.effect("a run that renews its lease holds its unit on", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const run = yield* runs.acquire(asking(unitOf("renewed")))
      yield* lapse(run)

      const renewed = yield* runs.renew(run)

      assert.isTrue(renewed)
      assert.deepStrictEqual(yield* runs.live(run.unit), Option.some(run))
      assert.isFalse(yield* isOrphan(runs, run))
    })
  )

  it.effect("I11 a run whose lease has passed is an orphan, although its process lives", () =>
    Effect.gen(function* () {
      const [here, there] = [yield* living, yield* living]
      const run = yield* here.acquire(asking(unitOf("lapsed")))
      yield* lapse(run)

      const live = yield* there.live(run.unit)
      const open = yield* there.openRuns

      assert.deepStrictEqual(live, Option.none())
      assert.isFalse(open.some(({ runId }) => runId === run.runId))
      assert.isTrue(yield* isOrphan(there, run))
    })
  )

  it.effect("I4 an orphan does not get its unit back, and moves nothing that others rely on", () =>
    Effect.gen(function* () {
      const [here, there] = [yield* living, yield* living]
      const run = yield* here.acquire(asking(unitOf("taken")))
      yield* lapse(run)
      yield* there.orphans

      const renewed = yield* here.renew(run)
      yield* here.commits(run, 5)
      const next = yield* there.acquire(asking(run.unit))

      assert.isFalse(renewed)
      assert.deepInclude(next, { nextSeq: seq(0), epoch: Epoch.make(run.epoch + 1) })
    })
  )

  it.effect("I4 a unit whose lease has passed is acquired at once, and the old run can renew no more", () =>
    Effect.gen(function* () {
      const [here, there] = [yield* living, yield* living]
      const old = yield* here.acquire(asking(unitOf("passed-on")))
      yield* lapse(old)

      const next = yield* there.acquire(asking(old.unit))
      const renewed = yield* here.renew(old)

      assert.strictEqual(next.epoch, old.epoch + 1)
      assert.isFalse(renewed)
      assert.deepStrictEqual(yield* here.live(old.unit), Option.some(next))
      assert.isTrue(yield* isOrphan(there, old))
    })
  )

  it.effect("a run that has ended renews nothing", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const run = yield* runs.acquire(asking(unitOf("ended")))
      yield* runs.close(run, completed("part"))

      assert.isFalse(yield* runs.renew(run))
      assert.deepStrictEqual(yield* runs.live(run.unit), Option.none())
    })
  )

  it.effect("an end that comes after the lease has passed, and before anybody took the unit, counts", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const run = yield* runs.acquire(asking(unitOf("late")))
      yield* lapse(run)

      const reached = yield* runs.close(run, completed("part"))
      const again = yield* runs.close(run, failed)

      assert.deepStrictEqual([reached.outcome, again.outcome], ["SUCCEEDED", "SUCCEEDED"])
      assert.isFalse(yield* isOrphan(runs, run))
    })
  )
}
