/** The pages people read, taken apart: links, headings, tables, and what stands in backticks. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const repository = fileURLToPath(new URL("../../../../", import.meta.url))

/** Every page, by its path in the repository. */
export const pages: ReadonlyArray<string> = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync(join(repository, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name))
    .toSorted()
]

export const read = (path: string): string => readFileSync(join(repository, path), "utf8")

/** The page without its blocks of code, which are no text of ours. */
export const prose = (path: string): string => read(path).replaceAll(/^```[^]*?^```$/gm, "")

/** The blocks of code in one language, without their fences. */
export const blocks = (path: string, language: string): ReadonlyArray<string> =>
  Array.from(read(path).matchAll(/^```(\w*)\n([^]*?)^```$/gm), ([, said = "", code = ""]) => ({ said, code }))
    .filter(({ said }) => said === language)
    .map(({ code }) => code)

export const headings = (path: string): ReadonlyArray<string> =>
  Array.from(prose(path).matchAll(/^#+ (.+)$/gm), ([, heading = ""]) => heading)

/** The anchor that a heading gets on the web. */
export const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-")

/** The targets of the page's links, as written. */
export const links = (path: string): ReadonlyArray<string> =>
  Array.from(prose(path).matchAll(/\]\(([^)\s]+)\)/g), ([, target = ""]) => target)

/** What stands in backticks, in order. */
export const codes = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/`([^`]+)`/g), ([, code = ""]) => code)

const cells = (line: string): ReadonlyArray<string> =>
  line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll(String.raw`\|`, "|"))

/** The rows of the tables below a heading, up to the next one; `[]` when there is no such heading. */
export const rows = (path: string, heading: string): ReadonlyArray<ReadonlyArray<string>> => {
  const sections = `\n${prose(path)}`.split(/\n#+ /)
  const section = sections.find((each) => each.startsWith(`${heading}\n`)) ?? ""
  const tables = section
    .split(/\n(?!\|)/)
    .map((part) => part.split("\n").filter((line) => line.startsWith("|")))
  return tables.flatMap((lines) => lines.slice(2)).map(cells)
}

/** The codes in one column of a table. */
export const column = (path: string, heading: string, index: number): ReadonlyArray<string> =>
  rows(path, heading).flatMap((row) => codes(row[index] ?? ""))
