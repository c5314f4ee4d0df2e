/**
 * Joins `schema.graphql` with its resolvers. Every field of Query and Mutation
 * must have one and every resolver a field, else the server does not start.
 */
import type { Effect } from "effect"
import { buildSchema, type GraphQLSchema, isObjectType, isScalarType } from "graphql"
import { readFileSync } from "node:fs"
import type { Shown } from "./errors.ts"
import type { Bridge } from "./Helix.ts"
import { scalars } from "./Scalars.ts"

/** Decodes its arguments and calls one service. */
export type Resolver<R> = (args: unknown) => Effect.Effect<unknown, Shown, R>

export interface Resolvers<R> {
  readonly Query: Readonly<Record<string, Resolver<R>>>
  readonly Mutation: Readonly<Record<string, Resolver<R>>>
}

/** Beside the sources, also when it is the compiled file that runs. */
export const sdl = readFileSync(new URL("../../src/graphql/schema.graphql", import.meta.url), "utf8")

const attachScalars = (schema: GraphQLSchema): void => {
  for (const [name, scalar] of Object.entries(scalars)) {
    const type = schema.getType(name)
    if (!isScalarType(type)) throw new Error(`schema.graphql has no scalar ${name}`)
    Object.assign(type, scalar)
  }
}

const attach = <R>(
  schema: GraphQLSchema,
  root: "Query" | "Mutation",
  resolvers: Readonly<Record<string, Resolver<R>>>
): void => {
  const type = schema.getType(root)
  const fields = isObjectType(type) ? type.getFields() : {}
  const unmatched = [...Object.keys(fields), ...Object.keys(resolvers)].filter(
    (name) => !(name in fields && name in resolvers)
  )
  if (unmatched.length > 0)
    throw new Error(`schema.graphql and the resolvers of ${root} differ in ${unmatched.join(", ")}`)
  for (const [name, resolver] of Object.entries(resolvers)) {
    const field = fields[name]
    if (field !== undefined)
      field.resolve = (_parent: unknown, args: unknown, bridge: Bridge<R>) => bridge.run(resolver(args))
  }
}

/** Throws when schema and resolvers do not fit: a bug of ours, found at the start. */
export const make = <R>(resolvers: Resolvers<R>): GraphQLSchema => {
  const schema = buildSchema(sdl)
  attachScalars(schema)
  attach(schema, "Query", resolvers.Query)
  attach(schema, "Mutation", resolvers.Mutation)
  return schema
}
