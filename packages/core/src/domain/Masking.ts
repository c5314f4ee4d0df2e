/**
 * Secrets in an endpoint's configuration: where they are, how they are shown,
 * and how a configuration that was shown is taken back without losing them.
 *
 * Pure. A secret place is found by template where there is one, by name
 * elsewhere; what is a secret inside a text, such as user info in a url, is one
 * wherever the text stands.
 */
import type { Schema } from "effect"
import type { JsonObject } from "./Endpoint.ts"
import { authorizationParts, isSecretName, masked, type Part, secretParts, withParts } from "./SecretText.ts"
import type { EndpointTemplate } from "./Template.ts"

type Json = Schema.Json
type Path = ReadonlyArray<string>

/** One secret: its path from the root of the configuration, its number when it is a part of the text there, and its value. */
export interface SecretAt {
  readonly path: Path
  readonly part?: number
  readonly value: string | number
}

/** Is a parameter a secret? Its template decides; of a parameter no template knows, its name. */
export const isSecretParameter = (template: EndpointTemplate | null, key: string): boolean => {
  const field = template?.fields.find((known) => known.key === key)
  return field === undefined ? isSecretName(key) : field.sensitive || field.valueType === "PASSWORD"
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isList = (value: Json | undefined): value is ReadonlyArray<Json> => Array.isArray(value)

const children = (value: Json): ReadonlyArray<readonly [string, Json]> =>
  isList(value)
    ? value.map((item, index) => [`${index}`, item] as const)
    : isObject(value)
      ? Object.entries(value)
      : []

interface Leaf {
  readonly path: Path
  readonly value: Json
  readonly secret: boolean
}

/** Every leaf of the value, with whether the names above it make it a secret. */
const leaves = (
  value: Json,
  template: EndpointTemplate | null,
  path: Path = [],
  secret = false
): ReadonlyArray<Leaf> => {
  const inParameters = path.length === 1 && path[0] === "parameters"
  const below = children(value)
  if (below.length === 0) return [{ path, value, secret }]
  return below.flatMap(([key, child]) =>
    leaves(
      child,
      template,
      [...path, key],
      secret || (inParameters ? isSecretParameter(template, key) : isObject(value) && isSecretName(key))
    )
  )
}

const isAuthPolicy = (path: Path): boolean =>
  path.at(-1)?.replaceAll(/[-_]/g, "").toLowerCase() === "authpolicy"

/** The secrets inside a text that is no secret itself. */
const partsOf = ({ path, value, secret }: Leaf): ReadonlyArray<Part> => {
  if (secret || typeof value !== "string") return []
  return isAuthPolicy(path) ? authorizationParts(value) : secretParts(value)
}

/** What stands in the parts of a leaf's text. */
const insideOf = (leaf: Leaf): ReadonlyArray<string> => {
  const text = typeof leaf.value === "string" ? leaf.value : ""
  return partsOf(leaf).map(({ start, end }) => text.slice(start, end))
}

const at = (value: Json | undefined, path: Path): Json | undefined =>
  path.reduce<Json | undefined>((found, key) => {
    if (isList(found)) return found[Number(key)]
    return isObject(found) ? found[key] : undefined
  }, value)

/** The value with what is at `path` replaced; `undefined` takes the key away. */
const replaceAt = (value: Json, path: Path, replacement: Json | undefined): Json => {
  const [key, ...rest] = path
  if (key === undefined) return replacement ?? value
  const change = (child: Json) => (rest.length === 0 ? replacement : replaceAt(child, rest, replacement))
  if (isList(value)) return value.map((item, index) => (`${index}` === key ? (change(item) ?? "") : item))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, child]) => {
      const next = name === key ? change(child) : child
      return next === undefined ? [] : [[name, next] as const]
    })
  )
}

type Change = readonly [Path, Json | undefined]

const change = (config: JsonObject, changes: ReadonlyArray<Change>): JsonObject => {
  const changed = changes.reduce<Json>(
    (value, [path, replacement]) => replaceAt(value, path, replacement),
    config
  )
  return isObject(changed) ? changed : config
}

const isSecretValue = (value: Json): value is string | number =>
  (typeof value === "string" && value !== "") || typeof value === "number"

/** Every secret of the configuration: what is sealed before it is stored, and never shown. */
export const secretsOf = (config: JsonObject, template: EndpointTemplate | null): ReadonlyArray<SecretAt> =>
  leaves(config, template).flatMap((leaf): ReadonlyArray<SecretAt> => {
    const { path, value, secret } = leaf
    if (secret) return isSecretValue(value) ? [{ path, value }] : []
    return insideOf(leaf).map((inside, part) => ({ path, part, value: inside }))
  })

/** The text at a path with its parts said otherwise; those that are not given stay. */
const partsReplaced = (config: JsonObject, path: Path, secrets: ReadonlyArray<SecretAt>): Json => {
  const value = at(config, path)
  if (typeof value !== "string") return value ?? null
  const said = new Map(secrets.map((secret) => [secret.part, `${secret.value}`]))
  const parts = partsOf({ path, value, secret: false })
  return withParts(value, parts, (before, index) => said.get(index) ?? before)
}

/** The configuration with those secrets replaced. */
export const withSecrets = (config: JsonObject, secrets: ReadonlyArray<SecretAt>): JsonObject => {
  const whole = secrets.filter(({ part }) => part === undefined)
  const inside = Map.groupBy(
    secrets.filter(({ part }) => part !== undefined),
    ({ path }) => JSON.stringify(path)
  )
  const texts = [...inside.values()].map((there): Change => {
    const path = there[0]?.path ?? []
    return [path, partsReplaced(config, path, there)]
  })
  return change(config, [...whole.map(({ path, value }): Change => [path, value]), ...texts])
}

/** What a leaf is shown as; itself when it holds no secret. */
const shown = (leaf: Leaf): Json => {
  if (leaf.secret) return isSecretValue(leaf.value) ? masked : leaf.value
  return typeof leaf.value === "string" ? withParts(leaf.value, partsOf(leaf), () => masked) : leaf.value
}

/** The configuration as it is shown: `****` for every secret, also for those inside a text such as a url. */
export const maskConfig = (config: JsonObject, template: EndpointTemplate | null): JsonObject =>
  change(
    config,
    leaves(config, template).flatMap((leaf): ReadonlyArray<Change> => {
      const text = shown(leaf)
      return text === leaf.value ? [] : [[leaf.path, text]]
    })
  )

/** Does what was sent stand for what is stored? */
const isKept = ({ before, ...leaf }: Leaf & { readonly before: Json | undefined }): boolean => {
  if (before === undefined) return false
  return leaf.secret
    ? leaf.value === masked && isSecretValue(before)
    : typeof before === "string" && shown({ ...leaf, value: before }) === leaf.value
}

/** Does it say `****` where a secret should be? */
const isMasked = (leaf: Leaf): boolean =>
  leaf.secret ? leaf.value === masked : insideOf(leaf).includes(masked)

/**
 * A configuration that was sent, completed from the stored one: `****` in a
 * secret place keeps what is stored there, an empty string removes it, anything
 * else is the new secret. `missing` are the paths that sent `****` where nothing is stored.
 */
export const unmaskConfig = (
  sent: JsonObject,
  stored: JsonObject | null,
  template: EndpointTemplate | null
): { readonly config: JsonObject; readonly missing: ReadonlyArray<Path> } => {
  const found = leaves(sent, template).map((leaf) => ({ ...leaf, before: at(stored ?? {}, leaf.path) }))
  return {
    config: change(
      sent,
      found.flatMap((leaf): ReadonlyArray<Change> => {
        if (leaf.secret && leaf.value === "") return [[leaf.path, undefined]]
        return isKept(leaf) ? [[leaf.path, leaf.before]] : []
      })
    ),
    missing: found.flatMap((leaf) => (isMasked(leaf) && !isKept(leaf) ? [leaf.path] : []))
  }
}
