/**
 * What a person is told when the command cannot do what was asked: what
 * happened, where, why, what to do, its number and its exit code. Every
 * failure of the command becomes one of these before it reaches the screen.
 */
import * as Schema from "effect/Schema"
import { Exit } from "./Exit.ts"

export interface Message {
  /** What happened, in a few words. */
  readonly title: string
  /** Such as `HR3001`: the same number for the same kind of failure, for ever. */
  readonly number: string
  /** The code of a failed run, such as `SOURCE_UNREACHABLE`; null where there is none. */
  readonly code: string | null
  /** The run it is about; null when none was started. */
  readonly runId: string | null
  /** The system, file or setting it happened at; without secrets. */
  readonly where: string | null
  readonly why: ReadonlyArray<string>
  readonly advice: ReadonlyArray<string>
  readonly exit: Exit
}

/** Ends a verb: the message is shown and its exit code is the command's. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  title: Schema.String,
  number: Schema.String,
  code: Schema.NullOr(Schema.String),
  runId: Schema.NullOr(Schema.String),
  where: Schema.NullOr(Schema.String),
  why: Schema.Array(Schema.String),
  advice: Schema.Array(Schema.String),
  exit: Schema.Literals(Object.values(Exit))
}) {}

const telling = (lines: ReadonlyArray<string> | undefined): ReadonlyArray<string> =>
  (lines ?? []).filter((line) => line !== "")

/** A refusal of which only the telling parts are given; a line that says nothing is none. */
export const refuse = (message: Partial<Message> & Pick<Message, "title" | "number" | "exit">): Refused =>
  new Refused({
    code: null,
    runId: null,
    where: null,
    ...message,
    why: telling(message.why),
    advice: telling(message.advice)
  })

/** What a refusal tells, by itself. */
export const messageOf = ({ title, number, code, runId, where, why, advice, exit }: Refused): Message => ({
  title,
  number,
  code,
  runId,
  where,
  why,
  advice,
  exit
})

const numberColumn = 84

/** As lines for people: `✗ title … HRnnnn`, then where, why and what to do, indented. */
export const lines = (message: Message): ReadonlyArray<string> => [
  `✗ ${message.title}`.padEnd(numberColumn) + ` ${message.number}`,
  ...[message.where, ...message.why, ...message.advice]
    .filter((line) => line !== null && line !== "")
    .flatMap((text) => text?.split("\n") ?? [])
    .map((line) => `  ${line}`)
]
