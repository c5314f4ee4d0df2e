/** The flags that more than one command has: how it speaks, and how a unit is carried. */
import * as Option from "effect/Option"
import * as Flag from "effect/cli/Flag"
import { dispositions, modes } from "./Policy.ts"

/** Null when it is not said. */
const maybe = (name: string, help: string, metavar: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar(metavar),
    Flag.withDescription(help),
    Flag.optional,
    Flag.map(Option.getOrNull)
  )

const several = (name: string, help: string, metavar: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(help), Flag.atLeast(0))

const isSaid = (name: string, help: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(help), Flag.withDefault(false))

export const once = isSaid("once", "End when the data has arrived, instead of serving on")

/** What every command has. */
export const speech = {
  output: Flag.Literals("output", ["auto", "text", "json", "jsonl"]).pipe(
    Flag.withAlias("o"),
    Flag.withDescription("What stdout carries; auto is text"),
    Flag.withDefault("auto" as const)
  ),
  progress: Flag.Literals("progress", ["auto", "tty", "plain", "json", "none"]).pipe(
    Flag.withDescription("How progress is shown; auto draws on a terminal"),
    Flag.withDefault("auto" as const)
  ),
  quiet: isSaid("quiet", "Results and failures only").pipe(Flag.withAlias("q")),
  verbose: isSaid("verbose", "Also say what goes on inside, on stderr")
}

const sourceHelp = "Where from: postgres://… or a path; a password as '${env:NAME}'"
const sinkHelp = "Where to: a folder for Parquet files, postgres://…, or iceberg+ before a catalog's address"

export const unit = maybe(
  "unit",
  "What to read: a table (public.orders) or a file (orders.csv)",
  "NAME"
).pipe(Flag.withAlias("u"))

/** Where from and where to, for a command that cannot do without. */
export const places = {
  source: Flag.String("source").pipe(Flag.withMetavar("URI"), Flag.withDescription(sourceHelp)),
  sink: Flag.String("sink").pipe(Flag.withMetavar("URI"), Flag.withDescription(sinkHelp))
}

/** The same for a command that has something of its own to carry. */
export const maybePlaces = {
  source: maybe("source", sourceHelp, "URI"),
  sink: maybe("sink", sinkHelp, "URI")
}

export const policy = {
  mode: maybe("mode", `How to read: ${modes.join(" or ")}`, "MODE"),
  cursor: maybe("cursor", "The column that only grows; later rows are the new ones", "COLUMN"),
  key: several("key", "Columns that identify a row, separated by commas", "COLUMNS"),
  write: maybe("write", `How to write: ${dispositions.join(", ")}`, "HOW"),
  policy: several("policy", "Anything else a policy may say, such as targetSliceSize=50000", "NAME=VALUE")
}
