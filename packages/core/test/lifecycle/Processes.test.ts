/** Several processes over the same stores: what one asks of a unit whose run another carries. */
import { assert, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Layer, Scope } from "effect"
import { TestClock } from "effect/testing"
import { RunId } from "../../src/domain/Run.ts"
import * as Headrace from "../../src/lifecycle/Headrace.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import * as MemoryRunRepo from "../../src/memory/MemoryRunRepo.ts"
import { LeaseTimes, RunRepo } from "../../src/services/RunRepo.ts"
import * as Shop from "./Shop.ts"

/** One process of several over the same stores. */
const processThat = (script: MemoryPythonWorker.Script) =>
  Layer.fresh(Headrace.layer).pipe(
    Layer.provideMerge(Layer.fresh(MemoryRunRepo.layerProcess)),
    Layer.provideMerge(Layer.fresh(MemoryPythonWorker.layerScript(script)))
  )

/** The first process, with the stores it shares. */
const oneOfMany = (script: MemoryPythonWorker.Script) =>
  processThat(script).pipe(
    Layer.provideMerge(Headrace.layerStoresMemory),
    Layer.provideMerge(MemoryRunRepo.layerStore),
    Layer.provideMerge(MemoryDataPlane.layer())
  )

const far = Shop.stopAt("staged", 2)
it.effect("D16 ends a run that another process carries", () =>
  Effect.gen(function* () {
    const there = yield* Layer.build(processThat(far))
    const shop = yield* Shop.opened()
    const { end } = yield* Effect.provideContext(Shop.started(shop.name), there)
    yield* far.reached

    const answer = yield* Shop.whileTimePasses(Shop.reset(shop.name))

    assert.strictEqual(answer.state, "IDLE")
    assert.strictEqual((yield* end).at(-1)?.event, "RUN_RESET")
    assert.isNull(yield* Shop.kept(shop))
  }).pipe(Effect.provide(oneOfMany({})))
)

it.effect("gives up on a run elsewhere that does not end in half a minute, and leaves the checkpoint", () =>
  Effect.gen(function* () {
    const shop = yield* Shop.opened()
    yield* Shop.run(shop.name)
    const before = yield* Shop.kept(shop)
    const times = yield* LeaseTimes
    const patient = Layer.succeed(LeaseTimes, { ...times, ttl: Duration.hours(1) })
    const there = Context.get(
      yield* Layer.build(Layer.fresh(MemoryRunRepo.layerProcess).pipe(Layer.provide(patient))),
      RunRepo
    )
    const { runId } = yield* there.acquire({ ...shop.place, runId: RunId.make("hung"), fresh: false })

    const error = yield* Shop.whileTimePasses(Effect.flip(Shop.reset(shop.name)))

    assert.deepInclude(error, { _tag: "RunNotEnded", runId })
    assert.deepStrictEqual(yield* Shop.kept(shop), before)
  }).pipe(Effect.provide(oneOfMany({})))
)

const zombie = Shop.stopAt("staged", 1)
it.effect("a run whose process lost its place ends SUPERSEDED, and nothing it does later counts", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const place = yield* Layer.buildWithScope(Layer.fresh(MemoryRunRepo.layerProcess), scope)
    const worker = yield* Layer.build(Layer.fresh(MemoryPythonWorker.layerScript(zombie)))
    const there = yield* Layer.build(
      Layer.fresh(Headrace.layer).pipe(Layer.provideMerge(Layer.succeedContext(Context.merge(place, worker))))
    )
    const shop = yield* Shop.opened()
    const old = yield* Effect.provideContext(Shop.started(shop.name), there)
    yield* zombie.reached
    yield* Scope.close(scope, Exit.void)

    const taken = yield* Shop.run(shop.name)
    yield* zombie.goOn
    yield* TestClock.adjust("2 seconds")
    const last = (yield* old.end).at(-1)

    assert.strictEqual(taken.event, "RUN_SUCCEEDED")
    assert.strictEqual(last?.event, "RUN_FAILED")
    assert.match(last?.message ?? "", /^SUPERSEDED: /)
    assert.deepInclude(yield* Shop.status(shop), {
      state: "SUCCEEDED",
      lastRunId: taken.runId,
      lastError: null
    })
    assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
    assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(10))
  }).pipe(Effect.provide(oneOfMany({})))
)
