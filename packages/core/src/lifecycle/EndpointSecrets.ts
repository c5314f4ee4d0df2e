/**
 * An endpoint's row on its way into the store and out of it: every secret of
 * its configuration, its url and its authorization is sealed for its place, and
 * opened only there. What is shown holds none.
 */
import { Effect, Redacted } from "effect"
import { Endpoint, type JsonObject } from "../domain/Endpoint.ts"
import { maskConfig, type SecretAt, secretsOf, withSecrets } from "../domain/Masking.ts"
import {
  authorizationParts,
  maskAuthorization,
  masked,
  maskText,
  type Part,
  secretParts,
  withParts
} from "../domain/SecretText.ts"
import type { EndpointTemplate } from "../domain/Template.ts"
import type { Secrets } from "../services/Secrets.ts"

/** The endpoint with some of its columns said anew. */
export const changed = (endpoint: Endpoint, columns: Partial<Endpoint>): Endpoint =>
  Endpoint.make(Object.assign({}, endpoint, columns))

/** The endpoint as anybody may see it. */
export const shown = (endpoint: Endpoint, template: EndpointTemplate | null): Endpoint =>
  changed(endpoint, {
    url: maskText(endpoint.url),
    authPolicy: endpoint.authPolicy === null ? null : maskAuthorization(endpoint.authPolicy),
    config: endpoint.config === null ? null : maskConfig(endpoint.config, template)
  })

/** A part of a text is written so that no delimiter of the text is in it. */
const textOfPart = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    // Nobody encoded it: it was stored in clear.
    return part
  }
}

const place = ({ scope, id }: Endpoint, field: string) => ({ tenant: scope.tenant, endpointId: id, field })

const fieldOf = ({ path, part }: SecretAt): string => path.join(".") + (part === undefined ? "" : `#${part}`)

export const make = (secrets: Secrets["Service"]) => {
  const seal = (endpoint: Endpoint, field: string, clear: string) =>
    secrets.seal(place(endpoint, field), Redacted.make(clear))

  /** A text of a column with each of its parts sealed. */
  const sealedText = Effect.fnUntraced(function* (
    endpoint: Endpoint,
    column: string,
    text: string,
    parts: ReadonlyArray<Part>
  ) {
    const closed = yield* Effect.forEach(parts, ({ start, end }, index) => {
      const part = text.slice(start, end)
      // A url that was built from a template is stored masked: its parameters hold the secret.
      return part === masked ? Effect.succeed(part) : seal(endpoint, `column ${column}#${index}`, part)
    })
    return withParts(text, parts, (before, index) => encodeURIComponent(closed[index] ?? before))
  })

  const sealedConfig = Effect.fnUntraced(function* (
    endpoint: Endpoint,
    config: JsonObject,
    template: EndpointTemplate | null
  ) {
    const closed = yield* Effect.forEach(secretsOf(config, template), (secret) =>
      Effect.map(seal(endpoint, fieldOf(secret), `${secret.value}`), (text) => ({
        ...secret,
        value: secret.part === undefined ? text : encodeURIComponent(text)
      }))
    )
    return withSecrets(config, closed)
  })

  const open = Effect.fnUntraced(function* (endpoint: Endpoint, secret: SecretAt) {
    const text = secret.part === undefined ? `${secret.value}` : textOfPart(`${secret.value}`)
    const clear = Redacted.value(yield* secrets.open(place(endpoint, fieldOf(secret)), text))
    // What opens as itself was never sealed, and stays as it is written.
    return { ...secret, value: clear === text ? secret.value : clear }
  })

  return {
    sealed: Effect.fnUntraced(function* (endpoint: Endpoint, template: EndpointTemplate | null) {
      const { url, authPolicy, config } = endpoint
      return changed(endpoint, {
        url: yield* sealedText(endpoint, "url", url, secretParts(url)),
        authPolicy:
          authPolicy === null
            ? null
            : yield* sealedText(endpoint, "authPolicy", authPolicy, authorizationParts(authPolicy)),
        config: config === null ? null : yield* sealedConfig(endpoint, config, template)
      })
    }),

    /** The configuration with every secret in clear. */
    opened: Effect.fnUntraced(function* (endpoint: Endpoint, template: EndpointTemplate | null) {
      if (endpoint.config === null) return null
      const found = secretsOf(endpoint.config, template)
      return withSecrets(endpoint.config, yield* Effect.forEach(found, (secret) => open(endpoint, secret)))
    })
  }
}
