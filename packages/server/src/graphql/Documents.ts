/**
 * Documents that were read before. Programs send the same few again and again,
 * with other variables, and parsing and validating costs more than most of their
 * answers: what was found valid once is so for as long as the schema is there.
 */
import { type DocumentNode, type GraphQLError, type GraphQLSchema, validate } from "graphql"
import { parseWithinLimits } from "./Limits.ts"

/** Only the latest are kept, and no long one, so that nobody fills the memory with them. */
export const bounds = { documents: 100, characters: 4_000 } as const

export interface Documents {
  /** Throws `GraphQLError` for a document that is too big or does not parse. */
  readonly parse: (query: string) => DocumentNode
  readonly validate: (schema: GraphQLSchema, document: DocumentNode) => ReadonlyArray<GraphQLError>
}

/** For the documents of one schema. `parse` is asked for each document that is not kept. */
export const make = (parse = parseWithinLimits): Documents => {
  const kept = new Map<string, DocumentNode>()
  const valid = new WeakSet<DocumentNode>()

  const keep = (query: string, document: DocumentNode) => {
    kept.delete(query)
    kept.set(query, document)
    const [oldest] = kept.keys()
    if (kept.size > bounds.documents && oldest !== undefined) kept.delete(oldest)
  }

  return {
    parse: (query) => {
      const document = kept.get(query) ?? parse(query)
      if (query.length <= bounds.characters) keep(query, document)
      return document
    },
    validate: (schema, document) => {
      if (valid.has(document)) return []
      const errors = validate(schema, document)
      if (errors.length === 0) valid.add(document)
      return errors
    }
  }
}
