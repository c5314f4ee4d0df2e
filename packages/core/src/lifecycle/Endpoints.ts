/**
 * What clients do with endpoints: register one, test a connection, look at them.
 * A connection is tested before it is stored; a secret leaves here only sealed
 * into the store, or opened into the one call that needs it.
 */
import { Context, DateTime, Effect, Layer, Option } from "effect"
import {
  Endpoint,
  EndpointId,
  type EndpointRef,
  type JsonObject,
  type Scope,
  TemplateId
} from "../domain/Endpoint.ts"
import { unmaskConfig } from "../domain/Masking.ts"
import { maskText } from "../domain/SecretText.ts"
import type { EndpointTemplate } from "../domain/Template.ts"
import type { Diagnostic } from "../protocol/Protocol.ts"
import { type DuplicateSourceId, EndpointRepo, type EndpointRepoError } from "../services/EndpointRepo.ts"
import { Ids } from "../services/Ids.ts"
import { PythonWorker } from "../services/PythonWorker.ts"
import { Secrets, type SecretsError } from "../services/Secrets.ts"
import type { TemplateCatalogError } from "../services/TemplateCatalog.ts"
import { type ConnectionTestFailed, EndpointUrlRequired } from "./EndpointFailure.ts"
import {
  completed,
  completedFrom,
  failed,
  notConnected,
  parametersOf,
  refused,
  saidOf,
  secretRequired,
  sentence,
  sourceIdOf,
  unknownParameters,
  unknownTemplate,
  worked
} from "./EndpointConnection.ts"
import * as EndpointSecrets from "./EndpointSecrets.ts"
import { type EndpointQuery, pageOf } from "./EndpointList.ts"
import type { Registration } from "./Registration.ts"
import { Templates } from "./Templates.ts"

export interface TestRequest {
  readonly templateId: string
  /** As sent: any JSON; values become text. */
  readonly connection: JsonObject
  /** Where values sent as `****` are taken from. */
  readonly endpointId: string | null
}

type StoreError = EndpointRepoError | SecretsError | TemplateCatalogError
type RegistrationError = ConnectionTestFailed | EndpointUrlRequired | DuplicateSourceId | StoreError

/** An endpoint that works and that nobody else knows yet. */
export interface Tried {
  /** The row that `keep` stores: whoever asks its system in between may use it. */
  readonly endpoint: Endpoint
  /** Answers it as it is shown. `DuplicateSourceId`: another was first, and the whole is to be tried anew. */
  readonly keep: Effect.Effect<Endpoint, DuplicateSourceId | StoreError>
}

export class Endpoints extends Context.Service<
  Endpoints,
  {
    /** Builds and tests the connection when `config.templateId` is given, then stores it. Answers it as it is shown. */
    readonly register: (
      scope: Scope,
      registration: Registration
    ) => Effect.Effect<Endpoint, RegistrationError>

    /**
     * The same for a `sourceId` that may be there already: that endpoint takes the
     * new name and configuration and stays the same row, so its checkpoints stay.
     */
    readonly ensure: (
      scope: Scope,
      registration: Registration & { readonly sourceId: string }
    ) => Effect.Effect<Endpoint, RegistrationError>

    /** The first half of `ensure`, for who has more to ask before the endpoint is stored. */
    readonly attempt: (
      scope: Scope,
      registration: Registration & { readonly sourceId: string }
    ) => Effect.Effect<Tried, RegistrationError>

    /** Really connects. Works exactly when no diagnostic is an `ERROR`. */
    readonly test: (
      scope: Scope,
      request: TestRequest
    ) => Effect.Effect<ReadonlyArray<Diagnostic>, StoreError>

    /** A page of the project's endpoints as they are shown. */
    readonly list: (scope: Scope, query: EndpointQuery) => Effect.Effect<ReadonlyArray<Endpoint>, StoreError>

    /** By row id, as it is shown; none when absent, deleted or of another scope. */
    readonly get: (scope: Scope, id: string) => Effect.Effect<Option.Option<Endpoint>, StoreError>

    /** What the worker needs to use it, secrets opened; null when its configuration names no template. */
    readonly refOf: (
      endpoint: Endpoint
    ) => Effect.Effect<EndpointRef | null, SecretsError | TemplateCatalogError>
  }
>()("@headrace/core/lifecycle/Endpoints") {
  static readonly layer: Layer.Layer<Endpoints, never, EndpointRepo | PythonWorker | Secrets | Templates> =
    Layer.effect(
      Endpoints,
      Effect.gen(function* () {
        const repo = yield* EndpointRepo
        const worker = yield* PythonWorker
        const { opened, sealed } = EndpointSecrets.make(yield* Secrets)
        const templates = yield* Templates
        const ids = yield* Ids

        const templateOf = Effect.fnUntraced(function* (config: JsonObject | null) {
          const named = config?.["templateId"]
          return typeof named === "string" ? yield* templates.find(named) : Option.none<EndpointTemplate>()
        })

        const shown = Effect.fnUntraced(function* (endpoint: Endpoint) {
          return EndpointSecrets.shown(endpoint, Option.getOrNull(yield* templateOf(endpoint.config)))
        })

        const connect = Effect.fnUntraced(
          function* (template: EndpointTemplate, parameters: Readonly<Record<string, string>>) {
            const request = {
              templateId: TemplateId.make(template.id),
              parameters: completed(template, parameters)
            }
            const built = yield* worker.buildConnection(request)
            const test = yield* worker.testConnection({ ...request, level: null })
            if (test.success) return { built, test }
            return yield* notConnected(test)
          },
          Effect.catchTag("PythonWorkerError", (error) => Effect.fail(refused(error)))
        )

        /** While nothing is known, only the worker can say whether there is such a template, or why it is not there. */
        const templateCalled = Effect.fnUntraced(function* (named: string) {
          const listed = yield* templates.list(null)
          const known =
            listed.length > 0 ? listed : yield* Effect.mapError(worker.listTemplates(null), refused)
          const found = known.find(({ id }) => id === named)
          return found === undefined ? yield* unknownTemplate(named, known) : found
        })

        /** The registration with what the template's connection adds; unchanged without a template. */
        const built = Effect.fnUntraced(function* (registration: Registration) {
          const config = registration.config
          const named = config?.["templateId"]
          if (config === null || typeof named !== "string")
            return { registration, template: null, test: null }
          const template = yield* templateCalled(named)
          const { config: said, missing } = unmaskConfig(config, null, template)
          if (missing[0] !== undefined) return yield* secretRequired(missing[0])
          const parameters = parametersOf(said["parameters"])
          const { built: connection, test } = yield* connect(template, parameters)
          yield* Effect.forEach(unknownParameters(template, parameters), (unknown) =>
            Effect.logWarning(`Endpoint ${registration.sourceId ?? registration.name}: ${sentence(unknown)}`)
          )
          return {
            template,
            test,
            registration: {
              ...registration,
              url: connection.url,
              verb: connection.verb,
              domain: registration.domain ?? connection.domain,
              labels: [...new Set([...connection.labels, ...registration.labels])],
              config: {
                ...said,
                templateId: named,
                parameters: { ...saidOf(connection.config["parameters"]), ...parameters }
              },
              capabilities:
                registration.capabilities.length > 0 ? registration.capabilities : test.capabilities
            }
          }
        })

        /** What is to be stored as a new row, or in place of `before`. */
        const tried = Effect.fnUntraced(function* (
          scope: Scope,
          asked: Registration,
          before: Option.Option<Endpoint>
        ) {
          const { registration, template, test } = yield* built(asked)
          if (registration.url === null || registration.url.trim() === "")
            return yield* new EndpointUrlRequired()
          const uuid = yield* ids.uuid
          const now = yield* DateTime.now
          const endpoint = Endpoint.make({
            ...registration,
            id: Option.match(before, { onNone: () => EndpointId.make(uuid), onSome: ({ id }) => id }),
            sourceId: registration.sourceId ?? sourceIdOf(scope, registration.name, uuid),
            scope,
            url: template === null ? registration.url : maskText(registration.url),
            capabilities: registration.capabilities.length > 0 ? registration.capabilities : ["metadata"],
            detectedVersion: test?.detectedVersion ?? null,
            versionHint: parametersOf(registration.config?.["parameters"])["version_hint"] ?? null,
            createdAt: Option.match(before, { onNone: () => now, onSome: ({ createdAt }) => createdAt }),
            updatedAt: now,
            deletedAt: null,
            deletionReason: null
          })
          const row = yield* sealed(endpoint, template)
          return { endpoint: row, keep: Effect.andThen(repo.put(row), shown(endpoint)) }
        })

        const attempt = Effect.fn("Endpoints.attempt")(function* (
          scope: Scope,
          registration: Registration & { readonly sourceId: string }
        ) {
          return yield* tried(scope, registration, yield* repo.find(scope, registration.sourceId))
        })

        /** What is stored of the endpoint a test refers to; nothing when it is made from another template. */
        const storedFor = Effect.fnUntraced(function* (scope: Scope, request: TestRequest) {
          if (request.endpointId === null) return null
          const stored = yield* repo.find(scope, request.endpointId)
          if (Option.isNone(stored) || stored.value.config?.["templateId"] !== request.templateId) return null
          return yield* opened(stored.value, Option.getOrNull(yield* templateOf(stored.value.config)))
        })

        return Endpoints.of({
          register: Effect.fn("Endpoints.register")(function* (scope, registration) {
            return yield* (yield* tried(scope, registration, Option.none())).keep
          }),

          attempt,

          ensure: Effect.fn("Endpoints.ensure")(
            function* (scope, registration) {
              return yield* (yield* attempt(scope, registration)).keep
            },
            // Of two that set it up at once, the second finds it there.
            Effect.retry({ times: 1, while: ({ _tag }) => _tag === "DuplicateSourceId" })
          ),

          test: Effect.fn("Endpoints.test")(function* (scope, request) {
            const found = yield* templates.find(request.templateId)
            if (Option.isNone(found))
              return [
                failed(
                  yield* Effect.map(templates.list(null), (all) => unknownTemplate(request.templateId, all))
                )
              ]
            const before = yield* storedFor(scope, request)
            const { config, refusal } = completedFrom(before, request.connection, found.value)
            if (refusal !== null) return [{ ...failed(refusal), code: "E_SECRET_REQUIRED" }]
            const parameters = parametersOf(config["parameters"])
            const outcome = yield* connect(found.value, parameters).pipe(
              Effect.map(({ test }) => worked(test.message)),
              Effect.catchTag("ConnectionTestFailed", (error) => Effect.succeed(failed(error)))
            )
            return [outcome, ...unknownParameters(found.value, parameters)]
          }),

          list: Effect.fn("Endpoints.list")(function* (scope, query) {
            return yield* Effect.forEach(pageOf(yield* repo.list(scope), query), shown)
          }),

          get: Effect.fn("Endpoints.get")(function* (scope, id) {
            const found = yield* repo.get(scope, EndpointId.make(id))
            if (Option.isNone(found) || found.value.deletedAt !== null) return Option.none()
            return Option.some(yield* shown(found.value))
          }),

          refOf: Effect.fn("Endpoints.refOf")(function* (endpoint) {
            const template = Option.getOrNull(
              yield* Effect.catchTag(
                templateOf(endpoint.config),
                "TemplateCatalogError",
                () => Effect.succeedNone
              )
            )
            const config = yield* opened(endpoint, template)
            const named = config?.["templateId"]
            if (typeof named !== "string" || named === "") return null
            const parameters = parametersOf(config?.["parameters"])
            return {
              id: endpoint.id,
              templateId: TemplateId.make(named),
              parameters: template === null ? parameters : completed(template, parameters)
            }
          })
        })
      })
    )
}
