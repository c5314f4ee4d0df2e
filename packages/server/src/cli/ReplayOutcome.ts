/** How another try of rows that were set aside is told: what became of them, and what to do about those that wait on. */
import type { Replayed } from "@headrace/core/lifecycle/Replay"
import type { KeptRow } from "@headrace/core/services/Quarantine"
import { count, rows as rowsOf } from "./Figures.ts"
import { hintOf, type Pair } from "./Hint.ts"

/** `✓ public.orders   2 rows taken in   0 refused again`; `!` where only some were taken, `✗` where none was. */
export const replayLine = (unitId: string, { taken, refused }: Replayed): string =>
  `${refused === 0 ? "✓" : taken === 0 ? "✗" : "!"} ${unitId}   ${rowsOf(taken)} taken in   ${count(refused)} refused again`

type Left = Pick<KeptRow, "code" | "reason">

/** `left`: the rows that wait now. */
export const afterReplay = (
  pair: Pair,
  { refused, untried }: Replayed,
  left: ReadonlyArray<Left>
): ReadonlyArray<string> => {
  const unread = left.filter(isUnread).length
  const reason = left.find((row) => !isUnread(row))?.reason
  return [
    ...(refused === 0 || reason === undefined ? [] : [`  ${reason}`]),
    ...(refused === 0 ? [] : [`  All:  ${hintOf(["quarantine", "show"], pair)}`]),
    ...(unread === 0 ? [] : [`! ${rowsOf(unread)} ${was(unread)} never readable. ${remedy(unread)}`]),
    ...(untried <= unread
      ? []
      : [
          `! ${rowsOf(untried - unread)} ${was(untried - unread)} too long to be kept. ${remedy(untried - unread)}`
        ])
  ]
}

/** Nothing of it was kept that could be tried. */
const isUnread = ({ code }: Left): boolean => code === "MALFORMED" || code === "UNCARRIABLE"

const was = (rows: number): string => (rows === 1 ? "was" : "were")
const remedy = (rows: number): string =>
  `Correct ${rows === 1 ? "it" : "them"} at the source, and ingest again.`
