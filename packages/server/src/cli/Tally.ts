/**
 * Where a run stands, made from its events one by one. The progress line, the
 * plain lines and the JSON lines all show this, so they can never disagree.
 */
import * as DateTime from "effect/DateTime"
import type { RunProgress } from "@headrace/core/services/RunEvents"

export interface Tally {
  readonly runId: string
  readonly unit: string
  /** `plan`, `stage`, `write`, `commit`, `finish`; `start` before the first. */
  readonly phase: string
  readonly slice: number | null
  /** The last slice that is in the sink; null before the first. */
  readonly committed: number | null
  readonly rows: number
  readonly bytes: number
  /** The source's own estimate. */
  readonly rowsTotal: number | null
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly at: number
  readonly firstRowsAt: number | null
}

const phases: Readonly<Record<string, string>> = { export: "stage", import: "write" }

/** What is known after `progress`. Rows and bytes never go back within a run. */
export const observe = (before: Tally | null, progress: RunProgress): Tally => {
  const at = DateTime.toEpochMillis(progress.at)
  const known = before?.runId === progress.runId ? before : null
  const phase = progress.phase === null ? null : (phases[progress.phase] ?? progress.phase)
  const rows = Math.max(known?.rows ?? 0, progress.exportedRows)
  return {
    runId: progress.runId,
    unit: progress.unit.unitId,
    phase: phase ?? known?.phase ?? "start",
    slice: progress.slice ?? known?.slice ?? null,
    committed: (progress.event === "SLICE_COMMITTED" ? progress.slice : null) ?? known?.committed ?? null,
    rows,
    bytes: Math.max(known?.bytes ?? 0, progress.bytes),
    rowsTotal: progress.rowsTotal ?? known?.rowsTotal ?? null,
    startedAt: known?.startedAt ?? at,
    at,
    firstRowsAt: known?.firstRowsAt ?? (rows > 0 ? at : null)
  }
}

/** The tally at a later moment, with no news since. */
export const later = (tally: Tally, at: number): Tally => ({ ...tally, at: Math.max(at, tally.at) })

export const elapsedSeconds = (tally: Tally): number => (tally.at - tally.startedAt) / 1000

/** Null until a quarter of a second has passed: a rate before that is noise. */
const perSecond = (tally: Tally, amount: number): number | null =>
  elapsedSeconds(tally) < 0.25 || amount === 0 ? null : amount / elapsedSeconds(tally)

export const rowsPerSecond = (tally: Tally): number | null => perSecond(tally, tally.rows)
export const bytesPerSecond = (tally: Tally): number | null => perSecond(tally, tally.bytes)

/** From 0 to 1; null without a total. An estimate that proved too small stays below 1. */
export const share = ({ rows, rowsTotal }: Tally): number | null =>
  rowsTotal === null || rowsTotal === 0 ? null : Math.min(0.99, rows / rowsTotal)

export const etaSeconds = (tally: Tally): number | null => {
  const rate = rowsPerSecond(tally)
  if (rate === null || tally.rowsTotal === null || tally.rows >= tally.rowsTotal) return null
  return (tally.rowsTotal - tally.rows) / rate
}
