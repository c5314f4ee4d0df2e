import { assert, describe, it } from "@effect/vitest"
import { RunId } from "@headrace/core/domain/Run"
import type { RunProgress } from "@headrace/core/services/RunEvents"
import { numbered, progressLine } from "../../src/cli/JsonLines.ts"
import { plainLine, type Said, terminalLine } from "../../src/cli/ProgressLine.ts"
import { observe, type Tally } from "../../src/cli/Tally.ts"
import { happened } from "./Happened.ts"

const after = (...events: ReadonlyArray<RunProgress>): Tally => {
  const [first, ...rest] = events
  assert.isDefined(first)
  return rest.reduce<Tally>((tally, event) => observe(tally, event), observe(null, first))
}
const started = happened(0, { event: "RUN_STARTED", rowsTotal: 8_123_456 })
const halfway = happened(10, { phase: "export", slice: 3, exportedRows: 4_000_000, bytes: 200_000_000 })
const plainLines = (tallies: ReadonlyArray<Tally>): ReadonlyArray<string> => {
  let said: Said | null = null
  return tallies.flatMap((tally) => {
    const due = plainLine(said, tally)
    said = due.said
    return due.line === null ? [] : [due.line]
  })
}

describe("the line on a terminal", () => {
  it("shows unit, phase, rows of an estimated total, share, rates and time left", () => {
    const line = terminalLine(after(started, halfway), 0, 200)

    for (const part of [
      "public.orders",
      "stage",
      "4,000,000 / ≈8.1M rows",
      "49%",
      "400k rows/s",
      "20.0 MB/s",
      "ETA ≈10s"
    ]) {
      assert.include(line, part)
    }
  })

  it("promises no time left and no share when the source gave no total", () => {
    const line = terminalLine(after(happened(0, {}), halfway), 0, 200)

    assert.notMatch(line, /ETA|%|≈/)
  })

  it("says that it waits, and how long, before the first row", () => {
    const line = terminalLine(after(started, happened(12, { phase: "export" })), 0, 200)

    assert.include(line, "waiting for first rows (12s")
  })

  it("never reaches 100 % while the run goes on, however small the estimate was", () => {
    const line = terminalLine(after(started, happened(10, { exportedRows: 9_000_000 })), 0, 200)

    assert.include(line, "99%")
  })

  it("is shorter than the terminal is wide", () => {
    assert.isBelow(terminalLine(after(started, halfway), 0, 40).length, 40)
  })
})

describe("plain lines", () => {
  it("come when rows first reach a phase, and not again for every slice", () => {
    const phases = ["plan", "export", "import", "export", "import", "export"]
    const tallies = phases.map((phase, second) =>
      after(started, happened(second, { phase, exportedRows: second * 10 }))
    )

    assert.deepStrictEqual(
      plainLines(tallies).map((line) => line.trim().split(/\s+/)[1]),
      ["stage", "write"]
    )
  })

  it("say that the first rows are waited for only when it takes long", () => {
    const tallies = Array.from({ length: 15 }, (_, second) =>
      after(started, happened(second, { phase: "export" }))
    )

    assert.deepStrictEqual(
      plainLines(tallies).map((line) => /waiting for first rows \(\d+s/.exec(line)?.[0]),
      ["waiting for first rows (10s"]
    )
  })

  it("come every ten seconds while nothing but rows changes", () => {
    const tallies = Array.from({ length: 35 }, (_, second) =>
      after(started, happened(second, { phase: "export", exportedRows: second * 10 }))
    )

    assert.lengthOf(plainLines(tallies), 4)
  })
})

describe("JSON lines", () => {
  it("are numbered without a gap and end with the run", () => {
    const stamp = numbered()
    const tally = after(started, halfway)
    const given = [
      stamp(progressLine("RUN_STARTED", tally), "t0"),
      stamp(progressLine("SLICE_PROGRESS", tally), "t1"),
      stamp({ type: "run.finished", outcome: "SUCCEEDED" }, "t2"),
      stamp({ type: "run.finished", outcome: "FAILED" }, "t3"),
      stamp(progressLine("SLICE_PROGRESS", tally), "t4")
    ]

    const printed = given.filter((line) => line !== null).map((line): unknown => JSON.parse(line))

    assert.deepStrictEqual(
      printed.map((line) => (typeof line === "object" && line !== null && "seq" in line ? line.seq : null)),
      [1, 2, 3]
    )
    assert.propertyVal(printed.at(-1), "outcome", "SUCCEEDED")
  })

  it("hold null where a figure is not known", () => {
    const line = progressLine("RUN_STARTED", after(happened(0, { event: "RUN_STARTED" })))

    assert.propertyVal(line, "rowsTotal", null)
    assert.propertyVal(line, "etaSeconds", null)
    assert.propertyVal(line, "rowsPerSecond", null)
  })
})

describe("a tally", () => {
  it("never counts back, even when an event of a later phase knows less", () => {
    const tally = after(started, halfway, happened(11, { phase: "import", exportedRows: 0 }))

    assert.strictEqual(tally.rows, 4_000_000)
    assert.strictEqual(tally.phase, "write")
  })

  it("begins anew with another run", () => {
    const tally = after(started, halfway, happened(20, { runId: RunId.make("run-2") }))

    assert.strictEqual(tally.rows, 0)
  })
})
