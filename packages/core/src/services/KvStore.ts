/**
 * KvStore — small durable JSON values under (namespace, key), each with a version.
 *
 * Checkpoints live here; records never do. Every write is a compare-and-set:
 * there is no unconditional write. Every adapter passes
 * `@headrace/core/testing/KvStoreSuite`, the contract's fine print.
 */
import { Context, Schema } from "effect"
import type { Effect, Option } from "effect"

/** Counts the writes of a key since it last began to exist; `absent` says "must not exist". */
export const Version = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).pipe(Schema.brand("Version"))
export type Version = typeof Version.Type

export const absent = Version.make(0)

export interface Entry {
  readonly value: Schema.Json
  readonly version: Version
}

export class KvStore extends Context.Service<
  KvStore,
  {
    /** The current entry, or none when the key was never put or was removed. */
    readonly get: (namespace: string, key: string) => Effect.Effect<Option.Option<Entry>, KvStoreError>

    /**
     * Writes the value when the stored version equals `expected`, and returns the
     * new version, which is `expected + 1`. Of concurrent writers with one
     * `expected`, exactly one succeeds; the others fail with `VersionConflict`.
     */
    readonly put: (
      namespace: string,
      key: string,
      value: Schema.Json,
      expected: Version
    ) => Effect.Effect<Version, KvStoreError>

    /** Removes the key when its version equals `expected`. Removing what is `absent` succeeds. */
    readonly remove: (namespace: string, key: string, expected: Version) => Effect.Effect<void, KvStoreError>
  }
>()("@headrace/core/services/KvStore") {}

/** Somebody else wrote first. Read again and decide; retrying blindly is wrong. */
export class VersionConflict extends Schema.TaggedError<VersionConflict>()("VersionConflict", {
  key: Schema.String,
  expected: Version
}) {}

/** The store could not be reached. The same call may succeed later; it never means "no entry". */
export class KvUnavailable extends Schema.TaggedError<KvUnavailable>()("KvUnavailable", {
  cause: Schema.Defect()
}) {}

export class KvStoreError extends Schema.TaggedError<KvStoreError>()("KvStoreError", {
  operation: Schema.Literals(["get", "put", "remove"]),
  reason: Schema.Union([VersionConflict, KvUnavailable])
}) {}
