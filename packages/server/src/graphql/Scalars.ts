/**
 * The two scalars of the schema: how they leave and how they are read, as
 * literal or variable.
 */
import { DateTime, Option, Predicate } from "effect"
import { GraphQLError, type GraphQLScalarType, Kind, type ValueNode } from "graphql"

type Variables = Readonly<Record<string, unknown>> | null | undefined
type Scalar = Pick<GraphQLScalarType, "serialize" | "parseValue" | "parseLiteral">

const withZone = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})$/

const readDateTime = (value: unknown): DateTime.Utc => {
  const read =
    typeof value === "string" && withZone.test(value)
      ? DateTime.make(value)
      : Option.none<DateTime.DateTime>()
  if (Option.isNone(read))
    throw new GraphQLError("A DateTime is ISO 8601 text with a zone, such as 2026-01-31T12:00:00.000Z.")
  return DateTime.toUtc(read.value)
}

const dateTime: Scalar = {
  serialize: (value) => {
    if (!DateTime.isDateTime(value)) throw new TypeError("not a DateTime")
    return DateTime.formatIso(value)
  },
  parseValue: readDateTime,
  parseLiteral: (node) => readDateTime(node.kind === Kind.STRING ? node.value : undefined)
}

/** `Object.fromEntries` keeps the order of keys and makes `__proto__` a key like any other. */
const jsonOf = (node: ValueNode, variables: Variables): unknown => {
  switch (node.kind) {
    case Kind.STRING:
    case Kind.BOOLEAN:
    case Kind.ENUM:
      return node.value
    case Kind.INT:
    case Kind.FLOAT:
      return Number(node.value)
    case Kind.NULL:
      return null
    case Kind.LIST:
      return node.values.map((value) => jsonOf(value, variables))
    case Kind.OBJECT:
      return Object.fromEntries(
        node.fields.map((field) => [field.name.value, jsonOf(field.value, variables)] as const)
      )
    default: {
      const value = variables?.[node.name.value]
      return Predicate.isUndefined(value) ? null : value
    }
  }
}

const json: Scalar = {
  serialize: (value) => value,
  parseValue: (value) => value,
  parseLiteral: jsonOf
}

export const scalars: Readonly<Record<string, Scalar>> = { DateTime: dateTime, JSON: json }
