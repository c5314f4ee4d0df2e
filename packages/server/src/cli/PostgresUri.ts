/**
 * A `postgres://` URI, read as people write it: placeholders anywhere, a socket
 * folder as host, the settings of libpq after the `?`. Not `URL`: that refuses
 * `${…}` and a percent-encoded folder.
 */
import * as Result from "effect/Result"
import { nearest } from "@headrace/core/domain/Nearest"
import { Exit } from "./Exit.ts"
import { refuse, type Refused } from "./Message.ts"
import { fill, placeholder } from "./Placeholders.ts"
import type { Surroundings } from "./Reference.ts"

export interface PostgresParts {
  readonly parameters: Readonly<Record<string, string>>
  readonly password: string
  /** The reference itself gives one, typed or by a placeholder. */
  readonly isPasswordSaid: boolean
  readonly isPasswordTyped: boolean
  /** The URI as it was written, without a password that was typed. */
  readonly withoutPassword: string
}

/** libpq's words, and what the template calls them. */
const settings: Readonly<Record<string, string>> = {
  host: "host",
  port: "port",
  user: "username",
  password: "password",
  dbname: "database",
  sslmode: "ssl_mode",
  sslrootcert: "ssl_root_cert",
  sslcert: "ssl_client_cert",
  sslkey: "ssl_client_key",
  application_name: "application_name",
  schemas: "schemas",
  role: "role",
  connect_timeout_ms: "connect_timeout_ms",
  statement_timeout_ms: "statement_timeout_ms"
}

const shape =
  /^postgres(?:ql)?:\/\/(?:(?<info>[^/?#]*)@)?(?<place>\[[^\]]*\](?::[^/?#]*)?|[^/?#]*)(?:\/(?<database>[^?#]*))?(?:\?(?<query>[^#]*))?$/i

/** Every parameter as text. Refused when the URI has no such shape, names an unknown setting, or a placeholder is empty. */
export const parsePostgres = (
  text: string,
  surroundings: Surroundings
): Result.Result<PostgresParts, Refused> => {
  const placeholders: Array<string> = []
  // A placeholder may hold any character, so it stands aside while the URI is taken apart.
  const bare = text.replace(placeholder, (found) => `\u0001${placeholders.push(found) - 1}\u0002`)
  const parts = shape.exec(bare)?.groups
  if (parts === undefined) return Result.fail(malformed("It is not of the form below."))
  const filledAgain = (marked: string): string =>
    // oxlint-disable-next-line no-control-regex -- the marks above
    marked.replace(/\u0001(\d+)\u0002/g, (_, index: string) => placeholders[Number(index)] ?? "")
  const value = (raw: string): Result.Result<string, Refused> =>
    Result.flatMap(decoded(raw), (plain) => fill(filledAgain(plain), surroundings))
  return Result.gen(function* () {
    const given: Record<string, string> = {}
    const raw = [...fromAuthority(parts), ...(yield* fromQuery(parts["query"] ?? ""))]
    for (const [key, part] of raw) given[key] = yield* value(part)
    const typed = raw.some(([key, part]) => key === "password" && part !== "" && !part.includes("\u0001"))
    return {
      ...(yield* complete(given, surroundings)),
      isPasswordSaid: (given["password"] ?? "") !== "",
      isPasswordTyped: typed,
      withoutPassword: typed ? filledAgain(strippedOf(bare)) : text
    }
  })
}

/** A URI of that shape without its password, in the user info and in the query. */
const strippedOf = (bare: string): string =>
  bare
    .replace(/^([a-z]+:\/\/[^/?#:@]*):[^/?#]*@/i, "$1@")
    .replace(/([?&])password=[^&#]*(&?)/, (_, before: string, after: string) => (after === "" ? "" : before))

const fromAuthority = (parts: Record<string, string>): ReadonlyArray<readonly [string, string]> => {
  const info = parts["info"] ?? ""
  const colon = info.indexOf(":")
  const place = /^(?<host>\[[^\]]*\]|[^:]*)(?::(?<port>.*))?$/.exec(parts["place"] ?? "")?.groups ?? {}
  return [
    ["username", colon === -1 ? info : info.slice(0, colon)] as const,
    ["password", colon === -1 ? "" : info.slice(colon + 1)] as const,
    ["host", (place["host"] ?? "").replace(/^\[(.*)\]$/, "$1")] as const,
    ["port", place["port"] ?? ""] as const,
    ["database", parts["database"] ?? ""] as const
  ].filter(([, part]) => part !== "")
}

const fromQuery = (query: string): Result.Result<ReadonlyArray<readonly [string, string]>, Refused> => {
  const pairs: Array<readonly [string, string]> = []
  for (const pair of query.split("&").filter((part) => part !== "")) {
    const [name = "", ...rest] = pair.split("=")
    const key = settings[name]
    if (key === undefined) return Result.fail(unknownSetting(name))
    pairs.push([key, rest.join("=")])
  }
  return Result.succeed(pairs)
}

const complete = (
  given: Record<string, string>,
  surroundings: Surroundings
): Result.Result<Pick<PostgresParts, "parameters" | "password">, Refused> => {
  const username = given["username"] ?? surroundings.environment("PGUSER") ?? surroundings.user
  const password = given["password"] ?? surroundings.environment("PGPASSWORD") ?? ""
  const port = given["port"] ?? "5432"
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    return Result.fail(malformed(`"${port}" is no port: a port is a number from 1 to 65535.`))
  }
  const database = given["database"] ?? username
  return Result.succeed({
    parameters: { ...given, host: given["host"] ?? "localhost", port, database, username, password },
    password
  })
}

const decoded = (part: string): Result.Result<string, Refused> =>
  Result.try({
    try: () => decodeURIComponent(part),
    catch: () =>
      malformed("It has a % that is not followed by two hexadecimal digits; write %25 for a percent sign.")
  })

const malformed = (why: string): Refused =>
  refuse({
    title: "This PostgreSQL reference cannot be read",
    number: "HR2002",
    exit: Exit.usage,
    why: [why],
    advice: [
      "postgres://user:password@host:5432/database, or 'postgres://user:${env:PGPASSWORD}@host/database'.",
      "Characters such as @ : / in a name or password are written %40 %3A %2F."
    ]
  })

const unknownSetting = (name: string): Refused => {
  const near = nearest(name, Object.keys(settings))
  return refuse({
    title: `Unknown setting "${name}" in the PostgreSQL reference`,
    number: "HR2002",
    exit: Exit.usage,
    advice: [
      near.length > 0 ? `Did you mean: ${near.join(", ")}?` : `Known: ${Object.keys(settings).join(", ")}.`
    ]
  })
}
