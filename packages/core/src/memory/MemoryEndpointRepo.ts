/** The reference `EndpointRepo`: one map in one process. */
import { DateTime, Effect, Layer, Option } from "effect"
import type { Endpoint, EndpointId, Scope } from "../domain/Endpoint.ts"
import { DuplicateSourceId, EndpointRepo } from "../services/EndpointRepo.ts"

const inside = (scope: Scope) => (row: Endpoint) =>
  row.scope.tenant === scope.tenant && row.scope.project === scope.project

const oldestFirst = (a: Endpoint, b: Endpoint) =>
  DateTime.toEpochMillis(a.createdAt) - DateTime.toEpochMillis(b.createdAt) || (a.id < b.id ? -1 : 1)

export const make = Effect.sync(() => {
  const rows = new Map<EndpointId, Endpoint>()
  const of = (scope: Scope) => [...rows.values()].filter(inside(scope))
  const present = (scope: Scope) => of(scope).filter((row) => row.deletedAt === null)

  return EndpointRepo.of({
    list: (scope) => Effect.sync(() => present(scope).toSorted(oldestFirst)),
    get: (scope, id) => Effect.sync(() => Option.filter(Option.fromNullishOr(rows.get(id)), inside(scope))),
    find: (scope, idOrSourceId) =>
      Effect.sync(() => {
        const found = present(scope)
        const byId = found.find((row) => row.id === idOrSourceId)
        return Option.fromNullishOr(byId ?? found.find((row) => row.sourceId === idOrSourceId))
      }),
    put: (endpoint) =>
      Effect.suspend(() => {
        const taken = of(endpoint.scope).some(
          (row) => row.sourceId === endpoint.sourceId && row.id !== endpoint.id
        )
        if (taken) return Effect.fail(new DuplicateSourceId({ sourceId: endpoint.sourceId }))
        rows.set(endpoint.id, endpoint)
        return Effect.void
      })
  })
})

export const layer: Layer.Layer<EndpointRepo> = Layer.effect(EndpointRepo, make)
