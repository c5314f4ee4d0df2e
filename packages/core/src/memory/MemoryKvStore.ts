/**
 * The reference `KvStore`: one map in one process. It is correct, and gone when
 * the process ends. Each operation is one synchronous step, so compare and set
 * cannot be torn apart.
 */
import { Effect, Layer, Option } from "effect"
import { absent, type Entry, KvStore, KvStoreError, Version, VersionConflict } from "../services/KvStore.ts"

const place = (namespace: string, key: string) => JSON.stringify([namespace, key])
const conflict = (operation: "put" | "remove", key: string, expected: Version) =>
  new KvStoreError({ operation, reason: new VersionConflict({ key, expected }) })

export const make = Effect.sync(() => {
  const entries = new Map<string, Entry>()

  return KvStore.of({
    get: (namespace, key) => Effect.sync(() => Option.fromNullishOr(entries.get(place(namespace, key)))),
    put: (namespace, key, value, expected) =>
      Effect.suspend(() => {
        const stored = entries.get(place(namespace, key))?.version ?? absent
        if (stored !== expected) return Effect.fail(conflict("put", key, expected))
        const version = Version.make(expected + 1)
        entries.set(place(namespace, key), { value: structuredClone(value), version })
        return Effect.succeed(version)
      }),
    remove: (namespace, key, expected) =>
      Effect.suspend(() => {
        const stored = entries.get(place(namespace, key))
        if (stored !== undefined && stored.version !== expected)
          return Effect.fail(conflict("remove", key, expected))
        entries.delete(place(namespace, key))
        return Effect.void
      })
  })
})

export const layer: Layer.Layer<KvStore> = Layer.effect(KvStore, make)
