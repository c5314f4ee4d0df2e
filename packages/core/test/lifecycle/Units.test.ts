/** Which units an endpoint has, whoever names them: its source, its configuration, or both. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { TestClock } from "effect/testing"
import type { Endpoint, JsonObject } from "../../src/domain/Endpoint.ts"
import { type Unit, Units } from "../../src/lifecycle/Units.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import type { PythonWorkerError } from "../../src/services/PythonWorker.ts"
import { EndpointRepo } from "../../src/services/EndpointRepo.ts"
import * as Shop from "./Shop.ts"

const twoTables = {
  units: [
    { unitId: "public.orders", rows: [...Shop.allRows] },
    { unitId: "public.people", rows: MemoryDataPlane.rowsOf(2) }
  ]
}

/** The endpoint as it is stored, of a configuration. */
const configured = Effect.fnUntraced(function* (more: JsonObject) {
  const { id } = yield* Shop.register("shop", MemoryDataPlane.sourceTemplateId, more)
  const rows = yield* (yield* EndpointRepo).list(Shop.scope)
  return rows.find((row) => row.id === id)!
})

/** The same row with another configuration or labels, as an older version left it. */
const changed = (endpoint: Endpoint, change: Partial<Endpoint>): Endpoint =>
  Object.assign({}, endpoint, change)

const list = (endpoint: Endpoint) => Effect.flatMap(Units, (units) => units.list(endpoint))
const find = (endpoint: Endpoint, unitId: string) =>
  Effect.flatMap(Units, (units) => units.find(endpoint, unitId))
const idsOf = (units: ReadonlyArray<Unit>) => units.map(({ unitId }) => String(unitId))

describe("units from both", () => {
  it.effect("D9 declared units come first, in their order, then those only the source reports", () =>
    Effect.gen(function* () {
      const ingestionUnits = [{ unitId: "virtual" }, { unitId: "public.people" }]
      const endpoint = yield* configured({ ingestionUnits })

      assert.deepStrictEqual(idsOf(yield* list(endpoint)), ["virtual", "public.people", "public.orders"])
    }).pipe(Effect.provide(Shop.layer({}, twoTables)))
  )

  it.effect("D9 a declared unit wins over the reported one, and keeps how the source can read it", () =>
    Effect.gen(function* () {
      const ingestionUnits = [
        {
          unitId: "public.orders",
          displayName: "Orders",
          kind: "stream",
          sinkId: " lake ",
          policy: { mode: "full" }
        }
      ]
      const endpoint = yield* configured({ ingestionUnits })

      const [unit] = yield* list(endpoint)

      assert.deepInclude(unit, {
        displayName: "Orders",
        kind: "stream",
        sinkId: "lake",
        policy: { mode: "full" },
        modes: ["full", "incremental"],
        stats: { estimatedRows: 10, primaryKey: ["id"], cursorCandidates: ["id"] }
      })
    }).pipe(Effect.provide(Shop.layer({}, twoTables)))
  )

  it.effect(
    "D9 an entry without an id is dropped, of two with one id the last counts, odd values are none",
    () =>
      Effect.gen(function* () {
        const ingestionUnits = [
          { displayName: "no id" },
          "no object",
          { unitId: "" },
          { unitId: "a", displayName: "first" },
          { unitId: "a", displayName: " ", kind: 7, sinkId: 8, policy: [], stats: "many" }
        ]
        const endpoint = changed(yield* configured({}), { config: { ingestionUnits } })

        assert.deepStrictEqual(yield* list(endpoint), [
          {
            unitId: (yield* find(endpoint, "a")).unitId,
            kind: "custom",
            displayName: "a",
            stats: null,
            driverId: "static",
            sinkId: null,
            policy: {},
            modes: null
          }
        ])
      }).pipe(Effect.provide(Shop.layer({}, twoTables)))
  )

  it.effect("D6 ids are compared letter by letter", () =>
    Effect.gen(function* () {
      const endpoint = yield* configured({ ingestionUnits: [{ unitId: "Public.Orders" }] })

      assert.deepStrictEqual(idsOf(yield* list(endpoint)), [
        "Public.Orders",
        "public.orders",
        "public.people"
      ])
    }).pipe(Effect.provide(Shop.layer({}, twoTables)))
  )
})

describe("the driver", () => {
  it.effect("static asks no source, though the endpoint has a template", () =>
    Effect.gen(function* () {
      const endpoint = yield* configured({ ingestionDriver: "static", ingestionUnits: [{ unitId: "only" }] })

      assert.deepStrictEqual(idsOf(yield* list(endpoint)), ["only"])
    }).pipe(Effect.provide(Shop.layer({}, twoTables)))
  )

  it.effect("comes from the label of older endpoints, and the configuration goes before it", () =>
    Effect.gen(function* () {
      const endpoint = yield* configured({ ingestionUnits: [{ unitId: "only" }] })
      const labels = ["jdbc", "ingest-driver:static"]
      const said = { ...endpoint.config, ingestionDriver: "worker" }

      assert.deepStrictEqual(idsOf(yield* list(changed(endpoint, { labels }))), ["only"])
      assert.strictEqual((yield* list(changed(endpoint, { labels, config: said }))).length, 3)
    }).pipe(Effect.provide(Shop.layer({}, twoTables)))
  )

  it.effect("nobody registered is an error that names those there are", () =>
    Effect.gen(function* () {
      const endpoint = yield* configured({ ingestionDriver: "odd" })

      const error = yield* Effect.flip(list(endpoint))

      assert.deepInclude(error, {
        _tag: "DriverMissing",
        driverId: "odd",
        registeredDrivers: ["static", "worker"]
      })
    }).pipe(Effect.provide(Shop.layer({}, twoTables)))
  )
})

const notPermitted = MemoryPythonWorker.rejected({ tag: "PermissionDenied", role: "source" })

/** A source whose worker a test may take away, and which does not list all it has. */
const source = (unlisted: ReadonlyArray<string> = []) => {
  let isAway = false
  let asked = 0
  const answered = <A>(answer: Effect.Effect<A, PythonWorkerError>) =>
    Effect.suspend(() => {
      asked++
      return isAway ? Effect.fail(MemoryPythonWorker.died) : answer
    })
  const worker = Shop.layerWorkerThat(({ listUnits, preview }) => ({
    listUnits: (request) =>
      answered(
        Effect.map(listUnits(request), (units) => units.filter(({ unitId }) => !unlisted.includes(unitId)))
      ),
    preview: (request) =>
      answered(request.unitId === "public.closed" ? Effect.fail(notPermitted) : preview(request))
  }))
  return {
    layer: Shop.layerWorker(worker, twoTables),
    goesAway: Effect.sync(() => {
      isAway = true
    }),
    asked: Effect.sync(() => asked)
  }
}

describe("a source that cannot be asked", () => {
  const known = source()
  it.effect("is stood in for by what it reported last", () =>
    Effect.gen(function* () {
      const endpoint = yield* configured({})
      const before = yield* list(endpoint)
      yield* known.goesAway

      assert.deepStrictEqual(yield* list(endpoint), before)
    }).pipe(Effect.provide(known.layer))
  )

  const edited = source()
  it.effect("is not stood in for by what another configuration of the endpoint reported", () =>
    Effect.gen(function* () {
      const endpoint = yield* configured({})
      yield* list(endpoint)
      yield* edited.goesAway
      yield* TestClock.adjust("1 second")

      const error = yield* Effect.flip(list(changed(endpoint, { updatedAt: yield* DateTime.now })))

      assert.strictEqual(error._tag, "UnitsUnavailable")
    }).pipe(Effect.provide(edited.layer))
  )

  const declared = source()
  it.effect("leaves the declared units", () =>
    Effect.gen(function* () {
      const endpoint = yield* configured({ ingestionUnits: [{ unitId: "only" }] })
      yield* declared.goesAway

      assert.deepStrictEqual(idsOf(yield* list(endpoint)), ["only"])
    }).pipe(Effect.provide(declared.layer))
  )

  it.effect("for a reason of its own says that reason", () =>
    Effect.gen(function* () {
      const parameters = { host: MemoryPythonWorker.unreachableHost }
      const endpoint = changed(yield* configured({}), {
        config: { templateId: MemoryDataPlane.sourceTemplateId, parameters }
      })

      const error = yield* Effect.flip(list(endpoint))

      assert.deepInclude(error, { _tag: "UnitsUnavailable", kind: "EndpointUnreachable" })
      assert.isTrue(error._tag === "UnitsUnavailable" && /did not answer/.test(error.detail))
    }).pipe(Effect.provide(Shop.layer({}, twoTables)))
  )
})

describe("one unit", () => {
  const seen = source()
  it.effect("that is declared or was reported before is found without asking its source", () =>
    Effect.gen(function* () {
      const endpoint = yield* configured({ ingestionUnits: [{ unitId: "only" }] })
      yield* find(endpoint, "only")
      const declared = yield* seen.asked
      yield* find(endpoint, "public.people")

      yield* find(endpoint, "public.orders")

      assert.deepStrictEqual([declared, yield* seen.asked], [0, 1])
    }).pipe(Effect.provide(seen.layer))
  )

  it.effect("nobody has is an error that names units whose ids look like it", () =>
    Effect.gen(function* () {
      const endpoint = yield* configured({})

      const errors = yield* Effect.forEach(["PUBLIC.ORDERS", "people", "warehouse"], (unitId) =>
        Effect.flip(find(endpoint, unitId))
      )

      const near = errors.map((error) => (error._tag === "UnitNotFound" ? error.near : error._tag))
      assert.deepStrictEqual(near, [["public.orders"], ["public.people"], []])
    }).pipe(Effect.provide(Shop.layer({}, twoTables)))
  )

  const quiet = source(["public.people"])
  it.effect("that its source has and does not list is found by name, and asked about once", () =>
    Effect.gen(function* () {
      const endpoint = yield* configured({})

      const unit = yield* find(endpoint, "public.people")
      const asked = yield* quiet.asked
      yield* quiet.goesAway
      const again = yield* find(endpoint, "public.people")

      assert.deepInclude(unit, { driverId: "worker", modes: null, stats: null })
      assert.deepStrictEqual([again, yield* quiet.asked], [unit, asked])
    }).pipe(Effect.provide(quiet.layer))
  )

  it.effect("that its source refuses for another reason is there, and a run will say the reason", () =>
    Effect.gen(function* () {
      const endpoint = yield* configured({})

      assert.deepStrictEqual(idsOf([yield* find(endpoint, "public.closed")]), ["public.closed"])
    }).pipe(Effect.provide(source().layer))
  )

  it.effect("that is nowhere is an error with what its source says of it", () =>
    Effect.gen(function* () {
      const endpoint = yield* configured({})

      const errors = yield* Effect.forEach(["people", ""], (unitId) => Effect.flip(find(endpoint, unitId)))

      const why = errors.map((error) => (error._tag === "UnitNotFound" ? error.why : error._tag))
      const said = 'The source has no unit "people". List its units and choose one of them.'
      assert.deepStrictEqual(why, [said, null])
    }).pipe(Effect.provide(Shop.layer({}, twoTables)))
  )

  const dying = source()
  it.effect("that nobody can be asked about is not said to be missing", () =>
    Effect.gen(function* () {
      const endpoint = yield* configured({})
      yield* list(endpoint)
      yield* dying.goesAway

      assert.strictEqual((yield* Effect.flip(find(endpoint, "people")))._tag, "UnitsUnavailable")
    }).pipe(Effect.provide(dying.layer))
  )
})
