/** A reset that breaks off: whatever was done of it, nothing is lost and nothing doubled, and both ways on are open. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Headrace from "../../src/lifecycle/Headrace.ts"
import { Ingestion } from "../../src/lifecycle/Ingestion.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import { KvStore, KvStoreError, KvUnavailable } from "../../src/services/KvStore.ts"
import { RunRepo, RunRepoError } from "../../src/services/RunRepo.ts"
import { UnitStateRepo, UnitStateRepoError } from "../../src/services/UnitStateRepo.ts"
import * as Shop from "./Shop.ts"

/** Counts the writes of stores from `arm` on, and lets the one of that number, and all after it, fail. */
const breaking = (script = Shop.failOnceAt("committing", 2)) => {
  let left = Infinity
  let writes = 0
  const counted =
    <Args extends ReadonlyArray<unknown>, A, E>(write: (...args: Args) => Effect.Effect<A, E>, error: E) =>
    (...args: Args): Effect.Effect<A, E> =>
      Effect.suspend(() => {
        writes++
        return left-- > 0 ? write(...args) : Effect.fail(error)
      })
  const stores = Layer.mergeAll(
    Layer.effect(
      KvStore,
      Effect.map(KvStore, (kv) => {
        const away = new KvStoreError({ operation: "remove", reason: new KvUnavailable({ cause: "away" }) })
        return KvStore.of({ ...kv, remove: counted(kv.remove, away) })
      })
    ),
    Layer.effect(
      RunRepo,
      Effect.map(RunRepo, (runs) => {
        const away = new RunRepoError({ cause: "away" })
        return RunRepo.of({ ...runs, endGeneration: counted(runs.endGeneration, away) })
      })
    ),
    Layer.effect(
      UnitStateRepo,
      Effect.map(UnitStateRepo, (units) => {
        const away = new UnitStateRepoError({ cause: "away" })
        const copyCheckpoint = counted(units.copyCheckpoint, away)
        return UnitStateRepo.of({ ...units, apply: counted(units.apply, away), copyCheckpoint })
      })
    )
  )
  const layer = Headrace.layer.pipe(
    Layer.provideMerge(stores),
    Layer.provideMerge(Headrace.layerStoresMemory),
    Layer.provideMerge(MemoryPythonWorker.layerScript(script)),
    Layer.provideMerge(MemoryDataPlane.layer())
  )
  const arm = (step: number) => Effect.sync(() => void ((left = step), (writes = 0)))
  return { layer, arm, written: Effect.sync(() => writes) }
}

/** What a reset writes, one after another: the generation, the checkpoint, the generation, the copy, the state. */
const steps = [0, 1, 2, 3, 4]

/** Two slices of three rows landed, then the run broke; then a reset broke off before its step of that number. */
const brokenOff = Effect.fnUntraced(function* ({ arm }: ReturnType<typeof breaking>, step: number) {
  const shop = yield* Shop.opened()
  yield* Shop.run(shop.name)
  assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(6))
  yield* arm(step)
  yield* Effect.flip(Shop.reset(shop.name))
  yield* arm(Infinity)
  return shop
})

describe("a reset that breaks off", () => {
  it.effect("breaks off at as many steps as it has, no fewer", () => {
    const faults = breaking()
    return Effect.gen(function* () {
      const shop = yield* Shop.opened()
      yield* Shop.run(shop.name)
      yield* faults.arm(Infinity)

      yield* Shop.reset(shop.name)

      assert.strictEqual(yield* faults.written, steps.length)
    }).pipe(Effect.provide(faults.layer))
  })

  it.effect.each(steps)("before step %i shows IDLE only over no checkpoint", (step) => {
    const faults = breaking()
    return Effect.gen(function* () {
      const shop = yield* brokenOff(faults, step)

      assert.strictEqual((yield* Shop.status(shop)).state, "FAILED")
    }).pipe(Effect.provide(faults.layer))
  })

  it.effect.each(steps)(
    "before step %i is followed by a start that loses no row and doubles none",
    (step) => {
      const faults = breaking()
      return Effect.gen(function* () {
        const shop = yield* brokenOff(faults, step)

        const end = yield* Shop.run(shop.name)

        assert.strictEqual(end.event, "RUN_SUCCEEDED")
        assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
        yield* Shop.run(shop.name)
        assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
      }).pipe(Effect.provide(faults.layer))
    }
  )

  it.effect.each(steps)("before step %i is done by another reset, and everything is loaded", (step) => {
    const faults = breaking()
    return Effect.gen(function* () {
      const shop = yield* brokenOff(faults, step)

      const answer = yield* Shop.reset(shop.name)

      assert.deepInclude(answer, { ok: true, state: "IDLE" })
      assert.isNull(yield* Shop.kept(shop))
      assert.deepInclude(yield* Shop.run(shop.name), { event: "RUN_SUCCEEDED", exportedRows: 10 })
      assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
    }).pipe(Effect.provide(faults.layer))
  })
})

it.effect("a reset that breaks off while a run goes on still has the next run load everything", () => {
  const standing = Shop.stopAt("staged", 1)
  const faults = breaking(standing)
  return Effect.gen(function* () {
    const shop = yield* Shop.opened()
    const { end } = yield* Shop.started(shop.name)
    yield* standing.reached
    yield* faults.arm(1)
    yield* Effect.flip(Shop.reset(shop.name))
    yield* faults.arm(Infinity)
    yield* standing.goOn
    assert.strictEqual((yield* end).at(-1)?.event, "RUN_SUCCEEDED")

    assert.deepInclude(yield* Shop.run(shop.name), { event: "RUN_SUCCEEDED", exportedRows: 10 })
    assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
  }).pipe(Effect.provide(faults.layer))
})

it.effect(
  "a start that comes between the steps of a reset does not count: the next run loads everything, once",
  () => {
    let meanwhile: Effect.Effect<unknown> = Effect.void
    const between = Layer.effect(
      KvStore,
      Effect.map(KvStore, (kv) =>
        KvStore.of({
          ...kv,
          remove: (...removing) => {
            const act = meanwhile
            meanwhile = Effect.void
            return Effect.andThen(act, kv.remove(...removing))
          }
        })
      )
    )
    return Effect.gen(function* () {
      const shop = yield* Shop.opened()
      yield* Shop.run(shop.name)
      const context = yield* Effect.context<Ingestion>()
      const ended = yield* Shop.ends
      meanwhile = Shop.start(shop.name).pipe(
        Effect.andThen(ended),
        Effect.provideContext(context),
        Effect.orDie
      )

      yield* Shop.reset(shop.name)

      assert.deepInclude(yield* Shop.run(shop.name), { event: "RUN_SUCCEEDED", exportedRows: 10 })
      assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
    }).pipe(
      Effect.provide(
        Headrace.layer.pipe(
          Layer.provideMerge(between),
          Layer.provideMerge(Headrace.layerStoresMemory),
          Layer.provideMerge(MemoryPythonWorker.layer)
        )
      )
    )
  }
)
