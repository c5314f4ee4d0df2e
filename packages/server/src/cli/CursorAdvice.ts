/** Which columns could say what is new: for whoever asked for what is new without saying by which. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { PythonWorker } from "@headrace/core/services/PythonWorker"
import { unregistered } from "./Given.ts"
import { messageOf, refuse, type Refused } from "./Message.ts"
import type { Reference } from "./Reference.ts"

/** Such as the sentence of a source that was given no cursor, in the words of the command. */
const isWithoutCursor = ({ code, why }: Refused): boolean =>
  code === "SOURCE_CONFIG" && why.some((line) => /\bno --cursor\b/.test(line))

const adviceFor = (candidates: ReadonlyArray<string>): string =>
  candidates.length === 0
    ? "No column of it is known to grow with every change. Leave out --mode, or say --mode full."
    : `Say which:  ${candidates.map((column) => `--cursor ${column}`).join("  or  ")}`

/** The refusal, with the columns of the unit that can be a cursor if it lacks one. */
export const withCursors = Effect.fn("withCursors")(function* (
  refused: Refused,
  source: Reference,
  unitId: string
) {
  if (!isWithoutCursor(refused)) return refused
  const units = yield* (yield* PythonWorker).listUnits({ endpoint: unregistered(source) }).pipe(
    // The refusal says enough without; what ails the source now is another matter.
    Effect.option
  )
  const unit = Option.getOrElse(units, () => []).find((each) => each.unitId === unitId)
  if (unit === undefined) return refused
  return refuse({ ...messageOf(refused), advice: [...refused.advice, adviceFor(unit.cursorCandidates)] })
})
