import { assert, describe, it } from "@effect/vitest"
import * as CliError from "effect/cli/CliError"
import { usageMessage } from "../../src/cli/Usage.ts"

const told = (expected: string, kind: "flag" | "argument" = "flag") =>
  usageMessage([new CliError.InvalidValue({ option: "touch", value: "x", expected, kind })], ["headrace"])

describe("a word that npm left of a flag", () => {
  it("is answered with where flags of npm start stand, and one of the command is not", () => {
    const errors = [new CliError.UnexpectedArgument({ arguments: ["10"] })]

    assert.include(usageMessage(errors, ["npm start --"]).advice.join(), "npm start -- --touch 10")
    assert.notInclude(usageMessage(errors, ["headrace", "ingest"]).advice.join(), "npm start")
  })
})

describe("a flag of several letters behind one dash", () => {
  const letter = (option: string) => new CliError.UnrecognizedOption({ option, suggestions: [] })

  it("is told as what it is before what its letters are, and one unknown letter is none", () => {
    const message = usageMessage([letter("-s"), letter("-r")], ["headrace", "ingest"])

    assert.strictEqual(message.title, "A flag of several letters stands behind one dash")
    assert.strictEqual(message.advice[0], "It takes two, such as --source.")
    assert.strictEqual(usageMessage([letter("-s")], ["headrace"]).title, "Unknown flag -s")
  })
})

describe("a value that a flag does not take", () => {
  it.each([
    ["Expected a string representing a finite number", "It takes a whole number."],
    ["Expected an integer", "It takes a whole number."],
    ['"auto" | "text"', 'It takes "auto", "text".']
  ])("%s is told as: %s", (expected, advice) => {
    const message = told(expected)

    assert.strictEqual(message.title, '"x" is no value for --touch')
    assert.strictEqual(message.advice[0], advice)
  })

  it("is named as it was typed: an argument has no dashes", () => {
    assert.strictEqual(told("a path", "argument").title, '"x" is no value for touch')
  })
})
