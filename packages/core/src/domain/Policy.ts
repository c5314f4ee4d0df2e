/**
 * How a unit is to be ingested: the policy keys people may set, and which of
 * the places that set one wins. Values are read by the data plane; here only
 * what decides before a run starts is looked at.
 */
import type { Schema } from "effect"
import type { JsonObject } from "./Endpoint.ts"
import { nearest } from "./Nearest.ts"

/** Every policy key there is, one spelling each. */
export const policyKeys = [
  "mode",
  "cursorField",
  "lookback",
  "primaryKeys",
  "writeDisposition",
  "deletes",
  "deletedField",
  "columns",
  "filter",
  "limit",
  "parameters",
  "targetSliceSize",
  "sliceBytes",
  "maxParallelSlices",
  "batchBytes",
  "staging",
  "schemaContract",
  "quarantine",
  "nulls",
  "attempts",
  "onNewGeneration",
  "require",
  "dataEngine",
  "limits"
] as const

export type PolicyKey = (typeof policyKeys)[number]

/** What the keys that take an object may hold; the data plane knows the same ones. */
export const keysWithin: { readonly [Key in PolicyKey]?: ReadonlyArray<string> } = {
  staging: ["provider", "maxBytes"],
  quarantine: ["maxRows", "maxRatio"],
  limits: ["memoryBytes", "rowBytes"]
}

/** What a number of a policy may be at most; the data plane holds to the same. Numbers are whole. */
export const mostOf = (key: PolicyKey): number =>
  key === "maxParallelSlices" ? 64 : key === "attempts" ? 100 : 999_999_999_999_999

/** Staging when nobody says otherwise. */
export const defaultStagingProvider = "in_memory"

export const isPolicyKey = (key: string): key is PolicyKey => policyKeys.some((known) => known === key)

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isSaid = (value: unknown): boolean => value !== undefined && value !== null && value !== ""

/** The known key that looks most like `key`, whatever its case and separators; null when none looks like it. */
export const nearestPolicyKey = (key: string): PolicyKey | null =>
  nearest(key.replaceAll(/[^a-zA-Z]/g, ""), policyKeys, 1)[0] ?? null

export interface UnknownPolicyKey {
  /** Of one within an object also where it stands: `quarantine.maxratio`. */
  readonly key: string
  readonly nearest: string | null
}

/** Keys no part of Headrace reads. The command refuses them; in stored configurations they are a warning. */
export const unknownPolicyKeys = (policy: JsonObject): ReadonlyArray<UnknownPolicyKey> => [
  ...Object.keys(policy)
    .filter((key) => !isPolicyKey(key))
    .map((key) => ({ key, nearest: nearestPolicyKey(key) })),
  ...policyKeys.flatMap((key) =>
    unknownKeysWithin(key, policy[key]).map((inner) => {
      const [near] = nearest(inner, keysWithin[key] ?? [], 1)
      return { key: `${key}.${inner}`, nearest: near === undefined ? null : `${key}.${near}` }
    })
  )
]

/** Of the object that is said for a key, the keys that nobody reads. */
export const unknownKeysWithin = (key: PolicyKey, value: unknown): ReadonlyArray<string> => {
  const known = keysWithin[key]
  return known === undefined || !isObject(value)
    ? []
    : Object.keys(value).filter((inner) => !known.includes(inner))
}

/** One sentence about an unknown key, for a refusal or a warning. */
export const describeUnknownKey = ({ key, nearest }: UnknownPolicyKey): string =>
  nearest === null
    ? `The policy key "${key}" is not known and has no effect.`
    : `The policy key "${key}" is not known and has no effect; did you mean "${nearest}"?`

/** Says more than nothing, and nobody reads it. */
const unheeded = ({ attempts, limits }: JsonObject): ReadonlyArray<string> => [
  ...(typeof attempts === "number" && attempts > 1
    ? [
        `The policy key "attempts" has no effect today: a run is one attempt. Start the unit again when it failed.`
      ]
    : []),
  ...(isObject(limits) && isSaid(limits["memoryBytes"])
    ? [`"memoryBytes" of the policy key "limits" has no effect today: nothing bounds a worker's memory.`]
    : [])
]

/** What of a policy changes nothing, one sentence each: a run says so before it reads. */
export const withoutEffect = (policy: JsonObject): ReadonlyArray<string> => [
  ...unknownPolicyKeys(policy).map(describeUnknownKey),
  ...unheeded(policy)
]

/** What the data plane is given: the keys it knows. */
export const knownPolicy = (policy: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(policy).filter(([key]) => isPolicyKey(key)))

/** One policy of several, key by key: the endpoint's `config.ingestionPolicy`, over it the unit's, over both the run's. A null says nothing. */
export const resolvePolicy = (...policies: ReadonlyArray<unknown>): JsonObject =>
  Object.fromEntries(
    policies.flatMap((policy) =>
      isObject(policy) ? Object.entries(policy).filter(([, value]) => value !== null) : []
    )
  )

/** What decides where a row lands, and over which other one. */
const landing = ["mode", "cursorField", "primaryKeys", "writeDisposition"] as const

export interface Contradiction {
  readonly key: (typeof landing)[number]
  readonly asked: Schema.Json
  /** Null: nothing was said. */
  readonly carriedWith: Schema.Json
}

/** The first key of `asked` by which rows that were carried with another policy would land elsewhere, or over others. */
export const contradictionOf = (carriedWith: JsonObject, asked: JsonObject): Contradiction | null => {
  const key = landing.find((name) => isSaid(asked[name]) && textOf(asked[name]) !== textOf(carriedWith[name]))
  return key === undefined ? null : { key, asked: asked[key] ?? null, carriedWith: carriedWith[key] ?? null }
}

/** One column may be said alone or as a list of one. */
const textOf = (value: unknown): string => JSON.stringify(typeof value === "string" ? [value] : value)

const providerOf = (policy: unknown): unknown =>
  isObject(policy) && isObject(policy["staging"]) ? policy["staging"]["provider"] : undefined

/** The staging provider of a run, from the places that may name it; the first that says one wins. */
export const resolveStagingProvider = (said: {
  readonly argument: unknown
  readonly unitPolicy: unknown
  readonly endpointPolicy: unknown
  readonly config: unknown
  readonly setting: unknown
}): string => {
  const places = [
    said.argument,
    providerOf(said.unitPolicy),
    providerOf(said.endpointPolicy),
    said.config,
    said.setting
  ]
  const named = places.flatMap((place) =>
    typeof place === "string" && place.trim() !== "" ? [place.trim()] : []
  )
  return named[0] ?? defaultStagingProvider
}

/**
 * The policy with its mode said: incremental when the source can and a
 * `cursorField` is set, else full. A mode that is said stays as it is.
 */
export const withMode = (policy: JsonObject, canIncremental: boolean): JsonObject => {
  if (isSaid(policy["mode"])) return policy
  return { ...policy, mode: canIncremental && isSaid(policy["cursorField"]) ? "incremental" : "full" }
}

/** Does the policy itself, not a default, ask for incremental reading? */
export const asksForIncremental = (policy: JsonObject): boolean => policy["mode"] === "incremental"
