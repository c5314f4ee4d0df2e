/**
 * What a person writes to name a system (`postgres://…`, a path, `file://…`)
 * becomes an endpoint: a template, its parameters, and a `sourceId` that is the
 * same at every run and holds no credential. The only place that knows which
 * scheme means which template.
 */
import * as Result from "effect/Result"
import { nearest } from "@headrace/core/domain/Nearest"
import { Exit } from "./Exit.ts"
import { icebergSchemes, parseIceberg, type IcebergParts } from "./IcebergUri.ts"
import { refuse, type Refused } from "./Message.ts"
import { forms, parseFileUri, parsePath, type PathParts } from "./PathReference.ts"
import { fill, type Origins } from "./Placeholders.ts"
import { parsePostgres } from "./PostgresUri.ts"
import { hidden } from "./Redact.ts"

export interface Reference {
  readonly templateId: "jdbc.postgres" | "file.local" | "warehouse.iceberg"
  /** As the template's form takes them: text, secrets included. */
  readonly parameters: Readonly<Record<string, string>>
  /** The URI without user info: the identity under which checkpoints are kept. */
  readonly sourceId: string
  /** For the screen. */
  readonly shown: string
  /** For a command that is proposed: as it was written, without a password that was typed. */
  readonly again: string
  readonly secrets: ReadonlyArray<string>
  /** A password was typed in clear: worth one warning. */
  readonly isPasswordTyped: boolean
}

/** What parsing needs to know of the machine. */
export interface Surroundings extends Origins {
  readonly folder: string
  readonly user: string
  /** Is there a file or folder of this path? */
  readonly exists: (path: string) => boolean
}

export const schemes: ReadonlyArray<string> = ["postgres", "postgresql", "file", ...icebergSchemes]

/** Refused (usage) when no template knows the scheme, and (configuration) when a part is wrong or has no value. */
export const parseReference = (
  text: string,
  surroundings: Surroundings
): Result.Result<Reference, Refused> => {
  const said = text.trim()
  // The whole of it may come from elsewhere; then nobody typed what it holds.
  if (/^\$\{(?:env|file):[^}]+\}$/.test(said))
    return Result.map(
      Result.flatMap(fill(said, surroundings), (filled) => parseSaid(filled.trim(), surroundings)),
      (reference) => ({ ...reference, again: said, isPasswordTyped: false })
    )
  return parseSaid(said, surroundings)
}

const parseSaid = (said: string, surroundings: Surroundings): Result.Result<Reference, Refused> => {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(said)?.[1]?.toLowerCase()
  if (said === "") return Result.fail(empty)
  if (scheme === "postgres" || scheme === "postgresql") {
    return Result.map(parsePostgres(said, surroundings), fromPostgres)
  }
  if (scheme === undefined) return Result.map(parsePath(said, surroundings), fromPath(said))
  if (scheme === "file") return Result.map(parseFileUri(said, surroundings), fromPath(said))
  if (icebergSchemes.some((known) => known === scheme))
    return Result.map(parseIceberg(said, surroundings), fromIceberg)
  return Result.fail(unknownScheme(scheme, said))
}

const fromPostgres = ({
  parameters,
  password,
  isPasswordSaid,
  isPasswordTyped,
  withoutPassword
}: PostgresParts): Reference => {
  const place = (user: string) => {
    const host = parameters["host"] ?? ""
    const authority = host.startsWith("/") ? encodeURIComponent(host) : host
    return `postgres://${user}${authority}:${parameters["port"]}/${parameters["database"]}`
  }
  const user = parameters["username"] ?? ""
  const schemas = parameters["schemas"] === undefined ? "" : `?schemas=${parameters["schemas"]}`
  return {
    templateId: "jdbc.postgres",
    parameters,
    sourceId: place(""),
    shown: `${place(isPasswordSaid ? `${user}:${hidden}@` : `${user}@`)}${schemas}`,
    again: withoutPassword,
    // Hiding a password that is also the user or the database would hide the place, and tell the password by it.
    secrets: password === "" || (place(user) + schemas).includes(password) ? [] : [password],
    isPasswordTyped
  }
}

type PostgresParts = Result.Result.Success<ReturnType<typeof parsePostgres>>

const fromPath =
  (shown: string) =>
  ({ path, settings }: PathParts): Reference => ({
    templateId: "file.local",
    parameters: { base_path: path, ...settings },
    sourceId: `file://${path}`,
    shown,
    again: shown,
    secrets: [],
    isPasswordTyped: false
  })

const fromIceberg = (parts: IcebergParts): Reference => ({
  templateId: "warehouse.iceberg",
  parameters: parts.parameters,
  sourceId: parts.identity,
  shown: parts.identity,
  again: parts.withoutSecrets,
  secrets: parts.secrets.filter((value) => value !== "" && !parts.identity.includes(value)),
  isPasswordTyped: parts.isSecretTyped
})

/** What is an endpoint, and only of the server: a reference cannot say all that it needs. */
const buckets = ["s3", "s3a", "s3n"]

const unknownScheme = (scheme: string, text: string): Refused => {
  if (buckets.includes(scheme)) return bucket(text)
  const near = nearest(scheme, schemes)
  return refuse({
    title: `Nothing here reads or writes "${scheme}://"`,
    number: "HR2001",
    exit: Exit.usage,
    // What follows an unknown scheme may hold a password anywhere.
    where: `${text.slice(0, text.indexOf("://"))}://…`,
    advice: [near.length > 0 ? `Did you mean: ${near.map((name) => `${name}://`).join(", ")}?` : "", forms]
  })
}

const bucket = (text: string): Refused =>
  refuse({
    title: "The command does not carry from or into buckets",
    number: "HR2001",
    exit: Exit.usage,
    where: `${text.slice(0, text.indexOf("://"))}://…`,
    advice: [
      "Buckets are registered with the server, by the template object.s3: docs/ENDPOINTS.md#objects3",
      forms
    ]
  })

const empty = refuse({
  title: "The reference is empty",
  number: "HR2001",
  exit: Exit.usage,
  advice: [forms]
})
