/** The real schema over resolvers that answer null, but for those a test gives. */
import { Effect } from "effect"
import { buildSchema, isObjectType } from "graphql"
import * as Schema from "../src/graphql/Schema.ts"

const fieldsOf = (root: string): ReadonlyArray<string> => {
  const type = buildSchema(Schema.sdl).getType(root)
  return isObjectType(type) ? Object.keys(type.getFields()) : []
}

const silent = (root: string): Record<string, Schema.Resolver<never>> =>
  Object.fromEntries(fieldsOf(root).map((name) => [name, () => Effect.succeed(null)]))

export const silentSchema = (given: Partial<Schema.Resolvers<never>>) =>
  Schema.make<never>({
    Query: { ...silent("Query"), ...given.Query },
    Mutation: { ...silent("Mutation"), ...given.Mutation }
  })
