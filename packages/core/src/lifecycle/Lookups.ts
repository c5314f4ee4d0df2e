/**
 * What a client's words name: endpoint, then unit, then sink, in this order, so
 * that everybody learns of the same thing first that is missing. Changes nothing.
 */
import { Context, Effect, Layer } from "effect"
import type { Endpoint, Scope } from "../domain/Endpoint.ts"
import { knowledgeBase, UnitKey } from "../domain/Unit.ts"
import { EndpointRepo, type EndpointRepoError } from "../services/EndpointRepo.ts"
import type { SecretsError } from "../services/Secrets.ts"
import type { TemplateCatalogError } from "../services/TemplateCatalog.ts"
import {
  type DriverMissing,
  EndpointNotFound,
  type SinkMissing,
  type UnitNotFound,
  type UnitsUnavailable
} from "./LookupFailure.ts"
import { type Sink, Sinks } from "./Sinks.ts"
import { type Unit, Units } from "./Units.ts"

/** What a deployment may say for everybody; null: nothing. */
export const IngestionDefaults = Context.Reference<{
  readonly sinkId: string | null
  readonly stagingProviderId: string | null
}>("@headrace/core/lifecycle/IngestionDefaults", {
  defaultValue: () => ({ sinkId: null, stagingProviderId: null })
})

/** A unit that was found, with the endpoint it belongs to. */
export interface Found {
  readonly endpoint: Endpoint
  readonly unit: Unit
  readonly key: UnitKey
}

/** How a mutation names a sink; absent or blank is the unit's default. `sinkEndpointId` wins (D4). */
export interface SinkName {
  readonly sinkId?: string | null | undefined
  readonly sinkEndpointId?: string | null | undefined
}

export type LookupStoreError = EndpointRepoError | SecretsError | TemplateCatalogError
export type UnitLookupError =
  | DriverMissing
  | EndpointNotFound
  | UnitNotFound
  | UnitsUnavailable
  | LookupStoreError
export type SinkLookupError = EndpointNotFound | SinkMissing | LookupStoreError

const said = (name: unknown): string | null =>
  typeof name === "string" && name.trim() !== "" ? name.trim() : null

/** Does it name a sink at all? */
export const isNamed = ({ sinkId, sinkEndpointId }: SinkName): boolean =>
  said(sinkId) !== null || said(sinkEndpointId) !== null

const foundIn = (endpoint: Endpoint, unit: Unit): Found => ({
  endpoint,
  unit,
  key: UnitKey.make({ endpointId: endpoint.id, unitId: unit.unitId })
})

/** The template an endpoint was made from; null when its configuration names none. */
export const templateIdOf = ({ config }: Endpoint): string | null => said(config?.["templateId"])

export class Lookups extends Context.Service<
  Lookups,
  {
    /** By row id or `sourceId`, in the caller's project, not deleted. */
    readonly endpoint: (
      scope: Scope,
      name: string
    ) => Effect.Effect<Endpoint, EndpointNotFound | EndpointRepoError>

    /** Every unit of the endpoint, current ones only. */
    readonly units: (
      scope: Scope,
      endpointName: string
    ) => Effect.Effect<ReadonlyArray<Found>, Exclude<UnitLookupError, UnitNotFound>>

    readonly unit: (
      scope: Scope,
      endpointName: string,
      unitId: string
    ) => Effect.Effect<Found, UnitLookupError>

    /** Where the unit goes when nobody names a sink (D17). */
    readonly defaultSink: (scope: Scope, found: Found) => Effect.Effect<Sink, SinkLookupError>

    readonly sink: (scope: Scope, found: Found, name: SinkName) => Effect.Effect<Sink, SinkLookupError>
  }
>()("@headrace/core/lifecycle/Lookups") {
  static readonly layer: Layer.Layer<Lookups, never, EndpointRepo | Sinks | Units> = Layer.effect(
    Lookups,
    Effect.gen(function* () {
      const endpoints = yield* EndpointRepo
      const sinks = yield* Sinks
      const units = yield* Units
      const defaults = yield* IngestionDefaults

      const endpointOf = Effect.fn("Lookups.endpoint")(function* (scope: Scope, name: string) {
        const found = yield* endpoints.find(scope, name)
        return yield* Effect.fromOption(found).pipe(
          Effect.mapError(() => new EndpointNotFound({ endpointId: name }))
        )
      })

      const defaultSink = Effect.fn("Lookups.defaultSink")((scope: Scope, { endpoint, unit }: Found) =>
        sinks.find(
          scope,
          said(unit.sinkId) ?? said(endpoint.config?.["sinkId"]) ?? said(defaults.sinkId) ?? knowledgeBase
        )
      )

      return Lookups.of({
        endpoint: endpointOf,
        units: Effect.fn("Lookups.units")(function* (scope, name) {
          const endpoint = yield* endpointOf(scope, name)
          return (yield* units.list(endpoint)).map((unit) => foundIn(endpoint, unit))
        }),
        unit: Effect.fn("Lookups.unit")(function* (scope, name, unitId) {
          const endpoint = yield* endpointOf(scope, name)
          return foundIn(endpoint, yield* units.find(endpoint, unitId))
        }),
        defaultSink,
        sink: Effect.fn("Lookups.sink")(function* (scope, found, { sinkId, sinkEndpointId }) {
          const [endpointName, name] = [said(sinkEndpointId), said(sinkId)]
          if (endpointName !== null) return yield* sinks.findEndpoint(scope, endpointName)
          return yield* name === null ? defaultSink(scope, found) : sinks.find(scope, name)
        })
      })
    })
  )
}
