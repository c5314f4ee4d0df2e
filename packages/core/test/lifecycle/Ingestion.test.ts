/** What clients may ask at any time: a second start, a pause, a reset, also while a run is on its way. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, type Schema } from "effect"
import { TestClock } from "effect/testing"
import { knowledgeBase } from "../../src/domain/Unit.ts"
import * as Headrace from "../../src/lifecycle/Headrace.ts"
import { Ingestion } from "../../src/lifecycle/Ingestion.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import { RunRepo } from "../../src/services/RunRepo.ts"
import { UnitStateRepo } from "../../src/services/UnitStateRepo.ts"
import * as Shop from "./Shop.ts"

describe("start", () => {
  const first = Shop.stopAt("staged", 1)
  it.effect(
    "D1 of a running unit is refused as data with the live run's id, and asks the worker nothing",
    () =>
      Effect.gen(function* () {
        const shop = yield* Shop.opened()
        const { runId, end } = yield* Shop.started(shop.name)
        yield* first.reached

        const second = yield* Shop.start(shop.name)

        assert.deepInclude(second, { ok: false, runId, state: "RUNNING" })
        assert.isNotEmpty(second.message)
        yield* first.goOn
        yield* end
        assert.strictEqual((yield* Shop.asked).length, 1)
        assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
      }).pipe(Effect.provide(Shop.layer(first)))
  )

  const many = Shop.stopAt("opened", null)
  it.effect("D1 by many at once begins one run, and the others learn its id", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const ended = yield* Shop.ends

      const answers = yield* Effect.replicateEffect(Shop.start(shop.name), 12, { concurrency: "unbounded" })

      assert.strictEqual(answers.filter(({ ok }) => ok).length, 1)
      assert.strictEqual(new Set(answers.map(({ runId }) => runId)).size, 1)
      yield* many.goOn
      yield* ended
      assert.strictEqual((yield* Shop.asked).length, 1)
    }).pipe(Effect.provide(Shop.layer(many)))
  )

  const elsewhere = Shop.stopAt("staged", 0)
  it.effect("D5 of a unit that runs into another sink is refused too: one unit, one run", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const { runId, end } = yield* Shop.started(shop.name)

      const second = yield* Shop.start({ ...shop.name, sinkId: knowledgeBase })

      assert.deepInclude(second, { ok: false, runId })
      yield* elsewhere.goOn
      yield* end
    }).pipe(Effect.provide(Shop.layer(elsewhere)))
  )

  it.effect("mode incremental of a source that cannot is an error, and nothing is started", () =>
    Effect.gen(function* () {
      yield* Shop.register("full", "memory.full-only", { ingestionPolicy: Shop.bySlices })
      const name = { endpointId: "full", unitId: Shop.orders, sinkId: "kb" }

      const error = yield* Effect.flip(Shop.start(name))

      assert.deepInclude(error, { _tag: "CapabilityMissing", capability: "ingest.incremental" })
      assert.deepStrictEqual(yield* Shop.asked, [])
    }).pipe(Effect.provide(Shop.layer()))
  )
})

describe("pause", () => {
  const running = Shop.stopAt("staged", 2)
  it.effect(
    "D2 stops a run at its next slice boundary; the next start carries the rest and nothing twice",
    () =>
      Effect.gen(function* () {
        const shop = yield* Shop.opened()
        const { runId, end } = yield* Shop.started(shop.name)
        yield* running.reached

        const paused = yield* Shop.pause(shop.name)
        yield* running.goOn
        const last = (yield* end).at(-1)

        assert.deepInclude(paused, { ok: true, state: "PAUSED", runId })
        assert.match(paused.message ?? "", /stops at its next slice boundary/)
        assert.deepInclude(last, { event: "RUN_PAUSED", state: "PAUSED", appliedRows: 6 })
        assert.strictEqual((yield* Shop.status(shop)).state, "PAUSED")
        assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(6))
        assert.deepStrictEqual(yield* Shop.landed(shop), MemoryDataPlane.rowsOf(6))
        const resumed = yield* Shop.run(shop.name)
        assert.deepInclude(resumed, { event: "RUN_SUCCEEDED", exportedRows: 4 })
        assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
      }).pipe(Effect.provide(Shop.layer(running)))
  )

  const finishing = Shop.stopAt("finishing", null)
  it.effect("D2 is not overwritten by a run that had only to say that it is done", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened({ mode: "full", targetSliceSize: 3 })
      const { end } = yield* Shop.started(shop.name)
      yield* finishing.reached

      yield* Shop.pause(shop.name)
      yield* finishing.goOn
      const last = (yield* end).at(-1)

      assert.strictEqual(last?.event, "RUN_PAUSED")
      assert.strictEqual((yield* Shop.status(shop)).state, "PAUSED")
      assert.strictEqual((yield* Shop.run(shop.name)).event, "RUN_SUCCEEDED")
      assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
    }).pipe(Effect.provide(Shop.layer(finishing)))
  )

  const failing = Shop.stopAt("staged", 1)
  const dying = Shop.failOnceAt("staged", 1)
  it.effect("D2 is not overwritten by a run that fails afterwards", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const { end } = yield* Shop.started(shop.name)
      yield* failing.reached

      yield* Shop.pause(shop.name)
      yield* failing.goOn
      const last = (yield* end).at(-1)

      assert.deepInclude(last, { event: "RUN_PAUSED", state: "PAUSED", message: null })
      assert.deepInclude(yield* Shop.status(shop), { state: "PAUSED", lastError: null })
      assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(3))
    }).pipe(
      Effect.provide(
        Shop.layer({ during: (moment) => Effect.andThen(failing.during(moment), dying.during(moment)) })
      )
    )
  )

  const draining = Shop.stopAt("staged", 1)
  it.effect("D2 a start is refused while the paused run winds down, and says to wait", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const { runId, end } = yield* Shop.started(shop.name)
      yield* draining.reached
      yield* Shop.pause(shop.name)

      const again = yield* Shop.start(shop.name)

      assert.deepInclude(again, { ok: false, runId, state: "PAUSED" })
      assert.match(again.message ?? "", /winding down/)
      yield* draining.goOn
      yield* end
      assert.isTrue((yield* Shop.start(shop.name)).ok)
    }).pipe(Effect.provide(Shop.layer(draining)))
  )

  const stuck = Shop.stopAt("staged", 1)
  it.effect("D2 a run that reaches no boundary within a minute is given up, its slice with it", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const { end } = yield* Shop.started(shop.name)
      yield* stuck.reached
      yield* Shop.pause(shop.name)

      yield* TestClock.adjust("59 seconds")
      const early = yield* (yield* RunRepo).live(shop.key)
      yield* TestClock.adjust("3 seconds")
      const last = (yield* end).at(-1)

      assert.isTrue(Option.isSome(early))
      assert.strictEqual(last?.event, "RUN_PAUSED")
      assert.strictEqual((yield* Shop.status(shop)).state, "PAUSED")
      assert.deepStrictEqual(yield* Shop.landed(shop), MemoryDataPlane.rowsOf(3))
      yield* stuck.goOn
      yield* Shop.run(shop.name)
      assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
    }).pipe(Effect.provide(Shop.layer(stuck)))
  )

  it.effect("of a unit at rest is a label: the checkpoint stays, the error goes, no run is named", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      yield* Shop.run(shop.name)
      const before = yield* Shop.status(shop)

      const paused = yield* Shop.pause(shop.name)

      assert.deepInclude(paused, { ok: true, state: "PAUSED", runId: null })
      assert.notInclude(paused.message, "slice boundary")
      assert.deepInclude(before, { state: "FAILED" })
      assert.deepInclude(yield* Shop.status(shop), {
        state: "PAUSED",
        lastError: null,
        lastRunId: before.lastRunId
      })
      assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(3))
    }).pipe(Effect.provide(Shop.layer(Shop.failOnceAt("committing", 1))))
  )
})

describe("reset", () => {
  const running = Shop.stopAt("staged", 2)
  it.effect(
    "D16 ends a running run first; then there is no checkpoint, and the next run loads everything",
    () =>
      Effect.gen(function* () {
        const shop = yield* Shop.opened()
        const { end } = yield* Shop.started(shop.name)
        yield* running.reached

        const answer = yield* Shop.reset(shop.name)
        const last = (yield* end).at(-1)

        assert.deepInclude(answer, { ok: true, state: "IDLE", runId: null })
        assert.deepInclude(last, { event: "RUN_RESET", state: "IDLE" })
        assert.isNull(yield* Shop.kept(shop))
        assert.strictEqual((yield* Shop.status(shop)).state, "IDLE")
        yield* running.goOn
        assert.deepInclude(yield* Shop.run(shop.name), { event: "RUN_SUCCEEDED", exportedRows: 10 })
        assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
      }).pipe(Effect.provide(Shop.layer(running)))
  )

  it.effect("D5, D16 removes the checkpoint into its sink and none into another", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      yield* Shop.run({ ...shop.name, sinkId: knowledgeBase })
      yield* Shop.run(shop.name)

      yield* Shop.reset(shop.name)

      assert.isNull(yield* Shop.kept(shop))
      assert.isNotNull(yield* Shop.kept({ ...shop, place: { ...shop.place, sinkId: knowledgeBase } }))
    }).pipe(Effect.provide(Shop.layer()))
  )

  const copies: Array<Schema.Json> = []
  const copying = Layer.effect(
    UnitStateRepo,
    Effect.map(UnitStateRepo, (units) =>
      UnitStateRepo.of({
        ...units,
        copyCheckpoint: (unit, record) =>
          Effect.andThen(
            Effect.sync(() => copies.push(record)),
            units.copyCheckpoint(unit, record)
          )
      })
    )
  )
  it.effect("P28 takes the copy out of the state table when that shows the sink, and else leaves it", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      yield* Shop.run(shop.name)
      copies.splice(0)

      yield* Shop.reset({ ...shop.name, sinkId: knowledgeBase })
      const afterOther = copies.splice(0)
      yield* Shop.reset(shop.name)

      assert.deepStrictEqual([afterOther, copies], [[], [null]])
    }).pipe(
      Effect.provide(
        Headrace.layer.pipe(
          Layer.provideMerge(copying),
          Layer.provideMerge(Headrace.layerStoresMemory),
          Layer.provideMerge(MemoryPythonWorker.layer)
        )
      )
    )
  )

  it.effect("without a sink's name is about the sink of the latest run, and keeps its stats", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      yield* Shop.run(shop.name)
      const before = yield* Shop.status(shop)
      const { endpointId, unitId } = shop.name

      yield* Ingestion.use((ingestion) =>
        ingestion.reset(Shop.scope, { endpointId, unitId, sinkId: " ", sinkEndpointId: null })
      )

      assert.isNull(yield* Shop.kept(shop))
      assert.deepStrictEqual(yield* Shop.status(shop), { ...before, state: "IDLE", checkpoint: null })
    }).pipe(Effect.provide(Shop.layer()))
  )
})
