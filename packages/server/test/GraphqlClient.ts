/** A client as the existing ones are: `fetch`, JSON, and the first look goes to the status. */
import { Effect, Schema } from "effect"
import { HttpServer } from "effect/http"

export const Answer = Schema.Struct({
  data: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.Json))),
  errors: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        message: Schema.String,
        path: Schema.optionalKey(Schema.Array(Schema.Union([Schema.String, Schema.Int]))),
        extensions: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
      })
    )
  )
})
export type Answer = typeof Answer.Type

/** Where the server under test listens. */
export const origin = Effect.map(HttpServer.HttpServer, ({ address }) => {
  if (address._tag !== "InetAddressV4") throw new Error(`unexpected address ${address._tag}`)
  return `http://127.0.0.1:${address.port}`
})

export const request = Effect.fnUntraced(function* (path: string, init?: RequestInit) {
  const url = `${yield* origin}${path}`
  return yield* Effect.promise((signal) => fetch(url, { signal, ...init }))
})

export const post = (body: unknown, headers: Record<string, string> = {}) =>
  request("/graphql", {
    method: "POST",
    body: typeof body === "string" ? body : JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers }
  })

export const answerOf = (response: Response) =>
  Effect.promise(() => response.json()).pipe(Effect.flatMap(Schema.decodeUnknownEffect(Answer)), Effect.orDie)

/** One document, its answer. */
export const ask = Effect.fnUntraced(function* (query: string, variables?: Record<string, unknown>) {
  return yield* answerOf(yield* post({ query, variables }))
})

/** The codes of the answer's errors, in order. */
export const codes = (answer: Answer): ReadonlyArray<unknown> =>
  (answer.errors ?? []).map(({ extensions }) => extensions?.["code"] ?? null)
