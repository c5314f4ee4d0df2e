/** Is a store's failure one of the control database being away, or a mistake of ours? Only the first is anything a person can act on. */
import { isSqlError, type SqlError } from "effect/sql/SqlError"

const reasons: ReadonlySet<SqlError["reason"]["_tag"]> = new Set([
  "ConnectionError",
  "AuthenticationError",
  "LockTimeoutError",
  "StatementTimeoutError"
])

/** What PostgreSQL says while it shuts down or starts, or has no connection left. */
const states = /^(?:57P0|53)/

const has = <Key extends string>(value: unknown, key: Key): value is Record<Key, unknown> =>
  typeof value === "object" && value !== null && key in value

/** Looks through what wraps it; nothing of ours wraps more than a few times. */
const causesOf = (error: unknown): ReadonlyArray<unknown> => {
  const causes: Array<unknown> = []
  let cause = error
  while (cause !== undefined && causes.length < 10) {
    causes.push(cause)
    if (has(cause, "reason")) causes.push(cause.reason)
    const next = has(cause, "cause") ? cause : has(cause, "reason") ? cause.reason : undefined
    cause = has(next, "cause") ? next.cause : undefined
  }
  return causes
}

export const isDatabaseAway = (failure: unknown): boolean =>
  causesOf(failure).some(
    (cause) =>
      (isSqlError(cause) && reasons.has(cause.reason._tag)) ||
      (has(cause, "code") && typeof cause.code === "string" && states.test(cause.code))
  )
