/**
 * What `npm start` says once the data has arrived: where it is, how to look at
 * it, and what to try next. Every command it prints works as printed, in any
 * order: none writes where another one does, for a folder has one source.
 */
import { serving } from "../cli/verbs/Serve.ts"
import { hint, shellWord } from "../cli/Hint.ts"
import { shortPlace } from "../cli/Outcome.ts"

/** How many rows `--touch` changes when the story proposes it. */
export const proposedTouch = 1000

interface Arrived {
  /** Folder of the unit's Parquet files, as the sink named it. */
  readonly location: string
  /** Where the server answers; null when it is about to end. */
  readonly url: string | null
  /** The shop, as the command takes it. */
  readonly shop: string
}

/** A reference to a database behind a socket that asks for no password. */
export const referenceOf = (parameters: Readonly<Record<string, string>>): string => {
  const { username = "", host = "", database = "" } = parameters
  return `postgres://${username}@${encodeURIComponent(host)}/${database}`
}

const python = ".venv/bin/python"

/** A string of Python. JSON's escapes are Python's as well. */
const pythonString = (text: string): string => JSON.stringify(text)

const pythonLook = (folder: string): string => {
  const code = `import pyarrow.dataset as d; t = d.dataset(${pythonString(folder)}); print(t.count_rows(), "row versions"); print(*t.head(3).to_pylist(), sep="\\n")`
  return `${python} -c ${shellWord(code)}`
}

/** What works for as long as this serves, in another terminal. */
const alive = (url: string, shop: string): ReadonlyArray<string> => [
  "    In another terminal, while this serves:",
  `      SHOP=${shellWord(shop)}`,
  `      ${hint("discover")} $SHOP`,
  `      ${hint("ingest")} --source $SHOP --unit public.orders --sink ./copy`,
  "",
  serving(url)
]

/** Lines for people, in the order they are read. */
export const story = ({ location, url, shop }: Arrived): ReadonlyArray<string> => {
  const folder = shortPlace(location)
  return [
    "",
    "  Look at it",
    `    ${pythonLook(folder)}`,
    `    duckdb < ${shellWord(`${folder}/_latest.sql`)}     (if you have DuckDB: the newest version of every row)`,
    "",
    "  Try next",
    `    npm start -- --touch ${proposedTouch}     changes ${proposedTouch.toLocaleString("en-US")} rows of the shop and runs again: only those travel`,
    "    npm start -- --source postgres://user@host/db --unit public.orders --sink ./own     your own data",
    ...(url === null ? [] : alive(url, shop))
  ]
}
