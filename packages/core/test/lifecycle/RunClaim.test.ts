/** When a run must stop: what it reads from the state of its unit, and how soon. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { EndpointId } from "../../src/domain/Endpoint.ts"
import { IngestionUnitEvent } from "../../src/domain/IngestionUnitState.ts"
import { Epoch, Generation, RunId, SliceSeq } from "../../src/domain/Run.ts"
import { SinkId, UnitId, UnitKey } from "../../src/domain/Unit.ts"
import { RunClaim } from "../../src/lifecycle/RunClaim.ts"
import * as MemoryRunRepo from "../../src/memory/MemoryRunRepo.ts"
import * as MemoryUnitStateRepo from "../../src/memory/MemoryUnitStateRepo.ts"
import { Run, RunRepo } from "../../src/services/RunRepo.ts"
import { UnitStateRepo, UnitStateRepoError } from "../../src/services/UnitStateRepo.ts"

const { Failed, Paused, Reset, Started } = IngestionUnitEvent.cases
const unit = UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make("orders") })
const sinkId = SinkId.make("lake")
const [mine, theirs] = [RunId.make("mine"), RunId.make("theirs")] as const
const at = DateTime.makeUnsafe(0)

const run = Run.make({
  runId: mine,
  tenant: "acme",
  unit,
  sinkId,
  epoch: Epoch.make(1),
  generation: Generation.make(1),
  nextSeq: SliceSeq.make(0),
  startedAt: at
})

const apply = (event: IngestionUnitEvent) =>
  Effect.flatMap(UnitStateRepo, (units) => units.apply(unit, event))
const started = apply(Started.make({ runId: mine, sinkId, at }))
const paused = apply(Paused.make({ sinkId, at }))
const reset = apply(Reset.make({ sinkId, at }))
const failed = apply(Failed.make({ runId: mine, reason: "BUG", at }))
const takenOver = Effect.andThen(failed, apply(Started.make({ runId: theirs, sinkId, at })))

const holds = Effect.flatMap(RunClaim, (claim) => claim.holds(run))
const layerOver = (units: Layer.Layer<UnitStateRepo>) =>
  RunClaim.layer.pipe(
    Layer.provideMerge(MemoryRunRepo.layerProcess),
    Layer.provideMerge(Layer.mergeAll(MemoryRunRepo.layerStore, units))
  )
const layer = layerOver(MemoryUnitStateRepo.layer)

describe("a slice counts", () => {
  it.effect("only while the unit is RUNNING under the run's own id (D2, D16)", () =>
    Effect.gen(function* () {
      const never = yield* holds
      yield* started
      const running = yield* holds
      yield* paused
      const whilePaused = yield* holds
      yield* reset
      const afterReset = yield* holds
      yield* started
      yield* takenOver

      assert.deepStrictEqual(
        [never, running, whilePaused, afterReset, yield* holds],
        [false, true, false, false, false]
      )
    }).pipe(Effect.provide(layer))
  )
})

/** Is the run revoked once as much time has passed since `order`? */
const revokedAfter = Effect.fnUntraced(function* (
  order: Effect.Effect<unknown, unknown, MemoryRunRepo.RunStore | RunRepo | UnitStateRepo>,
  ...steps: ReadonlyArray<`${number} seconds`>
) {
  const acquired = yield* Effect.flatMap(RunRepo, (runs) =>
    runs.acquire({ runId: mine, tenant: "acme", unit, sinkId, fresh: false })
  )
  const waiting = yield* Effect.forkChild(
    Effect.flatMap(RunClaim, (claim) => Effect.flip(claim.untilRevoked(acquired))),
    { startImmediately: true }
  )
  yield* Effect.orDie(order)
  const seen: Array<boolean> = []
  for (const step of steps) {
    yield* TestClock.adjust(step)
    seen.push(waiting.pollUnsafe() !== undefined)
  }
  yield* Fiber.interrupt(waiting)
  return seen
})

describe("a run is revoked", () => {
  it.effect("never while the unit is its own", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* revokedAfter(Effect.void, "3600 seconds"), [false])
    }).pipe(Effect.provide(layer))
  )

  it.effect("D16 within a second of a reset", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* revokedAfter(reset, "1 seconds"), [true])
    }).pipe(Effect.provide(layer))
  )

  it.effect("within a second of another run's taking over", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* revokedAfter(takenOver, "1 seconds"), [true])
    }).pipe(Effect.provide(layer))
  )

  it.effect("D2 a minute after a pause, and no sooner", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* revokedAfter(paused, "60 seconds", "1 seconds"), [false, true])
    }).pipe(Effect.provide(layer))
  )

  it.effect("at once when the unit is reset after its pause", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* revokedAfter(Effect.andThen(paused, reset), "1 seconds"), [true])
    }).pipe(Effect.provide(layer))
  )
})

describe("a lease", () => {
  const taken = Effect.gen(function* () {
    yield* MemoryRunRepo.lapse(run)
    yield* Effect.flatMap(RunRepo, ({ orphans }) => orphans)
  })

  it.effect("is renewed every ten seconds, and a run from which it was taken learns of it then", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* revokedAfter(taken, "9 seconds", "1 seconds"), [false, true])
    }).pipe(Effect.provide(layer))
  )

  it.effect("is kept while the run goes on, and passes when the run stands still", () =>
    Effect.gen(function* () {
      yield* revokedAfter(Effect.void, "300 seconds")
      const runs = yield* RunRepo
      const meanwhile = yield* runs.live(unit)
      yield* TestClock.adjust("29 seconds")
      const afterIt = yield* runs.live(unit)
      yield* TestClock.adjust("1 seconds")

      assert.isTrue(Option.isSome(meanwhile) && Option.isSome(afterIt))
      assert.deepStrictEqual(yield* runs.live(unit), Option.none())
    }).pipe(Effect.provide(layer))
  )
})

describe("the store of states", () => {
  let isAway = false
  let asked = 0
  const forgetful = Layer.effect(
    UnitStateRepo,
    Effect.map(UnitStateRepo, (units) =>
      UnitStateRepo.of({
        ...units,
        get: (key) =>
          Effect.suspend(() => {
            asked++
            return isAway ? Effect.fail(new UnitStateRepoError({ cause: "away" })) : units.get(key)
          })
      })
    )
  ).pipe(Layer.provide(MemoryUnitStateRepo.layer))
  const goesAway = Effect.sync(() => {
    isAway = true
  })
  const comesBack = Effect.sync(() => {
    isAway = false
  })

  it.effect("is asked once a second, and not more", () =>
    Effect.gen(function* () {
      yield* revokedAfter(Effect.void, "10 seconds")

      assert.strictEqual(asked, 10)
    }).pipe(Effect.provide(layerOver(forgetful)))
  )

  it.effect(
    "gives no order while it is away, and one that was given meanwhile is heard when it is back",
    () =>
      Effect.gen(function* () {
        const whileAway = yield* revokedAfter(Effect.andThen(reset, goesAway), "120 seconds")
        yield* comesBack
        yield* TestClock.adjust("30 seconds")

        assert.deepStrictEqual(whileAway, [false])
        assert.deepStrictEqual(yield* revokedAfter(reset, "1 seconds"), [true])
      }).pipe(Effect.provide(layerOver(forgetful)))
  )
})
