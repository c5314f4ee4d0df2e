import { assert, describe, it } from "@effect/vitest"
import { afterReplay, replayLine } from "../../src/cli/ReplayOutcome.ts"

const pair = { source: { again: "./in" }, unitId: "a.csv", sink: { again: "./out" } }
const done = { taken: 0, refused: 0, untried: 0 }

describe("what a replay came to", () => {
  it.each([
    [{ taken: 2, refused: 0 }, "✓ a.csv   2 rows taken in   0 refused again"],
    [{ taken: 1, refused: 1 }, "! a.csv   1 row taken in   1 refused again"],
    [{ taken: 0, refused: 2 }, "✗ a.csv   0 rows taken in   2 refused again"]
  ])("of %j is no success unless every row was taken", (counts, line) => {
    assert.strictEqual(replayLine("a.csv", { ...done, ...counts }), line)
  })

  it("tells rows that could not be read from those that are too long, and the reason of neither as a refusal", () => {
    const left = [
      { code: "MALFORMED", reason: "Line 3 has one field." },
      { code: "TOO_LARGE", reason: "It is too large." }
    ] as const

    assert.deepStrictEqual(afterReplay(pair, { ...done, untried: 2 }, left), [
      "! 1 row was never readable. Correct it at the source, and ingest again.",
      "! 1 row was too long to be kept. Correct it at the source, and ingest again."
    ])
  })
})
