/**
 * A name as a client says it, of an endpoint, a unit, a sink, a template or a
 * staging provider. What could be none of ours is refused before anybody looks
 * for it; the message never repeats it, for it may be huge.
 */
import { Schema } from "effect"

/** In characters. A longer one fits no key of a store. */
export const longestIdentifier = 1024

const issueOf = (name: string): string | undefined => {
  if (name.length > longestIdentifier)
    return `must have at most ${longestIdentifier} characters; this one has ${name.length}`
  return name.includes("\0") ? "must not hold a NUL character" : undefined
}

/** Blank where that means that nothing was named. */
export const MaybeIdentifier = Schema.String.check(Schema.makeFilter(issueOf))

export const Identifier = Schema.String.check(
  Schema.makeFilter((name) => (name === "" ? "must not be empty" : issueOf(name)))
)
