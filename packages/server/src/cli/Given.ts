/** A reference as it was given on the command line: read with this machine's surroundings, its secrets hidden from now on. */
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { userInfo } from "node:os"
import { EndpointId, type EndpointRef, TemplateId } from "@headrace/core/domain/Endpoint"
import { parseReference, type Reference, type Surroundings } from "./Reference.ts"
import { Screen } from "./Screen.ts"

const surroundings = (): Surroundings => ({
  folder: process.cwd(),
  user: userInfo().username,
  exists: existsSync,
  environment: (name) => process.env[name] ?? null,
  file: (path) => {
    try {
      return readFileSync(path, "utf8").replace(/\r?\n$/, "")
    } catch {
      return null
    }
  }
})

/** Warns once about a password that was typed in clear. */
export const given = Effect.fn("given")(function* (text: string) {
  const screen = yield* Screen
  const reference = yield* Effect.fromResult(parseReference(text, surroundings()))
  screen.hide(reference.secrets)
  if (reference.isPasswordTyped) warnOnce(screen.tell)
  return reference
})

let isWarned = false
const warnOnce = (tell: (line: string) => void): void => {
  if (isWarned) return
  isWarned = true
  tell("! A password on the command line is seen by everyone on this machine; '${env:NAME}' is not.   HR1102")
}

/** The reference as the worker takes it, for calls that need no registered endpoint. */
export const unregistered = ({ templateId, parameters, sourceId }: Reference): EndpointRef => ({
  id: EndpointId.make(sourceId),
  templateId: TemplateId.make(templateId),
  parameters
})
