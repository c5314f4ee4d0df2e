/** Rows of text as columns of equal width, for people. */
import { printable } from "./Printable.ts"

const width = (text: string): number => Array.from(text).length

/** The longest a cell is shown; longer ones are cut with `…`. */
const widest = 60

const cell = (text: string): string => {
  const line = printable(text.replaceAll(/\s+/g, " "))
  return width(line) > widest
    ? `${Array.from(line)
        .slice(0, widest - 1)
        .join("")}…`
    : line
}

/** One line for the heading and one for each row; numbers (see `right`) lean to the right. */
export const table = (
  heading: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>,
  right: ReadonlyArray<number> = []
): ReadonlyArray<string> => {
  const cells = [heading, ...rows].map((row) => row.map(cell))
  const widths = heading.map((_, column) => Math.max(...cells.map((row) => width(row[column] ?? ""))))
  return cells.map((row) =>
    row
      .map((text, column) => {
        const gap = " ".repeat(Math.max(0, (widths[column] ?? 0) - width(text)))
        return right.includes(column) ? gap + text : text + gap
      })
      .join("  ")
      .trimEnd()
  )
}
