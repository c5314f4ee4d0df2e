/**
 * The server's own GraphQL API, over HTTP, as any client would call it: what
 * `npm start` shows is what everybody else can do.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** The server did not answer, or answered with errors; `detail` is its sentence, `code` its code. */
export class ApiRefused extends Schema.TaggedError<ApiRefused>()("ApiRefused", {
  code: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.code}: ${this.detail}`
  }
}

/** `E_UNREACHABLE`: nobody answers there, or somebody who does not speak GraphQL. */
export const unreachable = "E_UNREACHABLE"

const Answer = Schema.Struct({
  data: Schema.optionalKey(Schema.Json),
  errors: Schema.optionalKey(
    Schema.Array(
      Schema.Struct({
        message: Schema.String,
        extensions: Schema.optionalKey(Schema.Struct({ code: Schema.optionalKey(Schema.String) }))
      })
    )
  )
})

const decodeAnswer = Schema.decodeUnknownEffect(Schema.fromJsonString(Answer))

/** One operation against `url`; the answer's `data` is decoded by `schema`. */
export const ask = <A>(
  url: string,
  query: string,
  variables: Readonly<Record<string, Schema.Json>>,
  schema: Schema.Codec<A, unknown>
): Effect.Effect<A, ApiRefused> =>
  Effect.gen(function* () {
    const text = yield* Effect.tryPromise({
      try: async (signal) => {
        const response = await fetch(url, {
          method: "POST",
          headers: { "content-type": "application/json", accept: "application/json" },
          body: JSON.stringify({ query, variables }),
          signal
        })
        return await response.text()
      },
      catch: (cause) => refused(unreachable, cause)
    })
    const { data, errors } = yield* Effect.mapError(decodeAnswer(text), (cause) =>
      refused(unreachable, cause)
    )
    const error = errors?.[0]
    if (error !== undefined)
      return yield* refused(error.extensions?.code ?? "INTERNAL_SERVER_ERROR", error.message)
    return yield* Effect.mapError(Schema.decodeUnknownEffect(schema)(data), (cause) =>
      refused("INTERNAL_SERVER_ERROR", cause)
    )
  })

const refused = (code: string, cause: unknown): ApiRefused =>
  new ApiRefused({ code, detail: cause instanceof Error ? cause.message : String(cause) })
