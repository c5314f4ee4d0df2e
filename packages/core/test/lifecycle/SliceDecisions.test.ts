/** What is decided when the sink's newest slice and our checkpoint are compared, before anything is committed. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Checkpoint, checkpointKey } from "../../src/domain/Checkpoint.ts"
import type { JsonObject } from "../../src/domain/Endpoint.ts"
import { Epoch, Generation, SliceSeq } from "../../src/domain/Run.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import { RunEvent } from "../../src/protocol/Protocol.ts"
import { KvStore } from "../../src/services/KvStore.ts"
import * as Shop from "./Shop.ts"

type Committed = Extract<RunEvent, { readonly _tag: "Committed" }>

/** A run that broke off with two slices of three rows committed and noted; what the lake holds of it. */
const brokenOff = Effect.gen(function* () {
  const shop = yield* Shop.opened()
  yield* Shop.run(shop.name)
  assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(6))
  const { sinks } = yield* MemoryDataPlane.MemoryDataPlane
  const slots = sinks.get(shop.path)?.slots ?? []
  /** Lets the lake hold a slice nobody told us of. */
  const hold = (sliceSeq: number, from: number, to: number) =>
    Effect.sync(() => {
      const commit = { ...slots[0]!.commit, sliceSeq: SliceSeq.make(sliceSeq) }
      const bounds = { fromCkpt: Shop.at(from), toCkpt: Shop.at(to), rows: to - from }
      slots.push({ commit: { ...commit, ...bounds }, rows: Shop.allRows.slice(from, to) })
    })
  return { shop, slots, hold }
})

/** The checkpoint's cursor is another. */
const movedTo = Effect.fnUntraced(function* (shop: Shop.Shop, cursor: JsonObject) {
  const kv = yield* KvStore
  const key = checkpointKey(shop.key, shop.place.sinkId)
  const { value, version } = Option.getOrThrow(yield* kv.get("acme", key))
  yield* kv.put("acme", key, Object.assign({}, value, { cursor }), version)
})

const breaks = () => Shop.layer(Shop.failOnceAt("committing", 2))

/** The run was refused with this code, and neither lake nor checkpoint moved. */
const refused = Effect.fnUntraced(function* (shop: Shop.Shop, code: string) {
  const before = [yield* Shop.landed(shop), yield* Shop.cursor(shop)]

  const end = yield* Shop.run(shop.name)

  assert.strictEqual(end.event, "RUN_FAILED")
  assert.match((yield* Shop.status(shop)).lastError ?? "", new RegExp(`^${code}: .*[Rr]eset the unit`))
  assert.deepStrictEqual([yield* Shop.landed(shop), yield* Shop.cursor(shop)], before)
})

/** A reset is the way out of a refusal: everything is loaded anew. */
const resetHelps = Effect.fnUntraced(function* (shop: Shop.Shop) {
  yield* Shop.reset(shop.name)
  assert.strictEqual((yield* Shop.run(shop.name)).event, "RUN_SUCCEEDED")
  assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
})

describe("a sink that holds one slice more than was noted", () => {
  it.effect("P30 moves the checkpoint behind that slice, which is not carried again", () =>
    Effect.gen(function* () {
      const { shop, hold } = yield* brokenOff
      yield* hold(2, 6, 9)

      const end = yield* Shop.run(shop.name)

      assert.deepInclude(end, { event: "RUN_SUCCEEDED", exportedRows: 1 })
      assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
      assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(10))
    }).pipe(Effect.provide(breaks()))
  )

  const breaking = Shop.failOnceAt("committing", 2)
  const later = Shop.meanwhile()
  it.effect("P30 moves it before anything else: a run that dies at once leaves it there", () =>
    Effect.gen(function* () {
      const { shop, hold } = yield* brokenOff
      yield* hold(2, 6, 9)
      yield* later.does(Shop.failOnceAt("staged", 0).during)

      const end = yield* Shop.run(shop.name)

      assert.match(end.message ?? "", /^WORKER_LOST: /)
      assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(9))
    }).pipe(
      Effect.provide(
        Shop.layer({ during: (moment) => Effect.andThen(breaking.during(moment), later.during(moment)) })
      )
    )
  )

  it.effect("and nothing is left to carry: the checkpoint still catches up", () =>
    Effect.gen(function* () {
      const { shop, hold } = yield* brokenOff
      yield* hold(2, 6, 10)

      yield* Shop.run(shop.name)

      assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(10))
      yield* Shop.run(shop.name)
      assert.strictEqual((yield* Shop.asked).at(-1)?.nextSeq, 3)
    }).pipe(Effect.provide(breaks()))
  )
})

describe("a checkpoint that an older Headrace moved before it counted the slice", () => {
  it.effect("stays, and the slice is counted by the next run, which carries the rest once", () =>
    Effect.gen(function* () {
      const { shop, hold } = yield* brokenOff
      yield* hold(2, 6, 9)
      yield* movedTo(shop, { next: 9 })

      const end = yield* Shop.run(shop.name)
      yield* Shop.run(shop.name)

      assert.deepInclude(end, { event: "RUN_SUCCEEDED", exportedRows: 1 })
      assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
      assert.strictEqual((yield* Shop.asked).at(-1)?.nextSeq, 4)
    }).pipe(Effect.provide(breaks()))
  )
})

describe("a sink that holds less than was committed to it", () => {
  it.effect("because it was restored is refused as CHECKPOINT_AHEAD_OF_SINK: going on would lose rows", () =>
    Effect.gen(function* () {
      const { shop, slots } = yield* brokenOff
      slots.pop()

      yield* refused(shop, "CHECKPOINT_AHEAD_OF_SINK")
      yield* resetHelps(shop)
    }).pipe(Effect.provide(breaks()))
  )

  it.effect("because it was emptied is refused as CHECKPOINT_AHEAD_OF_SINK too", () =>
    Effect.gen(function* () {
      const { shop, slots } = yield* brokenOff
      slots.splice(0)

      yield* refused(shop, "CHECKPOINT_AHEAD_OF_SINK")
      yield* resetHelps(shop)
    }).pipe(Effect.provide(breaks()))
  )
})

describe("a sink of another history", () => {
  it.effect("whose next slice began elsewhere is refused as CHECKPOINT_FORK", () =>
    Effect.gen(function* () {
      const { shop, hold } = yield* brokenOff
      yield* hold(2, 5, 9)

      yield* refused(shop, "CHECKPOINT_FORK")
      yield* resetHelps(shop)
    }).pipe(Effect.provide(breaks()))
  )

  it.effect("that is more than one slice on is refused as CHECKPOINT_FORK", () =>
    Effect.gen(function* () {
      const { shop, hold } = yield* brokenOff
      yield* hold(3, 6, 10)

      yield* refused(shop, "CHECKPOINT_FORK")
    }).pipe(Effect.provide(breaks()))
  )

  it.effect("is not one whose cursor has the same keys in another order", () =>
    Effect.gen(function* () {
      const { shop, slots, hold } = yield* brokenOff
      yield* hold(2, 6, 9)
      const last = slots.at(-1)!
      const fromCkpt = Checkpoint.make({ by: "position", next: 6 })
      slots[slots.length - 1] = { ...last, commit: { ...last.commit, fromCkpt } }
      yield* movedTo(shop, { next: 6, by: "position" })

      const end = yield* Shop.run(shop.name)

      assert.deepInclude(end, { event: "RUN_SUCCEEDED", exportedRows: 1 })
    }).pipe(Effect.provide(breaks()))
  )
})

describe("a worker that says what it was not asked for", () => {
  /** Carries one run whose events are changed on their way to us. */
  const saying = (change: (event: RunEvent) => ReadonlyArray<RunEvent>) =>
    Shop.layerWorker(
      Shop.layerWorkerThat((worker) => ({
        runIngestionUnit: (request) =>
          Stream.flatMap(worker.runIngestionUnit(request), (event) => Stream.fromIterable(change(event)))
      }))
    )

  const committing = (event: Committed, change: Partial<Committed["commitRecord"]>): Committed =>
    RunEvent.cases.Committed.make({ ...event, commitRecord: { ...event.commitRecord, ...change } })

  const untold = (seq: number) =>
    RunEvent.cases.Committed.make({
      commitRecord: {
        unit: "x",
        generation: Generation.make(1),
        sliceSeq: SliceSeq.make(seq),
        fromCkpt: null,
        toCkpt: Shop.at(9),
        rows: 9,
        sha256: "",
        epoch: Epoch.make(1),
        prevHash: ""
      },
      adopted: false,
      location: null
    })

  it.effect.each([
    [
      "a slice it never sealed",
      0,
      (event: RunEvent) => (event._tag === "Planned" ? [event, untold(0)] : [event])
    ],
    [
      "another slice than the one that was allowed",
      3,
      (event: RunEvent) =>
        event._tag === "Committed" && event.commitRecord.sliceSeq === 1
          ? [committing(event, { sliceSeq: SliceSeq.make(999) })]
          : [event]
    ],
    [
      "a slice of another generation",
      3,
      (event: RunEvent) =>
        event._tag === "Committed" && event.commitRecord.sliceSeq === 1
          ? [committing(event, { generation: Generation.make(77) })]
          : [event]
    ],
    ["a slice twice", 3, (event: RunEvent) => (event._tag === "Committed" ? [event, event] : [event])]
  ] as const)("such as the commit of %s breaks the protocol and moves no checkpoint", ([, moved, change]) =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()

      const end = yield* Shop.run(shop.name)

      assert.match(
        end.message ?? "",
        /^BUG: The worker broke the protocol: slice \d+ of generation \d+ was committed/
      )
      assert.deepStrictEqual(yield* Shop.cursor(shop), moved === 0 ? null : Shop.at(moved))
    }).pipe(Effect.provide(saying(change)))
  )
})

it.effect("a worker that never takes a decision is waited for ninety seconds, and the run ends", () =>
  Effect.gen(function* () {
    const shop = yield* Shop.opened()
    const { end } = yield* Shop.started(shop.name)

    yield* TestClock.adjust("89 seconds")
    const early = (yield* Shop.status(shop)).state
    yield* TestClock.adjust("2 seconds")

    assert.strictEqual(early, "RUNNING")
    assert.match(
      (yield* end).at(-1)?.message ?? "",
      /^BUG: The worker broke the protocol: slice 0: the decision was not/
    )
    assert.strictEqual((yield* Shop.status(shop)).state, "FAILED")
  }).pipe(Effect.provide(Shop.layerWorker(Shop.layerWorkerThat(() => ({ decide: () => Effect.never })))))
)
