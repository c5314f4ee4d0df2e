/** Runs whose process died: they end, their staging goes, and their units can be started again. */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { RunId, SliceSeq } from "../../src/domain/Run.ts"
import * as Headrace from "../../src/lifecycle/Headrace.ts"
import { Recovery } from "../../src/lifecycle/Recovery.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import * as MemoryRunRepo from "../../src/memory/MemoryRunRepo.ts"
import { RunRepo, RunRepoError } from "../../src/services/RunRepo.ts"
import * as Shop from "./Shop.ts"

/** The surviving process; `runs` is what it thinks of runs. */
const survivor = (runs = Layer.fresh(MemoryRunRepo.layerProcess)) =>
  Headrace.layer.pipe(
    Layer.provideMerge(runs),
    Layer.provideMerge(MemoryPythonWorker.layerScript({})),
    Layer.provideMerge(Headrace.layerStoresMemory),
    Layer.provideMerge(MemoryRunRepo.layerStore),
    Layer.provideMerge(MemoryDataPlane.layer())
  )

/** A run that another process carried when it was killed: nothing of it was settled. */
const killed = Effect.fnUntraced(function* (shop: Shop.Shop, runId = RunId.make("lost")) {
  const scope = yield* Scope.make()
  const there = Context.get(
    yield* Layer.buildWithScope(Layer.fresh(MemoryRunRepo.layerProcess), scope),
    RunRepo
  )
  const run = yield* there.acquire({ ...shop.place, runId, fresh: false })
  const { staged } = yield* MemoryDataPlane.MemoryDataPlane
  staged.add({ runId, sliceSeq: 0 })
  yield* Scope.close(scope, Exit.void)
  return run
})

const lastError = /^WORKER_LOST: .*process.*died/

it.effect(
  "D18 a run whose process died ends FAILED WORKER_LOST, with one event, and its staging is swept",
  () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const run = yield* killed(shop)
      const ended = yield* Shop.ends
      const { recover } = yield* Recovery

      const first = yield* recover
      const left = (yield* MemoryDataPlane.MemoryDataPlane).staged.size
      const second = yield* recover

      assert.deepStrictEqual([first, left, second], [1, 0, 0])
      const { state, lastError: said, lastRunId } = yield* Shop.status(shop)
      assert.deepStrictEqual([state, lastRunId], ["FAILED", run.runId])
      assert.match(said ?? "", lastError)
      assert.deepInclude(yield* ended, { event: "RUN_FAILED", runId: run.runId, message: said })
      assert.strictEqual((yield* Shop.run(shop.name)).event, "RUN_SUCCEEDED")
    }).pipe(Effect.provide(survivor()))
)

it.effect("D18 every round finds what died since the last: at the start, and within fifteen seconds", () =>
  Effect.gen(function* () {
    const shop = yield* Shop.opened()
    yield* killed(shop)

    yield* TestClock.adjust("14 seconds")
    const early = yield* Shop.status(shop)
    yield* TestClock.adjust("2 seconds")

    assert.strictEqual(early.state, "RUNNING")
    assert.strictEqual((yield* Shop.status(shop)).state, "FAILED")
  }).pipe(Effect.provide(survivor()))
)

it.effect(
  "D2 an orphan of a unit that was paused leaves it PAUSED, and one that was reset leaves it IDLE",
  () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const { recover } = yield* Recovery
      const runs = yield* RunRepo
      yield* killed(shop, RunId.make("paused"))
      yield* Shop.pause(shop.name)
      yield* recover
      const paused = (yield* Shop.status(shop)).state
      yield* killed(shop, RunId.make("reset"))
      yield* Shop.reset(shop.name)

      yield* recover

      assert.strictEqual(paused, "PAUSED")
      assert.strictEqual((yield* Shop.status(shop)).state, "IDLE")
      assert.deepStrictEqual(yield* runs.orphans, [])
    }).pipe(Effect.provide(survivor()))
)

it.effect("the end of an orphan does not touch the run that took over its unit", () =>
  Effect.gen(function* () {
    const shop = yield* Shop.opened()
    yield* killed(shop)
    const { end, runId } = yield* Shop.started(shop.name)

    yield* Effect.flatMap(Recovery, ({ recover }) => recover)
    yield* end

    assert.deepInclude(yield* Shop.status(shop), { state: "SUCCEEDED", lastRunId: runId, lastError: null })
    assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
  }).pipe(Effect.provide(survivor()))
)

const standing = Shop.stopAt("staged", 1)
it.effect("P31 a sweep spares the staging of runs that live", () =>
  Effect.gen(function* () {
    const shop = yield* Shop.opened()
    const { end } = yield* Shop.started(shop.name)
    yield* standing.reached
    const { staged } = yield* MemoryDataPlane.MemoryDataPlane
    staged.add({ runId: RunId.make("dead"), sliceSeq: SliceSeq.make(0) })

    yield* Effect.flatMap(Recovery, ({ sweep }) => sweep)

    assert.deepStrictEqual(
      [...staged].map(({ sliceSeq }) => sliceSeq),
      [1]
    )
    yield* standing.goOn
    assert.strictEqual((yield* end).at(-1)?.event, "RUN_SUCCEEDED")
  }).pipe(Effect.provide(Shop.layer(standing)))
)

/** A store that is away at first: the first `times` looks for orphans fail. */
const awayAtFirst = (times: number) =>
  Layer.effect(
    RunRepo,
    Effect.map(RunRepo, (runs) => {
      let left = times
      return RunRepo.of({
        ...runs,
        orphans: Effect.suspend(() =>
          left-- > 0 ? Effect.fail(new RunRepoError({ cause: "away" })) : runs.orphans
        )
      })
    })
  ).pipe(Layer.provide(Layer.fresh(MemoryRunRepo.layerProcess)))

it.effect("a round that fails is followed by the next one", () =>
  Effect.gen(function* () {
    const shop = yield* Shop.opened()
    yield* killed(shop)

    yield* TestClock.adjust("16 seconds")
    const after = (yield* Shop.status(shop)).state
    yield* TestClock.adjust("15 seconds")

    assert.strictEqual(after, "RUNNING")
    assert.strictEqual((yield* Shop.status(shop)).state, "FAILED")
  }).pipe(Effect.provide(survivor(awayAtFirst(2))))
)

it.effect("orphans end although no worker is there to sweep their staging", () =>
  Effect.gen(function* () {
    const shop = yield* Shop.opened()
    yield* killed(shop)

    const count = yield* Effect.flatMap(Recovery, ({ recover }) => recover)

    assert.strictEqual(count, 1)
    assert.strictEqual((yield* Shop.status(shop)).state, "FAILED")
  }).pipe(
    Effect.provide(
      Headrace.layer.pipe(
        Layer.provideMerge(Layer.fresh(MemoryRunRepo.layerProcess)),
        Layer.provideMerge(
          Shop.layerWorkerThat(() => ({ sweepStaging: () => Effect.fail(MemoryPythonWorker.died) }))
        ),
        Layer.provideMerge(Headrace.layerStoresMemory),
        Layer.provideMerge(MemoryRunRepo.layerStore),
        Layer.provideMerge(MemoryDataPlane.layer())
      )
    )
  )
)

/** Stores that are away from `leave` on until they are back. */
const outage = () => {
  let isAway = false
  const refused = new RunRepoError({ cause: "connection refused" })
  const unlessAway = <A>(ask: Effect.Effect<A, RunRepoError>): Effect.Effect<A, RunRepoError> =>
    Effect.suspend(() => (isAway ? Effect.fail(refused) : ask))
  const layer = Layer.effect(
    RunRepo,
    Effect.map(RunRepo, (runs) =>
      RunRepo.of({
        ...runs,
        close: (...closing) => unlessAway(runs.close(...closing)),
        live: (unit) => unlessAway(runs.live(unit)),
        orphans: unlessAway(runs.orphans)
      })
    )
  ).pipe(Layer.provide(Layer.fresh(MemoryRunRepo.layerProcess)))
  const leave = Effect.sync(() => void (isAway = true))
  return { layer, leave, comeBack: Effect.sync(() => void (isAway = false)) }
}

/** A run that ended well while its stores were away, long enough that nobody asks them at once any more. */
const endedDuring = Effect.fnUntraced(function* ({ leave }: ReturnType<typeof outage>) {
  const shop = yield* Shop.opened()
  const { end, runId } = yield* Shop.started(shop.name)
  yield* leave
  const events = yield* Effect.forkChild(end)
  yield* TestClock.adjust("1 minute")
  yield* Fiber.join(events)
  return { shop, runId }
})

const rounds = outage()
it.effect("an end that no store took is recorded by the first round after the stores are back", () =>
  Effect.gen(function* () {
    const { shop, runId } = yield* endedDuring(rounds)
    yield* TestClock.adjust("1 hour")
    yield* rounds.comeBack

    yield* TestClock.adjust("15 seconds")

    assert.isTrue(Option.isNone(yield* (yield* RunRepo).live(shop.key)))
    assert.deepInclude(yield* Shop.status(shop), { state: "SUCCEEDED", lastRunId: runId, lastError: null })
    assert.strictEqual((yield* Shop.run(shop.name)).event, "RUN_SUCCEEDED")
    assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
  }).pipe(Effect.provide(survivor(rounds.layer)))
)

const acts = outage()
it.effect(
  "D16 a reset after the stores are back, and before any round, waits for no run that has ended",
  () =>
    Effect.gen(function* () {
      const { shop } = yield* endedDuring(acts)
      yield* acts.comeBack

      const answer = yield* Shop.reset(shop.name)

      assert.deepInclude(answer, { ok: true, state: "IDLE" })
      assert.isNull(yield* Shop.kept(shop))
      assert.strictEqual((yield* Shop.run(shop.name)).event, "RUN_SUCCEEDED")
    }).pipe(Effect.provide(survivor(acts.layer)))
)

const starts = outage()
it.effect("D1 a start after the stores are back, and before any round, is accepted", () =>
  Effect.gen(function* () {
    const { shop } = yield* endedDuring(starts)
    yield* starts.comeBack

    assert.isTrue((yield* Shop.start(shop.name)).ok)
  }).pipe(Effect.provide(survivor(starts.layer)))
)

const refusing = outage()
it.effect("D16 a reset while the stores are away fails, and shows no IDLE over a checkpoint", () =>
  Effect.gen(function* () {
    const { shop } = yield* endedDuring(refusing)

    yield* Effect.flip(Shop.reset(shop.name))

    assert.notStrictEqual((yield* Shop.status(shop)).state, "IDLE")
    assert.isNotNull(yield* Shop.kept(shop))
  }).pipe(Effect.provide(survivor(refusing.layer)))
)
