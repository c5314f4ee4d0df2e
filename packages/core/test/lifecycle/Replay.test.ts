/** Rows that were set aside, tried again: every one of them, however many there are. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { Replay } from "../../src/lifecycle/Replay.ts"
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
})
