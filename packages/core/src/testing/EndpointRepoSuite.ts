/** The contract of `EndpointRepo`, executable; one clause for each sentence of its prose. */
import { assert, layer as shared } from "@effect/vitest"
import { DateTime, Effect, type Layer, Option } from "effect"
import { Endpoint, EndpointId, type Scope } from "../domain/Endpoint.ts"
import { EndpointRepo } from "../services/EndpointRepo.ts"

const at = (millis: number) => DateTime.makeUnsafe(1_700_000_000_000 + millis)

/** A row with every column filled, but for what the clause is about. */
const row = (scope: Scope, name: string, change: Partial<Endpoint> = {}): Endpoint =>
  Endpoint.make({
    id: EndpointId.make(crypto.randomUUID()),
    sourceId: `${scope.project}-${name}`,
    scope,
    name,
    description: "Orders of the shop ü",
    verb: "POST",
    url: "postgresql://db.example:5432/shop",
    authPolicy: "basic",
    domain: "database.postgres",
    labels: ["postgres", "jdbc"],
    config: {
      templateId: "jdbc.postgres",
      parameters: { host: "db.example", password: "sealed" },
      other: [1, null]
    },
    detectedVersion: "18.1",
    versionHint: "18",
    capabilities: ["metadata", "preview"],
    createdAt: at(0),
    updatedAt: at(1),
    deletedAt: null,
    deletionReason: null,
    ...change
  })

const deleted = { deletedAt: at(5), deletionReason: "replaced" }

/** A scope nobody else writes to. */
const scopeOf = (tenant = "acme"): Scope => ({ tenant, project: `p-${crypto.randomUUID()}` })

export const suite = <E>(adapter: string, layer: Layer.Layer<EndpointRepo, E>) =>
  shared(layer, { timeout: "60 seconds", excludeTestServices: true })(
    `EndpointRepo contract: ${adapter}`,
    (it) => {
      it.effect("a row comes back exactly as it was put", () =>
        Effect.gen(function* () {
          const endpoints = yield* EndpointRepo
          const scope = scopeOf()
          const full = row(scope, "full")
          const sparse = row(scope, "sparse", {
            description: null,
            authPolicy: null,
            domain: null,
            config: null,
            detectedVersion: null,
            versionHint: null,
            labels: [],
            capabilities: []
          })

          yield* endpoints.put(full)
          yield* endpoints.put(sparse)

          assert.deepStrictEqual(yield* endpoints.get(scope, full.id), Option.some(full))
          assert.deepStrictEqual(yield* endpoints.get(scope, sparse.id), Option.some(sparse))
        })
      )

      it.effect("an id that was never put is none", () =>
        Effect.gen(function* () {
          const endpoints = yield* EndpointRepo
          const scope = scopeOf()

          assert.deepStrictEqual(
            yield* endpoints.get(scope, EndpointId.make(crypto.randomUUID())),
            Option.none()
          )
          assert.deepStrictEqual(yield* endpoints.find(scope, "nobody"), Option.none())
          assert.deepStrictEqual(yield* endpoints.list(scope), [])
        })
      )

      it.effect("list is oldest first, then by id", () =>
        Effect.gen(function* () {
          const endpoints = yield* EndpointRepo
          const scope = scopeOf()
          const ids = [1, 2, 3].map(() => crypto.randomUUID()).toSorted()
          const put = (name: string, id: string, millis: number) =>
            endpoints.put(row(scope, name, { id: EndpointId.make(id), createdAt: at(millis) }))
          yield* put("late", ids[0]!, 20)
          yield* put("twin-b", ids[2]!, 10)
          yield* put("twin-a", ids[1]!, 10)

          const names = (yield* endpoints.list(scope)).map((endpoint) => endpoint.name)

          assert.deepStrictEqual(names, ["twin-a", "twin-b", "late"])
        })
      )

      it.effect("a deleted row is not listed and not found, but still there by row id", () =>
        Effect.gen(function* () {
          const endpoints = yield* EndpointRepo
          const scope = scopeOf()
          const gone = row(scope, "gone", deleted)
          yield* endpoints.put(gone)

          assert.deepStrictEqual(yield* endpoints.list(scope), [])
          assert.deepStrictEqual(yield* endpoints.find(scope, gone.id), Option.none())
          assert.deepStrictEqual(yield* endpoints.find(scope, gone.sourceId), Option.none())
          assert.deepStrictEqual(yield* endpoints.get(scope, gone.id), Option.some(gone))
        })
      )

      it.effect("find takes the row id or the sourceId", () =>
        Effect.gen(function* () {
          const endpoints = yield* EndpointRepo
          const scope = scopeOf()
          const shop = row(scope, "shop")
          yield* endpoints.put(shop)

          assert.deepStrictEqual(yield* endpoints.find(scope, shop.id), Option.some(shop))
          assert.deepStrictEqual(yield* endpoints.find(scope, shop.sourceId), Option.some(shop))
        })
      )

      it.effect("find looks at the row id before the sourceId", () =>
        Effect.gen(function* () {
          const endpoints = yield* EndpointRepo
          const scope = scopeOf()
          const named = row(scope, "named", { createdAt: at(9) })
          const impostor = row(scope, "impostor", { sourceId: named.id, createdAt: at(1) })
          yield* endpoints.put(impostor)
          yield* endpoints.put(named)

          assert.strictEqual(Option.getOrThrow(yield* endpoints.find(scope, named.id)).name, "named")
        })
      )

      it.effect("a row is invisible from another tenant and from another project", () =>
        Effect.gen(function* () {
          const endpoints = yield* EndpointRepo
          const scope = scopeOf()
          const shop = row(scope, "shop")
          yield* endpoints.put(shop)

          for (const other of [
            { ...scope, tenant: "other" },
            { ...scope, project: `${scope.project}-b` }
          ]) {
            assert.deepStrictEqual(yield* endpoints.get(other, shop.id), Option.none())
            assert.deepStrictEqual(yield* endpoints.find(other, shop.id), Option.none())
            assert.deepStrictEqual(yield* endpoints.find(other, shop.sourceId), Option.none())
            assert.deepStrictEqual(yield* endpoints.list(other), [])
          }
        })
      )

      it.effect("put replaces the row that has its id", () =>
        Effect.gen(function* () {
          const endpoints = yield* EndpointRepo
          const scope = scopeOf()
          const shop = row(scope, "shop")
          yield* endpoints.put(shop)
          const change = { id: shop.id, config: { parameters: {} }, updatedAt: at(50) }
          const renamed = row(scope, "shop", { ...change, name: "store" })

          yield* endpoints.put(renamed)

          assert.deepStrictEqual(yield* endpoints.list(scope), [renamed])
        })
      )

      it.effect("a sourceId taken by another row of the project is refused, and nothing changes", () =>
        Effect.gen(function* () {
          const endpoints = yield* EndpointRepo
          const scope = scopeOf()
          const shop = row(scope, "shop")
          yield* endpoints.put(shop)

          const error = yield* Effect.flip(endpoints.put(row(scope, "second", { sourceId: shop.sourceId })))

          assert.deepInclude(error, { _tag: "DuplicateSourceId", sourceId: shop.sourceId })
          assert.deepStrictEqual(yield* endpoints.list(scope), [shop])
        })
      )

      it.effect("a deleted row keeps its sourceId taken", () =>
        Effect.gen(function* () {
          const endpoints = yield* EndpointRepo
          const scope = scopeOf()
          const gone = row(scope, "gone", deleted)
          yield* endpoints.put(gone)

          const error = yield* Effect.flip(endpoints.put(row(scope, "second", { sourceId: gone.sourceId })))

          assert.strictEqual(error._tag, "DuplicateSourceId")
        })
      )

      it.effect("of concurrent rows that claim one sourceId exactly one is stored", () =>
        Effect.gen(function* () {
          const endpoints = yield* EndpointRepo
          const scope = scopeOf()
          const claims = Array.from({ length: 10 }, (_, n) =>
            endpoints
              .put(row(scope, `claim-${n}`, { sourceId: `${scope.project}-contended` }))
              .pipe(Effect.option)
          )

          const outcomes = yield* Effect.all(claims, { concurrency: "unbounded" })

          assert.strictEqual(outcomes.filter(Option.isSome).length, 1)
          assert.strictEqual((yield* endpoints.list(scope)).length, 1)
        })
      )
    }
  )
