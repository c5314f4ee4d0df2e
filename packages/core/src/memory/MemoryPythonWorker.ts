/**
 * The reference `PythonWorker`: an in-memory data plane that keeps the worker's
 * manners. It plans slices from a checkpoint, stages each, waits for `decide`
 * and commits only then; `script.during` lets a test stall, fail or kill it at
 * any moment of a run.
 */
import { Deferred, Effect, Layer, Stream } from "effect"
import type { UnitDescriptor } from "../domain/Unit.ts"
import { UnitId } from "../domain/Unit.ts"
import type { Decide, Problem, RunEvent, Verdict } from "../protocol/Protocol.ts"
import { PythonWorker, PythonWorkerError, RequestRejected, WorkerLost } from "../services/PythonWorker.ts"
import * as Plane from "./MemoryDataPlane.ts"
import { carry, type Moment } from "./MemoryRun.ts"

export type { Moment, MomentName } from "./MemoryRun.ts"

/** How a worker behaves; without a word it behaves well. */
export interface Script {
  /** Called at every moment of a run; it may fail, never return, or do something meanwhile. */
  readonly during?: (moment: Moment) => Effect.Effect<void, PythonWorkerError>
  /** Rows a slice where the policy does not say. */
  readonly sliceRows?: number
  /** What every run reports at its end as the reason it failed. */
  readonly errors?: ReadonlyArray<typeof Problem.Type>
}

/** The failure of a worker whose process died. */
export const died = new PythonWorkerError({
  reason: new WorkerLost({ detail: "The worker process ended with signal SIGKILL." })
})

/** The failure of a worker that could not do what it was asked to. */
export const rejected = (problem: Partial<typeof Problem.Type> & Pick<typeof Problem.Type, "tag">) =>
  new PythonWorkerError({
    reason: new RequestRejected({
      problem: { retry: "AfterFix", role: null, message: `It met ${problem.tag}.`, details: {}, ...problem }
    })
  })

const configInvalid = (message: string) => rejected({ tag: "ConfigInvalid", message })

const describe = ({ unitId, rows }: Plane.SourceUnit): UnitDescriptor => ({
  unitId: UnitId.make(unitId),
  kind: "table",
  displayName: unitId,
  modes: ["full", "incremental"],
  primaryKey: ["id"],
  cursorCandidates: ["id"],
  estimatedRows: rows.length
})

const fill = (template: string, parameters: Readonly<Record<string, string>>) =>
  template.replaceAll(/\{(\w+)\}/g, (_, key: string) => parameters[key] ?? "")

/** A host of this name never answers. */
export const unreachableHost = "unreachable"

const unreachable = {
  success: false,
  message: `The host "${unreachableHost}" did not answer. Check the name and try again.`,
  detectedVersion: null,
  capabilities: [],
  details: {},
  diagnostics: [
    { level: "ERROR" as const, code: "DNS", message: "No such host.", hint: "Check the name.", field: "host" }
  ]
}

type Place = Omit<Decide, "verdict">

/** What a run waits for: it asks one question at a time. */
interface Question {
  readonly place: Place
  readonly answer: Deferred.Deferred<Verdict>
}

const isAt = (a: Place, b: Place) => a.sliceSeq === b.sliceSeq && a.batch === b.batch

const make = Effect.fnUntraced(function* (script: Script) {
  const plane = yield* Plane.MemoryDataPlane
  const waiting = new Map<string, Question>()

  const templateOf = (templateId: string) => {
    const found = plane.templates.find(({ id }) => id === templateId)
    const problem = configInvalid(
      `There is no template "${templateId}". Choose one that listTemplates names.`
    )
    return found === undefined ? Effect.fail(problem) : Effect.succeed(found)
  }

  const unitOf = (unitId: string) => {
    const found = plane.units.get(unitId)
    const message = `The source has no unit "${unitId}". List its units and choose one of them.`
    return found === undefined
      ? Effect.fail(rejected({ tag: "UnitNotFound", role: "source", message }))
      : Effect.succeed(found)
  }

  const ask = (place: Place, event: Effect.Effect<void, PythonWorkerError>) =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<Verdict>()
      waiting.set(place.runId, { place, answer })
      yield* event
      return yield* Deferred.await(answer)
    })

  return PythonWorker.of({
    listTemplates: (family) =>
      Effect.sync(() => plane.templates.filter((template) => family === null || template.family === family)),
    buildConnection: Effect.fnUntraced(function* ({ templateId, parameters }) {
      const { connection, defaultLabels, domain } = yield* templateOf(templateId)
      return {
        url: fill(connection?.urlTemplate ?? "", parameters),
        config: { templateId, parameters },
        labels: defaultLabels,
        domain,
        verb: connection?.defaultVerb ?? "POST"
      }
    }),
    testConnection: Effect.fnUntraced(function* ({ templateId, parameters }) {
      const template = yield* templateOf(templateId)
      if (parameters["host"] === unreachableHost) return unreachable
      const capabilities = template.capabilities.map(({ key }) => key)
      return {
        ...unreachable,
        success: true,
        message: "It answered.",
        detectedVersion: "1",
        capabilities,
        diagnostics: []
      }
    }),
    listUnits: Effect.fnUntraced(function* ({ endpoint }) {
      yield* templateOf(endpoint.templateId)
      if (endpoint.parameters["host"] === unreachableHost)
        return yield* rejected({
          tag: "EndpointUnreachable",
          role: "source",
          retry: "Later",
          message: unreachable.message
        })
      return [...plane.units.values()].map(describe)
    }),
    preview: Effect.fnUntraced(function* ({ unitId, limit }) {
      const { rows } = yield* unitOf(unitId)
      const columns = Object.keys(rows[0] ?? {}).map((name) => ({ name, type: typeof rows[0]?.[name] }))
      return { columns, rows: rows.slice(0, limit) }
    }),
    runIngestionUnit: (request) =>
      Stream.callback<RunEvent, PythonWorkerError>((events) =>
        Effect.gen(function* () {
          plane.asked.push(request)
          yield* templateOf(request.source.templateId)
          const unit = yield* unitOf(request.unitId)
          yield* carry({ plane, request, unit, events, ask, script })
        }).pipe(Effect.ensuring(Effect.sync(() => waiting.delete(request.runId))))
      ),
    decide: Effect.fnUntraced(function* ({ verdict, ...place }) {
      const question = waiting.get(place.runId)
      if (question === undefined || !isAt(question.place, place))
        return yield* configInvalid(`No run "${place.runId}" waits for this decision.`)
      waiting.delete(place.runId)
      return yield* Effect.asVoid(Deferred.succeed(question.answer, verdict))
    }),
    sweepStaging: ({ keep }) =>
      Effect.sync(() => {
        const left = [...plane.staged].filter(({ runId }) => !keep.includes(runId))
        for (const session of left) plane.staged.delete(session)
        return { sessions: left.length, bytes: left.length }
      })
  })
})

/** A worker over the plane it is given. */
export const layerScript = (script: Script): Layer.Layer<PythonWorker, never, Plane.MemoryDataPlane> =>
  Layer.effect(PythonWorker, make(script))

/** A well-behaved worker with a plane of its own: one table `public.orders` of ten rows. */
export const layer: Layer.Layer<PythonWorker | Plane.MemoryDataPlane> = layerScript({}).pipe(
  Layer.provideMerge(Plane.layer())
)
