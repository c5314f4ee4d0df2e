/**
 * A run's tally as text: one line that is drawn over itself on a terminal, or
 * plain lines for logs, one when rows first reach a phase and one every ten
 * seconds. Pure: the caller holds the clock and the screen.
 */
import { about, count, size, span } from "./Figures.ts"
import { bytesPerSecond, elapsedSeconds, etaSeconds, rowsPerSecond, share, type Tally } from "./Tally.ts"

const frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
const plainIntervalMs = 10_000

/** `public.orders  stage  3,120,400 / ≈8.1M rows  38%  71k rows/s  9.8 MB/s  ETA ≈1m10s`. */
const describe = (tally: Tally): string => {
  const head = [tally.unit.padEnd(18), tally.phase.padEnd(7)]
  if (tally.rows === 0) {
    const seconds = Math.floor(elapsedSeconds(tally))
    return [...head, `waiting for first rows (${seconds}s, query is running on the server)`].join("  ")
  }
  const part = share(tally)
  const rate = rowsPerSecond(tally)
  const flow = bytesPerSecond(tally)
  const eta = etaSeconds(tally)
  return [
    ...head,
    `${count(tally.rows)}${tally.rowsTotal === null ? "" : ` / ≈${about(tally.rowsTotal)}`} rows`,
    part === null ? null : `${Math.floor(part * 100)}%`,
    rate === null ? null : `${about(rate)} rows/s`,
    flow === null ? null : `${size(flow)}/s`,
    eta === null ? null : `ETA ≈${span(eta)}`
  ]
    .filter((piece) => piece !== null)
    .join("   ")
}

/** The line to draw, no longer than `columns`; `tick` turns the wheel. */
export const terminalLine = (tally: Tally, tick: number, columns: number): string =>
  `  ${frames[tick % frames.length]} ${describe(tally)}`.slice(0, Math.max(20, columns - 1))

/** What the plain lines have said so far. */
export interface Said {
  readonly runId: string
  readonly phases: ReadonlyArray<string>
  readonly at: number
}

/** The line that is due, if one is, and what has been said then. */
export const plainLine = (
  said: Said | null,
  tally: Tally
): { readonly line: string | null; readonly said: Said } => {
  const before = said?.runId === tally.runId ? said : { runId: tally.runId, phases: [], at: tally.at }
  const isNewPhase = tally.rows > 0 && !before.phases.includes(tally.phase)
  if (!isNewPhase && tally.at - before.at < plainIntervalMs) return { line: null, said: before }
  const phases = isNewPhase ? [...before.phases, tally.phase] : before.phases
  return { line: `  ${describe(tally)}`, said: { runId: tally.runId, phases, at: tally.at } }
}
