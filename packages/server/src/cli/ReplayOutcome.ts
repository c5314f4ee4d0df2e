/** How another try of rows that were set aside is told: what became of them, and what to do about those that wait on. */
import { canBeTried, type Replayed, type ReplayContradicted } from "@headrace/core/lifecycle/Replay"
import type { KeptRow } from "@headrace/core/services/Quarantine"
import { Exit } from "./Exit.ts"
import { count, rows as rowsOf } from "./Figures.ts"
import { hintOf, type Pair } from "./Hint.ts"
import { refuse, type Refused } from "./Message.ts"

/** `✓ public.orders   2 rows taken in   0 refused again`; `!` where only some were taken, `✗` where none was that waited. */
export const replayLine = (unitId: string, done: Replayed): string =>
  `${markOf(done)} ${unitId}   ${rowsOf(done.taken)} taken in   ${count(done.refused)} refused again`

const markOf = ({ taken, refused, untried }: Replayed): string =>
  refused + untried === 0 ? "✓" : taken === 0 ? "✗" : "!"

type Left = Pick<KeptRow, "code" | "payload" | "reason">

/** `left`: the rows that wait now. Each is told once. */
export const afterReplay = (
  pair: Pair,
  { refused, untried }: Replayed,
  left: ReadonlyArray<Left>
): ReadonlyArray<string> => {
  const again = left.filter(canBeTried)
  const gone = again.filter(isGone).length
  const reason = again.find((row) => !isGone(row))?.reason
  const unread = left.filter((row) => !canBeTried(row) && isUnread(row)).length
  const tooLong = untried - unread
  return [
    ...(refused === 0 || reason === undefined ? [] : [`  ${reason}`]),
    ...(refused === 0 || gone === 0
      ? []
      : [`  Gone at the source: ${rowsOf(gone)}. What is gone is not brought back.`]),
    ...(refused === 0 ? [] : [`  All:  ${hintOf(["quarantine", "show"], pair)}`]),
    ...(unread === 0 ? [] : [`! ${rowsOf(unread)} ${was(unread)} never readable. ${remedy(unread)}`]),
    ...(tooLong <= 0 ? [] : [`! ${rowsOf(tooLong)} ${was(tooLong)} too long to be kept. ${remedy(tooLong)}`])
  ]
}

const isGone = ({ code }: Left): boolean => code === "GONE"

/** Nothing of it was kept that could be tried. */
const isUnread = ({ code }: Left): boolean => code === "MALFORMED" || code === "UNCARRIABLE"

const was = (rows: number): string => (rows === 1 ? "was" : "were")
const remedy = (rows: number): string =>
  `Correct ${rows === 1 ? "it" : "them"} at the source, and ingest again.`

/** Flags that would put rows elsewhere, or over others, than the run that set them aside did. */
export const contradicted = (
  { key, asked, carriedWith }: Pick<ReplayContradicted, "asked" | "carriedWith" | "key">,
  pair: Pair
): Refused => {
  const flag = flags[key] ?? `--policy ${key}`
  const before = carriedWith === null ? `without ${flag}` : `with ${flag} ${wordsOf(carriedWith)}`
  return refuse({
    title: "The rows were set aside under another policy",
    number: "HR2106",
    exit: Exit.usage,
    where: pair.unitId,
    why: [`${flag} ${wordsOf(asked)} is asked for, and the run that set them aside was carried ${before}.`],
    advice: [
      `Leave ${flag} out: rows are carried as that run carried them.`,
      `To carry the unit in another way, read it anew:  ${hintOf(["reset"], pair)}`
    ]
  })
}

const flags: Readonly<Record<string, string>> = {
  mode: "--mode",
  cursorField: "--cursor",
  primaryKeys: "--key",
  writeDisposition: "--write"
}

const wordsOf = (value: unknown): string =>
  typeof value === "string" ? value : Array.isArray(value) ? value.join(",") : JSON.stringify(value)
