/**
 * The contract of `KvStore`, executable. An adapter is a `KvStore` when this
 * suite passes, and its test file is the two lines that say so.
 */
import { assert, layer as shared } from "@effect/vitest"
import { Effect, type Layer, Option, type Schema } from "effect"
import { absent, KvStore, Version } from "../services/KvStore.ts"

const version = (n: number) => Version.make(n)

/** Every shape JSON has, and the values stores like to bend. */
const awkward: ReadonlyArray<Schema.Json> = [
  null,
  false,
  0,
  -1.5,
  9_007_199_254_740_991,
  "",
  "naïve ☃ 𝒳 'quoted' \"twice\" \\ \n",
  [],
  {},
  [1, [2, null], { deep: { deeper: [true] } }],
  { "a.b/c d": 1, ünïcode: null }
]

export const suite = <E>(adapter: string, layer: Layer.Layer<KvStore, E>) =>
  shared(layer, { timeout: "60 seconds", excludeTestServices: true })(
    `KvStore contract: ${adapter}`,
    (it) => {
      const namespace = `suite-${crypto.randomUUID()}`

      it.effect("a key that was never put has no entry", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore

          assert.deepStrictEqual(yield* kv.get(namespace, "never"), Option.none())
        })
      )

      it.effect("a first put expects absence and makes version 1", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore

          const written = yield* kv.put(namespace, "first", { page: 1 }, absent)

          assert.strictEqual(written, 1)
          assert.deepStrictEqual(
            yield* kv.get(namespace, "first"),
            Option.some({ value: { page: 1 }, version: version(1) })
          )
        })
      )

      it.effect("every put answers the version it expected, plus one", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore
          const first = yield* kv.put(namespace, "counted", 1, absent)

          const second = yield* kv.put(namespace, "counted", 2, first)
          const third = yield* kv.put(namespace, "counted", 3, second)

          assert.deepStrictEqual([first, second, third].map(Number), [1, 2, 3])
        })
      )

      it.effect("values come back exactly as they were put", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore
          for (const [index, value] of awkward.entries()) {
            yield* kv.put(namespace, `awkward-${index}`, value, absent)

            const entry = yield* kv.get(namespace, `awkward-${index}`)

            assert.deepStrictEqual(entry, Option.some({ value, version: version(1) }))
          }
        })
      )

      it.effect("a put with a stale version is a VersionConflict and leaves the value alone", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore
          const first = yield* kv.put(namespace, "stale", { page: 1 }, absent)
          yield* kv.put(namespace, "stale", { page: 2 }, first)

          const error = yield* Effect.flip(kv.put(namespace, "stale", { page: 3 }, first))

          assert.strictEqual(error.operation, "put")
          assert.strictEqual(error.reason._tag, "VersionConflict")
          assert.deepStrictEqual(
            yield* kv.get(namespace, "stale"),
            Option.some({ value: { page: 2 }, version: version(2) })
          )
        })
      )

      it.effect("a put that expects absence is refused where there is an entry", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore
          yield* kv.put(namespace, "taken", "mine", absent)

          const error = yield* Effect.flip(kv.put(namespace, "taken", "yours", absent))

          assert.strictEqual(error.reason._tag, "VersionConflict")
        })
      )

      it.effect("a put that expects an entry is refused where there is none", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore

          const error = yield* Effect.flip(kv.put(namespace, "missing", "x", version(1)))

          assert.strictEqual(error.reason._tag, "VersionConflict")
          assert.deepStrictEqual(yield* kv.get(namespace, "missing"), Option.none())
        })
      )

      it.effect("one of many writers that expect absence wins", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore
          const claims = Array.from({ length: 20 }, (_, writer) =>
            kv.put(namespace, "contended", { writer }, absent).pipe(Effect.result)
          )

          const outcomes = yield* Effect.all(claims, { concurrency: "unbounded" })

          assert.strictEqual(outcomes.filter((outcome) => outcome._tag === "Success").length, 1)
          assert.isTrue(
            outcomes.every(
              (outcome) => outcome._tag === "Success" || outcome.failure.reason._tag === "VersionConflict"
            )
          )
        })
      )

      it.effect("one of many writers that expect one version wins", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore
          const first = yield* kv.put(namespace, "raced", 0, absent)
          const claims = Array.from({ length: 20 }, (_, writer) =>
            kv.put(namespace, "raced", writer, first).pipe(Effect.option)
          )

          const outcomes = yield* Effect.all(claims, { concurrency: "unbounded" })

          assert.strictEqual(outcomes.filter(Option.isSome).length, 1)
          assert.strictEqual(Option.getOrThrow(yield* kv.get(namespace, "raced")).version, 2)
        })
      )

      it.effect("remove with the stored version removes, and the key begins again at version 1", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore
          yield* kv.put(namespace, "removed", 1, absent)
          yield* kv.put(namespace, "removed", 2, version(1))

          yield* kv.remove(namespace, "removed", version(2))

          assert.deepStrictEqual(yield* kv.get(namespace, "removed"), Option.none())
          assert.strictEqual(yield* kv.put(namespace, "removed", 3, absent), 1)
        })
      )

      it.effect("remove with a stale version is a VersionConflict and leaves the value alone", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore
          const first = yield* kv.put(namespace, "kept", 1, absent)
          yield* kv.put(namespace, "kept", 2, first)

          const error = yield* Effect.flip(kv.remove(namespace, "kept", first))

          assert.strictEqual(error.operation, "remove")
          assert.strictEqual(error.reason._tag, "VersionConflict")
          assert.strictEqual(Option.getOrThrow(yield* kv.get(namespace, "kept")).value, 2)
        })
      )

      it.effect("remove of what is absent succeeds", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore

          yield* kv.remove(namespace, "never-there", absent)
          yield* kv.remove(namespace, "never-there", version(3))

          assert.deepStrictEqual(yield* kv.get(namespace, "never-there"), Option.none())
        })
      )

      it.effect("the same key in two namespaces is two entries", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore
          yield* kv.put(namespace, "same", "here", absent)
          yield* kv.put(`${namespace}-b`, "same", "there", absent)

          yield* kv.remove(`${namespace}-b`, "same", version(1))

          assert.strictEqual(Option.getOrThrow(yield* kv.get(namespace, "same")).value, "here")
        })
      )

      it.effect("D6 keys are compared byte for byte", () =>
        Effect.gen(function* () {
          const kv = yield* KvStore
          const keys = ["Unit A", "unit a", "unit-a", "unit%20a", "unit a ", "ünit a"]

          for (const key of keys) yield* kv.put(namespace, key, key, absent)

          for (const key of keys)
            assert.strictEqual(Option.getOrThrow(yield* kv.get(namespace, key)).value, key)
        })
      )
    }
  )
