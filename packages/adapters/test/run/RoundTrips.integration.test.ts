/** How often the database is asked for what every run needs: a start waits for each answer. */
import { assert, layer } from "@effect/vitest"
import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import * as SqlUnitStateRepo from "@headrace/adapters/unit-state/SqlUnitStateRepo"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { IngestionUnitEvent } from "@headrace/core/domain/IngestionUnitState"
import { RunId } from "@headrace/core/domain/Run"
import { knowledgeBase, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { DateTime, Effect, Tracer } from "effect"
import * as Database from "../Database.ts"

const unit = UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make("orders") })
const [runId, sinkId] = [RunId.make("run-1"), knowledgeBase]
const { Completed, Started } = IngestionUnitEvent.cases

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
  it.effect("is opened in two statements, and moves its unit in two each time", () =>
    Effect.gen(function* () {
      const runs = yield* SqlRunRepo.make
      const units = yield* SqlUnitStateRepo.make
      const at = yield* DateTime.now

      const opened = yield* saying(runs.open({ runId, tenant: "dev", unit, sinkId, fresh: false }))
      const started = yield* saying(units.apply(unit, Started.make({ runId, sinkId, at })))
      const ended = yield* saying(units.apply(unit, Completed.make({ runId, stats: {}, at })))
      const closed = yield* saying(runs.close(runId, "SUCCEEDED", { complete: false }))

      assert.deepStrictEqual(
        [opened, started, ended, closed].map(({ length }) => length),
        [2, 2, 2, 1],
        [...opened, ...started, ...ended, ...closed].join(", ")
      )
    })
  )
})
