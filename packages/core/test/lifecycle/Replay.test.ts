/** Rows that were set aside, tried again: every one of them, however many there are. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import type { JsonObject } from "../../src/domain/Endpoint.ts"
import { Replay } from "../../src/lifecycle/Replay.ts"
import { runToEnd } from "../../src/lifecycle/RunToEnd.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import { RunEvent } from "../../src/protocol/Protocol.ts"
import * as Shop from "./Shop.ts"

const { Finished, Rejected, Sealed } = RunEvent.cases

const row = (position: number, payload: string | null) => ({
  position,
  code: "CONSTRAINT",
  reason: "The row breaks a rule of the table.",
  column: null,
  sha256: "ab".repeat(32),
  payload
})
const whole = '{"row":{"id":1},"columns":"c","arrow":"QQ=="}'

/** A worker that sets `count` rows of every slice aside, and of each replay refuses as many as `refuses` says. */
const settingAside = (
  count: number,
  payloadOf: (position: number) => string | null,
  refuses: (tried: number) => number = () => 0
) =>
  Shop.layerWorker(
    Shop.layerWorkerThat((worker) => ({
      runIngestionUnit: (request) =>
        Stream.flatMap(worker.runIngestionUnit(request), (event) => {
          if (request.replay !== null) return Stream.make(refusing(event, refuses(request.replay.length)))
          if (event._tag !== "Sealed") return Stream.make(event)
          const rows = Array.from({ length: count }, (_, position) => row(position, payloadOf(position)))
          return Stream.make(
            Rejected.make({ sliceSeq: event.sliceSeq, rows }),
            Sealed.make({ ...event, read: event.read + count, rejected: count })
          )
        })
    }))
  )

const refusing = (event: RunEvent, rows: number): RunEvent =>
  event._tag === "Finished"
    ? Finished.make({ ...event, stats: { ...event.stats, rejected_rows: rows } })
    : event

/** The same, and the policies of the runs that tried rows again. */
const watching = (tried: Array<JsonObject>) =>
  Shop.layerWorker(
    Shop.layerWorkerThat((worker) => ({
      runIngestionUnit: (request) => {
        if (request.replay !== null) tried.push(request.policy)
        return Stream.flatMap(worker.runIngestionUnit(request), (event) =>
          request.replay !== null || event._tag !== "Sealed"
            ? Stream.make(event)
            : Stream.make(
                Rejected.make({ sliceSeq: event.sliceSeq, rows: [row(0, whole)] }),
                Sealed.make({ ...event, read: event.read + 1, rejected: 1 })
              )
        )
      }
    }))
  )

/** Carried with `asked`, and tried again with `again`. */
const triedWith = (asked: JsonObject, again?: JsonObject) =>
  Effect.gen(function* () {
    const shop = yield* Shop.opened({ mode: "incremental" })
    const { lake, name } = shop
    yield* runToEnd(Shop.scope, { ...name, sinkEndpointId: lake.id, policy: asked })
    return yield* (yield* Replay).all(Shop.scope, { ...name, sinkEndpointId: lake.id, policy: again })
  })

const merged = { writeDisposition: "merge", primaryKeys: ["id"], limits: { rowBytes: 1000 } }

const replayed = Effect.gen(function* () {
  const shop = yield* Shop.opened()
  yield* Shop.run(shop.name)
  return yield* (yield* Replay).all(Shop.scope, { ...shop.name, sinkEndpointId: shop.lake.id })
})

describe("a replay", () => {
  it.effect("tries every row that can be tried, also behind ten thousand that cannot", () =>
    Effect.gen(function* () {
      const done = yield* replayed

      assert.deepStrictEqual(done, { taken: 4, refused: 0, untried: 10_396 })
    }).pipe(Effect.provide(settingAside(2600, (position) => (position === 2599 ? whole : null))))
  )

  it.effect("goes on behind rows that are refused again, and counts each row once", () =>
    Effect.gen(function* () {
      const done = yield* replayed

      assert.deepStrictEqual(done, { taken: 900, refused: 500, untried: 0 })
    }).pipe(
      Effect.provide(
        settingAside(
          350,
          () => whole,
          (rows) => Math.min(rows, 250)
        )
      )
    )
  )

  it.effect("carries rows with the policy that set them aside, which nobody has to say again", () => {
    const tried: Array<JsonObject> = []
    return Effect.gen(function* () {
      const { taken } = yield* triedWith(merged)

      assert.strictEqual(taken, 1)
      assert.deepStrictEqual(tried, [
        { ...merged, mode: "incremental", quarantine: { maxRows: 1, maxRatio: 1 } }
      ])
    }).pipe(Effect.provide(watching(tried)))
  })

  it.effect("takes what is said again, and limits that are other ones", () => {
    const tried: Array<JsonObject> = []
    return Effect.gen(function* () {
      yield* triedWith(merged, { ...merged, primaryKeys: "id", limits: { rowBytes: 9000 } })

      assert.deepStrictEqual(
        tried.map(({ limits }) => limits),
        [{ rowBytes: 9000 }]
      )
    }).pipe(Effect.provide(watching(tried)))
  })

  it.effect.each([
    { key: "writeDisposition", asked: "append", carriedWith: "merge" },
    { key: "primaryKeys", asked: ["part"], carriedWith: ["id"] },
    { key: "mode", asked: "full", carriedWith: "incremental" },
    { key: "cursorField", asked: "changed", carriedWith: null }
  ])("refuses $key that would put rows elsewhere, and tries none", ({ key, asked, carriedWith }) => {
    const tried: Array<JsonObject> = []
    return Effect.gen(function* () {
      const refused = yield* Effect.flip(triedWith(merged, { [key]: asked }))

      assert.deepInclude(refused, { _tag: "ReplayContradicted", key, asked, carriedWith })
      assert.deepStrictEqual(tried, [])
    }).pipe(Effect.provide(watching(tried)))
  })

  it.effect("heeds no policy that the endpoint has got since", () => {
    const tried: Array<JsonObject> = []
    return Effect.gen(function* () {
      const shop = yield* Shop.opened({ mode: "incremental" })
      yield* Shop.run(shop.name)
      yield* Shop.ensure("shop", MemoryDataPlane.sourceTemplateId, {
        ingestionPolicy: { mode: "full", writeDisposition: "append" }
      })

      yield* (yield* Replay).all(Shop.scope, { ...shop.name, sinkEndpointId: shop.lake.id })

      assert.deepInclude(tried[0], { mode: "incremental" })
      assert.notProperty(tried[0], "writeDisposition")
    }).pipe(Effect.provide(watching(tried)))
  })
})
