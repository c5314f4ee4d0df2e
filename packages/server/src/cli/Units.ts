/** Which unit of a source is meant when none is named: the only one there is. */
import * as Effect from "effect/Effect"
import type { EndpointRef } from "@headrace/core/domain/Endpoint"
import type { UnitDescriptor } from "@headrace/core/domain/Unit"
import { PythonWorker } from "@headrace/core/services/PythonWorker"
import { Exit } from "./Exit.ts"
import { refusedByWorker } from "./Failures.ts"
import { hintAt } from "./Hint.ts"
import { refuse, type Refused } from "./Message.ts"
import type { Reference } from "./Reference.ts"

type Unit = typeof UnitDescriptor.Type

/** The unit of a source that has no other. Refused when it has several, or none. */
export const onlyUnitOf = Effect.fn("onlyUnitOf")(function* (endpoint: EndpointRef, reference: Said) {
  const units = yield* (yield* PythonWorker)
    .listUnits({ endpoint })
    .pipe(Effect.mapError((error) => refusedByWorker(error, "source", reference.shown)))
  const [only] = units
  return units.length === 1 && only !== undefined ? only.unitId : yield* unsaid(units, reference)
})

/** A reference for the screen, and for a command that is proposed. */
type Said = Pick<Reference, "shown" | "again" | "isPasswordTyped">

const unsaid = (units: ReadonlyArray<Unit>, reference: Said): Refused =>
  refuse({
    title: "Which unit? --unit is missing",
    number: "HR2004",
    exit: Exit.usage,
    where: reference.shown,
    why: [`It has ${units.length} units${units.length === 0 ? "." : `, such as ${units[0]?.unitId}.`}`],
    advice: [`All: ${hintAt("discover", reference)}`]
  })
