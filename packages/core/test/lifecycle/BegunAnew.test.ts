/** A load that nobody can go on with is begun anew by the next run, whatever ended the one before. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import type { JsonObject } from "../../src/domain/Endpoint.ts"
import { RunEvent } from "../../src/protocol/Protocol.ts"
import * as Shop from "./Shop.ts"

const full: JsonObject = { mode: "full", targetSliceSize: 3 }

/** A worker whose plans cannot be resumed, as of a table without a key, and that breaks off once. */
const byPages = (script: Parameters<typeof Shop.layerWorkerThat>[1] = {}) =>
  Shop.layerWorker(
    Shop.layerWorkerThat(
      (worker) => ({
        runIngestionUnit: (request) =>
          Stream.map(worker.runIngestionUnit(request), (event) =>
            event._tag === "Planned" ? RunEvent.cases.Planned.make({ ...event, resumes: false }) : event
          )
      }),
      script
    )
  )

describe("a load that cannot be gone on with", () => {
  it.effect("is begun anew in a generation of its own, without a checkpoint", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened(full)
      const first = yield* Shop.run(shop.name)

      const second = yield* Shop.run(shop.name)

      assert.deepStrictEqual([first.event, second.event], ["RUN_FAILED", "RUN_SUCCEEDED"])
      const asked = (yield* Shop.asked).map((run) =>
        JSON.stringify([run.generation, run.nextSeq, run.checkpoint])
      )
      assert.deepStrictEqual(asked, ["[1,0,null]", "[2,0,null]"])
      assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
    }).pipe(Effect.provide(byPages(Shop.failOnceAt("committing", 2))))
  )

  it.effect("is one generation when it ends well, and the next load another", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened(full)

      yield* Shop.run(shop.name)
      yield* Shop.run(shop.name)

      const generations = (yield* Shop.asked).map(({ generation }) => String(generation))
      assert.deepStrictEqual(generations, ["1", "2"])
    }).pipe(Effect.provide(byPages()))
  )
})

it.effect("an incremental unit that has no row yet stays in its generation", () =>
  Effect.gen(function* () {
    const shop = yield* Shop.opened()
    yield* Shop.run(shop.name)

    yield* Shop.run(shop.name)

    const generations = (yield* Shop.asked).map(({ generation }) => String(generation))
    assert.deepStrictEqual(generations, ["1", "1"])
  }).pipe(Effect.provide(Shop.layer({}, { units: [{ unitId: Shop.orders, rows: [] }] })))
)
