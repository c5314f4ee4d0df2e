/**
 * A command line that makes no sense: what effect/cli found wrong, in the form
 * of every other message, on stderr, with exit code 2.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import { Exit } from "./Exit.ts"
import { hint } from "./Hint.ts"
import { lines, type Message, refuse } from "./Message.ts"
import { redact } from "./Redact.ts"

const guess = (near: ReadonlyArray<string>): string =>
  near.length === 0 ? "" : `Did you mean: ${near.join(", ")}?`

/** What a flag takes, from what a Schema expected. */
const taken = (expected: string): string =>
  expected
    .replace(/^Expected /, "")
    .replace("a string representing a finite number", "a whole number")
    .replace("an integer", "a whole number")
    .replaceAll(" | ", ", ")

const told = (error: CliError.NonShowHelpErrors): readonly [string, string] => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return [`Unknown flag ${error.option}`, guess(error.suggestions)]
    case "UnknownSubcommand":
      return [`Unknown verb "${error.subcommand}"`, guess(error.suggestions)]
    case "MissingOption":
      return [`--${error.option} is missing`, ""]
    case "MissingArgument":
      return [`${error.argument} is missing`, ""]
    case "InvalidValue":
      return [
        `"${error.value}" is no value for ${error.kind === "flag" ? "--" : ""}${error.option}`,
        `It takes ${taken(error.expected)}.`
      ]
    case "UnexpectedArgument":
      return [`Nothing is known to do with: ${error.arguments.join(" ")}`, ""]
    default:
      return [error.message, ""]
  }
}

/** `npm start --` is how that one is called; only the command has several forms. */
const helpOf = ([program = "", ...verbs]: ReadonlyArray<string>): string =>
  program === "headrace" ? hint(...verbs, "--help") : `${program} --help`

/** `-source`: read as a flag a letter, and what is wrong with each says nothing of what was meant. */
const withOneDash = (
  errors: ReadonlyArray<CliError.NonShowHelpErrors>
): ReadonlyArray<readonly [string, string]> => {
  const letters = errors.filter(
    (error) => error._tag === "UnrecognizedOption" && /^-[a-z]$/i.test(error.option)
  )
  return letters.length < 2
    ? []
    : [["A flag of several letters stands behind one dash", "It takes two, such as --source."]]
}

/** npm keeps a flag that stands before `--`, and passes its value on as a word. */
const behindDashes = (
  errors: ReadonlyArray<CliError.NonShowHelpErrors>,
  [program = ""]: ReadonlyArray<string>
): string =>
  program !== "headrace" && errors.some(({ _tag }) => _tag === "UnexpectedArgument")
    ? "Flags stand behind two dashes:  npm start -- --touch 10"
    : ""

/** One message for all that is wrong with the line; the first comes as its title. */
export const usageMessage = (
  errors: ReadonlyArray<CliError.NonShowHelpErrors>,
  commandPath: ReadonlyArray<string>
): Message => {
  const [[title, advice] = ["The command line cannot be read", ""], ...rest] = [
    ...withOneDash(errors),
    ...errors.map(told)
  ]
  return refuse({
    title: redact(title),
    number: "HR2100",
    exit: Exit.usage,
    why: rest.map(([also]) => redact(also)),
    advice: [advice, behindDashes(errors, commandPath), `Help:  ${helpOf(commandPath)}`]
  })
}

/** Help goes to stdout when it was asked for; a wrong line is told on stderr, without a page of help. */
export const presenter = CliOutput.layerPresenter({
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(lines(usageMessage(event.errors, event.commandPath)).join("\n"))
      : event._tag === "Help" && event.reason === "Implicit"
        ? Effect.flatMap(CliOutput.Formatter, ({ formatHelpDoc }) =>
            Console.error(formatHelpDoc(event.helpDoc))
          )
        : CliOutput.defaultPresenter.present(event)
})
