import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { Checkpoint, checkpointKey } from "../../src/domain/Checkpoint.ts"
import { EndpointId } from "../../src/domain/Endpoint.ts"
import { RunId } from "../../src/domain/Run.ts"
import { knowledgeBase, SinkId, UnitId, UnitKey } from "../../src/domain/Unit.ts"
import { CheckpointLog, type Place } from "../../src/lifecycle/CheckpointLog.ts"
import * as MemoryKvStore from "../../src/memory/MemoryKvStore.ts"
import { absent, KvStore } from "../../src/services/KvStore.ts"

const unitOf = (unitId: string) =>
  UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make(unitId) })

const place: Place = {
  tenant: "acme",
  unit: unitOf("public.orders"),
  sinkId: SinkId.make("lake")
}
const key = checkpointKey(place.unit, place.sinkId)

const to = (page: number, stats = { exported_rows: page }) => ({
  cursor: Checkpoint.make({ page }),
  runId: RunId.make(`run-${page}`),
  stats
})

const layer = CheckpointLog.layer.pipe(Layer.provideMerge(MemoryKvStore.layer))

/** What KV holds of the place. */
const stored = Effect.flatMap(KvStore, (kv) => kv.get("acme", key))

describe("read", () => {
  it.effect("before the first advance there is no record, and the version says that none may be there", () =>
    Effect.gen(function* () {
      const log = yield* CheckpointLog

      assert.deepStrictEqual(yield* log.read(place), { record: null, version: absent })
    }).pipe(Effect.provide(layer))
  )

  it.effect("P24 answers what the last advance wrote, as it was", () =>
    Effect.gen(function* () {
      const log = yield* CheckpointLog
      const cursor = Checkpoint.make({ page: "9007199254740993", nested: [null, { ü: 1.5 }] })
      const kept = yield* log.advance(place, yield* log.read(place), { ...to(1), cursor })

      const read = yield* log.read(place)

      assert.deepStrictEqual(read, kept)
      assert.deepInclude(read.record, { cursor, lastRunId: RunId.make("run-1"), stats: { exported_rows: 1 } })
    }).pipe(Effect.provide(layer))
  )

  it.effect("another tenant, unit or sink has a record of its own", () =>
    Effect.gen(function* () {
      const log = yield* CheckpointLog
      yield* log.advance(place, yield* log.read(place), to(1))
      const others = [
        { ...place, tenant: "other" },
        { ...place, sinkId: knowledgeBase },
        { ...place, unit: unitOf("PUBLIC.ORDERS") }
      ]

      for (const other of others) assert.isNull((yield* log.read(other)).record)
    }).pipe(Effect.provide(layer))
  )

  const time = "2026-11-23T00:00:00.000Z"
  const unreadable = [
    { what: "a text", value: "text" },
    { what: "a number", value: 42 },
    { what: "a list", value: [] },
    { what: "an empty object", value: {} },
    { what: "a record without its time", value: { cursor: { page: 1 }, lastRunId: "run-1", stats: {} } },
    { what: "a record of no run", value: { cursor: null, lastRunId: "", stats: {}, lastUpdatedAt: time } },
    {
      what: "a record of some day",
      value: { cursor: null, lastRunId: "r", stats: {}, lastUpdatedAt: "today" }
    }
  ]
  it.effect.each(unreadable)("$what is refused with its key, never read as no checkpoint", ({ value }) =>
    Effect.gen(function* () {
      const log = yield* CheckpointLog
      yield* (yield* KvStore).put("acme", key, value, absent)

      const error = yield* Effect.flip(log.read(place))

      assert.deepInclude(error, { _tag: "CheckpointUnreadable", key })
      assert.deepStrictEqual(yield* log.shown(place), value)
    }).pipe(Effect.provide(layer))
  )
})

describe("advance", () => {
  it.effect("P30 from a version that somebody else has moved is a conflict, and theirs stays", () =>
    Effect.gen(function* () {
      const log = yield* CheckpointLog
      const begin = yield* log.read(place)
      const theirs = yield* log.advance(place, begin, to(1))

      const error = yield* Effect.flip(log.advance(place, begin, to(2)))

      assert.strictEqual(error.reason._tag, "VersionConflict")
      assert.deepStrictEqual(yield* log.read(place), theirs)
    }).pipe(Effect.provide(layer))
  )

  it.effect("P24 the record is as long after forty runs as after one, and its version counts the moves", () =>
    Effect.gen(function* () {
      const log = yield* CheckpointLog
      const sizes: Array<number> = []
      let kept = yield* log.read(place)
      for (let run = 10; run < 50; run++) {
        kept = yield* log.advance(place, kept, to(run))
        sizes.push(JSON.stringify(yield* log.shown(place)).length)
      }

      assert.strictEqual(new Set(sizes).size, 1)
      assert.strictEqual(kept.version, 40)
    }).pipe(Effect.provide(layer))
  )

  it.effect("lastUpdatedAt grows with every move, also while the clock stands or goes back", () =>
    Effect.gen(function* () {
      const log = yield* CheckpointLog
      yield* TestClock.setTime(1_000_000)
      const times: Array<number> = []
      let kept = yield* log.read(place)
      for (const now of [1_000_000, 1_000_000, 500_000, 2_000_000]) {
        yield* TestClock.setTime(now)
        kept = yield* log.advance(place, kept, to(1))
        times.push(kept.record?.lastUpdatedAt.epochMilliseconds ?? 0)
      }

      assert.deepStrictEqual(times, [1_000_000, 1_000_001, 1_000_002, 2_000_000])
    }).pipe(Effect.provide(layer))
  )
})

describe("noteFailure", () => {
  it.effect(
    "adds why to the record and leaves cursor, run and stats alone; the next advance takes it away",
    () =>
      Effect.gen(function* () {
        const log = yield* CheckpointLog
        const kept = yield* log.advance(place, yield* log.read(place), to(1))

        yield* log.noteFailure(place, kept, "WORKER_LOST: It died.")

        const { record, version } = yield* log.read(place)
        assert.deepInclude(record, { cursor: Checkpoint.make({ page: 1 }), lastRunId: RunId.make("run-1") })
        assert.strictEqual(record?.lastError, "WORKER_LOST: It died.")
        const next = yield* log.advance(place, { record, version }, to(2))
        assert.notProperty(next.record, "lastError")
      }).pipe(Effect.provide(layer))
  )

  it.effect("makes no record where there is none", () =>
    Effect.gen(function* () {
      const log = yield* CheckpointLog

      yield* log.noteFailure(place, yield* log.read(place), "WORKER_LOST: It died.")

      assert.deepStrictEqual(yield* stored, Option.none())
    }).pipe(Effect.provide(layer))
  )

  it.effect("does not write over a record that somebody else has moved", () =>
    Effect.gen(function* () {
      const log = yield* CheckpointLog
      const kept = yield* log.advance(place, yield* log.read(place), to(1))
      const theirs = yield* log.advance(place, kept, to(2))

      const error = yield* Effect.flip(log.noteFailure(place, kept, "WORKER_LOST: It died."))

      assert.strictEqual(error.reason._tag, "VersionConflict")
      assert.deepStrictEqual(yield* log.read(place), theirs)
    }).pipe(Effect.provide(layer))
  )
})

describe("remove", () => {
  it.effect("D16 takes away what is there, also what cannot be read, and what is not there too", () =>
    Effect.gen(function* () {
      const log = yield* CheckpointLog
      yield* (yield* KvStore).put("acme", key, "garbage", absent)

      yield* log.remove(place)
      yield* log.remove(place)

      assert.deepStrictEqual(yield* log.read(place), { record: null, version: absent })
    }).pipe(Effect.provide(layer))
  )

  /** A store in which somebody writes between our reading and removing, `times` times. */
  const contended = (times: number) =>
    Layer.effect(
      KvStore,
      Effect.map(KvStore, (kv) => {
        let left = times
        return KvStore.of({
          ...kv,
          remove: (namespace, name, expected) =>
            left-- > 0
              ? Effect.andThen(
                  kv.put(namespace, name, "theirs", expected),
                  kv.remove(namespace, name, expected)
                )
              : kv.remove(namespace, name, expected)
        })
      })
    ).pipe(Layer.provide(MemoryKvStore.layer))

  it.effect("D16 takes away what somebody wrote between reading and removing", () =>
    Effect.gen(function* () {
      const log = yield* CheckpointLog
      yield* log.advance(place, yield* log.read(place), to(1))

      yield* log.remove(place)

      assert.deepStrictEqual(yield* stored, Option.none())
    }).pipe(Effect.provide(CheckpointLog.layer.pipe(Layer.provideMerge(contended(3)))))
  )

  it.effect("gives up on somebody who never stops writing, and says so", () =>
    Effect.gen(function* () {
      const log = yield* CheckpointLog
      yield* log.advance(place, yield* log.read(place), to(1))

      const error = yield* Effect.flip(log.remove(place))

      assert.strictEqual(error.reason._tag, "VersionConflict")
    }).pipe(Effect.provide(CheckpointLog.layer.pipe(Layer.provideMerge(contended(99)))))
  )
})
