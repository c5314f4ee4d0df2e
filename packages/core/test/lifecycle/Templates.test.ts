import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Templates } from "../../src/lifecycle/Templates.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import * as MemoryTemplateCatalog from "../../src/memory/MemoryTemplateCatalog.ts"
import { PythonWorker } from "../../src/services/PythonWorker.ts"
import { TemplateCatalog } from "../../src/services/TemplateCatalog.ts"
import { template } from "../../src/testing/Samples.ts"
import * as Shop from "./Shop.ts"

/** A worker that a test sends away, calls back, or lets ponder for ever. */
const moody = () => {
  let mood: "well" | "away" | "silent" = "well"
  let asked = 0
  const layer = Layer.effect(
    PythonWorker,
    Effect.map(PythonWorker, (worker) =>
      PythonWorker.of({
        ...worker,
        listTemplates: (family) =>
          Effect.suspend(() => {
            asked++
            if (mood === "silent") return Effect.never
            return mood === "away" ? Effect.fail(MemoryPythonWorker.died) : worker.listTemplates(family)
          })
      })
    )
  ).pipe(Layer.provide(MemoryPythonWorker.layerScript({})))
  return {
    layer: Templates.layer.pipe(
      Layer.provideMerge(layer),
      Layer.provideMerge(MemoryTemplateCatalog.layer),
      Layer.provideMerge(MemoryDataPlane.layer())
    ),
    is: (next: typeof mood) =>
      Effect.sync(() => {
        mood = next
      }),
    asked: Effect.sync(() => asked)
  }
}

const list = Effect.flatMap(Templates, (templates) => templates.list(null))
const all = MemoryDataPlane.templates

describe("while the worker answers", () => {
  const worker = moody()
  it.effect("P5 the list is the worker's own, of one family or of all", () =>
    Effect.gen(function* () {
      const templates = yield* Templates

      assert.deepStrictEqual(yield* templates.list(null), all)
      assert.deepStrictEqual(
        yield* templates.list("FILE"),
        all.filter(({ family }) => family === "FILE")
      )
    }).pipe(Effect.provide(worker.layer))
  )

  const renewed = moody()
  it.effect("it is asked once a minute, and then what is gone from its registry is gone everywhere", () =>
    Effect.gen(function* () {
      const plane = yield* MemoryDataPlane.MemoryDataPlane
      yield* list
      plane.templates.splice(0, 2)
      yield* TestClock.adjust("59 seconds")
      yield* list
      const early = yield* renewed.asked
      yield* TestClock.adjust("1 second")

      const listed = yield* list

      assert.deepStrictEqual([early, yield* renewed.asked], [1, 2])
      assert.deepStrictEqual(listed, all.slice(2))
      assert.deepStrictEqual(yield* Effect.flatMap(TemplateCatalog, ({ known }) => known), all.slice(2))
    }).pipe(Effect.provide(renewed.layer))
  )

  const found = moody()
  it.effect("find takes a template by its id, and an id nobody has is none", () =>
    Effect.gen(function* () {
      const templates = yield* Templates

      assert.strictEqual(
        (yield* Effect.flatten(Effect.map(templates.find("memory.lake"), Effect.fromOption))).id,
        "memory.lake"
      )
      assert.strictEqual((yield* templates.find("MEMORY.LAKE"))._tag, "None")
    }).pipe(Effect.provide(found.layer))
  )
})

describe("while the worker is away", () => {
  const worker = moody()
  it.effect("P5 the list is the last known one, also after a restart", () =>
    Effect.gen(function* () {
      yield* (yield* TemplateCatalog).remember([template])
      yield* worker.is("away")

      assert.deepStrictEqual(yield* list, [template])
      assert.strictEqual((yield* (yield* Templates).find(template.id))._tag, "Some")
    }).pipe(Effect.provide(worker.layer))
  )

  const never = moody()
  it.effect("the list is empty when nothing was ever heard, not an error", () =>
    Effect.gen(function* () {
      yield* never.is("away")

      assert.deepStrictEqual(yield* list, [])
    }).pipe(Effect.provide(never.layer))
  )

  const silent = moody()
  it.effect("a worker that says nothing for five seconds counts as away", () =>
    Effect.gen(function* () {
      yield* list
      yield* TestClock.adjust("1 minute")
      yield* silent.is("silent")

      const listed = yield* Shop.whileTimePasses(list)

      assert.sameDeepMembers([...listed], [...all])
    }).pipe(Effect.provide(silent.layer))
  )

  const resting = moody()
  it.effect("it is not asked again for half a minute, and then it is", () =>
    Effect.gen(function* () {
      yield* resting.is("away")
      yield* list
      yield* resting.is("well")
      yield* list
      yield* TestClock.adjust("29 seconds")
      yield* list
      const early = yield* resting.asked
      yield* TestClock.adjust("1 second")

      const listed = yield* list

      assert.strictEqual(early, 1)
      assert.strictEqual(yield* resting.asked, 2)
      assert.deepStrictEqual(listed, all)
    }).pipe(Effect.provide(resting.layer))
  )
})
