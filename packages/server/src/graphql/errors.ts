/**
 * The one table from a failure to what a client sees: a code, a sentence, and
 * the keys the contract promises beside the code. It is exhaustive: a new
 * failure does not compile until someone decides. What is not in it is
 * unexpected: the client gets a number, the log gets the reason.
 */
import { Cause, Effect, Match, Schema } from "effect"
import { GraphQLError } from "graphql"
import { randomUUID } from "node:crypto"

/** The arguments fit the schema and yet make no sense; `detail` is a complete sentence. */
export class InputInvalid extends Schema.TaggedError<InputInvalid>()("InputInvalid", {
  detail: Schema.String
}) {}

/** Every failure a resolver may end with. */
export type Shown = InputInvalid

/** Null: nothing a client could act on, so it is treated like a bug. */
interface Sight {
  readonly code: string
  readonly message: string
  readonly [extension: string]: unknown
}

const sightOf = (failure: Shown): Sight | null =>
  Match.valueTags(failure, {
    InputInvalid: ({ detail }) => ({ code: "E_INPUT_INVALID", message: detail })
  })

type Path = ReadonlyArray<string | number>

/** Says to the log what happened, and to the client only under which number it is there. */
export const explainUnexpected = (reason: unknown, path?: Path): Effect.Effect<GraphQLError> =>
  Effect.gen(function* () {
    const correlationId = randomUUID()
    yield* Effect.logError("A request failed unexpectedly.", { correlationId }, reason)
    return new GraphQLError("Something went wrong inside Headrace; the server's log says what.", {
      ...(path !== undefined && { path }),
      extensions: { code: "INTERNAL_SERVER_ERROR", correlationId }
    })
  })

/** What a client is told about a resolver's failure. */
export const explain = (cause: Cause.Cause<Shown>): Effect.Effect<GraphQLError> => {
  const failure = cause.reasons.find(Cause.isFailReason)?.error
  const sight = failure === undefined ? null : sightOf(failure)
  if (sight === null) return explainUnexpected(Cause.pretty(cause))
  const { message, ...extensions } = sight
  return Effect.succeed(new GraphQLError(message, { extensions }))
}
