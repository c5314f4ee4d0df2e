/**
 * The contract of `RunEngine`, executable. The workflow it carries is played:
 * each run stands at a gate that the clause opens, and ends, opened or
 * interrupted, only after its settlement.
 */
import { assert, layer as shared } from "@effect/vitest"
import { Context, DateTime, Deferred, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { EndpointId, EndpointRef, TemplateId } from "../domain/Endpoint.ts"
import { Epoch, Generation, RunId, SliceSeq } from "../domain/Run.ts"
import { knowledgeBase, UnitId, UnitKey } from "../domain/Unit.ts"
import { IngestionRunWorkflow, RunEngine, type RunRequest } from "../services/RunEngine.ts"
import { Run } from "../services/RunRepo.ts"

/** What happens to one run of the workflow. */
interface Play {
  readonly started: Deferred.Deferred<RunRequest>
  readonly gate: Deferred.Deferred<void>
  readonly settling: Deferred.Deferred<void>
  readonly ended: Deferred.Deferred<"finished" | "interrupted">
}

class Stage extends Context.Service<Stage, { readonly playOf: (runId: string) => Play }>()(
  "@headrace/core/testing/RunEngineSuite/Stage"
) {}

const stage = Layer.sync(Stage, () => {
  const plays = new Map<string, Play>()
  return {
    playOf: (runId) => {
      const play = plays.get(runId) ?? {
        started: Deferred.makeUnsafe(),
        gate: Deferred.makeUnsafe(),
        settling: Deferred.makeUnsafe(),
        ended: Deferred.makeUnsafe()
      }
      plays.set(runId, play)
      return play
    }
  }
})

/** Never fails, also when interrupted, and settles in steps of its own. */
const workflow = Layer.effect(
  IngestionRunWorkflow,
  Effect.map(Stage, ({ playOf }) => ({
    ingestionRunWorkflow: Effect.fnUntraced(function* (request: RunRequest) {
      const play = playOf(request.run.runId)
      const exit = yield* Deferred.succeed(play.started, request).pipe(
        Effect.andThen(Deferred.await(play.gate)),
        Effect.interruptible,
        Effect.exit
      )
      yield* Deferred.succeed(play.settling, undefined)
      for (let step = 0; step < 50; step++) yield* Effect.yieldNow
      yield* Deferred.succeed(play.ended, Exit.isSuccess(exit) ? "finished" : "interrupted")
    }, Effect.uninterruptible)
  }))
)

const unitOf = (unitId: string) =>
  UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make(unitId) })

const requestOf = (unit: UnitKey, runId: string): RunRequest => ({
  run: Run.make({
    runId: RunId.make(runId),
    tenant: "acme",
    unit,
    sinkId: knowledgeBase,
    epoch: Epoch.make(1),
    generation: Generation.make(1),
    nextSeq: SliceSeq.make(0),
    startedAt: DateTime.makeUnsafe(1_700_000_000_000)
  }),
  scope: { tenant: "acme", project: "shop" },
  source: EndpointRef.make({
    id: unit.endpointId,
    templateId: TemplateId.make("test.rows"),
    parameters: { host: "db", password: "sesame" }
  }),
  sink: null,
  policy: { mode: "incremental", targetSliceSize: 3 },
  stagingProviderId: "in_memory",
  replay: null
})

/** A run that was submitted and has begun. */
const submitted = Effect.fnUntraced(function* (name: string, unit = unitOf(name)) {
  const request = requestOf(unit, `run-${name}`)
  const engine = yield* RunEngine
  yield* engine.submit(request)
  const play = (yield* Stage).playOf(request.run.runId)
  yield* Deferred.await(play.started)
  return { engine, unit, play, request }
})

export const suite = <E>(adapter: string, engine: Layer.Layer<RunEngine, E, IngestionRunWorkflow>) =>
  shared(engine.pipe(Layer.provide(workflow), Layer.provideMerge(stage)), {
    timeout: "60 seconds",
    excludeTestServices: true
  })(`RunEngine contract: ${adapter}`, (it) => {
    it.effect("submit answers while the run goes on, and hands the workflow the request as it was", () =>
      Effect.gen(function* () {
        const { play, request } = yield* submitted("handed-over")

        assert.deepStrictEqual(yield* Deferred.await(play.started), request)
        assert.isFalse(yield* Deferred.isDone(play.ended))

        yield* Deferred.succeed(play.gate, undefined)
        assert.strictEqual(yield* Deferred.await(play.ended), "finished")
      })
    )

    it.effect("P21 a run goes on when the caller that submitted it is interrupted", () =>
      Effect.gen(function* () {
        const caller = yield* Effect.forkChild(
          Effect.andThen(submitted("left-alone"), () => Effect.never),
          { startImmediately: true }
        )
        const play = (yield* Stage).playOf("run-left-alone")
        yield* Deferred.await(play.started)

        yield* Fiber.interrupt(caller)

        assert.isFalse(yield* Deferred.isDone(play.settling))
        yield* Deferred.succeed(play.gate, undefined)
        assert.strictEqual(yield* Deferred.await(play.ended), "finished")
      })
    )

    it.effect("a run goes on when the scope it was submitted in is closed", () =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { play } = yield* Scope.provide(submitted("out-of-scope"), scope)

        yield* Scope.close(scope, Exit.void)

        assert.isFalse(yield* Deferred.isDone(play.settling))
        yield* Deferred.succeed(play.gate, undefined)
        assert.strictEqual(yield* Deferred.await(play.ended), "finished")
      })
    )

    it.effect("D16 interrupt ends the unit's run and returns when it has ended, not before", () =>
      Effect.gen(function* () {
        const { engine, unit, play } = yield* submitted("interrupted")

        yield* engine.interrupt(unit)

        assert.isTrue(yield* Deferred.isDone(play.ended))
        assert.strictEqual(yield* Deferred.await(play.ended), "interrupted")
      })
    )

    it.effect("a run that is interrupted before its first step settles too", () =>
      Effect.gen(function* () {
        const engine = yield* RunEngine
        const unit = unitOf("at-once")
        yield* engine.submit(requestOf(unit, "run-at-once"))

        yield* engine.interrupt(unit)

        const play = (yield* Stage).playOf("run-at-once")
        assert.isTrue(yield* Deferred.isDone(play.ended))
      })
    )

    it.effect("interrupt of a unit without a run returns, and touches no other unit's run", () =>
      Effect.gen(function* () {
        const { engine, play } = yield* submitted("bystander")

        yield* engine.interrupt(unitOf("nobody"))
        yield* engine.interrupt(unitOf("BYSTANDER"))

        assert.isFalse(yield* Deferred.isDone(play.settling))
        yield* Deferred.succeed(play.gate, undefined)
        assert.strictEqual(yield* Deferred.await(play.ended), "finished")
      })
    )

    it.effect("settled returns when the unit's run has ended, not before", () =>
      Effect.gen(function* () {
        const { engine, unit, play } = yield* submitted("settled")
        const waiting = yield* Effect.forkChild(engine.settled(unit), { startImmediately: true })
        yield* Deferred.succeed(play.gate, undefined)
        yield* Deferred.await(play.settling)
        const early = waiting.pollUnsafe()

        yield* Fiber.join(waiting)

        assert.isUndefined(early)
        assert.isTrue(yield* Deferred.isDone(play.ended))
        assert.strictEqual(yield* Deferred.await(play.ended), "finished")
      })
    )

    it.effect("settled returns at once for a unit without a run, whatever others do", () =>
      Effect.gen(function* () {
        const { engine, play } = yield* submitted("still-going")

        yield* engine.settled(unitOf("idle"))

        assert.isFalse(yield* Deferred.isDone(play.settling))
        yield* Deferred.succeed(play.gate, undefined)
        yield* Deferred.await(play.ended)
      })
    )

    it.effect("a unit that has settled can be carried again, and units are carried side by side", () =>
      Effect.gen(function* () {
        const unit = unitOf("again")
        const first = yield* submitted("again-1", unit)
        yield* Deferred.succeed(first.play.gate, undefined)
        yield* first.engine.settled(unit)

        const second = yield* submitted("again-2", unit)
        const beside = yield* submitted("beside")

        assert.isFalse(yield* Deferred.isDone(second.play.settling))
        yield* Deferred.succeed(beside.play.gate, undefined)
        assert.strictEqual(yield* Deferred.await(beside.play.ended), "finished")
        yield* second.engine.interrupt(unit)
        assert.strictEqual(yield* Deferred.await(second.play.ended), "interrupted")
      })
    )
  })
