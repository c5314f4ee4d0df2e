/** Which sinks a project has, and which one a client means by a name. `kb` is always there. */
import { Context, Effect, Layer, Option } from "effect"
import type { Endpoint, Scope } from "../domain/Endpoint.ts"
import { isSink } from "../domain/Template.ts"
import { knowledgeBase, SinkId } from "../domain/Unit.ts"
import { EndpointRepo, type EndpointRepoError } from "../services/EndpointRepo.ts"
import type { TemplateCatalogError } from "../services/TemplateCatalog.ts"
import { EndpointNotFound, SinkMissing } from "./LookupFailure.ts"
import { Templates } from "./Templates.ts"

/** `endpoint: null` is the knowledge base. An endpoint is always reported by its row id. */
export interface Sink {
  readonly sinkId: SinkId
  readonly endpoint: Endpoint | null
}

type SinksError = EndpointRepoError | TemplateCatalogError

export class Sinks extends Context.Service<
  Sinks,
  {
    /** The sink of that name: `kb`, or row id or `sourceId` of an endpoint that can be written to. */
    readonly find: (scope: Scope, sinkId: string) => Effect.Effect<Sink, SinkMissing | SinksError>

    /** The sink endpoint of that row id or `sourceId`. */
    readonly findEndpoint: (
      scope: Scope,
      endpointId: string
    ) => Effect.Effect<Sink, EndpointNotFound | SinkMissing | SinksError>
  }
>()("@headrace/core/lifecycle/Sinks") {
  static readonly layer: Layer.Layer<Sinks, never, EndpointRepo | Templates> = Layer.effect(
    Sinks,
    Effect.gen(function* () {
      const endpoints = yield* EndpointRepo
      const templates = yield* Templates

      const canWrite = Effect.fnUntraced(function* (endpoint: Endpoint) {
        const named = endpoint.config?.["templateId"]
        const template = typeof named === "string" ? yield* templates.find(named) : Option.none()
        return Option.exists(template, isSink)
      })

      const missing = Effect.fnUntraced(function* (scope: Scope, sinkId: string) {
        const writable = yield* Effect.filter(yield* endpoints.list(scope), canWrite)
        return yield* new SinkMissing({
          sinkId,
          registeredSinks: [knowledgeBase, ...writable.map(({ id }) => id)],
          names: [knowledgeBase, ...writable.map(({ sourceId }) => sourceId)]
        })
      })

      const asSink = Effect.fnUntraced(function* (scope: Scope, name: string, endpoint: Endpoint) {
        if (!(yield* canWrite(endpoint))) return yield* missing(scope, name)
        const sink: Sink = { sinkId: SinkId.make(endpoint.id), endpoint }
        return sink
      })

      return Sinks.of({
        find: Effect.fn("Sinks.find")(function* (scope, sinkId) {
          const name = sinkId.trim()
          if (name === knowledgeBase) return { sinkId: knowledgeBase, endpoint: null }
          const found = yield* endpoints.find(scope, name)
          return Option.isNone(found) ? yield* missing(scope, name) : yield* asSink(scope, name, found.value)
        }),
        findEndpoint: Effect.fn("Sinks.findEndpoint")(function* (scope, endpointId) {
          const found = yield* endpoints.find(scope, endpointId)
          if (Option.isNone(found)) return yield* new EndpointNotFound({ endpointId })
          return yield* asSink(scope, endpointId, found.value)
        })
      })
    })
  )
}
