/** Runs that do not end well: what people read, what stays, and that the next start goes on. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Deferred, Effect, Exit, Fiber, Layer, Option, Scope, Stream } from "effect"
import { checkpointKey } from "../../src/domain/Checkpoint.ts"
import * as Headrace from "../../src/lifecycle/Headrace.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import { EndpointRepo } from "../../src/services/EndpointRepo.ts"
import { KvStore, Version } from "../../src/services/KvStore.ts"
import { IngestionRunWorkflow, RunEngine } from "../../src/services/RunEngine.ts"
import { UnitStateRepo } from "../../src/services/UnitStateRepo.ts"
import * as Shop from "./Shop.ts"

/** Whatever ended the first run, the next one carries the rest and nothing twice. */
const goesOn = Effect.fnUntraced(function* (shop: Shop.Shop) {
  const end = yield* Shop.run(shop.name)
  assert.strictEqual(end.event, "RUN_SUCCEEDED")
  assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
  assert.deepInclude(yield* Shop.status(shop), { state: "SUCCEEDED", lastError: null })
})

describe("a worker that fails", () => {
  it.effect(
    "D18 that dies leaves FAILED WORKER_LOST, the checkpoint of the last commit, and a run that goes on",
    () =>
      Effect.gen(function* () {
        const shop = yield* Shop.opened()

        const end = yield* Shop.run(shop.name)

        const { state, lastError, stats } = yield* Shop.status(shop)
        assert.strictEqual(state, "FAILED")
        assert.match(lastError ?? "", /^WORKER_LOST: .*SIGKILL.*Start again/)
        assert.deepInclude(end, { event: "RUN_FAILED", state: "FAILED", message: lastError, stats: null })
        assert.isNull(stats)
        assert.deepInclude(yield* Shop.kept(shop), { cursor: { next: 6 }, lastError })
        yield* goesOn(shop)
      }).pipe(Effect.provide(Shop.layer(Shop.failOnceAt("committing", 2))))
  )

  it.effect("before the first commit leaves no checkpoint record, not even for the error", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()

      yield* Shop.run(shop.name)

      assert.isNull(yield* Shop.kept(shop))
      assert.deepStrictEqual(yield* Shop.landed(shop), [])
      yield* goesOn(shop)
    }).pipe(Effect.provide(Shop.layer(Shop.failOnceAt("staged", 0))))
  )

  it.effect("a run that starts again no longer shows the error, neither in the state nor in the record", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      yield* Shop.run(shop.name)

      yield* goesOn(shop)

      const { value } = Option.getOrThrow(
        yield* (yield* KvStore).get("acme", checkpointKey(shop.key, shop.place.sinkId))
      )
      assert.hasAllKeys(value, ["cursor", "lastRunId", "stats", "lastUpdatedAt"])
    }).pipe(Effect.provide(Shop.layer(Shop.failOnceAt("committing", 1))))
  )

  const unreachable = { tag: "EndpointUnreachable", role: "sink", retry: "Later" } as const
  it.effect("D3 errors that Finished reports end the run FAILED with the first, counted", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()

      yield* Shop.run(shop.name)

      const { state, lastError } = yield* Shop.status(shop)
      assert.deepStrictEqual(
        [state, lastError],
        ["FAILED", "SINK_UNREACHABLE: It is gone. (the first of 2 errors)"]
      )
      assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(10))
    }).pipe(
      Effect.provide(
        Shop.layer({
          errors: [
            { ...unreachable, message: "It is gone.", details: {} },
            { ...unreachable, tag: "Bug", message: "And more.", details: {} }
          ]
        })
      )
    )
  )

  const rejected = MemoryPythonWorker.rejected({
    tag: "AuthenticationFailed",
    role: "source",
    message: "The password hunter2 was refused.\nEnter another."
  })
  it.effect("D12 its message is one line, with the code of its side and without the endpoint's secrets", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()

      const end = yield* Shop.run(shop.name)

      const told = "SOURCE_SIGN_IN: The password **** was refused. Enter another."
      assert.strictEqual((yield* Shop.status(shop)).lastError, told)
      assert.strictEqual(end.message, told)
    }).pipe(Effect.provide(Shop.layer(Shop.failOnceAt("staged", 1, rejected))))
  )
})

describe("a worker that breaks the protocol", () => {
  const forgetful = Shop.layerWorkerThat(({ runIngestionUnit }) => ({
    runIngestionUnit: (request) => Stream.filter(runIngestionUnit(request), ({ _tag }) => _tag !== "Finished")
  }))
  it.effect("by ending without Finished leaves FAILED, though every slice is committed", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()

      yield* Shop.run(shop.name)

      const { state, lastError } = yield* Shop.status(shop)
      assert.strictEqual(state, "FAILED")
      assert.match(lastError ?? "", /^BUG: .*without Finished/)
      assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(10))
    }).pipe(Effect.provide(Shop.layerWorker(forgetful)))
  )

  const leaky = Shop.layerWorkerThat(({ runIngestionUnit }) => ({
    runIngestionUnit: (request) =>
      Stream.map(runIngestionUnit(request), (event) =>
        event._tag === "Sealed" && event.sliceSeq === 1 ? { ...event, read: event.read + 1 } : event
      )
  }))
  it.effect("by losing count of a row commits nothing of that slice", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()

      yield* Shop.run(shop.name)

      assert.match(
        (yield* Shop.status(shop)).lastError ?? "",
        /^BUG: .*slice 1 does not account for the 4 rows/
      )
      assert.deepStrictEqual(yield* Shop.landed(shop), MemoryDataPlane.rowsOf(3))
      assert.deepStrictEqual(yield* Shop.cursor(shop), Shop.at(3))
    }).pipe(Effect.provide(Shop.layerWorker(leaky)))
  )
})

describe("a checkpoint", () => {
  const elsewhere = Shop.meanwhile()
  it.effect("P30 that somebody else moved during the run ends it FAILED KV_CONFLICT, and theirs stays", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const kv = yield* KvStore
      const key = checkpointKey(shop.key, shop.place.sinkId)
      const theirs = { moved: "by somebody else" }
      yield* elsewhere.does(({ name, slice }) =>
        name === "committing" && slice === 2
          ? Effect.orDie(kv.put("acme", key, theirs, Version.make(2)))
          : Effect.void
      )

      yield* Shop.run(shop.name)

      assert.match((yield* Shop.status(shop)).lastError ?? "", /^KV_CONFLICT: /)
      assert.deepStrictEqual(yield* Shop.kept(shop), theirs)
    }).pipe(Effect.provide(Shop.layer(elsewhere)))
  )

  it.effect("P30 that cannot be read is refused and left as it is; the worker is not even asked", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const garbage = { cursor: { next: 4 }, lastRunId: 7 }
      const key = checkpointKey(shop.key, shop.place.sinkId)
      yield* (yield* KvStore).put("acme", key, garbage, Version.make(0))

      yield* Shop.run(shop.name)

      const { state, lastError } = yield* Shop.status(shop)
      assert.strictEqual(state, "FAILED")
      assert.match(lastError ?? "", /^CHECKPOINT_UNREADABLE: .*lastRunId.*reset the unit/)
      assert.deepStrictEqual(yield* Shop.kept(shop), garbage)
      assert.deepStrictEqual(yield* Shop.asked, [])
      yield* Shop.reset(shop.name)
      yield* goesOn(shop)
    }).pipe(Effect.provide(Shop.layer()))
  )
})

/** An engine that begins no run before it is told to. */
const heldEngine = () => {
  const release = Deferred.makeUnsafe<void>()
  const layer = Layer.effect(
    RunEngine,
    Effect.map(IngestionRunWorkflow, ({ ingestionRunWorkflow }) =>
      RunEngine.of({
        submit: (request) =>
          Effect.asVoid(
            Effect.forkDetach(Effect.andThen(Deferred.await(release), ingestionRunWorkflow(request)))
          ),
        interrupt: () => Effect.void,
        settled: () => Effect.void
      })
    )
  )
  return { layer, release: Deferred.succeed(release, undefined) }
}

describe("what happens around a run", () => {
  const held = heldEngine()
  const late = Headrace.layerEngine(held.layer).pipe(
    Layer.provideMerge(Headrace.layerStoresMemory),
    Layer.provideMerge(MemoryPythonWorker.layer)
  )
  it.effect("an endpoint that is deleted before its run begins ends it FAILED ENDPOINT_DELETED", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const { end } = yield* Shop.started(shop.name)
      const repo = yield* EndpointRepo
      const row = Option.getOrThrow(yield* repo.get(Shop.scope, shop.source.id))
      yield* repo.put(Object.assign({}, row, { deletedAt: yield* DateTime.now }))

      yield* held.release
      yield* end

      const ended = Option.getOrThrow(yield* (yield* UnitStateRepo).get(shop.key))
      assert.strictEqual(ended.state, "FAILED")
      assert.match(ended.lastError ?? "", new RegExp(`^ENDPOINT_DELETED: .*${shop.source.id}`))
      assert.deepStrictEqual(yield* Shop.asked, [])
    }).pipe(Effect.provide(late))
  )

  const interrupted = Shop.stopAt("sealed", 2)
  it.effect("P31 an interruption ends FAILED INTERRUPTED with nothing staged, and the next run goes on", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const { end } = yield* Shop.started(shop.name)
      yield* interrupted.reached
      const plane = yield* MemoryDataPlane.MemoryDataPlane
      const staged = plane.staged.size

      yield* (yield* RunEngine).interrupt(shop.key)

      assert.strictEqual((yield* end).at(-1)?.event, "RUN_FAILED")
      assert.match((yield* Shop.status(shop)).lastError ?? "", /^INTERRUPTED: /)
      assert.deepStrictEqual([staged, plane.staged.size], [1, 0])
      yield* interrupted.goOn
      yield* goesOn(shop)
    }).pipe(Effect.provide(Shop.layer(interrupted)))
  )

  const shutDown = Shop.stopAt("committing", 1)
  it.effect("a program that shuts down ends its runs before their stores are gone", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const program = yield* Layer.buildWithScope(Layer.fresh(Headrace.layer), scope)
      const shop = yield* Effect.gen(function* () {
        const opened = yield* Shop.opened()
        yield* Shop.started(opened.name)
        return opened
      }).pipe(Effect.provideContext(program), Effect.scoped)
      yield* shutDown.reached

      yield* Scope.close(scope, Exit.void)

      const row = Option.getOrThrow(yield* (yield* UnitStateRepo).get(shop.key))
      assert.strictEqual(row.state, "FAILED")
      assert.match(row.lastError ?? "", /^INTERRUPTED: /)
    }).pipe(
      Effect.provide(
        Headrace.layerStoresMemory.pipe(
          Layer.provideMerge(MemoryPythonWorker.layerScript(shutDown)),
          Layer.provideMerge(MemoryDataPlane.layer())
        )
      )
    )
  )

  const stalled = Shop.stopAt("staged", 1)
  it.effect("a caller that goes away leaves the run it started running", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const ended = yield* Shop.ends
      const caller = yield* Effect.forkChild(Effect.andThen(Shop.start(shop.name), Effect.never))
      yield* stalled.reached

      yield* Fiber.interrupt(caller)
      yield* stalled.goOn

      assert.strictEqual((yield* ended).event, "RUN_SUCCEEDED")
      assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
    }).pipe(Effect.provide(Shop.layer(stalled)))
  )
})
