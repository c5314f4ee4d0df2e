import { assert, layer } from "@effect/vitest"
import * as MemoryDataPlane from "@headrace/core/memory/MemoryDataPlane"
import { Effect } from "effect"
import { acting, asking, register, status } from "../Api.ts"
import { both, orders } from "../BothEnds.ts"
import { ask, codes } from "../GraphqlClient.ts"
import * as MemoryServer from "../MemoryServer.ts"

layer(MemoryServer.layer(), { excludeTestServices: true })("look-ups", (it) => {
  it.effect("fail in the promised order with the promised keys, and change nothing", () =>
    Effect.gen(function* () {
      const { lake, source, ...unit } = yield* both
      const odd = yield* register(MemoryServer.source({ ingestionDriver: "odd" }))

      const answers = yield* Effect.forEach(
        [
          { ...unit, endpointId: "nobody", unitId: "nothing", sinkId: "nowhere" },
          { ...unit, endpointId: odd.id, unitId: "nothing", sinkId: "nowhere" },
          { ...unit, unitId: "nothing", sinkId: "nowhere" },
          { ...unit, unitId: "PUBLIC.ORDERS" },
          { ...unit, sinkId: "nowhere" },
          { ...unit, sinkId: source.id },
          { ...unit, sinkEndpointId: "nobody" },
          { ...unit, sinkEndpointId: source.id }
        ],
        (named) => acting("start", named)
      )

      const errors = answers.map(({ errors: [error] = [] }) => error?.extensions)
      const registeredDrivers = ["static", "worker"]
      assert.deepStrictEqual(errors.slice(0, 4), [
        { code: "E_ENDPOINT_NOT_FOUND", endpointId: "nobody" },
        { code: "E_INGESTION_DRIVER_MISSING", driverId: "odd", registeredDrivers },
        { code: "E_INGESTION_UNIT_NOT_FOUND", unitId: "nothing" },
        { code: "E_INGESTION_UNIT_NOT_FOUND", unitId: "PUBLIC.ORDERS" }
      ])
      const registeredSinks = errors[4]?.["registeredSinks"] ?? null
      assert.deepStrictEqual(errors.slice(4), [
        { code: "E_INGESTION_SINK_MISSING", sinkId: "nowhere", registeredSinks },
        { code: "E_INGESTION_SINK_MISSING", sinkId: source.id, registeredSinks },
        { code: "E_ENDPOINT_NOT_FOUND", endpointId: "nobody" },
        { code: "E_INGESTION_SINK_MISSING", sinkId: source.id, registeredSinks }
      ])
      assert.deepStrictEqual(registeredSinks, ["kb", lake.id])
      assert.strictEqual((yield* status(unit)).state, "IDLE")
    })
  )

  it.effect("names sinks that people gave first, five at most, and none that the command only reads", () =>
    Effect.gen(function* () {
      const { lake: _, source: __, ...unit } = yield* both
      for (const name of ["file:///in", ...Array.from({ length: 12 }, (_, n) => `file:///out${n}#sink`)])
        yield* register({ ...MemoryServer.lake, sourceId: name })

      const { errors: [error] = [] } = yield* acting("start", { ...unit, sinkId: "nowhere" })

      const [, said = ""] = /Known: (.*)\.$/.exec(error?.message ?? "") ?? []
      assert.match(said, /^kb, .*, file:\/\/\/out\d+#sink and \d+ more$/)
      assert.lengthOf(said.split(", "), 5)
      assert.notInclude(said, "file:///in")
    })
  )

  it.effect("name the sink that was meant, and none that was not", () =>
    Effect.gen(function* () {
      const { lake: _, source: __, ...unit } = yield* both
      yield* register({ ...MemoryServer.lake, sourceId: "archive" })

      const { errors: [error] = [] } = yield* acting("start", { ...unit, sinkId: "arhcive" })

      assert.match(
        error?.message ?? "",
        /^There is no sink "arhcive" in this project\. Did you mean archive\?$/
      )
    })
  )

  it.effect.each([
    ["is longer than any", "x".repeat(100_000)],
    ["holds a NUL", "public\0orders"]
  ] as const)("refuse a name that %s before they look for it, and do not repeat it", ([, name]) =>
    Effect.gen(function* () {
      const { lake: _, source: __, ...unit } = yield* both

      const answers = yield* Effect.forEach(
        [
          { ...unit, endpointId: name },
          { ...unit, unitId: name },
          { ...unit, sinkId: name },
          { ...unit, sinkEndpointId: name },
          { ...unit, stagingProviderId: name }
        ],
        (named) => acting("start", named)
      )
      const asked = yield* asking(unit.endpointId, name)

      for (const answer of [...answers, asked]) {
        assert.deepStrictEqual(codes(answer), ["E_INPUT_INVALID"])
        assert.match(answer.errors?.[0]?.message ?? "", /must (have at most 1024 characters|not hold a NUL)/)
        assert.isBelow(JSON.stringify(answer).length, 1000)
      }
      assert.strictEqual((yield* status(unit)).state, "IDLE")
    })
  )

  it.effect("refuse an empty name of an endpoint or a unit, and take an empty sink for none", () =>
    Effect.gen(function* () {
      const { lake: _, source: __, ...unit } = yield* both

      const answers = [yield* asking("", orders), yield* asking(unit.endpointId, "")]
      const started = yield* acting("start", { ...unit, sinkId: "", sinkEndpointId: "" })

      assert.deepStrictEqual(answers.map(codes), [["E_INPUT_INVALID"], ["E_INPUT_INVALID"]])
      assert.isUndefined(started.errors)
    })
  )

  it.effect("make an unknown unit an error of ingestionStatus, not a null", () =>
    Effect.gen(function* () {
      const { endpointId } = yield* both

      assert.deepStrictEqual(codes(yield* asking(endpointId, "nothing")), ["E_INGESTION_UNIT_NOT_FOUND"])
    })
  )

  it.effect("refuse mode incremental of a source that cannot, and start nothing", () =>
    Effect.gen(function* () {
      const config = {
        templateId: "memory.full-only",
        parameters: { host: "db" },
        ingestionPolicy: { mode: "incremental" }
      }
      const { id } = yield* register({ name: "Full only", config })

      const answer = yield* acting("start", { endpointId: id, unitId: orders })

      assert.deepStrictEqual(answer.errors?.[0]?.extensions, {
        code: "E_CAPABILITY_MISSING",
        capability: "ingest.incremental"
      })
      assert.strictEqual((yield* status({ endpointId: id, unitId: orders })).lastRunId, null)
    })
  )

  it.effect("say E_WORKER_UNAVAILABLE when units were never seen and cannot be asked for", () =>
    Effect.gen(function* () {
      const config = { templateId: "memory.table", parameters: { host: "db" } }
      const { id } = yield* register({ name: "Source", config })
      const plane = yield* MemoryDataPlane.MemoryDataPlane
      const templates = plane.templates.splice(0)

      const answer = yield* ask(`query U($id: ID!) { ingestionUnits(endpointId: $id) { unitId } }`, { id })
      plane.templates.push(...templates)

      assert.deepStrictEqual(codes(answer), ["E_WORKER_UNAVAILABLE"])
    })
  )
})
