import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option, Redacted } from "effect"
import { load } from "../src/Config.ts"

const loadFrom = (env: Record<string, string>) =>
  load.pipe(Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })))

const wrong: Record<string, ReadonlyArray<string>> = {
  HEADRACE_PORT: ["abc", "-1", "65536", "40.5"],
  HEADRACE_HOST: ["0.0.0.0", "::", "192.168.0.1", "headrace.example"],
  HEADRACE_DATABASE_URL: ["mysql://app:hunter2@db/shop", "hunter2"],
  HEADRACE_WORKERS: ["0", "many", "65"],
  HEADRACE_LOG_LEVEL: ["loud"],
  HEADRACE_STAGING: ["disk", "hunter2"],
  HEADRACE_STAGING_URL: ["https://hunter2@store/lake", "hunter2"]
}

describe("Config", () => {
  it.effect("needs nothing to be set", () =>
    Effect.gen(function* () {
      const config = yield* loadFrom({})

      assert.deepInclude(config, {
        databaseUrl: Option.none(),
        data: ".headrace",
        host: "127.0.0.1",
        port: 4010,
        workers: 2,
        stallSeconds: 900,
        leaseSeconds: 30,
        logLevel: "Info",
        defaultTenant: "dev"
      })
    })
  )

  it.effect("takes what is set", () =>
    Effect.gen(function* () {
      const config = yield* loadFrom({
        HEADRACE_DATABASE_URL: "postgresql://app:x@db/shop",
        HEADRACE_PORT: "0",
        HEADRACE_HOST: "::1",
        HEADRACE_PYTHON: "/usr/bin/python3",
        HEADRACE_LOG_LEVEL: "debug"
      })

      assert.deepStrictEqual(
        Option.map(config.databaseUrl, Redacted.value),
        Option.some("postgresql://app:x@db/shop")
      )
      assert.deepInclude(config, { port: 0, host: "::1", python: "/usr/bin/python3", logLevel: "Debug" })
    })
  )

  it.effect("hands a worker the bucket of staging as it is set, and shows no secret of it", () =>
    Effect.gen(function* () {
      const set = {
        HEADRACE_STAGING_URL: "s3://lake/staging",
        HEADRACE_STAGING_S3_ACCESS_KEY_ID: "key",
        HEADRACE_STAGING_S3_SECRET_ACCESS_KEY: "hunter2"
      }

      const { stagingBucket } = yield* loadFrom({ ...set, HEADRACE_STAGING: "object_store" })

      assert.deepStrictEqual(Redacted.value(stagingBucket), set)
      assert.notInclude(JSON.stringify(stagingBucket), "hunter2")
    })
  )

  for (const [name, values] of Object.entries(wrong))
    it.effect(`refuses a malformed ${name}, names it, and repeats nothing of it`, () =>
      Effect.gen(function* () {
        const errors = yield* Effect.forEach(values, (value) => Effect.flip(loadFrom({ [name]: value })))

        assert.deepStrictEqual(
          errors.map((error) => error.name),
          values.map(() => name)
        )
        assert.notInclude(errors.map(({ message }) => message).join(), "hunter2")
      })
    )
})
