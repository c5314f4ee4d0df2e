/**
 * The one file that reads the environment: every setting with its name, its
 * default and its meaning. Each default works on a laptop. A value that makes
 * no sense stops the start and names the variable; it is never guessed at, and
 * never repeated, since it may hold a password.
 */
import { Config, Effect, type LogLevel, Option, Redacted, Schema } from "effect"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { isLoopback } from "./http/LoopbackGuard.ts"

export interface ServerConfig {
  /** `HEADRACE_DATABASE_URL`: a PostgreSQL of your own, `postgres://…`. None: an embedded one in the data directory. */
  readonly databaseUrl: Option.Option<Redacted.Redacted>
  /** `HEADRACE_DATA`, default `.headrace` in the current folder: embedded database and local staging. Mode 0700. */
  readonly data: string
  /** `HEADRACE_HOST`, default `127.0.0.1`. Loopback only, as long as there is no sign-in. */
  readonly host: string
  /** `HEADRACE_PORT`, default 4010; 0 takes any free one. */
  readonly port: number
  /** `HEADRACE_WORKERS`, default 2: Python workers kept warm; each runs one unit at a time. */
  readonly workers: number
  /** `HEADRACE_STALL_SECONDS`, default 900: a run in which no row moves for so long is ended; a slow query needs it. */
  readonly stallSeconds: number
  /** `HEADRACE_LEASE_SECONDS`, default 30: how long a server may be silent before others take over its runs. */
  readonly leaseSeconds: number
  /** `HEADRACE_PYTHON`, default `.venv/bin/python` in the current folder or in this repository, else `python3`. */
  readonly python: string
  /** `HEADRACE_LOG_LEVEL`, default `Info`: `Trace`, `Debug`, `Info`, `Warn`, `Error`, `Fatal`, `None`, `All`. */
  readonly logLevel: LogLevel.LogLevel
  /** `HEADRACE_DEFAULT_TENANT`, default `dev`: whose everything is while there is no sign-in. */
  readonly defaultTenant: string
  /** `HEADRACE_DEFAULT_SINK`: where units go that name no sink. None: `kb`, the knowledge base. */
  readonly defaultSink: Option.Option<string>
  /** `HEADRACE_STAGING`: where slices wait when nobody says otherwise. None: `in_memory`. */
  readonly staging: Option.Option<string>
  /** `HEADRACE_STAGING_URL` and `HEADRACE_STAGING_S3_…`: the bucket of the provider `object_store`, for the workers. */
  readonly stagingBucket: Redacted.Redacted<Readonly<Record<string, string>>>
}

/** A setting's value makes no sense. */
export class SettingInvalid extends Schema.TaggedError<SettingInvalid>()("SettingInvalid", {
  name: Schema.String,
  /** What its value must be, as the end of a sentence. */
  must: Schema.String
}) {
  override get message(): string {
    return `${this.name} must be ${this.must}. Change it or unset it, then start again.`
  }
}

const setting = <A>(name: string, config: Config.Config<A>, must: string) =>
  Effect.mapError(config, () => new SettingInvalid({ name, must }))

const checked = (name: string, check: (value: string) => boolean) =>
  Config.schema(Schema.NonEmptyString.check(Schema.makeFilter(check)), name)

const isPostgresUrl = (text: string): boolean =>
  URL.canParse(text) && ["postgres:", "postgresql:"].includes(new URL(text).protocol)

const wholeNumber = (name: string, minimum: number, maximum: number) =>
  Config.schema(Schema.FiniteFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum })), name)

const logLevels = ["All", "Trace", "Debug", "Info", "Warn", "Error", "Fatal", "None"] as const

/** Those the data plane has. */
const stagingProviders = ["in_memory", "local_disk", "object_store"]

const stagingSettings = [
  "HEADRACE_STAGING_S3_ENDPOINT",
  "HEADRACE_STAGING_S3_REGION",
  "HEADRACE_STAGING_S3_ACCESS_KEY_ID",
  "HEADRACE_STAGING_S3_SECRET_ACCESS_KEY"
] as const

/** Those that are set, by name. The worker says what is wrong with them when a run stages there. */
const stagingBucket = Effect.gen(function* () {
  const url = yield* setting(
    "HEADRACE_STAGING_URL",
    Config.option(checked("HEADRACE_STAGING_URL", (text) => text.startsWith("s3://"))),
    "the address of a place in a bucket, s3://bucket/prefix"
  )
  const said: Record<string, string> = Option.match(url, {
    onNone: () => ({}),
    onSome: (value) => ({ HEADRACE_STAGING_URL: value })
  })
  for (const name of stagingSettings) {
    const value = yield* setting(name, Config.option(Config.NonEmptyString(name)), "not empty")
    if (Option.isSome(value)) said[name] = value.value
  }
  return Redacted.make<Readonly<Record<string, string>>>(said)
})

/** In whatever case it is written. */
const levelOf = (text: string) => logLevels.find((level) => level.toLowerCase() === text.toLowerCase())

/** Prepared by `npm start`: in the current folder, or where this file's own repository is. */
const ownPython = [
  join(".venv", "bin", "python"),
  fileURLToPath(new URL("../../../.venv/bin/python", import.meta.url))
].find((path) => existsSync(path))

/** Reads every setting through the current `ConfigProvider`; fails with the first that is wrong. */
export const load: Effect.Effect<ServerConfig, SettingInvalid> = Effect.gen(function* () {
  return {
    databaseUrl: yield* setting(
      "HEADRACE_DATABASE_URL",
      Config.option(
        Config.schema(
          Schema.Redacted(Schema.String.check(Schema.makeFilter(isPostgresUrl))),
          "HEADRACE_DATABASE_URL"
        )
      ),
      "a PostgreSQL address, postgres://user:password@host:port/database"
    ),
    data: yield* setting(
      "HEADRACE_DATA",
      Config.withDefault(Config.NonEmptyString("HEADRACE_DATA"), ".headrace"),
      "the path of a folder"
    ),
    host: yield* setting(
      "HEADRACE_HOST",
      Config.withDefault(checked("HEADRACE_HOST", isLoopback), "127.0.0.1"),
      "127.0.0.1, ::1 or localhost: there is no sign-in yet, so Headrace serves this machine only"
    ),
    port: yield* setting(
      "HEADRACE_PORT",
      Config.withDefault(wholeNumber("HEADRACE_PORT", 0, 65_535), 4010),
      "a port number from 0 to 65535"
    ),
    workers: yield* setting(
      "HEADRACE_WORKERS",
      Config.withDefault(wholeNumber("HEADRACE_WORKERS", 1, 64), 2),
      "a number from 1 to 64"
    ),
    stallSeconds: yield* setting(
      "HEADRACE_STALL_SECONDS",
      Config.withDefault(wholeNumber("HEADRACE_STALL_SECONDS", 10, 86_400), 900),
      "a number of seconds from 10 to 86400"
    ),
    leaseSeconds: yield* setting(
      "HEADRACE_LEASE_SECONDS",
      Config.withDefault(wholeNumber("HEADRACE_LEASE_SECONDS", 1, 3600), 30),
      "a number of seconds from 1 to 3600"
    ),
    python: yield* setting(
      "HEADRACE_PYTHON",
      Config.withDefault(Config.NonEmptyString("HEADRACE_PYTHON"), ownPython ?? "python3"),
      "the path of a Python interpreter"
    ),
    logLevel: yield* setting(
      "HEADRACE_LOG_LEVEL",
      Config.withDefault(
        checked("HEADRACE_LOG_LEVEL", (text) => levelOf(text) !== undefined),
        "Info"
      ),
      `one of ${logLevels.join(", ")}`
    ).pipe(Effect.map((text) => levelOf(text) ?? "Info")),
    defaultTenant: yield* setting(
      "HEADRACE_DEFAULT_TENANT",
      Config.withDefault(Config.NonEmptyString("HEADRACE_DEFAULT_TENANT"), "dev"),
      "the name of a tenant"
    ),
    defaultSink: yield* setting(
      "HEADRACE_DEFAULT_SINK",
      Config.option(Config.NonEmptyString("HEADRACE_DEFAULT_SINK")),
      "kb, or the id of an endpoint that is a sink"
    ),
    staging: yield* setting(
      "HEADRACE_STAGING",
      Config.option(checked("HEADRACE_STAGING", (name) => stagingProviders.includes(name))),
      `one of ${stagingProviders.join(", ")}`
    ),
    stagingBucket: yield* stagingBucket
  }
})
