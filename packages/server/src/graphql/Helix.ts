/**
 * The only place that knows graphql-helix. It executes; what GraphQL over HTTP
 * asks for beyond that is decided around it, in `GraphqlRequest` and
 * `Negotiation`: it is no longer maintained, and must be replaceable.
 *
 * A query belongs to its request and is interrupted when the client goes away.
 * A mutation belongs to the server: once accepted it is carried to its end.
 */
import { Effect, FiberSet, Result } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { ExecutionResult, GraphQLError, GraphQLSchema } from "graphql"
import { processRequest } from "graphql-helix"
import * as ConsolePage from "./ConsolePage.ts"
import * as Documents from "./Documents.ts"
import { explain, explainUnexpected, type Shown } from "./errors.ts"
import { withoutValues } from "./ErrorText.ts"
import { type GraphqlRequest, type NotGraphql, read } from "./GraphqlRequest.ts"
import { negotiate, statusOf, wantsPage } from "./Negotiation.ts"

/** What every resolver gets as its context: a way to run an Effect where it belongs. Rejects with `GraphQLError` only. */
export interface Bridge<R> {
  readonly run: <A>(effect: Effect.Effect<A, Shown, R>) => Promise<A>
}

type RunPromise<R> = <A>(effect: Effect.Effect<A, never, R>) => Promise<A>

const bridge = <R>(runPromise: RunPromise<R>): Bridge<R> => ({
  run: async (effect) => {
    const outcome = await runPromise(
      Effect.matchCauseEffect(effect, {
        onSuccess: (value) => Effect.succeed(Result.succeed(value)),
        onFailure: (cause) => Effect.map(explain(cause), Result.fail)
      })
    )
    if (Result.isFailure(outcome)) throw outcome.failure
    return outcome.success
  }
})

/** Never kept by anyone, never taken for another type than it says. */
const always = { "cache-control": "no-store", "x-content-type-options": "nosniff" }

const answer = (status: number, type: string, payload: unknown, headers: Record<string, string> = {}) =>
  HttpServerResponse.text(JSON.stringify(payload), {
    status,
    contentType: `${type}; charset=utf-8`,
    headers: { ...always, ...headers }
  })

const refusal = (type: string) => (refused: NotGraphql) =>
  answer(
    refused.status,
    type,
    { errors: [{ message: refused.message }] },
    refused.status === 405 ? { allow: "GET, POST" } : {}
  )

/**
 * Failures of resolvers have their code already. One of the execution itself,
 * such as a null where none may be, would name types of ours: it is masked.
 */
const masked = (error: GraphQLError): Effect.Effect<GraphQLError> => {
  if (error.extensions["code"] !== undefined) return Effect.succeed(error)
  return error.path === undefined
    ? Effect.succeed(withoutValues(error))
    : explainUnexpected(error, error.path)
}

const withErrorsMasked = Effect.fnUntraced(function* (payload: ExecutionResult) {
  if (payload.errors === undefined) return payload
  return { ...payload, errors: yield* Effect.forEach(payload.errors, masked) }
})

/** Runs one request through graphql-helix; `bridgeOf` chooses by operation where resolvers run. */
const execute = Effect.fnUntraced(function* <R>(
  schema: GraphQLSchema,
  { parse, validate }: Documents.Documents,
  method: string,
  request: GraphqlRequest,
  bridgeOf: (operation: string) => Bridge<R>
) {
  const result = yield* Effect.promise(() =>
    processRequest<Bridge<R>>({
      // It negotiates less well than `Negotiation`, so it is told what to answer.
      request: { method, headers: { accept: "application/json" }, query: {}, body: {} },
      schema,
      parse,
      validate,
      query: request.query,
      ...(request.operationName != null && { operationName: request.operationName }),
      ...(request.variables != null && { variables: { ...request.variables } }),
      contextFactory: ({ operation }) => bridgeOf(operation.operation)
    })
  )
  // The schema has neither subscriptions nor incremental delivery.
  if (result.type !== "RESPONSE") return yield* Effect.die(new Error(`unforeseen answer ${result.type}`))
  return { status: result.status, payload: yield* withErrorsMasked(result.payload) }
})

/**
 * The handler of the GraphQL path. `R` is what the resolvers need; it is taken
 * from the context here, once. In the scope live the mutations in flight.
 */
export const make = Effect.fnUntraced(function* <R>(schema: GraphQLSchema) {
  const mutations = yield* FiberSet.make()
  const mutating = bridge(yield* FiberSet.runtimePromise(mutations)<R>())
  const services = yield* Effect.context<R>()
  const documents = Documents.make()

  return Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    if (request.method === "GET" && !request.url.includes("?") && wantsPage(request.headers["accept"]))
      return ConsolePage.response
    const type = negotiate(request.headers["accept"])
    const asked = yield* Effect.result(read(request))
    if (Result.isFailure(asked)) return refusal(type)(asked.failure)

    const fibers = yield* FiberSet.make()
    const querying = bridge(yield* FiberSet.runtimePromise(fibers)<R>().pipe(Effect.provideContext(services)))
    const { status, payload } = yield* execute(
      schema,
      documents,
      request.method,
      asked.success,
      (operation) => (operation === "mutation" ? mutating : querying)
    )
    const refused = status === 200 ? undefined : status
    return answer(
      statusOf(type, refused, payload.data !== undefined),
      type,
      payload,
      status === 405 ? { allow: "POST" } : {}
    )
  }).pipe(Effect.scoped, Effect.withSpan("graphql"))
})
