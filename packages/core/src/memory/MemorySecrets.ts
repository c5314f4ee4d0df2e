/**
 * The reference `Secrets`: AES-256-GCM under one key, the place as additional
 * data, so that text sealed for one place opens nowhere else. `layer` makes a
 * key that dies with the process; `layerKey` takes one that was kept.
 */
import { Effect, Layer, Redacted } from "effect"
import { type SecretPlace, Secrets, SecretsError } from "../services/Secrets.ts"

/** What `seal` made begins so; everything else is clear text of older databases. */
const mark = "sealed:v1:"

const cipher = "AES-GCM"
const nonceBytes = 12

const encode = (text: string) => new TextEncoder().encode(text)
const bound = ({ tenant, endpointId, field }: SecretPlace) =>
  encode(JSON.stringify([tenant, endpointId, field]))

const toText = (bytes: Uint8Array) =>
  mark + btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
const toBytes = (sealed: string) =>
  Uint8Array.from(atob(sealed.slice(mark.length)), (byte) => byte.charCodeAt(0))

const refuse = (place: SecretPlace, detail: string) => new SecretsError({ field: place.field, detail })

const keyOf = (bytes: Uint8Array<ArrayBuffer>) =>
  Effect.promise(() => crypto.subtle.importKey("raw", bytes, cipher, false, ["encrypt", "decrypt"]))

const make = Effect.fnUntraced(function* (bytes: Uint8Array<ArrayBuffer>) {
  const key = yield* keyOf(bytes)

  return Secrets.of({
    seal: (place, secret) =>
      Effect.tryPromise({
        try: async () => {
          const iv = crypto.getRandomValues(new Uint8Array(nonceBytes))
          const parameters = { name: cipher, iv, additionalData: bound(place) }
          const body = await crypto.subtle.encrypt(parameters, key, encode(Redacted.value(secret)))
          return toText(new Uint8Array([...iv, ...new Uint8Array(body)]))
        },
        catch: () => refuse(place, "The secret could not be sealed.")
      }),
    open: (place, sealed) => {
      if (!sealed.startsWith(mark)) return Effect.succeed(Redacted.make(sealed))
      return Effect.tryPromise({
        try: async () => {
          const all = toBytes(sealed)
          const parameters = { name: cipher, iv: all.subarray(0, nonceBytes), additionalData: bound(place) }
          const clear = await crypto.subtle.decrypt(parameters, key, all.subarray(nonceBytes))
          return Redacted.make(new TextDecoder().decode(clear))
        },
        catch: () =>
          refuse(place, "The stored secret was sealed for another place or with another key; enter it again.")
      })
    }
  })
})

/** Seals under the given 32 bytes; the same key opens what it sealed in another process. */
export const layerKey = (key: Redacted.Redacted<Uint8Array<ArrayBuffer>>): Layer.Layer<Secrets> =>
  Layer.effect(Secrets, make(Redacted.value(key)))

export const layer: Layer.Layer<Secrets> = Layer.effect(
  Secrets,
  Effect.suspend(() => make(crypto.getRandomValues(new Uint8Array(32))))
)
