/**
 * What `-o jsonl` prints: one object a line with a version, a number that
 * grows by one and a time, and exactly one `run.finished`, always the last.
 */
import type { RunProgress } from "@headrace/core/services/RunEvents"
import { bytesPerSecond, etaSeconds, rowsPerSecond, type Tally } from "./Tally.ts"

export type JsonLine = Readonly<Record<string, unknown>> & { readonly type: string }

const whole = (value: number | null): number | null => (value === null ? null : Math.round(value))

/** An event of the run that does not end it. */
export const progressLine = (event: RunProgress["event"], tally: Tally): JsonLine => ({
  type:
    event === "RUN_STARTED"
      ? "run.started"
      : event === "SLICE_COMMITTED"
        ? "slice.committed"
        : "run.progress",
  runId: tally.runId,
  unit: tally.unit,
  phase: tally.phase,
  slice: tally.slice,
  rows: tally.rows,
  bytes: tally.bytes,
  rowsPerSecond: whole(rowsPerSecond(tally)),
  bytesPerSecond: whole(bytesPerSecond(tally)),
  rowsTotal: tally.rowsTotal,
  etaSeconds: whole(etaSeconds(tally))
})

/** Does the line end what it is about? */
export const isEnding = ({ type }: JsonLine): boolean => type === "run.finished" || type === "failed"

/** Stamps each line; `at` is ISO 8601. A line after the one that ends is dropped: a run ends once. */
export const numbered = () => {
  let seq = 0
  let isFinished = false
  return (line: JsonLine, at: string): string | null => {
    if (isFinished) return null
    isFinished = isEnding(line)
    seq += 1
    return JSON.stringify({ v: 1, seq, ts: at, ...line })
  }
}
