/**
 * Secrets in an endpoint's configuration: where they are, how they are shown,
 * and how a configuration that was shown is taken back without losing them.
 *
 * Pure. A secret place is found by template where there is one, by name
 * elsewhere; user info in a url is a secret wherever the url stands.
 */
import type { Schema } from "effect"
import type { JsonObject } from "./Endpoint.ts"
import type { EndpointTemplate } from "./Template.ts"

/** What is shown instead of a secret; sent back, it keeps the stored one. */
export const masked = "****"

type Json = Schema.Json
type Path = ReadonlyArray<string>

/** One secret: its path from the root of the configuration, and its value. */
export interface SecretAt {
  readonly path: Path
  readonly value: string | number
}

const secretName = /password|passwd|secret|token|api_?key|private_?key/

/** Does a key's name say that its value is a secret? */
export const isSecretName = (name: string): boolean =>
  secretName.test(name.toLowerCase().replaceAll("-", "_"))

/** Is a parameter a secret? Its template decides; of a parameter no template knows, its name. */
export const isSecretParameter = (template: EndpointTemplate | null, key: string): boolean => {
  const field = template?.fields.find((known) => known.key === key)
  return field === undefined ? isSecretName(key) : field.sensitive || field.valueType === "PASSWORD"
}

const userInfo = /^([a-z][a-z0-9+.-]*:(?:[a-z0-9+.-]+:)*\/\/)[^/?#\s]*@/i
const queryPair = /([?&;])([^=&;#?]+)=([^&;#]*)/g

/** The url without its user info and without the secrets of its query. Anything else comes back as it is. */
export const maskUrl = (url: string): string => {
  if (!/^[a-z][a-z0-9+.-]*:/i.test(url)) return url
  return url
    .replace(userInfo, `$1${masked}@`)
    .replaceAll(queryPair, (pair: string, mark: string, name: string) =>
      isSecretName(name) ? `${mark}${name}=${masked}` : pair
    )
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
  leaves(config, template).flatMap(({ path, value, secret }) =>
    secret && isSecretValue(value) ? [{ path, value }] : []
  )

/** The configuration with the values at those paths replaced. */
export const withSecrets = (config: JsonObject, secrets: ReadonlyArray<SecretAt>): JsonObject =>
  change(
    config,
    secrets.map(({ path, value }) => [path, value] as const)
  )

/** The configuration as it is shown: `****` for every secret, urls without user info. */
export const maskConfig = (config: JsonObject, template: EndpointTemplate | null): JsonObject =>
  change(
    config,
    leaves(config, template).flatMap(({ path, value, secret }) => {
      if (secret) return isSecretValue(value) ? [[path, masked] as const] : []
      return typeof value === "string" && maskUrl(value) !== value ? [[path, maskUrl(value)] as const] : []
    })
  )

/** Does what was sent stand for what is stored? */
const isKept = ({ secret, value, before }: Leaf & { readonly before: Json | undefined }): boolean => {
  if (before === undefined) return false
  return secret
    ? value === masked && isSecretValue(before)
    : typeof before === "string" && maskUrl(before) === value
}

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
    missing: found.flatMap((leaf) =>
      leaf.secret && leaf.value === masked && !isKept(leaf) ? [leaf.path] : []
    )
  }
}
