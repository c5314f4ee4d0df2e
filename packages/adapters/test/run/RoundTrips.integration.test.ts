/** How often the database is asked for what every run needs: a start waits for each answer. */
import { assert, layer } from "@effect/vitest"
import * as SqlEndpointRepo from "@headrace/adapters/endpoint/SqlEndpointRepo"
import * as SqlKvStore from "@headrace/adapters/kv/SqlKvStore"
import * as SqlSliceLedger from "@headrace/adapters/ledger/SqlSliceLedger"
import * as SqlQuarantine from "@headrace/adapters/quarantine/SqlQuarantine"
import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import * as SqlTemplateCatalog from "@headrace/adapters/template/SqlTemplateCatalog"
import * as SqlUnitStateRepo from "@headrace/adapters/unit-state/SqlUnitStateRepo"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { RunId } from "@headrace/core/domain/Run"
import { Endpoints } from "@headrace/core/lifecycle/Endpoints"
import * as Headrace from "@headrace/core/lifecycle/Headrace"
import { fromTemplate } from "@headrace/core/lifecycle/Registration"
import { runToEnd } from "@headrace/core/lifecycle/RunToEnd"
import * as MemoryDataPlane from "@headrace/core/memory/MemoryDataPlane"
import * as MemoryGraphStore from "@headrace/core/memory/MemoryGraphStore"
import * as MemoryPythonWorker from "@headrace/core/memory/MemoryPythonWorker"
import * as MemoryRunEvents from "@headrace/core/memory/MemoryRunEvents"
import * as MemorySecrets from "@headrace/core/memory/MemorySecrets"
import { knowledgeBase, UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { absent } from "@headrace/core/services/KvStore"
import { landed, record } from "@headrace/core/testing/RunRepoFixtures"
import { sealed } from "@headrace/core/testing/SliceLedgerFixtures"
import { Effect, Layer, Option, Tracer } from "effect"
import * as Database from "../Database.ts"

const unit = UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make("orders") })
const [runId, sinkId] = [RunId.make("run-1"), knowledgeBase]

/** A look at whether a run is still wanted, which comes each second, and not at all in a run that is quick. */
const isGlance = (span: Tracer.AnySpan | undefined): boolean =>
  span?._tag === "Span" &&
  (span.name === "RunClaim.untilRevoked" || isGlance(Option.getOrUndefined(span.parent)))

/** What was said to the database meanwhile, in order; a transaction says where it begins and ends. */
const saying = Effect.fnUntraced(function* <A, E, R>(asking: Effect.Effect<A, E, R>) {
  const said: Array<string> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      if (options.kind === "client" && !isGlance(span)) said.push(options.name)
      if (options.name === "sql.transaction") said.push("begin", "commit")
      return span
    }
  })
  yield* Effect.withTracer(asking, tracer)
  return said
})

layer(Layer.provideMerge(SqlKvStore.layer, Database.layer), { excludeTestServices: true })("a run", (it) => {
  it.effect("takes one statement to acquire its unit, two for each slice, and one to close", () =>
    Effect.gen(function* () {
      const [runs, ledger] = [yield* SqlRunRepo.make, yield* SqlSliceLedger.make]
      const states = yield* SqlUnitStateRepo.make

      const acquired = yield* saying(runs.acquire({ runId, tenant: "dev", unit, sinkId, fresh: false }))
      const run = Option.getOrThrow(yield* runs.live(unit))
      const slice = landed(run, 1)
      const to = { slice, checkpoint: record(1), expected: absent }
      const intended = yield* saying(ledger.intend(run, sealed(run, 1)))
      const finalised = yield* saying(ledger.finalise(run, to))
      const closed = yield* saying(runs.close(run, { _tag: "Completed", stats: {}, filled: "whole" }))

      const said = [acquired, intended, finalised, closed]
      assert.deepStrictEqual(
        said.map(({ length }) => length),
        [1, 1, 1, 1],
        said.flat().join(", ")
      )
      assert.strictEqual(Option.getOrThrow(yield* states.get(unit)).state, "SUCCEEDED")
    })
  )
})

const scope = { tenant: "dev", project: "global" }

/** Headrace over our stores; the data plane, which has stores of its own, is in memory. */
const stores = Layer.mergeAll(
  SqlEndpointRepo.layer({ defaultTenant: scope.tenant }),
  SqlQuarantine.layer,
  SqlRunRepo.layer,
  Layer.provideMerge(SqlSliceLedger.layer, SqlKvStore.layer),
  SqlTemplateCatalog.layer,
  SqlUnitStateRepo.layer
)
const headrace = Headrace.layer.pipe(
  Layer.provideMerge(
    Layer.mergeAll(stores, MemoryGraphStore.layer, MemoryRunEvents.layer, MemorySecrets.layer)
  ),
  Layer.provideMerge(MemoryPythonWorker.layer),
  Layer.provideMerge(Database.layer)
)

/** A shop and a lake, registered; what carries the shop's orders to their end. */
const opened = Effect.gen(function* () {
  const endpoints = yield* Endpoints
  const more = { ingestionPolicy: { mode: "incremental" } }
  const source = fromTemplate("shop", MemoryDataPlane.sourceTemplateId, { host: "db" }, more)
  yield* endpoints.register(scope, source)
  yield* endpoints.register(scope, fromTemplate("lake", MemoryDataPlane.sinkTemplateId, { host: "lake" }))
  return runToEnd(scope, { endpointId: "shop", unitId: "public.orders", sinkId: "lake" })
})

layer(headrace, { excludeTestServices: true })("a run that finds nothing new", (it) => {
  it.effect("asks the database five times and writes four, from its start to its end", () =>
    Effect.gen(function* () {
      const run = yield* opened
      yield* run

      const said = yield* saying(run)

      assert.strictEqual(said.length, 9, said.join(", "))
    })
  )
})

layer(headrace, { excludeTestServices: true })("a run of one slice", (it) => {
  it.effect("asks twice more: before the sink may commit it, and when it has", () =>
    Effect.gen(function* () {
      const run = yield* opened

      const said = yield* saying(run)

      assert.strictEqual(said.length, 11, said.join(", "))
    })
  )
})
