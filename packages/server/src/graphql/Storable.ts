/**
 * What a client may have us keep. PostgreSQL holds no NUL and no half of a
 * surrogate pair, and JSON that is nested deeper than anybody means it exhausts
 * whoever walks it: both are refused here, where the field can be named.
 */
import { JsonObject } from "@headrace/core/domain/Endpoint"
import { Schema, SchemaTransformation } from "effect"

/** Of lists and objects inside each other. */
export const deepest = 64

const issueOfText = (text: string): string | undefined => {
  if (text.includes("\0")) return "must not hold a NUL character; leave it out"
  return text.isWellFormed() ? undefined : "must not hold half of a surrogate pair; send it as valid Unicode"
}

export const Text = Schema.String.check(Schema.makeFilter(issueOfText))

interface Place {
  readonly path: string
  readonly depth: number
  readonly value: unknown
}

const below = ({ path, depth, value }: Place): ReadonlyArray<Place> => {
  if (Array.isArray(value))
    return value.map((item, index) => ({ path: `${path}[${index}]`, depth: depth + 1, value: item }))
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).map(([key, item]) => ({
    path: path === "" ? key : `${path}.${key}`,
    depth: depth + 1,
    value: item
  }))
}

/** A key is named up to what is wrong with it, and no longer than a line. */
const shown = (path: string): string => path.replace(/[\0\uD800-\uDFFF][^]*$/, "").slice(0, 200)

const issueAt = ({ path, depth, value }: Place): string | undefined => {
  if (depth > deepest) return `${shown(path)} must not be nested deeper than ${deepest} levels; flatten it`
  const issue = issueOfText(path) ?? (typeof value === "string" ? issueOfText(value) : undefined)
  return issue === undefined ? undefined : `${shown(path)} ${issue}`
}

/** Walks with a list of its own, so that no depth is too deep for it. */
const issueOfJson = (root: unknown): string | undefined => {
  const left: Array<Place> = [{ path: "", depth: 0, value: root }]
  for (let place = left.pop(); place !== undefined; place = left.pop()) {
    const issue = issueAt(place)
    if (issue !== undefined) return issue
    left.push(...below(place))
  }
  return undefined
}

/** Looked through before anything else walks it. */
export const Config = Schema.Unknown.check(Schema.makeFilter(issueOfJson)).pipe(
  Schema.decodeTo(JsonObject, SchemaTransformation.passthrough({ strict: false }))
)
