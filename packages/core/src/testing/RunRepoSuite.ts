/**
 * The contract of `RunRepo`, executable. The suite plays several processes: each
 * is `process`, built fresh over one `store`, and dies when its scope closes.
 */
import { assert, layer as shared } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Option, Scope } from "effect"
import { EndpointId } from "../domain/Endpoint.ts"
import { Epoch, RunId, SliceSeq } from "../domain/Run.ts"
import { knowledgeBase, SinkId, UnitId, UnitKey } from "../domain/Unit.ts"
import { type Run, RunRepo, type RunRepoError } from "../services/RunRepo.ts"

const lake = SinkId.make("lake")
const seq = (n: number) => SliceSeq.make(n)
const done = { complete: false }

const unitOf = (name: string) =>
  UnitKey.make({
    endpointId: EndpointId.make(`${name}-${crypto.randomUUID()}`),
    unitId: UnitId.make("orders")
  })

const opening = (unit: UnitKey, sinkId = lake, fresh = false) => ({
  runId: RunId.make(`run-${crypto.randomUUID()}`),
  tenant: "acme",
  unit,
  sinkId,
  fresh
})

/** A run that committed up to `nextSeq` slices and was closed. */
const carried = Effect.fnUntraced(function* (
  runs: RunRepo["Service"],
  request: ReturnType<typeof opening>,
  nextSeq: number,
  options = done
) {
  const run = yield* runs.open(request)
  for (let next = run.nextSeq + 1; next <= nextSeq; next++) yield* runs.advance(run.runId, seq(next))
  yield* runs.close(run.runId, "SUCCEEDED", options)
  return run
})

export const suite = <Store, E, E2>(
  adapter: string,
  store: Layer.Layer<Store, E>,
  process: Layer.Layer<RunRepo, E2, Store>
) =>
  shared(store, { timeout: "60 seconds", excludeTestServices: true })(
    `RunRepo contract: ${adapter}`,
    (it) => {
      /** A process that lives as long as the scope it is built in. */
      const living = Effect.map(Layer.build(Layer.fresh(process)), Context.get(RunRepo))

      /** A process, and how it dies. */
      const mortal = Effect.gen(function* () {
        const scope = yield* Scope.make()
        const runs = yield* Scope.provide(living, scope)
        return { runs, dies: Scope.close(scope, Exit.void) }
      })

      it.effect("a first run has an epoch, a generation and slice 0, and is live", () =>
        Effect.gen(function* () {
          const runs = yield* living
          const request = opening(unitOf("first"))
          const before = yield* runs.live(request.unit)

          const run = yield* runs.open(request)

          assert.deepStrictEqual(before, Option.none())
          assert.deepInclude(run, { runId: request.runId, tenant: "acme", unit: request.unit, sinkId: lake })
          assert.strictEqual(run.nextSeq, 0)
          assert.deepStrictEqual(yield* runs.live(request.unit), Option.some(run))
        })
      )

      it.effect("D1 a second run is refused with the live run's id, whatever its sink and process", () =>
        Effect.gen(function* () {
          const [here, there] = [yield* living, yield* living]
          const unit = unitOf("busy")
          const first = yield* here.open(opening(unit))

          const refusedHere = yield* Effect.flip(here.open(opening(unit)))
          const refusedThere = yield* Effect.flip(there.open(opening(unit, knowledgeBase)))

          assert.deepInclude(refusedHere, { _tag: "UnitBusy", runId: first.runId })
          assert.deepInclude(refusedThere, { _tag: "UnitBusy", runId: first.runId })
          assert.deepStrictEqual(
            Option.map(yield* there.live(unit), (run) => run.runId),
            Option.some(first.runId)
          )
        })
      )

      it.effect("of many processes that open one unit at once, one wins and the others learn its run", () =>
        Effect.gen(function* () {
          const processes = yield* Effect.all([living, living, living])
          const unit = unitOf("raced")
          const attempts = Array.from({ length: 12 }, (_, n) =>
            processes[n % 3]!.open(opening(unit)).pipe(Effect.result)
          )

          const outcomes = yield* Effect.all(attempts, { concurrency: "unbounded" })

          const live = Option.getOrThrow(yield* processes[0].live(unit))
          const ids = outcomes.map((outcome) => {
            if (outcome._tag === "Success") return outcome.success.runId
            return outcome.failure._tag === "UnitBusy" ? outcome.failure.runId : outcome.failure._tag
          })
          assert.strictEqual(outcomes.filter((outcome) => outcome._tag === "Success").length, 1)
          assert.isTrue(ids.every((id) => id === live.runId))
        })
      )

      it.effect("different units are open side by side", () =>
        Effect.gen(function* () {
          const runs = yield* living
          const endpointId = EndpointId.make(`two-${crypto.randomUUID()}`)
          const unit = (unitId: string) => UnitKey.make({ endpointId, unitId: UnitId.make(unitId) })

          yield* runs.open(opening(unit("a")))
          yield* runs.open(opening(unit("A")))

          assert.isTrue(
            Option.isSome(yield* runs.live(unit("a"))) && Option.isSome(yield* runs.live(unit("A")))
          )
        })
      )

      it.effect("a closed run is not live, and the unit is free", () =>
        Effect.gen(function* () {
          const runs = yield* living
          const unit = unitOf("closed")
          const first = yield* runs.open(opening(unit))

          yield* runs.close(first.runId, "SUCCEEDED", done)

          assert.deepStrictEqual(yield* runs.live(unit), Option.none())
          assert.isTrue(Exit.isSuccess(yield* Effect.exit(runs.open(opening(unit)))))
        })
      )

      it.effect("the epoch grows by one with every run of the unit, whatever its sink", () =>
        Effect.gen(function* () {
          const runs = yield* living
          const unit = unitOf("epochs")
          const epochs: Array<number> = []

          for (const sink of [lake, knowledgeBase, lake, SinkId.make("other")]) {
            const run = yield* runs.open(opening(unit, sink))
            epochs.push(run.epoch)
            yield* runs.close(run.runId, "FAILED", done)
          }

          assert.deepStrictEqual(
            epochs.map((epoch) => epoch - epochs[0]!),
            [0, 1, 2, 3]
          )
        })
      )

      it.effect("the next run goes on with the generation and the slice its predecessor noted", () =>
        Effect.gen(function* () {
          const runs = yield* living
          const unit = unitOf("goes-on")
          const first = yield* carried(runs, opening(unit), 2)

          const second = yield* runs.open(opening(unit))

          assert.deepInclude(second, { generation: first.generation, nextSeq: seq(2) })
        })
      )

      it.effect("each sink has its own generation and slices", () =>
        Effect.gen(function* () {
          const runs = yield* living
          const unit = unitOf("sinks")
          yield* carried(runs, opening(unit), 5)

          assert.strictEqual((yield* runs.open(opening(unit, knowledgeBase))).nextSeq, 0)
        })
      )

      it.effect("a fresh run begins a larger generation at slice 0", () =>
        Effect.gen(function* () {
          const runs = yield* living
          const unit = unitOf("fresh")
          const first = yield* carried(runs, opening(unit), 3)

          const second = yield* runs.open(opening(unit, lake, true))

          assert.isAbove(second.generation, first.generation)
          assert.strictEqual(second.nextSeq, 0)
        })
      )

      it.effect("after a complete generation the next run begins a new one", () =>
        Effect.gen(function* () {
          const runs = yield* living
          const unit = unitOf("complete")
          const first = yield* carried(runs, opening(unit), 3, { complete: true })

          const second = yield* runs.open(opening(unit))

          assert.isAbove(second.generation, first.generation)
          assert.strictEqual(second.nextSeq, 0)
        })
      )

      it.effect("after endGeneration the next run into that sink, and no other, begins a new one", () =>
        Effect.gen(function* () {
          const runs = yield* living
          const unit = unitOf("reset")
          const lakeRun = yield* carried(runs, opening(unit), 3)
          const kbRun = yield* carried(runs, opening(unit, knowledgeBase), 4)

          yield* runs.endGeneration("acme", unit, lake)

          const kbAgain = yield* carried(runs, opening(unit, knowledgeBase), 4)
          const lakeAgain = yield* runs.open(opening(unit))
          assert.deepInclude(kbAgain, { generation: kbRun.generation, nextSeq: seq(4) })
          assert.isAbove(lakeAgain.generation, lakeRun.generation)
          assert.strictEqual(lakeAgain.nextSeq, 0)
        })
      )

      it.effect("advancing a closed run does nothing", () =>
        Effect.gen(function* () {
          const runs = yield* living
          const unit = unitOf("late-advance")
          const first = yield* runs.open(opening(unit))
          yield* runs.advance(first.runId, seq(1))
          yield* runs.close(first.runId, "FAILED", done)

          yield* runs.advance(first.runId, seq(9))

          assert.strictEqual((yield* runs.open(opening(unit))).nextSeq, 1)
        })
      )

      it.effect("closing twice is closing once: the first outcome stays", () =>
        Effect.gen(function* () {
          const runs = yield* living
          const unit = unitOf("closed-twice")
          const first = yield* runs.open(opening(unit))
          yield* runs.advance(first.runId, seq(2))
          yield* runs.close(first.runId, "FAILED", { complete: false })

          yield* runs.close(first.runId, "SUCCEEDED", { complete: true })

          assert.deepInclude(yield* runs.open(opening(unit)), {
            generation: first.generation,
            nextSeq: seq(2)
          })
        })
      )

      it.effect("P21 a run whose process died is an orphan, not live, and does not hold its unit", () =>
        Effect.gen(function* () {
          const survivor = yield* living
          const { runs, dies } = yield* mortal
          const unit = unitOf("orphan")
          const lost = yield* runs.open(opening(unit))
          yield* runs.advance(lost.runId, seq(2))
          const holds = (runs: Effect.Effect<ReadonlyArray<Run>, RunRepoError>) =>
            Effect.map(runs, (all) => all.some((run) => run.runId === lost.runId))
          const before = [yield* holds(survivor.orphans), yield* holds(survivor.openRuns)]

          yield* dies

          assert.deepStrictEqual(before, [false, true])
          assert.isFalse(yield* holds(survivor.openRuns))
          assert.deepStrictEqual(yield* survivor.live(unit), Option.none())
          assert.isTrue(yield* holds(survivor.orphans))
          const next = yield* survivor.open(opening(unit))
          assert.deepInclude(next, {
            generation: lost.generation,
            nextSeq: seq(2),
            epoch: Epoch.make(lost.epoch + 1)
          })
        })
      )

      it.effect("an orphan stays one until somebody closes it", () =>
        Effect.gen(function* () {
          const survivor = yield* living
          const { runs, dies } = yield* mortal
          const lost = yield* runs.open(opening(unitOf("orphan-closed")))
          yield* dies
          const isOrphan = Effect.map(survivor.orphans, (all) => all.some((run) => run.runId === lost.runId))
          const first = yield* isOrphan
          const second = yield* isOrphan

          yield* survivor.close(lost.runId, "FAILED", done)

          assert.deepStrictEqual([first, second, yield* isOrphan], [true, true, false])
        })
      )
    }
  )
