import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { knownCodes, messageFor } from "../../src/cli/Catalogue.ts"
import { Exit } from "../../src/cli/Exit.ts"
import * as Flags from "../../src/cli/Flags.ts"
import { headrace } from "../../src/cli/Headrace.ts"
import * as Pages from "./Pages.ts"

const page = "docs/CLI.md"
const sources = join(Pages.repository, "packages/server/src")

/** What runs before any of it, and may refuse to go on. */
const program = join(Pages.repository, "packages/server/bin/headrace.js")

/** Every error number that stands in the code. */
const numbers = new Set(
  readdirSync(sources, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(sources, name))
    .concat(program)
    .flatMap((path) => readFileSync(path, "utf8").match(/\bHR\d{4}\b/g) ?? [])
)

const errors = Pages.rows(page, "Error numbers").map(([number = "", exits = "", , code = ""]) => ({
  number,
  exits: exits.split(", ").map(Number),
  codes: Pages.codes(code)
}))

describe("the page about the command", () => {
  it("lists every exit code there is, and no other", () => {
    const listed = Pages.rows(page, "Exit codes").map(([code]) => Number(code))

    assert.deepStrictEqual(
      listed.toSorted((a, b) => a - b),
      Object.values(Exit).toSorted((a, b) => a - b)
    )
  })

  it("lists every error number there is, once, and no other", () => {
    assert.deepStrictEqual(errors.map(({ number }) => number).toSorted(), [...numbers].toSorted())
  })

  it("gives each code of a failed run the number and the exit code that the command gives it", () => {
    const listed = errors.flatMap(({ number, exits, codes }) =>
      codes.map((code) => ({ code, number, exits }))
    )

    assert.deepStrictEqual(listed.map(({ code }) => code).toSorted(), knownCodes.toSorted())
    for (const { code, number, exits } of listed) {
      const message = messageFor(`${code}: It went wrong.`, null)

      assert.strictEqual(message.number, number, code)
      assert.include(exits, message.exit, code)
    }
  })

  it("lists every verb, and every flag of ingest", () => {
    const verbs = headrace.subcommands.flatMap(({ commands }) => commands)
    const flags = { ...Flags.places, ...Flags.policy, ...Flags.speech, unit: Flags.unit }

    assert.deepStrictEqual(
      Pages.rows(page, "The command").map(([verb = ""]) => Pages.codes(verb)[0]?.split(" ")[0] ?? ""),
      verbs.map(({ name }) => name)
    )
    assert.sameMembers(
      Pages.column(page, "Flags of `ingest`", 0)
        .flatMap((code) => /^--[a-z]+/.exec(code) ?? [])
        .filter((flag) => flag !== "--completions"),
      Object.keys(flags).map((flag) => `--${flag}`)
    )
  })
})
