/**
 * What a run has done so far, counted from what the worker says. Pure: one
 * function an event, and one that makes of it the stats clients see.
 */
import type { RunStats } from "../domain/Run.ts"
import type { Manifest } from "../domain/Slice.ts"
import type { RunEvent } from "../protocol/Protocol.ts"

export interface RunTally {
  /** Rows read from the source, written by the sink, set aside; all of this run. */
  readonly read: number
  readonly written: number
  readonly rejected: number
  readonly bytes: number
  /** Of the knowledge base: records stored, nodes and edges written. */
  readonly records: number
  readonly nodes: number
  readonly edges: number
  /** Slices that count, and of how many; null while the source does not know. */
  readonly slices: number
  readonly sliceCount: number | null
  readonly rowsTotal: number | null
  /** Rows the worker reports on its way, ahead of `read` and `written`. */
  readonly exporting: number
  readonly importing: number
}

export const emptyTally: RunTally = {
  read: 0,
  written: 0,
  rejected: 0,
  bytes: 0,
  records: 0,
  nodes: 0,
  edges: 0,
  slices: 0,
  sliceCount: null,
  rowsTotal: null,
  exporting: 0,
  importing: 0
}

type Progress = Extract<RunEvent, { readonly _tag: "Progress" }>
type Planned = Extract<RunEvent, { readonly _tag: "Planned" }>

export const withPlan = (tally: RunTally, { slices, estimatedRows }: Planned): RunTally => ({
  ...tally,
  sliceCount: slices,
  rowsTotal: estimatedRows
})

export const withProgress = (tally: RunTally, { phase, rows, bytes }: Progress): RunTally => ({
  ...tally,
  exporting: phase === "export" ? Math.max(tally.exporting, rows) : tally.exporting,
  importing: phase === "import" || phase === "commit" ? Math.max(tally.importing, rows) : tally.importing,
  bytes: Math.max(tally.bytes, bytes)
})

export const withSealed = (
  tally: RunTally,
  { read, rejected }: Pick<Manifest, "read" | "rejected">
): RunTally => ({
  ...tally,
  read: tally.read + read,
  rejected: tally.rejected + rejected
})

/** A slice counts from now on; `rows` is what the sink wrote of it. */
export const withSlice = (tally: RunTally, rows: number): RunTally => ({
  ...tally,
  slices: tally.slices + 1,
  written: tally.written + rows
})

export const withGraph = (
  tally: RunTally,
  batch: { readonly records: number; readonly nodes: number; readonly edges: number }
): RunTally => ({
  ...tally,
  records: tally.records + batch.records,
  nodes: tally.nodes + batch.nodes,
  edges: tally.edges + batch.edges
})

/** The rows a progress line shows: never fewer than what is sealed or committed. */
export const rowsShown = ({ exporting, read, importing, written }: RunTally) => ({
  exportedRows: Math.max(exporting, read),
  appliedRows: Math.max(importing, written)
})

const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined

/**
 * The stats of a run as clients see them: what the worker says, completed with
 * what they rely on. Counts are integers, `duration_ms` milliseconds. `isGraph`:
 * the run fed the knowledge base, whose records are what was applied.
 */
export const clientStats = (
  tally: RunTally,
  run: {
    readonly worker: RunStats
    readonly durationMs: number
    readonly stagingProviderId: string
    readonly isGraph: boolean
  }
): RunStats => {
  const exported = count(run.worker["exported_rows"]) ?? tally.read
  const applied = run.isGraph ? tally.records : (count(run.worker["applied_rows"]) ?? tally.written)
  const rejected = count(run.worker["rejected_rows"]) ?? tally.rejected
  return {
    ...run.worker,
    exported_rows: exported,
    applied_rows: applied,
    duration_ms: count(run.worker["duration_ms"]) ?? Math.max(0, Math.round(run.durationMs)),
    processed: exported,
    stagingProviderId: run.worker["stagingProviderId"] ?? run.stagingProviderId,
    ...(rejected > 0 ? { rejected_rows: rejected } : {}),
    ...(run.isGraph ? { upserts: tally.nodes, edges: tally.edges } : {})
  }
}
