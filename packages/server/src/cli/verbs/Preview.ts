/** `headrace preview REF -u UNIT`: the first rows, as the source gives them. */
import * as Effect from "effect/Effect"
import type { JsonObject } from "@headrace/core/domain/Endpoint"
import { UnitId } from "@headrace/core/domain/Unit"
import { PythonWorker } from "@headrace/core/services/PythonWorker"
import { withWorker } from "../Engine.ts"
import { Exit } from "../Exit.ts"
import { refusedByWorker, refusedUnit } from "../Failures.ts"
import { given, unregistered } from "../Given.ts"
import { refuse } from "../Message.ts"
import { Screen } from "../Screen.ts"
import { table } from "../Table.ts"
import { onlyUnitOf } from "../Units.ts"
import type { Verb } from "../Verb.ts"

interface PreviewFlags {
  readonly reference: string
  readonly unit: string | null
  readonly limit: number
}

export const preview = (flags: PreviewFlags): Verb =>
  Effect.gen(function* () {
    if (flags.limit < 1 || flags.limit > 200) return yield* outOfRange(flags.limit)
    const screen = yield* Screen
    const reference = yield* given(flags.reference)
    const endpoint = unregistered(reference)
    const unitId = flags.unit ? UnitId.make(flags.unit) : yield* onlyUnitOf(endpoint, reference)
    const answer = yield* (yield* PythonWorker)
      .preview({ endpoint, unitId, limit: flags.limit })
      .pipe(
        Effect.mapError((error) =>
          error.reason._tag === "RequestRejected" && error.reason.problem.tag === "UnitNotFound"
            ? refusedUnit(unitId, error.reason.problem.message, reference)
            : refusedByWorker(error, "source", reference.shown)
        )
      )
    if (screen.format === "json") screen.print(JSON.stringify(answer))
    else if (screen.format === "jsonl") answer.rows.forEach((row) => screen.print(JSON.stringify(row)))
    else {
      const names = answer.columns.map(({ name }) => name)
      table(
        names,
        answer.rows.map((row) => names.map((name) => shown(row[name])))
      ).forEach(screen.print)
    }
    return Exit.done
  }).pipe(withWorker)

const shown = (value: JsonObject[string] | undefined): string =>
  value === null || value === undefined ? "·" : typeof value === "string" ? value : JSON.stringify(value)

const outOfRange = (limit: number) =>
  refuse({
    title: `--limit is 1 to 200, not ${limit}`,
    number: "HR2100",
    exit: Exit.usage,
    advice: ["A preview is a look; ingest carries every row."]
  })
