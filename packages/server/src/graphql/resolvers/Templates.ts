/** The fields of the schema about endpoint templates: one list under two names. */
import { Family } from "@headrace/core/domain/Template"
import { Templates } from "@headrace/core/lifecycle/Templates"
import { Effect, Schema } from "effect"
import { decoder, optional } from "../Arguments.ts"

const decode = decoder(Schema.Struct({ family: optional(Family) }))

export const endpointTemplates = Effect.fn("Query.endpointTemplates")(function* (args: unknown) {
  const { family } = yield* decode(args)
  return yield* (yield* Templates).list(family ?? null)
})
