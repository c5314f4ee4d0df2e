/** Which unit of a source is meant: the one that was named, or the only one there is. */
import * as Effect from "effect/Effect"
import type { EndpointRef } from "@headrace/core/domain/Endpoint"
import { nearest } from "@headrace/core/domain/Nearest"
import type { UnitDescriptor } from "@headrace/core/domain/Unit"
import { PythonWorker } from "@headrace/core/services/PythonWorker"
import { Exit } from "./Exit.ts"
import { refusedByWorker } from "./Failures.ts"
import { hintAt } from "./Hint.ts"
import { refuse, type Refused } from "./Message.ts"
import type { Reference } from "./Reference.ts"

type Unit = typeof UnitDescriptor.Type

/** Refused when the source has no such unit (naming near ones), or when none was named and there are several. */
export const unitOf = Effect.fn("unitOf")(function* (
  endpoint: EndpointRef,
  named: string | null,
  reference: Said
) {
  const units = yield* (yield* PythonWorker)
    .listUnits({ endpoint })
    .pipe(Effect.mapError((error) => refusedByWorker(error, "source", reference.shown)))
  const found = units.find(({ unitId }) => unitId === named)
  if (found !== undefined) return found
  const only = units[0]
  if (named === null && units.length === 1 && only !== undefined) return only
  return yield* named === null ? unsaid(units, reference) : unknown(named, units, reference)
})

/** A reference for the screen, and for a command that is proposed. */
type Said = Pick<Reference, "shown" | "again" | "isPasswordTyped">

const all = (reference: Said): string => `All: ${hintAt("discover", reference)}`

const unsaid = (units: ReadonlyArray<Unit>, reference: Said): Refused =>
  refuse({
    title: "Which unit? --unit is missing",
    number: "HR2004",
    exit: Exit.usage,
    where: reference.shown,
    why: [`It has ${units.length} units${units.length === 0 ? "." : `, such as ${units[0]?.unitId}.`}`],
    advice: [all(reference)]
  })

const unknown = (named: string, units: ReadonlyArray<Unit>, reference: Said): Refused => {
  const near = nearest(
    named,
    units.map(({ unitId }) => unitId)
  )
  const guess = near.length > 0 ? `Did you mean: ${near.join(", ")}?   ` : ""
  return refuse({
    title: `No unit "${named}" in ${reference.shown}`,
    number: "HR2003",
    exit: Exit.source,
    advice: [`${guess}${all(reference)}`]
  })
}
