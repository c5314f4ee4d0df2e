/**
 * Reads one GraphQL request out of an HTTP request, or says with which status
 * it is refused. Only `application/json` is taken: a form or a plain text can
 * be sent by a foreign page without asking, JSON cannot.
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import { ByteSize, Effect, Schema } from "effect"
import { HttpIncomingMessage, type HttpServerError, type HttpServerRequest } from "effect/http"
import { plainJson } from "./Negotiation.ts"

export const maximumBodyBytes = 1024 * 1024

/** The HTTP request is no GraphQL request. */
export class NotGraphql extends Schema.TaggedError<NotGraphql>()("NotGraphql", {
  status: Schema.Literals([400, 405, 413, 415]),
  message: Schema.String
}) {}

const Text = Schema.optional(Schema.NullOr(Schema.String))
const Map = Schema.optional(Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)))

export const GraphqlRequest = Schema.Struct({
  query: Schema.String,
  operationName: Text,
  variables: Map,
  extensions: Map
})
export type GraphqlRequest = typeof GraphqlRequest.Type

const parseJson = (text: string, refusal: string) =>
  Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: () => new NotGraphql({ status: 400, message: refusal })
  })

const decode = (parameters: unknown) =>
  Schema.decodeUnknownEffect(GraphqlRequest)(parameters).pipe(
    Effect.mapError(
      () =>
        new NotGraphql({
          status: 400,
          message: "A GraphQL request is {query, variables?, operationName?}: text, an object and text."
        })
    )
  )

const fromUrl = Effect.fnUntraced(function* (url: string) {
  const search = new URL(url, "http://localhost").searchParams
  const parameters: Record<string, unknown> = Object.fromEntries(search)
  for (const key of ["variables", "extensions"]) {
    const text = search.get(key)
    if (text !== null) parameters[key] = yield* parseJson(text, `The parameter ${key} is not valid JSON.`)
  }
  return parameters
})

const isTooLarge = (error: HttpServerError.HttpServerError): boolean =>
  error.reason.cause instanceof NodeStream.MaxBytesError

const bodyOf = (request: HttpServerRequest.HttpServerRequest) =>
  request.text.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(maximumBodyBytes)),
    Effect.mapError((error) =>
      isTooLarge(error)
        ? new NotGraphql({ status: 413, message: `The body is larger than ${maximumBodyBytes} bytes.` })
        : new NotGraphql({ status: 400, message: "The body could not be read to its end." })
    )
  )

/** The request's parameters; fails with `NotGraphql` and never otherwise. */
export const read = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
  if (request.method === "GET") return yield* decode(yield* fromUrl(request.url))
  if (request.method !== "POST")
    return yield* new NotGraphql({ status: 405, message: "GraphQL takes GET and POST requests only." })
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim().toLowerCase()
  if (type !== plainJson)
    return yield* new NotGraphql({ status: 415, message: `Content-Type must be ${plainJson}.` })
  return yield* decode(yield* parseJson(yield* bodyOf(request), "The body is not valid JSON."))
})
