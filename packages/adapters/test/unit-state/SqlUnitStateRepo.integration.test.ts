import { assert, layer } from "@effect/vitest"
import * as SqlUnitStateRepo from "@headrace/adapters/unit-state/SqlUnitStateRepo"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { IngestionUnitEvent } from "@headrace/core/domain/IngestionUnitState"
import { RunId } from "@headrace/core/domain/Run"
import { knowledgeBase, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { UnitStateRepo } from "@headrace/core/services/UnitStateRepo"
import * as UnitStateRepoSuite from "@headrace/core/testing/UnitStateRepoSuite"
import { DateTime, Effect, Layer, Option } from "effect"
import * as Database from "../Database.ts"

const { Reset, Started } = IngestionUnitEvent.cases
const at = DateTime.makeUnsafe(0)
const start = (n: number) => Started.make({ runId: RunId.make(`run-${n}`), sinkId: knowledgeBase, at })

const repo = SqlUnitStateRepo.layer.pipe(Layer.provide(Database.layer))

UnitStateRepoSuite.suite("sql", repo)

layer(repo, { timeout: "60 seconds", excludeTestServices: true })("rows that are there already", (it) => {
  it.effect("of concurrent starts of a unit that was seen before exactly one succeeds", () =>
    Effect.gen(function* () {
      const states = yield* UnitStateRepo
      // Later rounds find connections open, so that their transactions truly overlap.
      for (const round of ["u1", "u2", "u3", "u4"]) {
        const unit = UnitKey.make({ endpointId: EndpointId.make("e1"), unitId: UnitId.make(round) })
        yield* states.apply(unit, Reset.make({ sinkId: knowledgeBase, at }))

        const outcomes = yield* Effect.all(
          Array.from({ length: 20 }, (_, n) => Effect.option(states.apply(unit, start(n)))),
          { concurrency: "unbounded" }
        )

        const won = outcomes.filter(Option.isSome).map(({ value }) => value.lastRunId)
        assert.deepStrictEqual(won, [Option.getOrThrow(yield* states.get(unit)).lastRunId])
      }
    })
  )
})
