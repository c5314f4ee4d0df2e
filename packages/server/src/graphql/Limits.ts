/**
 * How big a document may be. Checked before validation, with fragments
 * expanded, because validating a hostile document costs more than counting it.
 * What lies under `__schema` and `__type` counts for nothing: the standard
 * introspection query is deep and harmless.
 */
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  parse,
  type SelectionSetNode
} from "graphql"

export const limits = {
  bytes: 100 * 1024,
  tokens: 1_000,
  depth: 10,
  aliases: 15,
  directives: 50,
  rootFields: 20
} as const

interface Size {
  readonly depth: number
  readonly aliases: number
  readonly directives: number
  readonly fields: number
}

const nothing: Size = { depth: 0, aliases: 0, directives: 0, fields: 0 }

const beside = (a: Size, b: Size): Size => ({
  depth: Math.max(a.depth, b.depth),
  aliases: a.aliases + b.aliases,
  directives: a.directives + b.directives,
  fields: a.fields + b.fields
})

/** Measures a selection. A fragment is measured once; one that contains itself counts as nothing, validation refuses it. */
const measurer = (fragments: ReadonlyMap<string, FragmentDefinitionNode>) => {
  const known = new Map<string, Size>()

  const ofFragment = (name: string): Size => {
    const before = known.get(name)
    if (before !== undefined) return before
    known.set(name, nothing)
    const size = ofSelection(fragments.get(name)?.selectionSet)
    known.set(name, size)
    return size
  }

  /** `fields` counts those of this level alone: at the root they are the root fields. */
  const ofSelection = (set: SelectionSetNode | undefined): Size =>
    (set?.selections ?? []).reduce<Size>((total, selection) => {
      const own = { ...nothing, directives: selection.directives?.length ?? 0 }
      if (selection.kind === Kind.FRAGMENT_SPREAD)
        return beside(total, beside(own, ofFragment(selection.name.value)))
      if (selection.kind === Kind.INLINE_FRAGMENT)
        return beside(total, beside(own, ofSelection(selection.selectionSet)))
      const field = { ...own, aliases: selection.alias === undefined ? 0 : 1, fields: 1 }
      if (selection.name.value === "__schema" || selection.name.value === "__type")
        return beside(total, field)
      const below = ofSelection(selection.selectionSet)
      return beside(total, beside(field, { ...below, depth: below.depth + 1, fields: 0 }))
    }, nothing)

  return ofSelection
}

const exceeded = (size: Size): string | undefined => {
  if (size.depth > limits.depth) return `nests ${size.depth} selections, ${limits.depth} are allowed`
  if (size.aliases > limits.aliases) return `has ${size.aliases} aliases, ${limits.aliases} are allowed`
  if (size.directives > limits.directives)
    return `has ${size.directives} directives, ${limits.directives} are allowed`
  return size.fields > limits.rootFields
    ? `asks for ${size.fields} root fields, ${limits.rootFields} are allowed`
    : undefined
}

/** Parses a document that is within the limits; throws `GraphQLError` for any other, and for one that does not parse. */
export const parseWithinLimits = (query: string): DocumentNode => {
  if (Buffer.byteLength(query) > limits.bytes)
    throw new GraphQLError(`The document is larger than ${limits.bytes} bytes.`)
  const document = parse(query, { maxTokens: limits.tokens })
  const fragments = new Map(
    document.definitions.flatMap((definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition] as const] : []
    )
  )
  const measure = measurer(fragments)
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue
    const why = exceeded(measure(definition.selectionSet))
    if (why !== undefined) throw new GraphQLError(`The operation ${why}.`, { nodes: definition })
  }
  return document
}
