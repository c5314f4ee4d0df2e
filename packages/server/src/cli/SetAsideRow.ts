/** A row that was set aside, as it is shown: its contents are what others wrote, and stay within their lines. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { resolvePolicy } from "@headrace/core/domain/Policy"
import type { Found } from "@headrace/core/lifecycle/Lookups"
import type { KeptRow } from "@headrace/core/services/Quarantine"
import { printable } from "./Printable.ts"

const Payload = Schema.fromJsonString(
  Schema.Struct({ row: Schema.optionalKey(Schema.Json), text: Schema.optionalKey(Schema.String) })
)
const decode = Schema.decodeUnknownOption(Payload)

/** What people see of a row: where it was, why it stayed behind, and what it is. */
export const shownRow = ({ generation, sliceSeq, position, code, column, reason, payload }: KeptRow) => {
  const said = payload === null ? null : decode(payload)
  const { row = null, text = null } = said !== null && said._tag === "Some" ? said.value : {}
  return { generation, slice: sliceSeq, position, code, column, reason, row, text }
}

const Names = Schema.Union([Schema.Array(Schema.String), Schema.String])
const names = Schema.decodeUnknownOption(Names)

/** The columns that tell rows of the unit apart, by its policy or else by its source; none where nobody says. */
export const keyOf = ({ endpoint, unit }: Found): ReadonlyArray<string> => {
  const { primaryKeys } = resolvePolicy(endpoint.config?.["ingestionPolicy"], unit.policy)
  const said = names(primaryKeys ?? unit.stats?.["primaryKey"])
  return Option.match(said, { onNone: () => [], onSome: (key) => (typeof key === "string" ? [key] : key) })
}

/** In three lines: which row, why, and what it is. */
export const linesOf = (
  row: ReturnType<typeof shownRow>,
  key: ReadonlyArray<string>
): ReadonlyArray<string> => [
  [placeOf(row, key), row.code, ...(row.column === null ? [] : [row.column])].map(printable).join("   "),
  `  ${printable(row.reason)}`,
  `  ${printable(row.row !== null ? JSON.stringify(row.row) : (row.text ?? "Too long to be kept."))}`
]

type Placed = Pick<ReturnType<typeof shownRow>, "position" | "reason" | "row" | "slice">

/** By its line, where the reason names one, else by its key, else by its number in the slice: as a run that fails says it. */
const placeOf = ({ position, reason, row, slice }: Placed, key: ReadonlyArray<string>): string => {
  const line = /, line (\d+): /.exec(reason)?.[1]
  if (line !== undefined) return `line ${line}`
  if (key.length > 0 && isObject(row) && key.every((name) => name in row))
    return key.map((name) => `${name} = ${cut(row[name])}`).join(", ")
  return `row ${position + 1} of slice ${slice}`
}

const isObject = Schema.is(Schema.Record(Schema.String, Schema.Json))

/** Characters of a key's value that a line has room for. */
const longest = 40

const cut = (value: unknown): string => {
  const text = typeof value === "string" ? value : JSON.stringify(value)
  return text.length <= longest ? text : `${text.slice(0, longest)}…`
}
