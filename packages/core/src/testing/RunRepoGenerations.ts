/** What the next run into a sink is given by `RunRepo`: a higher epoch, the generation it goes on with, its next slice. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { knowledgeBase, SinkId } from "../domain/Unit.ts"
import {
  asking,
  carried,
  type Clauses,
  completed,
  failed,
  lake,
  type Processes,
  seq,
  unitOf
} from "./RunRepoFixtures.ts"

export const generationClauses = <R, E>(it: Clauses<R>, { living, mortal }: Processes<R, E>) => {
  it.effect("the epoch grows by one with every run of the unit, whatever its sink", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("epochs")
      const epochs: Array<number> = []

      for (const sink of [lake, knowledgeBase, lake, SinkId.make("other")]) {
        const run = yield* runs.acquire(asking(unit, sink))
        epochs.push(run.epoch)
        yield* runs.close(run, failed)
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
      const first = yield* carried(runs, asking(unit), 2)

      const second = yield* runs.acquire(asking(unit))

      assert.deepInclude(second, { generation: first.generation, nextSeq: seq(2) })
    })
  )

  it.effect("each sink has its own generation and slices", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("sinks")
      yield* carried(runs, asking(unit), 5)

      assert.strictEqual((yield* runs.acquire(asking(unit, knowledgeBase))).nextSeq, 0)
    })
  )

  it.effect(
    "a fresh run begins a larger generation at slice 0 when all there was so far is in the last",
    () =>
      Effect.gen(function* () {
        const runs = yield* living
        const unit = unitOf("fresh")
        const first = yield* carried(runs, asking(unit), 3, completed("so far"))

        const second = yield* runs.acquire(asking(unit, lake, true))

        assert.isAbove(second.generation, first.generation)
        assert.strictEqual(second.nextSeq, 0)
      })
  )

  it.effect("a run that is not fresh goes on with a generation that holds all there was so far", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("so-far")
      const first = yield* carried(runs, asking(unit), 3, completed("so far"))

      assert.deepInclude(yield* runs.acquire(asking(unit)), {
        generation: first.generation,
        nextSeq: seq(3)
      })
    })
  )

  it.effect("a fresh run goes on with a generation in which a part is missing, also after a whole one", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("broke-off")
      yield* carried(runs, asking(unit), 3, completed("so far"))
      const second = yield* carried(runs, asking(unit, lake, true), 1)

      assert.deepInclude(yield* runs.acquire(asking(unit, lake, true)), {
        generation: second.generation,
        nextSeq: seq(1)
      })
    })
  )

  it.effect("after a whole generation the next run begins a new one", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("complete")
      const first = yield* carried(runs, asking(unit), 3, completed("whole"))

      const second = yield* runs.acquire(asking(unit))

      assert.isAbove(second.generation, first.generation)
      assert.strictEqual(second.nextSeq, 0)
    })
  )

  it.effect(
    "a run that continues goes on with a whole generation, after which the next begins a new one",
    () =>
      Effect.gen(function* () {
        const runs = yield* living
        const unit = unitOf("continues")
        const first = yield* carried(runs, asking(unit), 3, completed("whole"))

        const replay = yield* carried(runs, { ...asking(unit), continues: true }, 4)

        assert.deepInclude(replay, { generation: first.generation, nextSeq: seq(3) })
        const next = yield* runs.acquire(asking(unit))
        assert.isAbove(next.generation, first.generation)
        assert.strictEqual(next.nextSeq, 0)
      })
  )

  it.effect("after endGeneration the next run into that sink, and no other, begins a new one", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("reset")
      const lakeRun = yield* carried(runs, asking(unit), 3)
      const kbRun = yield* carried(runs, asking(unit, knowledgeBase), 4)

      yield* runs.endGeneration("acme", unit, lake)

      const kbAgain = yield* carried(runs, asking(unit, knowledgeBase), 4)
      const lakeAgain = yield* runs.acquire(asking(unit))
      assert.deepInclude(kbAgain, { generation: kbRun.generation, nextSeq: seq(4) })
      assert.isAbove(lakeAgain.generation, lakeRun.generation)
      assert.strictEqual(lakeAgain.nextSeq, 0)
    })
  )

  it.effect("a run whose process died and whose unit was acquired again moves nothing any more", () =>
    Effect.gen(function* () {
      const survivor = yield* living
      const { runs: zombie, dies } = yield* mortal
      const unit = unitOf("zombie")
      const old = yield* zombie.acquire(asking(unit))
      yield* dies
      const run = yield* survivor.acquire(asking(unit))
      yield* survivor.commits(run, 1)

      yield* zombie.commits(old, 7)
      const reached = yield* zombie.close(old, completed("whole"))

      assert.deepStrictEqual(reached, { outcome: "FAILED", isShown: false })
      assert.strictEqual(Option.getOrThrow(yield* survivor.live(unit)).runId, run.runId)
      yield* survivor.close(run, failed)
      assert.deepInclude(yield* survivor.acquire(asking(unit)), {
        generation: run.generation,
        nextSeq: seq(1)
      })
    })
  )

  it.effect("I4 a closed run commits nothing more", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("late-advance")
      const first = yield* runs.acquire(asking(unit))
      yield* runs.commits(first, 1)
      yield* runs.close(first, failed)

      yield* runs.commits(first, 9)

      assert.strictEqual((yield* runs.acquire(asking(unit))).nextSeq, 1)
    })
  )

  it.effect("closing twice is closing once: the first outcome stays", () =>
    Effect.gen(function* () {
      const runs = yield* living
      const unit = unitOf("closed-twice")
      const first = yield* runs.acquire(asking(unit))
      yield* runs.commits(first, 2)
      yield* runs.close(first, failed)

      yield* runs.close(first, completed("whole"))

      assert.deepInclude(yield* runs.acquire(asking(unit)), {
        generation: first.generation,
        nextSeq: seq(2)
      })
    })
  )
}
