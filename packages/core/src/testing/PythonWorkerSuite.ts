/**
 * The contract of `PythonWorker`, executable; what a run owes is in
 * `PythonWorkerRuns.ts`. The suite asks for endpoints by `Fixtures`, so that a
 * worker in memory and a real one answer the same questions.
 */
import { assert, layer as shared } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { TemplateId } from "../domain/Endpoint.ts"
import { Family } from "../domain/Template.ts"
import { UnitId } from "../domain/Unit.ts"
import { PythonWorker, type PythonWorkerError } from "../services/PythonWorker.ts"
import { type Clauses, Fixtures } from "./PythonWorkerFixtures.ts"
import { runClauses } from "./PythonWorkerRuns.ts"

export { Fixtures } from "./PythonWorkerFixtures.ts"

const nowhere = TemplateId.make("nobody.knows")

/** What the worker could not do, and that it was the request's fault. */
const rejectionOf = <A>(call: Effect.Effect<A, PythonWorkerError>) =>
  Effect.map(Effect.flip(call), (error) => ({
    tag: error.reason._tag === "RequestRejected" ? error.reason.problem.tag : error.reason._tag,
    isRetryable: error.isRetryable
  }))

const templateClauses = (it: Clauses) => {
  it.effect("P5 listTemplates names every template once, those of source and sink among them", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const { source, sink } = yield* Fixtures

      const ids = (yield* worker.listTemplates(null)).map(({ id }) => id)

      assert.includeMembers(ids, [source.templateId, sink("lake").templateId])
      assert.strictEqual(new Set(ids).size, ids.length)
    })
  )

  it.effect("listTemplates of a family names the templates of that family and no others", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const all = yield* worker.listTemplates(null)

      for (const family of Family.literals)
        assert.deepStrictEqual(
          yield* worker.listTemplates(family),
          all.filter((template) => template.family === family)
        )
    })
  )

  it.effect("buildConnection answers url and verb though nothing answers there", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const { unreachable } = yield* Fixtures

      const connection = yield* worker.buildConnection(unreachable)

      assert.match(connection.url, /^[a-z][a-z0-9+.-]*:/)
      assert.isNotEmpty(connection.verb)
    })
  )

  it.effect("testConnection of what works is an answer with success", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const { source } = yield* Fixtures

      const { templateId, parameters } = source
      const answer = yield* worker.testConnection({ templateId, parameters, level: null })

      assert.isTrue(answer.success)
      assert.isFalse(answer.diagnostics.some(({ level }) => level === "ERROR"))
    })
  )

  it.effect("testConnection of what does not work is an answer too: no success, and a diagnostic", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const { unreachable } = yield* Fixtures

      const answer = yield* worker.testConnection({ ...unreachable, level: null })

      assert.isFalse(answer.success)
      assert.isNotEmpty(answer.message)
      assert.isTrue(answer.diagnostics.some(({ level }) => level === "ERROR"))
    })
  )

  it.effect("a template nobody knows is rejected, and asking again would not help", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const { source } = yield* Fixtures
      const request = { templateId: nowhere, parameters: {} }

      const building = yield* rejectionOf(worker.buildConnection(request))
      const testing = yield* rejectionOf(worker.testConnection({ ...request, level: null }))
      const listing = yield* rejectionOf(worker.listUnits({ endpoint: { ...source, templateId: nowhere } }))

      const notThisWay = { tag: "ConfigInvalid", isRetryable: false }
      assert.deepStrictEqual([building, testing, listing], [notThisWay, notThisWay, notThisWay])
    })
  )
}

const unitClauses = (it: Clauses) => {
  it.effect("D9 listUnits reports the unit, with how it can be read", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const { source, unitId } = yield* Fixtures

      const units = yield* worker.listUnits({ endpoint: source })

      const unit = units.find((each) => each.unitId === unitId)
      assert.deepStrictEqual(unit?.modes.toSorted(), ["full", "incremental"])
    })
  )

  it.effect("preview shows the first rows, as many as were asked for and no more than there are", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const { source, unitId, rows } = yield* Fixtures

      const two = yield* worker.preview({ endpoint: source, unitId, limit: 2 })
      const many = yield* worker.preview({ endpoint: source, unitId, limit: 200 })

      assert.deepStrictEqual(two.rows, rows.slice(0, 2))
      assert.deepStrictEqual(many.rows, rows)
      assert.includeMembers(
        two.columns.map(({ name }) => name),
        Object.keys(rows[0] ?? {})
      )
    })
  )

  it.effect("a unit the source does not have is rejected as UnitNotFound", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const { source } = yield* Fixtures

      const preview = worker.preview({ endpoint: source, unitId: UnitId.make("no such unit"), limit: 1 })

      assert.deepStrictEqual(yield* rejectionOf(preview), { tag: "UnitNotFound", isRetryable: false })
    })
  )
}

/** `layer` brings the worker and what to ask it for. */
export const suite = <E>(adapter: string, layer: Layer.Layer<PythonWorker | Fixtures, E>) =>
  shared(layer, { timeout: "60 seconds", excludeTestServices: true })(
    `PythonWorker contract: ${adapter}`,
    (it) => {
      templateClauses(it)
      unitClauses(it)
      runClauses(it)
    }
  )
