/**
 * `iceberg+` before the address of a catalog, as the template takes it, and
 * after the `?` what else the template asks: `iceberg+sqlite:///lake.db?warehouse=./lake`.
 * What nobody else knows there belongs to the catalog's own address.
 */
import * as Result from "effect/Result"
import { resolve } from "node:path"
import { Exit } from "./Exit.ts"
import { refuse, type Refused } from "./Message.ts"
import { fill } from "./Placeholders.ts"
import type { Surroundings } from "./Reference.ts"

export interface IcebergParts {
  readonly parameters: Readonly<Record<string, string>>
  readonly secrets: ReadonlyArray<string>
  readonly isSecretTyped: boolean
  /** The reference as it was written, without a secret that was typed. */
  readonly withoutSecrets: string
  /** The catalog and the namespace, without who signs in. */
  readonly identity: string
}

export const icebergSchemes = [
  "iceberg+sqlite",
  "iceberg+postgresql",
  "iceberg+https",
  "iceberg+http"
] as const

/** Parameters of the template but the first two, under their own names. */
const settings = ["warehouse", "namespace", "token"]
/** Further properties of PyIceberg: those with a dot, and these without. */
const properties = ["credential", "scope", "audience", "resource", "oauth2-server-uri", "prefix", "name"]
const secret = /token|secret|credential|password|access-key|account-key|header\./i

const shape = /^iceberg\+(?<scheme>[a-z]+):\/\/(?:(?<info>[^/?#]*)@)?(?<rest>[^?#]*)(?:\?(?<query>[^#]*))?$/i

type Pair = readonly [name: string, raw: string]

/** Refused when the reference has no such shape, or a placeholder is empty. */
export const parseIceberg = (
  text: string,
  surroundings: Surroundings
): Result.Result<IcebergParts, Refused> => {
  const parts = shape.exec(text)?.groups
  if (parts === undefined) return Result.fail(malformed("It is not of a form below."))
  const scheme = (parts["scheme"] ?? "").toLowerCase()
  const [user = "", ...password] = (parts["info"] ?? "").split(":")
  const pairs = (parts["query"] ?? "").split("&").filter((part) => part !== "")
  const said: ReadonlyArray<Pair> = [
    ...(password.length > 0 ? [["token", password.join(":")] as const] : []),
    ...pairs.map((pair): Pair => [pair.split("=")[0] ?? "", pair.split("=").slice(1).join("=")])
  ]
  return Result.gen(function* () {
    const known: Record<string, string> = {}
    for (const [name, raw] of said) known[name] = yield* filled(raw, surroundings)
    const rest = yield* fill(parts["rest"] ?? "", surroundings)
    const place = scheme === "sqlite" ? `/${resolve(surroundings.folder, rest.replace(/^\//, ""))}` : rest
    const typed = said.filter(([name, raw]) => secret.test(name) && raw !== "" && !raw.includes("${"))
    return {
      parameters: parametersOf(scheme, user, place, known, surroundings),
      secrets: Object.keys(known).flatMap((name) => (secret.test(name) ? [known[name] ?? ""] : [])),
      isSecretTyped: typed.length > 0,
      withoutSecrets: typed.reduce((shorter, [name, raw]) => without(shorter, name, raw), text),
      identity: identityOf(scheme, place, known)
    }
  })
}

const parametersOf = (
  scheme: string,
  user: string,
  place: string,
  known: Readonly<Record<string, string>>,
  { folder }: Surroundings
): Readonly<Record<string, string>> => {
  const names = Object.keys(known)
  const further = names.filter((name) => name.includes(".") || properties.includes(name))
  const own = names.filter((name) => !settings.includes(name) && !further.includes(name))
  const query = own.map((name) => `${name}=${encodeURIComponent(known[name] ?? "")}`).join("&")
  const isSql = scheme === "sqlite" || scheme === "postgresql"
  const warehouse = known["warehouse"]
  const isPath = isSql && warehouse !== undefined && !warehouse.includes("://")
  return {
    catalog_type: isSql ? "sql" : "rest",
    catalog_uri: `${scheme}://${user === "" ? "" : `${user}@`}${place}${query === "" ? "" : `?${query}`}`,
    ...Object.fromEntries(settings.flatMap((name) => (name in known ? [[name, known[name] ?? ""]] : []))),
    ...(isPath ? { warehouse: resolve(folder, warehouse) } : {}),
    ...(further.length === 0
      ? {}
      : {
          additional_properties: JSON.stringify(
            Object.fromEntries(further.map((name) => [name, known[name]]))
          )
        })
  }
}

/** Who signs in, and how, makes no other place; another namespace or another name of the catalog does. */
const identityOf = (scheme: string, place: string, known: Readonly<Record<string, string>>): string => {
  const within = (scheme.startsWith("http") ? ["warehouse", "namespace"] : ["name", "namespace"])
    .filter((name) => known[name] !== undefined)
    .map((name) => `${name}=${known[name]}`)
    .join("&")
  return `iceberg+${scheme}://${place}${within === "" ? "" : `?${within}`}`
}

const filled = (raw: string, surroundings: Surroundings): Result.Result<string, Refused> =>
  Result.flatMap(
    Result.try({
      try: () => decodeURIComponent(raw),
      catch: () => malformed("It has a % that is not followed by two hexadecimal digits; write %25 for it.")
    }),
    (plain) => fill(plain, surroundings)
  )

const without = (text: string, name: string, raw: string): string =>
  text
    .replace(`:${raw}@`, "@")
    .replace(`?${name}=${raw}&`, "?")
    .replace(`?${name}=${raw}`, "")
    .replace(`&${name}=${raw}`, "")

const malformed = (why: string): Refused =>
  refuse({
    title: "This Iceberg reference cannot be read",
    number: "HR2002",
    exit: Exit.usage,
    why: [why],
    advice: [
      "'iceberg+postgresql://user:${env:PW}@host/database?warehouse=s3://bucket/lake', or",
      "'iceberg+https://host/path?namespace=raw&token=${env:TOKEN}', or iceberg+sqlite:///catalog.db?warehouse=./lake."
    ]
  })
