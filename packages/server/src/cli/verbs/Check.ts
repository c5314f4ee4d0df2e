/**
 * `headrace check REF`: really connects, and reports the first step that failed
 * with what to do about it; then what the system is good for, source or sink.
 */
import * as Effect from "effect/Effect"
import { PythonWorker } from "@headrace/core/services/PythonWorker"
import { Exit } from "../Exit.ts"
import { noPassword, refusedByWorker } from "../Failures.ts"
import { count } from "../Figures.ts"
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
    const uses = [yield* asSource(reference), asSink(reference, test)]
    if (uses.every(({ usable }) => usable === false)) return yield* ofNoUse(reference, uses)
    if (screen.format === "text") {
      // A path that was typed in full begins the message, too.
      const met = test.message.startsWith(`${reference.shown} `)
        ? test.message.slice(reference.shown.length + 1)
        : test.message
      screen.print(`✓ ${reference.shown}   ${met}`)
      for (const { use, said } of uses) screen.print(`  as a ${use}: ${said}`)
    } else {
      screen.print(
        JSON.stringify({
          v: 1,
          type: "check",
          reference: reference.shown,
          version: test.detectedVersion,
          capabilities: test.capabilities,
          uses,
          diagnostics: test.diagnostics
        })
      )
    }
    return Exit.done
  }).pipe(withWorker)

/** What the system is good for; `usable: null` where only a run can tell. */
interface Use {
  readonly use: "source" | "sink"
  readonly usable: boolean | null
  readonly said: string
}

/** A source is asked for its units: that a folder can be made, or a file be opened, gives nobody rows. */
const asSource = Effect.fnUntraced(function* (reference: Reference) {
  const use = (usable: boolean, said: string): Use => ({ use: "source", usable, said })
  return yield* (yield* PythonWorker).listUnits({ endpoint: unregistered(reference) }).pipe(
    Effect.match({
      onSuccess: ({ length }) =>
        length === 0
          ? use(false, "no, there is nothing to read")
          : use(true, `yes, with ${count(length)} ${length === 1 ? "unit" : "units"}`),
      onFailure: (error) => use(false, `no. ${refusedByWorker(error, "source", null).why.join(" ")}`)
    })
  )
})

/** Writing is not tried: a database that is only read should see no table of ours, not even for a moment. */
const asSink = ({ templateId }: Reference, { capabilities }: Test): Use => {
  const use = (usable: boolean | null, said: string): Use => ({ use: "sink", usable, said })
  if (capabilities.some((capability) => capability.startsWith("sink."))) return use(true, "yes")
  return templateId === "jdbc.postgres"
    ? use(null, "tried when a run begins")
    : use(false, "no, a folder is needed")
}

const ofNoUse = (reference: Reference, uses: ReadonlyArray<Use>): Refused =>
  refuse({
    title: "Nothing can be read or written there",
    number: "HR3000",
    exit: Exit.source,
    where: reference.shown,
    why: uses.map(({ use, said }) => `As a ${use}: ${said}`)
  })

type Test = Effect.Success<ReturnType<PythonWorker["Service"]["testConnection"]>>

const notConnected = (reference: Reference, test: Test): Refused => {
  const wrong = test.diagnostics.filter(({ level }) => level === "ERROR")
  const why = wrong.length === 0 ? [test.message] : wrong.map(({ message }) => message)
  return refuse({
    title: "The connection does not work",
    number: "HR3000",
    exit: Exit.source,
    where: reference.shown,
    why: [
      ...why.map(inCommandWords),
      ...(test.details["tag"] === "AuthenticationFailed" ? noPassword(reference) : [])
    ],
    advice: wrong.flatMap(({ hint }) => (hint === null ? [] : [inCommandWords(hint)]))
  })
}
