import { assert, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as MemorySecrets from "../../src/memory/MemorySecrets.ts"
import { Secrets } from "../../src/services/Secrets.ts"
import * as SecretsSuite from "../../src/testing/SecretsSuite.ts"

SecretsSuite.suite("memory", MemorySecrets.layer, MemorySecrets.layer)

const key = Redacted.make(new Uint8Array(32).fill(7))

it.effect("one key opens in another process what it sealed in this one", () =>
  Effect.gen(function* () {
    const place = { tenant: "acme", endpointId: "shop", field: "password" }
    const sealed = yield* Secrets.use((secrets) => secrets.seal(place, Redacted.make("sesame"))).pipe(
      Effect.provide(MemorySecrets.layerKey(key))
    )

    const opened = yield* Secrets.use((secrets) => secrets.open(place, sealed)).pipe(
      Effect.provide(MemorySecrets.layerKey(key))
    )

    assert.strictEqual(Redacted.value(opened), "sesame")
  })
)
