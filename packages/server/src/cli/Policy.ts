/**
 * How a unit is carried, from the flags of `ingest`: `--mode`, `--cursor`,
 * `--key`, `--write`, and `--policy name=value` for everything else a policy
 * may say. A word that no policy knows is refused here, with the nearest one,
 * since a run would carry on without it.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { JsonObject } from "@headrace/core/domain/Endpoint"
import { nearest } from "@headrace/core/domain/Nearest"
import {
  isPolicyKey,
  keysWithin,
  mostOf,
  type PolicyKey,
  policyKeys,
  unknownKeysWithin
} from "@headrace/core/domain/Policy"
import { Exit } from "./Exit.ts"
import { shellWord } from "./Hint.ts"
import { refuse, type Refused } from "./Message.ts"
import { fileSettings } from "./PathReference.ts"

export const modes = ["full", "incremental"]
export const dispositions = ["replace", "append", "merge"]

type Kind = "word" | "list" | "number" | "json"

/** How the text of each key is read. */
const kinds: { readonly [Key in PolicyKey]: Kind } = {
  mode: "word",
  cursorField: "word",
  lookback: "word",
  primaryKeys: "list",
  writeDisposition: "word",
  deletes: "word",
  deletedField: "word",
  columns: "list",
  filter: "json",
  limit: "number",
  parameters: "json",
  targetSliceSize: "number",
  sliceBytes: "number",
  maxParallelSlices: "number",
  batchBytes: "number",
  staging: "json",
  schemaContract: "word",
  quarantine: "json",
  nulls: "word",
  attempts: "number",
  onNewGeneration: "word",
  require: "word",
  dataEngine: "word",
  limits: "json"
}

/** Of each key that takes JSON, what somebody may have meant. */
const examples: Partial<Record<PolicyKey, string>> = {
  filter: '{"eq": ["status", "open"]}',
  staging: '{"provider": "local_disk"}',
  quarantine: '{"maxRows": 100}',
  limits: '{"rowBytes": 1048576}'
}

const allowed: Partial<Record<PolicyKey, ReadonlyArray<string>>> = {
  mode: modes,
  writeDisposition: dispositions,
  deletes: ["ignore", "soft", "keyDiff"],
  schemaContract: ["evolve", "freeze", "discard_row", "discard_value"],
  nulls: ["once", "quarantine", "ignore"],
  onNewGeneration: ["merge", "replace", "append"],
  require: ["exactly-once"],
  dataEngine: ["local"]
}

export interface PolicyFlags {
  readonly mode: string | null
  readonly cursor: string | null
  /** Each may name several columns, separated by commas. */
  readonly key: ReadonlyArray<string>
  readonly write: string | null
  /** `name=value` each. */
  readonly policy: ReadonlyArray<string>
}

/** The policy, holding only what was said. Refused (usage) for an unknown key or value, and for two values of one key. */
export const parsePolicy = (flags: PolicyFlags): Result.Result<JsonObject, Refused> => {
  const said: ReadonlyArray<readonly [string, string, string]> = [
    ...(flags.mode === null ? [] : [["mode", flags.mode, "--mode"] as const]),
    ...(flags.cursor === null ? [] : [["cursorField", flags.cursor, "--cursor"] as const]),
    ...(flags.key.length === 0 ? [] : [["primaryKeys", flags.key.join(","), "--key"] as const]),
    ...(flags.write === null ? [] : [["writeDisposition", flags.write, "--write"] as const]),
    ...flags.policy.map((pair) => {
      const at = pair.indexOf("=")
      const name = at === -1 ? pair : pair.slice(0, at)
      return [name, at === -1 ? "" : pair.slice(at + 1), `--policy ${name}`] as const
    })
  ]
  const twice = said.find(([name, text], at) =>
    said.slice(0, at).some(([before, other]) => before === name && other !== text)
  )
  if (twice !== undefined) return Result.fail(contradicted(twice[0], said))
  return Result.gen(function* () {
    const policy: Record<string, JsonObject[string]> = {}
    for (const [name, text, flag] of said) policy[name] = yield* valueOf(name, text, flag)
    return policy
  })
}

const valueOf = (name: string, text: string, flag: string): Result.Result<JsonObject[string], Refused> => {
  if (fileSettings.includes(name)) return Result.fail(setting(name, text))
  if (!isPolicyKey(name)) return Result.fail(unknown(`policy key "${name}"`, name, policyKeys))
  const words = allowed[name]
  if (words !== undefined && !words.includes(text)) {
    return Result.fail(unknown(`value "${text}" of ${flag}`, text, words))
  }
  return read[kinds[name]](text.trim(), flag, name)
}

type Read = (text: string, flag: string, name: PolicyKey) => Result.Result<JsonObject[string], Refused>

const read: { readonly [Of in Kind]: Read } = {
  word: (text, flag) => (text === "" ? Result.fail(wrong(flag, text, "a word")) : Result.succeed(text)),
  list: (text, flag) => {
    const items = text.split(",").map((item) => item.trim())
    return items.includes("")
      ? Result.fail(wrong(flag, text, "names separated by commas"))
      : Result.succeed(items)
  },
  number: (text, flag, name) =>
    /^[1-9]\d{0,14}$/.test(text) && Number(text) <= mostOf(name)
      ? Result.succeed(Number(text))
      : Result.fail(wrong(flag, text, `a whole number from 1 to ${mostOf(name)}`)),
  json: (text, flag, name) => {
    const object = `JSON, such as ${flag}='${examples[name] ?? "{}"}'`
    return Result.flatMap(
      Result.mapError(decodeJson(text), () => wrong(flag, text, object)),
      (value) => {
        if (typeof value !== "object" || Array.isArray(value)) return Result.fail(wrong(flag, text, object))
        const [inner] = unknownKeysWithin(name, value)
        return inner === undefined
          ? Result.succeed(value)
          : Result.fail(unknown(`key "${inner}" in ${name}`, inner, keysWithin[name] ?? []))
      }
    )
  }
}

const decodeJson = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Json))

const unknown = (what: string, typed: string, known: ReadonlyArray<string>): Refused => {
  const near = nearest(typed, known)
  return refuse({
    title: `Unknown ${what}`,
    number: "HR2105",
    exit: Exit.usage,
    advice: [near.length > 0 ? `Did you mean: ${near.join(", ")}?` : "", `Known: ${known.join(", ")}.`]
  })
}

const setting = (name: string, text: string): Refused =>
  refuse({
    title: `"${name}" is no policy key, but a setting of the source`,
    number: "HR2105",
    exit: Exit.usage,
    advice: [`Write it behind the path: --source ${shellWord(`./orders.csv?${name}=${text}`)}`]
  })

const contradicted = (key: string, said: ReadonlyArray<readonly [string, string, string]>): Refused => {
  const ways = said.flatMap(([name, text, flag]) =>
    name === key ? [flag.startsWith("--policy") ? `--policy ${name}=${text}` : `${flag} ${text}`] : []
  )
  return refuse({
    title: `Two values for the policy key "${key}"`,
    number: "HR2105",
    exit: Exit.usage,
    why: [`Said: ${ways.join(", ")}.`],
    advice: ["Leave all but one out."]
  })
}

const wrong = (flag: string, text: string, expected: string): Refused =>
  refuse({
    title: `"${text}" is no value for ${flag}`,
    number: "HR2105",
    exit: Exit.usage,
    advice: [`It takes ${expected}.`]
  })
