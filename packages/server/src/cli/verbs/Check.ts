/** `headrace check REF`: really connects, and reports the first step that failed with what to do about it. */
import * as Effect from "effect/Effect"
import { PythonWorker } from "@headrace/core/services/PythonWorker"
import { Exit } from "../Exit.ts"
import { noPassword, refusedByWorker } from "../Failures.ts"
import { given, unregistered } from "../Given.ts"
import { refuse, type Refused } from "../Message.ts"
import type { Reference } from "../Reference.ts"
import { Screen } from "../Screen.ts"
import { withWorker } from "../Engine.ts"
import type { Verb } from "../Verb.ts"
import { inCommandWords } from "../Wording.ts"

export const check = (flags: { readonly reference: string }): Verb =>
  Effect.gen(function* () {
    const screen = yield* Screen
    const reference = yield* given(flags.reference)
    const { templateId, parameters } = unregistered(reference)
    const worker = yield* PythonWorker
    const test = yield* worker
      .testConnection({ templateId, parameters, level: null })
      .pipe(Effect.mapError((error) => refusedByWorker(error, "source", reference.shown)))
    if (!test.success) return yield* notConnected(reference, test)
    const version = test.detectedVersion === null ? "" : `   version ${test.detectedVersion}`
    if (screen.format === "text") screen.print(`✓ ${reference.shown}${version}   ${test.message}`)
    else {
      screen.print(
        JSON.stringify({
          v: 1,
          type: "check",
          reference: reference.shown,
          version: test.detectedVersion,
          capabilities: test.capabilities,
          diagnostics: test.diagnostics
        })
      )
    }
    return Exit.done
  }).pipe(withWorker)

type Test = Effect.Success<ReturnType<PythonWorker["Service"]["testConnection"]>>

const notConnected = (reference: Reference, test: Test): Refused => {
  const wrong = test.diagnostics.filter(({ level }) => level === "ERROR")
  const why = wrong.length === 0 ? [test.message] : wrong.map(({ message }) => message)
  return refuse({
    title: "The connection does not work",
    number: "HR3000",
    exit: Exit.source,
    where: reference.shown,
    why: [...why.map(inCommandWords), ...(test.details["step"] === "sign-in" ? noPassword(reference) : [])],
    advice: wrong.flatMap(({ hint }) => (hint === null ? [] : [inCommandWords(hint)]))
  })
}
