/**
 * A path or `file://` URI, as people write it, with the settings of its files
 * after a `?`. A name that holds such a `?` itself, and is there, is a name.
 */
import * as Result from "effect/Result"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { nearest } from "@headrace/core/domain/Nearest"
import { Exit } from "./Exit.ts"
import { refuse, type Refused } from "./Message.ts"
import { fill } from "./Placeholders.ts"
import type { Surroundings } from "./Reference.ts"

export interface PathParts {
  readonly path: string
  /** As the template's form takes them, without the path. */
  readonly settings: Readonly<Record<string, string>>
}

/** What a reference may be, for whoever wrote something else. */
export const forms =
  "A reference is postgres://user:password@host:5432/database, a path, file:///path, or, as a sink, iceberg+ before a catalog's address."

/** What may be said after the `?`: the parameters of `file.local` but its path, under their own names. */
export const fileSettings = ["format", "delimiter", "header", "column_types", "compression", "partition_by"]

const settingsShape = /^(?<place>[^?]*)\?(?<query>[A-Za-z_-]+=.*)$/

/** Refused when it has the look of an address, names a setting nobody knows, or a placeholder is empty. */
export const parsePath = (text: string, surroundings: Surroundings): Result.Result<PathParts, Refused> =>
  Result.flatMap(fill(text, surroundings), (filled) => {
    const whole = resolve(surroundings.folder, filled)
    if (surroundings.exists(whole)) return Result.succeed({ path: whole, settings: {} })
    if (isAddress(filled)) return Result.fail(noPath)
    const { place, query } = settingsShape.exec(filled)?.groups ?? {}
    if (place === undefined || place === "" || query === undefined)
      return Result.succeed({ path: whole, settings: {} })
    return Result.map(settingsOf(query), (settings) => ({
      path: resolve(surroundings.folder, place),
      settings
    }))
  })

/** `file:///path?delimiter=tab`; in a URI a `?` of a name is written `%3F`. */
export const parseFileUri = (text: string, surroundings: Surroundings): Result.Result<PathParts, Refused> =>
  Result.gen(function* () {
    const filled = yield* fill(text, encoded(surroundings))
    const at = filled.indexOf("?")
    const query = at === -1 ? "" : filled.slice(at + 1)
    const path = yield* pathOf(at === -1 ? filled : filled.slice(0, at))
    return { path, settings: yield* settingsOf(query) }
  })

/** What a placeholder holds is a piece of a path, and no delimiter of the URI. */
const encoded = ({ environment, file }: Surroundings) => {
  const piece = (value: string | null) =>
    value === null ? null : encodeURI(value).replace(/[?#]/g, encodeURIComponent)
  return {
    environment: (name: string) => piece(environment(name)),
    file: (path: string) => piece(file(path))
  }
}

const pathOf = (uri: string): Result.Result<string, Refused> =>
  Result.try({
    try: () => fileURLToPath(uri),
    catch: (cause) =>
      refuse({
        title: "This is no file on this machine",
        number: "HR2001",
        exit: Exit.usage,
        where: uri,
        why: [cause instanceof Error ? cause.message : String(cause)],
        advice: ["Write a path (./data) or file:// with an absolute path (file:///srv/data)."]
      })
  })

const settingsOf = (query: string): Result.Result<Readonly<Record<string, string>>, Refused> =>
  Result.gen(function* () {
    const settings: Record<string, string> = {}
    for (const pair of query.split("&").filter((part) => part !== "")) {
      const [name = "", ...rest] = pair.split("=")
      if (!fileSettings.includes(name)) return yield* Result.fail(unknownSetting(name))
      settings[name] = yield* decoded(name, rest.join("="))
    }
    return settings
  })

const decoded = (name: string, value: string): Result.Result<string, Refused> =>
  Result.try({
    try: () => decodeURIComponent(value),
    catch: () =>
      refuse({
        title: `The value of "${name}" cannot be read`,
        number: "HR2001",
        exit: Exit.usage,
        why: [
          "It has a % that is not followed by two hexadecimal digits; write %25 for a percent sign, %26 for &."
        ]
      })
  })

const unknownSetting = (name: string): Refused => {
  const near = nearest(name, fileSettings)
  return refuse({
    title: `Unknown setting "${name}" of files`,
    number: "HR2001",
    exit: Exit.usage,
    advice: [
      near.length > 0 ? `Did you mean: ${near.join(", ")}?` : "",
      `Known: ${fileSettings.join(", ")}. A ? that belongs to a name is written %3F in file:///…`
    ]
  })
}

/** `postgres//app:pw@db/shop`, `app:pw@db`: what was meant may hold a password, so nobody repeats it. */
const isAddress = (text: string): boolean =>
  /\/\/[^/@]*:[^@]*@/.test(text) || (!/^(?:\.{0,2}\/|~)/.test(text) && /^[^/@]*:[^@]*@/.test(text))

const noPath = refuse({
  title: "This looks like an address whose scheme is missing or misspelled",
  number: "HR2001",
  exit: Exit.usage,
  why: ["It is not repeated here, since it may hold a password."],
  advice: [forms, "A path that holds : and @ begins with ./ or file:///."]
})
