/**
 * The contract of `Secrets`, executable; one clause for each sentence of its
 * prose. `stranger` is the same adapter under another key.
 */
import { assert, layer as shared } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { type SecretPlace, Secrets } from "../services/Secrets.ts"

const home: SecretPlace = { tenant: "acme", endpointId: "shop", field: "parameters.password" }

/** Every other place, and places whose parts, written in a row, are the same letters. */
const elsewhere: ReadonlyArray<SecretPlace> = [
  { ...home, tenant: "other" },
  { ...home, endpointId: "lake" },
  { ...home, field: "parameters.token" },
  { ...home, tenant: "acm", endpointId: "eshop" },
  { ...home, endpointId: "shopparameters", field: ".password" },
  { ...home, tenant: "Acme" }
]

const awkward = [
  "",
  " ",
  "sesame",
  "pässwörd ☃ 𝒳",
  "line\nline\u0000end",
  "sealed:v1:AAAA",
  '{"json": [1, null]}',
  "k".repeat(1024 * 1024)
]

export const suite = <E, E2>(
  adapter: string,
  layer: Layer.Layer<Secrets, E>,
  stranger: Layer.Layer<Secrets, E2>
) =>
  shared(layer, { timeout: "60 seconds", excludeTestServices: true })(
    `Secrets contract: ${adapter}`,
    (it) => {
      it.effect("D12 what is sealed opens in its place, letter by letter", () =>
        Effect.gen(function* () {
          const secrets = yield* Secrets
          for (const secret of awkward) {
            const sealed = yield* secrets.seal(home, Redacted.make(secret))

            const opened = yield* secrets.open(home, sealed)

            assert.strictEqual(Redacted.value(opened), secret)
          }
        })
      )

      it.effect("D12 sealed text shows nothing of the secret, and no two seals are alike", () =>
        Effect.gen(function* () {
          const secrets = yield* Secrets
          const seal = secrets.seal(home, Redacted.make("open-sesame"))

          const [first, second] = [yield* seal, yield* seal]

          assert.notInclude(first, "sesame")
          assert.notInclude(first, btoa("open-sesame").slice(0, 8))
          assert.notStrictEqual(first, second)
        })
      )

      it.effect("sealed text opens in no other tenant, endpoint or field", () =>
        Effect.gen(function* () {
          const secrets = yield* Secrets
          const sealed = yield* secrets.seal(home, Redacted.make("sesame"))

          for (const place of elsewhere) {
            const error = yield* Effect.flip(secrets.open(place, sealed))

            assert.deepInclude(error, { _tag: "SecretsError", field: place.field })
          }
        })
      )

      it.effect("sealed text opens under no other key", () =>
        Effect.gen(function* () {
          const secrets = yield* Secrets
          const other = Context.get(yield* Layer.build(Layer.fresh(stranger)), Secrets)
          const sealed = yield* secrets.seal(home, Redacted.make("sesame"))

          const error = yield* Effect.flip(other.open(home, sealed))

          assert.strictEqual(error.field, home.field)
        })
      )

      it.effect("sealed text that was changed or cut does not open", () =>
        Effect.gen(function* () {
          const secrets = yield* Secrets
          const sealed = yield* secrets.seal(home, Redacted.make("sesame"))
          const swapped = sealed.endsWith("AAAA") ? "BBBB" : "AAAA"

          const changed = yield* Effect.flip(secrets.open(home, sealed.slice(0, -4) + swapped))
          const cut = yield* Effect.flip(secrets.open(home, sealed.slice(0, -6)))

          assert.deepStrictEqual([changed._tag, cut._tag], ["SecretsError", "SecretsError"])
        })
      )

      it.effect("text that was never sealed opens as itself, anywhere", () =>
        Effect.gen(function* () {
          const secrets = yield* Secrets
          for (const clear of ["sesame", "", "****", "pässwörd ☃", "c2VzYW1l", "sealed"])
            for (const place of [home, ...elsewhere]) {
              const opened = yield* secrets.open(place, clear)

              assert.strictEqual(Redacted.value(opened), clear)
            }
        })
      )

      it.effect("an error holds no part of the secret or of its sealed text", () =>
        Effect.gen(function* () {
          const secrets = yield* Secrets
          const sealed = yield* secrets.seal(home, Redacted.make("open-sesame"))

          const error = yield* Effect.flip(secrets.open({ ...home, tenant: "other" }, sealed))

          const told = JSON.stringify(error) + String(error.stack)
          assert.notInclude(told, "sesame")
          assert.notInclude(told, sealed.slice(-12))
        })
      )
    }
  )
