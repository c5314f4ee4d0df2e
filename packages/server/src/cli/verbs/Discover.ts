/** `headrace discover REF`: what can be read there, with what a run would need to know of it. */
import * as Effect from "effect/Effect"
import { PythonWorker } from "@headrace/core/services/PythonWorker"
import { withWorker } from "../Engine.ts"
import { Exit } from "../Exit.ts"
import { refusedByWorker } from "../Failures.ts"
import { about } from "../Figures.ts"
import { given, unregistered } from "../Given.ts"
import { Screen } from "../Screen.ts"
import { table } from "../Table.ts"
import type { Verb } from "../Verb.ts"

export const discover = (flags: { readonly reference: string }): Verb =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const reference = yield* given(flags.reference)
    const units = yield* (yield* PythonWorker)
      .listUnits({ endpoint: unregistered(reference) })
      .pipe(Effect.mapError((error) => refusedByWorker(error, "source", reference.shown)))
    if (screen.format === "json") screen.print(JSON.stringify(units))
    else if (screen.format === "jsonl") units.forEach((unit) => screen.emit({ type: "unit", ...unit }))
    else {
      const rows = units.map(({ unitId, kind, estimatedRows, primaryKey, cursorCandidates }) => [
        unitId,
        kind,
        estimatedRows === null ? "" : `≈${about(estimatedRows)}`,
        primaryKey.join(", "),
        cursorCandidates.join(", ")
      ])
      table(["UNIT", "KIND", "ROWS", "KEY", "CURSOR"], rows, [2]).forEach(screen.print)
    }
    if (units.length === 0) screen.tell(`Nothing to read in ${reference.shown}.`)
    return Exit.done
  }).pipe(withWorker)
