import { assert, describe, it } from "@effect/vitest"
import { SliceSeq } from "../../src/domain/Run.ts"
import {
  clientStats,
  emptyTally,
  rowsShown,
  withGraph,
  withPlan,
  withProgress,
  withSealed,
  withSlice
} from "../../src/lifecycle/RunTally.ts"
import { RunEvent } from "../../src/protocol/Protocol.ts"

const { Planned, Progress } = RunEvent.cases

const progress = (phase: "plan" | "export" | "import" | "commit" | "finish", rows: number, bytes = 0) =>
  Progress.make({ phase, sliceSeq: SliceSeq.make(0), rows, bytes, counter: 0 })

const seal = (read: number, rejected = 0) => ({ read, rejected })

const run = { worker: {}, durationMs: 12.6, stagingProviderId: "in_memory", isGraph: false }

describe("the rows a progress line shows", () => {
  it("grow with every report, and a late or smaller one takes nothing back", () => {
    const reported = [progress("export", 40), progress("export", 100), progress("export", 70)]

    const tally = reported.reduce(withProgress, emptyTally)

    assert.deepStrictEqual(rowsShown(tally), { exportedRows: 100, appliedRows: 0 })
  })

  it("are never fewer than what is sealed or committed", () => {
    const sealed = withSealed(withProgress(emptyTally, progress("export", 10)), seal(25))

    const committed = withSlice(withProgress(sealed, progress("import", 5)), 24)

    assert.deepStrictEqual(rowsShown(committed), { exportedRows: 25, appliedRows: 24 })
  })

  it("count what is imported and committed as applied, and neither plan nor finish as either", () => {
    const tally = [
      progress("plan", 9),
      progress("finish", 9),
      progress("import", 3),
      progress("commit", 4)
    ].reduce(withProgress, emptyTally)

    assert.deepStrictEqual(rowsShown(tally), { exportedRows: 0, appliedRows: 4 })
  })

  it("come with the bytes that were reported most", () => {
    const tally = [progress("export", 1, 900), progress("import", 1, 300)].reduce(withProgress, emptyTally)

    assert.strictEqual(tally.bytes, 900)
  })
})

describe("a tally", () => {
  it("adds up slices, whatever their order of size", () => {
    const tally = [3, 0, 4].reduce(
      (sum, rows) => withSlice(withSealed(sum, seal(rows + 1, 1)), rows),
      emptyTally
    )

    assert.deepInclude(tally, { read: 10, written: 7, rejected: 3, slices: 3 })
  })

  it("takes the plan's numbers, and none for a source that learns them as it reads", () => {
    const known = withPlan(
      emptyTally,
      Planned.make({ slices: 4, estimatedRows: 100, strategy: "", resumes: true })
    )
    const unknown = withPlan(
      known,
      Planned.make({ slices: null, estimatedRows: null, strategy: "", resumes: true })
    )

    assert.deepInclude(known, { sliceCount: 4, rowsTotal: 100 })
    assert.deepInclude(unknown, { sliceCount: null, rowsTotal: null })
  })

  it("adds up what the graph was told", () => {
    const batch = { records: 500, nodes: 400, edges: 7 }

    const tally = withGraph(withGraph(emptyTally, batch), batch)

    assert.deepInclude(tally, { records: 1000, nodes: 800, edges: 14 })
  })
})

describe("the stats clients see", () => {
  const tally = withSlice(withSealed(emptyTally, seal(10, 2)), 8)

  it("are the worker's numbers where it gives them, and keep what else it says", () => {
    const worker = {
      exported_rows: 100,
      applied_rows: 90,
      rejected_rows: 10,
      duration_ms: 5,
      location: "/lake"
    }

    const stats = clientStats(tally, { ...run, worker })

    assert.deepStrictEqual(stats, { ...worker, processed: 100, stagingProviderId: "in_memory" })
  })

  it("are our own count where the worker gives none", () => {
    assert.deepStrictEqual(clientStats(tally, run), {
      exported_rows: 10,
      applied_rows: 8,
      rejected_rows: 2,
      duration_ms: 13,
      processed: 10,
      stagingProviderId: "in_memory"
    })
  })

  it("ignore a count that is none", () => {
    const worker = { exported_rows: -1, applied_rows: 1.5, duration_ms: "long" }

    const stats = clientStats(tally, { ...run, worker })

    assert.deepInclude(stats, { exported_rows: 10, applied_rows: 8, duration_ms: 13 })
  })

  it("leave rejected_rows out when no row was set aside (D3)", () => {
    assert.notProperty(clientStats(withSealed(emptyTally, seal(10)), run), "rejected_rows")
  })

  it("say what the worker staged with, not what it was asked to", () => {
    const stats = clientStats(tally, { ...run, worker: { stagingProviderId: "local_disk" } })

    assert.strictEqual(stats["stagingProviderId"], "local_disk")
  })

  it("of a knowledge base count its records as applied, and its nodes and edges (P26)", () => {
    const told = withGraph(tally, { records: 10, nodes: 9, edges: 4 })

    const stats = clientStats(told, { ...run, worker: { applied_rows: 0 }, isGraph: true })

    assert.deepInclude(stats, { applied_rows: 10, upserts: 9, edges: 4 })
  })

  it("never show a negative duration", () => {
    assert.strictEqual(clientStats(tally, { ...run, durationMs: -40 })["duration_ms"], 0)
  })
})
