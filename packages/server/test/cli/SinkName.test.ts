/** Under which name the checkpoints of a sink are kept, and what becomes of those that were kept under its place alone. */
import { assert, describe, it } from "@effect/vitest"
import { Endpoint, EndpointId } from "@headrace/core/domain/Endpoint"
import * as MemoryEndpointRepo from "@headrace/core/memory/MemoryEndpointRepo"
import { EndpointRepo } from "@headrace/core/services/EndpointRepo"
import { DateTime, Effect, Layer } from "effect"
import { Owner } from "../../src/cli/Engine.ts"
import { renameFormer, sinkIdOf } from "../../src/cli/SinkName.ts"

const scope = { tenant: "dev", project: "global" }
const place = "postgres://db:5432/lake"
const sink = (schemas?: string) => ({
  sourceId: place,
  parameters: schemas === undefined ? {} : { schemas }
})

const layer = Layer.merge(MemoryEndpointRepo.layer, Layer.succeed(Owner, scope))

/** A sink as it was stored, by whatever version. */
const stored = Effect.fnUntraced(function* (id: string, sourceId: string, schemas?: string) {
  const at = yield* DateTime.now
  yield* (yield* EndpointRepo).put(
    Endpoint.make({
      id: EndpointId.make(id),
      sourceId,
      scope,
      name: sourceId,
      description: null,
      verb: "POST",
      url: place,
      authPolicy: null,
      domain: null,
      labels: [],
      config: { templateId: "jdbc.postgres", parameters: sink(schemas).parameters },
      capabilities: [],
      detectedVersion: null,
      versionHint: null,
      createdAt: at,
      updatedAt: at,
      deletedAt: null,
      deletionReason: null
    })
  )
})

/** The names there are, each with its row. */
const names = Effect.gen(function* () {
  const all = yield* (yield* EndpointRepo).list(scope)
  return Object.fromEntries(all.map(({ id, sourceId }) => [String(id), sourceId]))
})

describe("the name of a sink", () => {
  it.each([
    [undefined, `${place}#sink`],
    ["", `${place}#sink`],
    ["sales", `${place}?schemas=sales#sink`],
    [" sales , other", `${place}?schemas=sales#sink`],
    [`["a,b", "c"]`, `${place}?schemas=a%2Cb#sink`],
    ["a#sink", `${place}?schemas=a%23sink#sink`]
  ])("with the schemas %j is %s", (schemas, name) => {
    assert.strictEqual(sinkIdOf(sink(schemas)), name)
  })

  it.effect("of before, which said no schema, becomes the one that does, and the row stays", () =>
    Effect.gen(function* () {
      yield* stored("row", `${place}#sink`, "sales")

      yield* renameFormer(sink("other"))

      assert.deepStrictEqual(yield* names, { row: sinkIdOf(sink("sales")) })
    }).pipe(Effect.provide(layer))
  )

  it.effect("stays what it is where no schema is said", () =>
    Effect.gen(function* () {
      yield* stored("row", `${place}#sink`)

      yield* renameFormer(sink("sales"))

      assert.deepStrictEqual(yield* names, { row: `${place}#sink` })
    }).pipe(Effect.provide(layer))
  )

  it.effect("is left to the row that has it already", () =>
    Effect.gen(function* () {
      yield* stored("old", `${place}#sink`, "sales")
      yield* stored("new", sinkIdOf(sink("sales")), "sales")

      yield* renameFormer(sink("sales"))

      assert.deepStrictEqual(yield* names, { old: `${place}#sink`, new: sinkIdOf(sink("sales")) })
    }).pipe(Effect.provide(layer))
  )
})
