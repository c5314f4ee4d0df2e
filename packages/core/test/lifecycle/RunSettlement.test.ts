import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Fiber, Layer, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { EndpointId } from "../../src/domain/Endpoint.ts"
import { IngestionUnitEvent } from "../../src/domain/IngestionUnitState.ts"
import { RunId } from "../../src/domain/Run.ts"
import { SinkId, UnitId, UnitKey } from "../../src/domain/Unit.ts"
import { RunClaim } from "../../src/lifecycle/RunClaim.ts"
import { type Closing, RunSettlement } from "../../src/lifecycle/RunSettlement.ts"
import * as MemoryRunEvents from "../../src/memory/MemoryRunEvents.ts"
import * as MemoryRunRepo from "../../src/memory/MemoryRunRepo.ts"
import * as MemoryUnitStateRepo from "../../src/memory/MemoryUnitStateRepo.ts"
import { RunEvents } from "../../src/services/RunEvents.ts"
import { type Ending, RunRepo, RunRepoError } from "../../src/services/RunRepo.ts"
import { UnitStateRepo } from "../../src/services/UnitStateRepo.ts"

const { Failed, Paused, Reset, Started } = IngestionUnitEvent.cases
const unit = UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make("orders") })
const sinkId = SinkId.make("lake")

const stores = Layer.mergeAll(MemoryRunEvents.layer, RunClaim.layer).pipe(
  Layer.provideMerge(MemoryRunRepo.layer),
  Layer.provideMerge(MemoryUnitStateRepo.layer)
)

/** A store of runs that is away for the first `times` closings. */
const away = (times: number) =>
  Layer.effect(
    RunRepo,
    Effect.map(RunRepo, (runs) => {
      let left = times
      return RunRepo.of({
        ...runs,
        close: (...closing) =>
          Effect.suspend(() =>
            left-- > 0 ? Effect.fail(new RunRepoError({ cause: "away" })) : runs.close(...closing)
          )
      })
    })
  )

const layer = (times = 0) =>
  RunSettlement.layer.pipe(Layer.provideMerge(away(times)), Layer.provideMerge(stores))

/** A run on its way: its unit is RUNNING, and somebody listens. */
const running = Effect.gen(function* () {
  const runs = yield* RunRepo
  const runId = RunId.make("run-1")
  const run = yield* runs.acquire({ runId, tenant: "acme", unit, sinkId, fresh: false })
  const told = yield* (yield* RunEvents).subscribe
  return { run, first: Effect.map(Stream.runHead(told), Option.getOrThrow) }
})

const settle = Effect.fnUntraced(function* (...settling: Parameters<RunSettlement["Service"]["settle"]>) {
  return yield* (yield* RunSettlement).settle(...settling)
})
const completed = { _tag: "Completed", stats: { exported_rows: 3 }, filled: "so far" } as const
const failed = { _tag: "Failed", reason: "BUG: It broke." } as const

const state = Effect.flatMap(UnitStateRepo, (units) => Effect.map(units.get(unit), Option.getOrThrow))
/** Whether its lease has passed meanwhile or not. */
const isOpen = Effect.gen(function* () {
  const runs = yield* RunRepo
  return Option.isSome(yield* runs.live(unit)) || (yield* runs.orphans).length > 0
})

describe("a run that ends", () => {
  it.effect("well is SUCCEEDED in the state, closed, and told with its stats", () =>
    Effect.gen(function* () {
      const { run, first } = yield* running

      const outcome = yield* settle(run, completed)

      assert.strictEqual(outcome, "SUCCEEDED")
      assert.deepInclude(yield* state, { state: "SUCCEEDED", stats: completed.stats })
      assert.isFalse(yield* isOpen)
      assert.deepInclude(yield* first, { event: "RUN_SUCCEEDED", stats: completed.stats, message: null })
    }).pipe(Effect.provide(layer()))
  )

  it.effect(
    "badly is FAILED with its reason, and does what was to be done before anybody can start again",
    () =>
      Effect.gen(function* () {
        const { run, first } = yield* running
        const seen: Array<readonly [string, boolean]> = []
        const onFailed = Effect.all([state, isOpen]).pipe(
          Effect.map(([row, open]) => void seen.push([row.state, open])),
          Effect.orDie,
          Effect.provide(yield* Effect.context<RunRepo | UnitStateRepo>())
        )

        yield* settle(run, failed, { onFailed })

        assert.deepStrictEqual(seen, [["RUNNING", true]])
        assert.isFalse(yield* isOpen)
        assert.deepInclude(yield* first, { event: "RUN_FAILED", message: failed.reason, stats: null })
      }).pipe(Effect.provide(layer()))
  )

  it.effect.each([
    ["PAUSED", "RUN_PAUSED", Paused],
    ["IDLE", "RUN_RESET", Reset]
  ] as const)(
    "D2, D16 in a unit that is %s meanwhile ends as %s, however it came out",
    ([shown, event, order]) =>
      Effect.gen(function* () {
        const { run, first } = yield* running
        yield* (yield* UnitStateRepo).apply(unit, order.make({ sinkId, at: yield* DateTime.now }))

        yield* settle(run, failed)

        assert.deepInclude(yield* state, { state: shown, lastError: null })
        assert.deepInclude(yield* first, { event, state: shown, message: null })
      }).pipe(Effect.provide(layer()))
  )

  it.effect("twice keeps its first end in the state", () =>
    Effect.gen(function* () {
      const { run } = yield* running
      yield* settle(run, completed)

      yield* settle(run, failed)

      assert.strictEqual((yield* state).state, "SUCCEEDED")
    }).pipe(Effect.provide(layer()))
  )
})

describe("a store that is away", () => {
  it.effect("for some seconds is asked again, and then the run is closed", () =>
    Effect.gen(function* () {
      const { run, first } = yield* running
      const settling = yield* Effect.forkChild(settle(run, completed))

      yield* TestClock.adjust("10 seconds")
      const outcome = yield* Fiber.join(settling)

      assert.strictEqual(outcome, "SUCCEEDED")
      assert.isFalse(yield* isOpen)
      assert.strictEqual((yield* first).event, "RUN_SUCCEEDED")
    }).pipe(Effect.provide(layer(5)))
  )

  it.effect("for good leaves the run open for whoever finds it, and says why it counts as failed", () =>
    Effect.gen(function* () {
      const { run, first } = yield* running
      const settling = yield* Effect.forkChild(settle(run, completed))

      yield* TestClock.adjust("1 minute")
      const outcome = yield* Fiber.join(settling)

      assert.strictEqual(outcome, "FAILED")
      assert.isTrue(yield* isOpen)
      const { event, message } = yield* first
      assert.strictEqual(event, "RUN_FAILED")
      assert.match(message ?? "", /^STORE_UNAVAILABLE: /)
    }).pipe(Effect.provide(layer(99)))
  )

  /** A run whose end no store took for half a minute. */
  const unrecorded = Effect.fnUntraced(function* (ending: Ending, closing?: Partial<Closing>) {
    const { run } = yield* running
    const settling = yield* Effect.forkChild(settle(run, ending, closing))
    yield* TestClock.adjust("1 minute")
    yield* Fiber.join(settling)
    return { run, settleLeft: (yield* RunSettlement).settleLeft }
  })

  it.effect.each([
    ["SUCCEEDED", completed],
    ["FAILED", failed]
  ] as const)("longer than that leaves an end that is recorded later as what it was: %s", ([shown, ending]) =>
    Effect.gen(function* () {
      const { settleLeft } = yield* unrecorded(ending)
      assert.isTrue(yield* isOpen)

      yield* settleLeft(null)
      yield* settleLeft(null)

      assert.strictEqual((yield* state).state, shown)
      assert.isFalse(yield* isOpen)
    }).pipe(Effect.provide(layer(9)))
  )

  it.effect("still keeps the end: it fails to be recorded, and is recorded the next time", () =>
    Effect.gen(function* () {
      const { settleLeft } = yield* unrecorded(failed)

      const error = yield* Effect.flip(settleLeft(unit))

      assert.strictEqual(error._tag, "RunRepoError")
      yield* settleLeft(UnitKey.make({ endpointId: unit.endpointId, unitId: UnitId.make("another") }))
      assert.isTrue(yield* isOpen)
      yield* settleLeft(unit)
      assert.isFalse(yield* isOpen)
    }).pipe(Effect.provide(layer(10)))
  )

  it.effect("while another run took the unit over changes nothing of it, nor of its checkpoint", () =>
    Effect.gen(function* () {
      let noted = 0
      const onFailed = Effect.sync(() => void noted++)
      const { run, settleLeft } = yield* unrecorded(failed, { onFailed })
      const units = yield* UnitStateRepo
      const [runId, at] = [RunId.make("run-2"), yield* DateTime.now]
      yield* units.apply(unit, Failed.make({ runId: run.runId, reason: "lost", at }))
      yield* units.apply(unit, Started.make({ runId, sinkId, at }))
      noted = 0

      yield* settleLeft(null)

      assert.deepInclude(yield* state, { state: "RUNNING", lastRunId: runId })
      assert.strictEqual(noted, 0)
    }).pipe(Effect.provide(layer(9)))
  )
})
