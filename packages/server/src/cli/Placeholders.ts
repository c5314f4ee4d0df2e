/**
 * `${env:NAME}` and `${file:/run/secrets/x}` in a reference: how a secret gets
 * into the command without being typed. What a placeholder held is remembered
 * as secret, so that it can be kept off the screen.
 */
import * as Result from "effect/Result"
import { Exit } from "./Exit.ts"
import { refuse, type Refused } from "./Message.ts"

/** Where placeholders get their values. Null: there is no such thing. */
export interface Origins {
  readonly environment: (name: string) => string | null
  readonly file: (path: string) => string | null
}

export const placeholder = /\$\{(env|file):([^}]+)\}/g

/** The text with every placeholder filled in. Refused, naming it, when one has no value. */
export const fill = (text: string, origins: Origins): Result.Result<string, Refused> => {
  const missing: Array<Refused> = []
  const filled = text.replace(placeholder, (_, kind: string, name: string) => {
    const value = kind === "env" ? origins.environment(name) : origins.file(name)
    if (value === null) missing.push(noValue(kind, name))
    return value ?? ""
  })
  const first = missing[0]
  return first === undefined ? Result.succeed(filled) : Result.fail(first)
}

const noValue = (kind: string, name: string): Refused =>
  refuse({
    title: kind === "env" ? `The variable ${name} is not set` : `The file ${name} cannot be read`,
    number: "HR1101",
    exit: Exit.configuration,
    why: [`The reference says \${${kind}:${name}}.`],
    advice: [
      kind === "env"
        ? `Set it first:  export ${name}=…`
        : "Check that the file exists and may be read by you."
    ]
  })
