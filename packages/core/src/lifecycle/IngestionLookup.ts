/**
 * From the names a client uses to what they stand for, in the order the API
 * promises: endpoint, driver, unit, sink; the first that is not there decides.
 */
import { Context, Effect, Layer, Option } from "effect"
import type { Endpoint, Scope } from "../domain/Endpoint.ts"
import { UnitKey } from "../domain/Unit.ts"
import { EndpointRepo, type EndpointRepoError } from "../services/EndpointRepo.ts"
import type { SecretsError } from "../services/Secrets.ts"
import type { TemplateCatalogError } from "../services/TemplateCatalog.ts"
import { IngestionDefaults } from "./IngestionDefaults.ts"
import {
  type DriverMissing,
  EndpointNotFound,
  type SinkMissing,
  type UnitNotFound,
  type UnitsUnavailable
} from "./LookupFailure.ts"
import { type Sink, Sinks } from "./Sinks.ts"
import { type Unit, Units } from "./Units.ts"

/** Null and blank say nothing. `sinkEndpointId` wins over `sinkId`. */
export interface UnitArguments {
  readonly endpointId: string
  readonly unitId: string
  readonly sinkId: string | null
  readonly sinkEndpointId: string | null
}

export interface Found {
  readonly endpoint: Endpoint
  readonly unit: Unit
  readonly key: UnitKey
}

type StoreError = EndpointRepoError | SecretsError | TemplateCatalogError
export type UnitsFailure = EndpointNotFound | DriverMissing | UnitsUnavailable | StoreError
export type UnitFailure = UnitsFailure | UnitNotFound
export type SinkFailure = SinkMissing | EndpointNotFound | EndpointRepoError | TemplateCatalogError

export class IngestionLookup extends Context.Service<
  IngestionLookup,
  {
    readonly units: (
      scope: Scope,
      endpointId: string
    ) => Effect.Effect<{ readonly endpoint: Endpoint; readonly units: ReadonlyArray<Unit> }, UnitsFailure>

    readonly unit: (
      scope: Scope,
      asked: Pick<UnitArguments, "endpointId" | "unitId">
    ) => Effect.Effect<Found, UnitFailure>

    /** The sink a client names; none when it names none. */
    readonly namedSink: (
      scope: Scope,
      asked: UnitArguments
    ) => Effect.Effect<Option.Option<Sink>, SinkFailure>

    /** Where the unit goes when nobody names a sink. */
    readonly defaultSink: (scope: Scope, endpoint: Endpoint, unit: Unit) => Effect.Effect<Sink, SinkFailure>
  }
>()("@headrace/core/lifecycle/IngestionLookup") {
  static readonly layer: Layer.Layer<IngestionLookup, never, EndpointRepo | Sinks | Units> = Layer.effect(
    IngestionLookup,
    Effect.gen(function* () {
      const defaults = yield* IngestionDefaults
      const endpoints = yield* EndpointRepo
      const sinks = yield* Sinks
      const units = yield* Units

      const endpointOf = Effect.fnUntraced(function* (scope: Scope, endpointId: string) {
        const found = yield* endpoints.find(scope, endpointId)
        return Option.isSome(found) ? found.value : yield* new EndpointNotFound({ endpointId })
      })

      return IngestionLookup.of({
        units: Effect.fn("IngestionLookup.units")(function* (scope, endpointId) {
          const endpoint = yield* endpointOf(scope, endpointId)
          return { endpoint, units: yield* units.list(endpoint) }
        }),
        unit: Effect.fn("IngestionLookup.unit")(function* (scope, asked) {
          const endpoint = yield* endpointOf(scope, asked.endpointId)
          const unit = yield* units.find(endpoint, asked.unitId)
          return { endpoint, unit, key: UnitKey.make({ endpointId: endpoint.id, unitId: unit.unitId }) }
        }),
        namedSink: Effect.fn("IngestionLookup.namedSink")(function* (scope, { sinkEndpointId, sinkId }) {
          if (isSaid(sinkEndpointId)) return Option.some(yield* sinks.findEndpoint(scope, sinkEndpointId))
          return isSaid(sinkId) ? Option.some(yield* sinks.find(scope, sinkId)) : Option.none()
        }),
        defaultSink: (scope, endpoint, unit) => {
          const configured = endpoint.config?.["sinkId"]
          const ofEndpoint = typeof configured === "string" && isSaid(configured) ? configured : null
          return sinks.find(scope, unit.sinkId ?? ofEndpoint ?? defaults.sinkId)
        }
      })
    })
  )
}

const isSaid = (text: string | null): text is string => text !== null && text.trim() !== ""
