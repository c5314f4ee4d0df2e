import { assert, describe, it } from "@effect/vitest"
import { hintOf } from "../../src/cli/Hint.ts"
import { afterReplay, contradicted, replayLine } from "../../src/cli/ReplayOutcome.ts"

const pair = { source: { again: "./in" }, unitId: "a.csv", sink: { again: "./out" } }
const done = { taken: 0, refused: 0, untried: 0 }

describe("what a replay came to", () => {
  it.each([
    [{ taken: 2, refused: 0 }, "✓ a.csv   2 rows taken in   0 refused again"],
    [{ taken: 0, refused: 0 }, "✓ a.csv   0 rows taken in   0 refused again"],
    [{ taken: 1, untried: 1 }, "! a.csv   1 row taken in   0 refused again"],
    [{ taken: 0, untried: 1 }, "✗ a.csv   0 rows taken in   0 refused again"],
    [{ taken: 1, refused: 1 }, "! a.csv   1 row taken in   1 refused again"],
    [{ taken: 0, refused: 2 }, "✗ a.csv   0 rows taken in   2 refused again"]
  ])("of %j is no success unless every row was taken", (counts, line) => {
    assert.strictEqual(replayLine("a.csv", { ...done, ...counts }), line)
  })

  it("tells rows that could not be read from those that are too long, and the reason of neither as a refusal", () => {
    const left = [
      { code: "MALFORMED", reason: "Line 3 has one field.", payload: '{"text":"2"}' },
      { code: "TOO_LARGE", reason: "It is too large.", payload: null }
    ] as const

    assert.deepStrictEqual(afterReplay(pair, { ...done, untried: 2 }, left), [
      "! 1 row was never readable. Correct it at the source, and ingest again.",
      "! 1 row was too long to be kept. Correct it at the source, and ingest again."
    ])
  })

  it("tells rows that are gone once, and by no other's reason", () => {
    const payload = '{"row":{"id":1},"columns":"c","arrow":"QQ=="}'
    const left = [
      { code: "GONE", reason: "The source has it no more.", payload },
      { code: "CONSTRAINT", reason: "A rule of the table.", payload },
      { code: "GONE", reason: "The source has it no more.", payload }
    ]

    assert.deepStrictEqual(afterReplay(pair, { ...done, refused: 3 }, left), [
      "  A rule of the table.",
      "  Gone at the source: 2 rows. What is gone is not brought back.",
      `  All:  ${hintOf(["quarantine", "show"], pair)}`
    ])
  })

  it.each([
    [["id", "part"], "carried with --key id,part"],
    [null, "carried without --key"]
  ])("names the flag that contradicts %j, and what was said before", (carriedWith, words) => {
    const refused = contradicted({ key: "primaryKeys", asked: ["id"], carriedWith }, pair)

    assert.strictEqual(refused.number, "HR2106")
    assert.include(
      refused.why.join(" "),
      `--key id is asked for, and the run that set them aside was ${words}`
    )
  })
})
