/**
 * Secrets — turns a secret into text that may be stored, and back.
 *
 * Sealed text is bound to its place: moved to another tenant, endpoint or field,
 * or changed, it does not open. Text without the mark of `seal` opens as itself,
 * since existing databases hold clear values.
 */
import { Context, type Effect, type Redacted, Schema } from "effect"

export interface SecretPlace {
  readonly tenant: string
  readonly endpointId: string
  readonly field: string
}

export class Secrets extends Context.Service<
  Secrets,
  {
    readonly seal: (
      place: SecretPlace,
      secret: Redacted.Redacted<string>
    ) => Effect.Effect<string, SecretsError>
    readonly open: (
      place: SecretPlace,
      sealed: string
    ) => Effect.Effect<Redacted.Redacted<string>, SecretsError>
  }
>()("@headrace/core/services/Secrets") {}

/** The text was sealed for another place or changed, or its key is gone. Holds no part of the secret. */
export class SecretsError extends Schema.TaggedError<SecretsError>()("SecretsError", {
  field: Schema.String,
  detail: Schema.String
}) {}
