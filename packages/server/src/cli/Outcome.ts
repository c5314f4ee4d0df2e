/**
 * How a run that ended is told: one line for people, one JSON line for
 * machines, one exit code. The figures are the run's own stats.
 */
import * as Effect from "effect/Effect"
import { relative } from "node:path"
import type { RunProgress } from "@headrace/core/services/RunEvents"
import { messageFor, sideOf } from "./Catalogue.ts"
import { Exit } from "./Exit.ts"
import { count, rows as rowsOf, size, span } from "./Figures.ts"
import type { JsonLine } from "./JsonLines.ts"
import { type Message, refuse, type Refused } from "./Message.ts"
import { Screen } from "./Screen.ts"
import { elapsedSeconds, type Tally } from "./Tally.ts"

/** What a run came to; rows and bytes as the sink counted them. */
export interface Figures {
  readonly unit: string
  readonly rowsRead: number
  readonly rowsWritten: number
  /** Those of the written that say that a row is gone. */
  readonly rowsDeleted: number
  readonly rowsRejected: number
  readonly bytes: number
  readonly seconds: number
  /** Where the sink put it, if it said so. */
  readonly location: string | null
  /** Why newer rows were left for the next run; null when none were. */
  readonly leftForLater: string | null
  /** Why rows of the source may not have been seen at all; null when nothing hides any. */
  readonly hiddenRows: string | null
  /** Rows whose cursor is NULL: an incremental read does not see them once they are not new. */
  readonly nullCursors: number
}

const text = (value: unknown): string | null => (typeof value === "string" ? value : null)

/** Rows without a cursor: no later run looks for them. */
const nullCursors = (delivery: unknown): number => {
  if (typeof delivery !== "object" || delivery === null || !("nullCursors" in delivery)) return 0
  const { nullCursors: found } = delivery
  return typeof found === "object" && found !== null && "rows" in found ? number(found.rows) : 0
}

/** What the run says under a key of `stats.delivery`. */
const said = (delivery: unknown, key: "leftForLater" | "hiddenRows"): string | null =>
  typeof delivery === "object" && delivery !== null && key in delivery
    ? text((delivery as Record<string, unknown>)[key])
    : null

const number = (value: unknown): number => (typeof value === "number" ? value : 0)

export const figuresOf = (last: RunProgress, tally: Tally): Figures => {
  const stats = last.stats ?? {}
  return {
    unit: last.unit.unitId,
    rowsRead: number(stats["exported_rows"] ?? last.exportedRows),
    rowsWritten: number(stats["applied_rows"] ?? last.appliedRows),
    rowsDeleted: number(stats["deleted_rows"]),
    rowsRejected: number(stats["rejected_rows"]),
    bytes: number(stats["applied_bytes"]),
    seconds: typeof stats["duration_ms"] === "number" ? stats["duration_ms"] / 1000 : elapsedSeconds(tally),
    location: text(stats["location"]),
    leftForLater: said(stats["delivery"], "leftForLater"),
    hiddenRows: said(stats["delivery"], "hiddenRows"),
    nullCursors: nullCursors(stats["delivery"])
  }
}

/** A path below the current folder in its short form; anything else as it is. */
export const shortPlace = (place: string): string => {
  const path = place.startsWith("file://") ? place.slice("file://".length) : place
  if (!path.startsWith("/")) return place
  const below = relative(process.cwd(), path)
  return below === "" || below.startsWith("..") ? path : `./${below}`
}

/** A row that was read and set aside was new. */
const noRows = (rowsRejected: number, isFull: boolean): string => {
  if (rowsRejected > 0) return rowsOf(0)
  return isFull ? "0 rows (nothing to read)" : "nothing new"
}

/** A deletion is no row that arrived: `3 rows   1 deleted`. */
const carried = ({ rowsWritten, rowsDeleted }: Figures): string => {
  const deleted = rowsDeleted > 0 ? `   ${count(rowsDeleted)} deleted` : ""
  return `${rowsOf(rowsWritten - rowsDeleted)}${deleted}`
}

/** `✓ public.orders   1,000 rows   → ./lake/…   61.2 kB   2.5s`. */
export const successLine = (figures: Figures, { sink, isFull }: Journey): string => {
  const { unit, rowsWritten, rowsRejected, bytes, seconds, location } = figures
  const rows = rowsWritten === 0 ? noRows(rowsRejected, isFull) : carried(figures)
  const aside = rowsRejected > 0 ? `   ${count(rowsRejected)} set aside` : ""
  const weight = bytes > 0 && rowsWritten > 0 ? `   ${size(bytes)}` : ""
  return `✓ ${unit}   ${rows}${aside}   → ${shortPlace(location ?? sink)}${weight}   ${span(seconds)}`
}

export const finishedLine = (outcome: string, runId: string, figures: Figures): JsonLine => ({
  type: "run.finished",
  outcome,
  runId,
  unit: figures.unit,
  rowsRead: figures.rowsRead,
  rowsWritten: figures.rowsWritten,
  rowsDeleted: figures.rowsDeleted,
  rowsRejected: figures.rowsRejected,
  bytes: figures.bytes,
  durationSeconds: figures.seconds,
  location: figures.location,
  leftForLater: figures.leftForLater,
  hiddenRows: figures.hiddenRows,
  nullCursors: figures.nullCursors
})

/** What was asked for: from where to where, and whether everything or what is new. */
export interface Journey {
  readonly source: string
  readonly sink: string
  readonly isFull: boolean
  /** The command that shows the rows that are set aside. */
  readonly showAside: string
}

/** Prints a success; refuses with the run's own reason otherwise. */
export const report = Effect.fn("report")(function* (last: RunProgress, tally: Tally, journey: Journey) {
  const screen = yield* Screen
  const figures = figuresOf(last, tally)
  switch (last.event) {
    case "RUN_SUCCEEDED":
      if (screen.format === "text") screen.print(successLine(figures, journey))
      if (figures.rowsRejected > 0)
        screen.tell(
          `! ${rowsOf(figures.rowsRejected)} set aside. Why:  ${journey.showAside}\n  quarantine replay tries them again.`
        )
      if (figures.leftForLater !== null)
        screen.tell(`! Newer rows wait for the next run: ${figures.leftForLater}`)
      if (figures.hiddenRows !== null) screen.tell(`! Perhaps not all rows: ${figures.hiddenRows}`)
      if (figures.nullCursors > 0)
        screen.tell(
          `! ${rowsOf(figures.nullCursors)} without a cursor: read once, in the first run, and never seen again. Fill the column, or read in full.`
        )
      screen.emit(finishedLine("SUCCEEDED", last.runId, figures))
      return Exit.done
    case "RUN_PAUSED":
      return yield* interrupted(tally)
    case "RUN_RESET":
      return yield* resetMeanwhile(last.runId)
    default:
      return yield* failedRun(last, journey)
  }
})

/** Everything before the slice in flight is in the sink; the same command goes on, or begins a load anew that cannot be gone on with. */
export const interrupted = ({
  committed,
  runId
}: Pick<Tally, "committed"> & Pick<Message, "runId">): Refused =>
  refuse({
    title: "Interrupted",
    number: "HR5502",
    code: "INTERRUPTED",
    runId,
    exit: Exit.interrupted,
    why: [
      committed === null
        ? "What was committed before is in the sink."
        : `Everything up to slice ${committed} is in the sink.`
    ],
    advice: ["Resume: the same command."]
  })

const resetMeanwhile = (runId: string): Refused =>
  refuse({
    title: "The unit was reset while it ran",
    number: "HR5503",
    exit: Exit.failed,
    runId,
    why: ["Somebody threw its checkpoint away; this run ended for it."],
    advice: ["The same command begins anew."]
  })

/** A failure knows its side by its code, and so which place to show. */
const failedRun = ({ message, runId }: RunProgress, { source, sink }: Journey): Refused => {
  const lastError = message ?? "The run failed without saying why."
  const side = sideOf(lastError)
  const where = side === "sink" ? sink : side === "source" ? source : null
  return refuse({ ...messageFor(lastError, where), runId })
}
