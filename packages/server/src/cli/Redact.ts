/** Keeps secrets off the screen: the rule of every text we show, in the way of the command. */
import { withoutSecrets } from "@headrace/core/domain/Redaction"

export const hidden = "•••"

/** The text without what stands where passwords do, and without `secrets`. */
export const redact = (text: string, secrets: Iterable<string> = []): string =>
  withoutSecrets(text, secrets, hidden)

/** The same for every text inside a line for machines, which stays what it is in all else. */
export const redactLine = <A>(value: A, secrets: ReadonlySet<string>): A =>
  JSON.parse(JSON.stringify(value), (_, each: unknown) =>
    typeof each === "string" ? redact(each, secrets) : each
  )
