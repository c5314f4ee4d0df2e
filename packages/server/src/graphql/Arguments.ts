/**
 * The arguments of a field, decoded by a Schema. GraphQL has checked their
 * types by then; what only we know, such as that a configuration is an object,
 * is refused here in a sentence.
 */
import { Effect, Schema } from "effect"
import { InputInvalid } from "./errors.ts"

/** An optional argument: left out and null mean the same. */
export const optional = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

/** What a decoder of arguments answers: the decoded ones, or `InputInvalid` naming every argument that is wrong. */
export const decoder = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(schema, { errors: "all" })
  return (args: unknown): Effect.Effect<S["Type"], InputInvalid> =>
    Effect.mapError(
      decode(args),
      (error) => new InputInvalid({ detail: `The arguments make no sense: ${error.message}` })
    )
}
