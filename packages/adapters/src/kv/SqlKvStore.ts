/** `KvStore` over the table `hr_kv`. The version check and the write are one statement. */
import { PgClient } from "@effect/sql-pg"
import {
  absent,
  type Entry,
  KvStore,
  KvStoreError,
  KvUnavailable,
  Version,
  VersionConflict
} from "@headrace/core/services/KvStore"
import { Context, Effect, Layer, type Option, Schema } from "effect"
import { SqlSchema } from "effect/sql"
import { CheckpointTable } from "../sql/CheckpointTable.ts"

type Operation = KvStoreError["operation"]

const unavailable = (operation: Operation) => (cause: unknown) =>
  new KvStoreError({ operation, reason: new KvUnavailable({ cause }) })

const conflict = (operation: Operation, key: string, expected: Version) =>
  new KvStoreError({ operation, reason: new VersionConflict({ key, expected }) })

export const make = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient

  const find = SqlSchema.findOneOption({
    Request: Schema.Struct({ namespace: Schema.String, key: Schema.String }),
    Result: Schema.Struct({ value: Schema.Json, version: Version }),
    execute: ({ namespace, key }) => sql`
      select v as value, version::float8 as version from hr_kv where ns = ${namespace} and k = ${key}`
  })

  /** As text, since the client's own JSON parameter makes null a missing value. */
  const write = (namespace: string, key: string, value: Schema.Json, expected: Version) =>
    expected === absent
      ? sql`
          insert into hr_kv (ns, k, v, version) values (${namespace}, ${key}, ${JSON.stringify(value)}, 1)
          on conflict do nothing
          returning 1`
      : sql`
          update hr_kv set v = ${JSON.stringify(value)}, version = version + 1, updated_at = now()
          where ns = ${namespace} and k = ${key} and version = ${expected}
          returning 1`

  /** Answers what is there after all, so that a missing key is told from a newer version in one statement. */
  const erase = (namespace: string, key: string, expected: Version) => sql`
    with gone as (
      delete from hr_kv where ns = ${namespace} and k = ${key} and version = ${expected} returning 1
    )
    select 1 from hr_kv
    where ns = ${namespace} and k = ${key} and not exists (select from gone)`

  return KvStore.of({
    get: Effect.fn("SqlKvStore.get")((namespace: string, key: string) =>
      find({ namespace, key }).pipe(
        Effect.map((entry): Option.Option<Entry> => entry),
        Effect.mapError(unavailable("get"))
      )
    ),
    put: Effect.fn("SqlKvStore.put")(function* (namespace, key, value, expected) {
      const written = yield* write(namespace, key, value, expected).pipe(Effect.mapError(unavailable("put")))
      if (written.length === 0) return yield* conflict("put", key, expected)
      return Version.make(expected + 1)
    }),
    remove: Effect.fn("SqlKvStore.remove")((namespace, key, expected) =>
      erase(namespace, key, expected).pipe(
        Effect.mapError(unavailable("remove")),
        Effect.flatMap((left) => (left.length > 0 ? conflict("remove", key, expected) : Effect.void))
      )
    )
  })
})

export const layer: Layer.Layer<CheckpointTable | KvStore, never, PgClient.PgClient> = Layer.effectContext(
  Effect.map(make, (kv) => Context.make(KvStore, kv).pipe(Context.add(CheckpointTable, kv)))
)
