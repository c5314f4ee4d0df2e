/** What the database said, without the wrapping of the client: the part a person can act upon. */
import type { SqlError } from "effect/sql/SqlError"

/** The innermost message; a parameter's value is never part of it. */
export const reasonOf = (error: SqlError): string => {
  let message = error.reason.message ?? error.message
  let cause: unknown = error.reason.cause
  while (cause instanceof Error) {
    if (cause.message !== "") message = cause.message
    cause = cause.cause
  }
  return message
}
