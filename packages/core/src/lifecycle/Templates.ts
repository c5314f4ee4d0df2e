/**
 * Which kinds of endpoint there are. The worker's registry is the only origin;
 * while the worker is away, forms are made from what it said last.
 */
import { Clock, Context, Duration, Effect, Layer, Option, Ref } from "effect"
import type { EndpointTemplate, Family } from "../domain/Template.ts"
import { PythonWorker } from "../services/PythonWorker.ts"
import { TemplateCatalog, type TemplateCatalogError } from "../services/TemplateCatalog.ts"

/** A worker that takes longer counts as away. */
const patience = Duration.seconds(5)

/** What a worker can do does not change while it lives, so that a run need not ask. */
const freshness = Duration.minutes(1)

/** After a failure the worker is not asked again for so long: a list of forms must not wait for a dead worker. */
const backOff = Duration.seconds(30)

interface Heard {
  readonly templates: ReadonlyArray<EndpointTemplate>
  /** When it is asked for again, in milliseconds. */
  readonly until: number
}

export class Templates extends Context.Service<
  Templates,
  {
    /** The worker's list, or the last known one while the worker is away; empty when nothing is known. */
    readonly list: (
      family: Family | null
    ) => Effect.Effect<ReadonlyArray<EndpointTemplate>, TemplateCatalogError>

    /** The template of that id, from the same list. */
    readonly find: (
      templateId: string
    ) => Effect.Effect<Option.Option<EndpointTemplate>, TemplateCatalogError>
  }
>()("@headrace/core/lifecycle/Templates") {
  static readonly layer: Layer.Layer<Templates, never, PythonWorker | TemplateCatalog> = Layer.effect(
    Templates,
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const catalog = yield* TemplateCatalog
      const askAgainAt = yield* Ref.make(0)
      const last = yield* Ref.make<Heard | null>(null)

      const heard = Effect.gen(function* () {
        if ((yield* Clock.currentTimeMillis) < (yield* Ref.get(askAgainAt))) return Option.none()
        const answer = yield* worker.listTemplates(null).pipe(Effect.timeout(patience), Effect.option)
        if (Option.isNone(answer))
          yield* Ref.set(askAgainAt, (yield* Clock.currentTimeMillis) + Duration.toMillis(backOff))
        return answer
      })

      const all = Effect.gen(function* () {
        const before = yield* Ref.get(last)
        const now = yield* Clock.currentTimeMillis
        if (before !== null && now < before.until) return before.templates
        const answer = yield* heard
        if (Option.isNone(answer)) return yield* catalog.known
        yield* catalog.remember(answer.value)
        yield* Ref.set(last, { templates: answer.value, until: now + Duration.toMillis(freshness) })
        return answer.value
      })

      return Templates.of({
        list: Effect.fn("Templates.list")(function* (family) {
          const templates = yield* all
          return family === null ? templates : templates.filter((template) => template.family === family)
        }),
        find: Effect.fn("Templates.find")(function* (templateId) {
          return Option.fromNullishOr((yield* all).find(({ id }) => id === templateId))
        })
      })
    })
  )
}
