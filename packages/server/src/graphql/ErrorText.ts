/**
 * What GraphQL itself says of a document or its variables, without the values
 * they hold: it quotes what it refuses, and a password may be anywhere in that.
 * Names of types, fields and variables stay; they are the schema's.
 */
import { GraphQLError } from "graphql"

/** How messages quote a value: always up to their end. */
const quotes = [
  /^(Expected value of type "[^"]*"), found [^]*$/,
  /^([^:]* cannot represent (?:an? )?[^:]*): [^]*$/
]

const unquoted = (message: string): string =>
  quotes.reduce((text, quote) => text.replace(quote, "$1."), message)

/** `Variable "$i" got invalid value {…} at "i.name"; why`, which knows its `why`. */
const ofVariable = ({ message, originalError }: GraphQLError): string | null => {
  const variable = /^Variable "\$\w+" got invalid value /.exec(message)?.[0]
  if (variable === undefined) return null
  const why = originalError?.message ?? ""
  const quoted = message.slice(0, message.length - why.length - "; ".length)
  const place = / at "[^"]*"$/.exec(quoted)?.[0] ?? ""
  return `${variable.trimEnd()}${place}; ${unquoted(why)}`
}

/** The error as it is shown: where it is, and what it may say. */
export const withoutValues = (error: GraphQLError): GraphQLError =>
  new GraphQLError(ofVariable(error) ?? unquoted(error.message), {
    nodes: error.nodes ?? null,
    source: error.source ?? null,
    positions: error.positions ?? null,
    path: error.path ?? null,
    extensions: error.extensions
  })
