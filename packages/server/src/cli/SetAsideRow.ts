/** A row that was set aside, as it is shown: its contents are what others wrote, and stay within their lines. */
import * as Schema from "effect/Schema"
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

export const linesOf = (row: ReturnType<typeof shownRow>): ReadonlyArray<string> => [
  `slice ${row.slice} row ${row.position}   ${row.code}${row.column === null ? "" : `   ${printable(row.column)}`}`,
  `  ${printable(row.reason)}`,
  `  ${printable(row.row !== null ? JSON.stringify(row.row) : (row.text ?? "Too long to be kept."))}`
]
