/** How often the database is asked for what every run needs: a start waits for each answer. */
import { assert, layer } from "@effect/vitest"
import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import * as SqlUnitStateRepo from "@headrace/adapters/unit-state/SqlUnitStateRepo"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { RunId, SliceSeq } from "@headrace/core/domain/Run"
import { knowledgeBase, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { Effect, Option, Tracer } from "effect"
import * as Database from "../Database.ts"

const unit = UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make("orders") })
const [runId, sinkId] = [RunId.make("run-1"), knowledgeBase]

/** What was said to the database meanwhile, in order; a transaction says where it begins and ends. */
const saying = Effect.fnUntraced(function* <A, E, R>(asking: Effect.Effect<A, E, R>) {
  const said: Array<string> = []
  const tracer = Tracer.make({
    span: (options) => {
      if (options.kind === "client") said.push(options.name)
      if (options.name === "sql.transaction") said.push("begin", "commit")
      return new Tracer.NativeSpan(options)
    }
  })
  yield* Effect.withTracer(asking, tracer)
  return said
})

layer(Database.layer, { excludeTestServices: true })("a run", (it) => {
  it.effect("takes one statement to acquire its unit, one for each slice, and one to close", () =>
    Effect.gen(function* () {
      const runs = yield* SqlRunRepo.make
      const states = yield* SqlUnitStateRepo.make

      const acquired = yield* saying(runs.acquire({ runId, tenant: "dev", unit, sinkId, fresh: false }))
      const run = Option.getOrThrow(yield* runs.live(unit))
      const slice = { nextSeq: SliceSeq.make(1), checkpoint: { cursor: { next: 1 } } }
      const advanced = yield* saying(runs.advance(run, slice))
      const closed = yield* saying(runs.close(run, { _tag: "Completed", stats: {}, filled: "whole" }))

      const said = [acquired, advanced, closed]
      assert.deepStrictEqual(
        said.map(({ length }) => length),
        [1, 1, 1],
        said.flat().join(", ")
      )
      assert.strictEqual(Option.getOrThrow(yield* states.get(unit)).state, "SUCCEEDED")
    })
  )
})
