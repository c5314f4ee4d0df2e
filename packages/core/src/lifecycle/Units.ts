/**
 * Which units an endpoint has: what its source reports, merged with what its
 * configuration declares; a declared unit wins over a reported one of its id.
 */
import { Context, Effect, Layer, Option, Schema } from "effect"
import { type Endpoint, JsonObject } from "../domain/Endpoint.ts"
import { nearest } from "../domain/Nearest.ts"
import { type UnitDescriptor, UnitId } from "../domain/Unit.ts"
import { PythonWorker, type PythonWorkerError } from "../services/PythonWorker.ts"
import type { SecretsError } from "../services/Secrets.ts"
import type { TemplateCatalogError } from "../services/TemplateCatalog.ts"
import { Endpoints } from "./Endpoints.ts"
import { DriverMissing, UnitNotFound, UnitsUnavailable } from "./LookupFailure.ts"

export type DriverId = "static" | "worker"
const drivers: ReadonlyArray<DriverId> = ["static", "worker"]

/** One unit as clients see it. `sinkId` is what its declaration says, null when it says nothing. */
export interface Unit {
  readonly unitId: UnitId
  readonly kind: string
  readonly displayName: string
  readonly stats: JsonObject | null
  readonly driverId: DriverId
  readonly sinkId: string | null
  readonly policy: JsonObject
  /** Null: only the source knows how it can be read, and it was not asked. */
  readonly modes: UnitDescriptor["modes"] | null
}

type UnitsError = DriverMissing | UnitsUnavailable | SecretsError | TemplateCatalogError

export class Units extends Context.Service<
  Units,
  {
    /** Every unit of the endpoint, asked of its source now; what was last reported stands in while it cannot be asked. */
    readonly list: (endpoint: Endpoint) => Effect.Effect<ReadonlyArray<Unit>, UnitsError>

    /** One unit. The source is asked only when the unit is neither declared nor known from before. */
    readonly find: (endpoint: Endpoint, unitId: string) => Effect.Effect<Unit, UnitNotFound | UnitsError>
  }
>()("@headrace/core/lifecycle/Units") {
  static readonly layer: Layer.Layer<Units, never, Endpoints | PythonWorker> = Layer.effect(
    Units,
    Effect.gen(function* () {
      const endpoints = yield* Endpoints
      const worker = yield* PythonWorker
      /** Last reported, by endpoint; a changed endpoint is another one. */
      const reported = new Map<string, ReadonlyArray<UnitDescriptor>>()

      /** Not listed, and there when somebody named it. */
      const unlisted = new Map<string, ReadonlyArray<Unit>>()

      const ask = Effect.fnUntraced(function* (endpoint: Endpoint) {
        const ref = yield* endpoints.refOf(endpoint)
        if (ref === null) return []
        const units = yield* worker.listUnits({ endpoint: ref })
        reported.set(memoryKey(endpoint), units)
        return units
      })

      /** A source may have more than it lists, such as any pattern of file names. It alone knows, and why not. */
      const askAbout = Effect.fnUntraced(function* (
        endpoint: Endpoint,
        unitId: string,
        near: ReadonlyArray<string>
      ) {
        const ref = yield* endpoints.refOf(endpoint)
        if (ref === null || !isUnitId(unitId)) return yield* new UnitNotFound({ unitId, near, why: null })
        const isThere = (error: PythonWorkerError): Effect.Effect<void, UnitNotFound | UnitsUnavailable> => {
          const refusal = refusalOf(error)
          if (refusal === null || refusal.retry === "Later") return Effect.fail(unavailable(error))
          if (refusal.tag !== "UnitNotFound") return Effect.void // a run says what is wrong with it
          return Effect.fail(new UnitNotFound({ unitId, near, why: refusal.message }))
        }
        yield* Effect.catchTag(
          Effect.asVoid(worker.preview({ endpoint: ref, unitId, limit: 1 })),
          "PythonWorkerError",
          isThere
        )
        const unit = unitOf({ unitId }, "worker")
        unlisted.set(memoryKey(endpoint), [...(unlisted.get(memoryKey(endpoint)) ?? []), unit])
        return unit
      })

      const list = Effect.fn("Units.list")(function* (endpoint: Endpoint) {
        const driver = yield* driverOf(endpoint)
        const declared = declaredUnits(endpoint, driver)
        if (driver === "static") return declared
        const known = yield* Effect.catchTag(ask(endpoint), "PythonWorkerError", (error) => {
          const before = reported.get(memoryKey(endpoint))
          if (before !== undefined) return Effect.succeed(before)
          return declared.length > 0 ? Effect.succeed([]) : Effect.fail(unavailable(error))
        })
        return merged(declared, known)
      })

      return Units.of({
        list,
        find: Effect.fn("Units.find")(function* (endpoint, unitId) {
          const driver = yield* driverOf(endpoint)
          const declared = declaredUnits(endpoint, driver)
          const remembered = driver === "worker" ? (reported.get(memoryKey(endpoint)) ?? []) : []
          const named = driver === "worker" ? (unlisted.get(memoryKey(endpoint)) ?? []) : []
          const here = [...merged(declared, remembered), ...named].find((unit) => unit.unitId === unitId)
          if (here !== undefined) return here
          const units = driver === "worker" ? yield* list(endpoint) : declared
          const found = units.find((unit) => unit.unitId === unitId)
          if (found !== undefined) return found
          const near = nearest(
            unitId,
            units.map((unit) => unit.unitId)
          )
          if (driver === "static") return yield* new UnitNotFound({ unitId, near, why: null })
          return yield* askAbout(endpoint, unitId, near)
        })
      })
    })
  )
}

const memoryKey = ({ id, updatedAt }: Endpoint): string => `${id}@${updatedAt.epochMilliseconds}`

const driverOf = (endpoint: Endpoint): Effect.Effect<DriverId, DriverMissing> => {
  const label = endpoint.labels.find((each) => each.startsWith("ingest-driver:"))
  const said = endpoint.config?.["ingestionDriver"] ?? label?.slice("ingest-driver:".length)
  if (typeof said !== "string" || said === "")
    return Effect.succeed(typeof endpoint.config?.["templateId"] === "string" ? "worker" : "static")
  const driver = drivers.find((known) => known === said)
  return driver === undefined
    ? Effect.fail(new DriverMissing({ driverId: said, registeredDrivers: drivers }))
    : Effect.succeed(driver)
}

const Declared = Schema.Struct({
  unitId: UnitId,
  kind: Schema.optionalKey(Schema.Unknown),
  displayName: Schema.optionalKey(Schema.Unknown),
  stats: Schema.optionalKey(Schema.Unknown),
  policy: Schema.optionalKey(Schema.Unknown),
  sinkId: Schema.optionalKey(Schema.Unknown)
})
const decodeDeclared = Schema.decodeUnknownOption(Declared)
const isObject = Schema.is(JsonObject)
const isUnitId = Schema.is(UnitId)

const text = (value: unknown): string | null =>
  typeof value === "string" && value.trim() !== "" ? value : null

/** A unit of which its source has said nothing. */
const unitOf = (
  { unitId, kind, displayName, stats, policy, sinkId }: typeof Declared.Type,
  driverId: DriverId
): Unit => ({
  unitId,
  kind: text(kind) ?? "custom",
  displayName: text(displayName) ?? unitId,
  stats: isObject(stats) ? stats : null,
  driverId,
  sinkId: text(sinkId)?.trim() ?? null,
  policy: isObject(policy) ? policy : {},
  modes: null
})

/** The entries of `config.ingestionUnits`; one without a `unitId` is dropped, of two with one id the last counts. */
const declaredUnits = (endpoint: Endpoint, driverId: DriverId): ReadonlyArray<Unit> => {
  const entries = endpoint.config?.["ingestionUnits"]
  if (!Array.isArray(entries)) return []
  const units = entries.flatMap((entry): ReadonlyArray<Unit> =>
    Option.match(decodeDeclared(entry), {
      onNone: () => [],
      onSome: (entry) => [unitOf(entry, driverId)]
    })
  )
  return [...new Map(units.map((unit) => [unit.unitId, unit])).values()]
}

const fromSource = (unit: UnitDescriptor): Unit => ({
  unitId: unit.unitId,
  kind: unit.kind,
  displayName: unit.displayName,
  stats: {
    estimatedRows: unit.estimatedRows,
    primaryKey: unit.primaryKey,
    cursorCandidates: unit.cursorCandidates
  },
  driverId: "worker",
  sinkId: null,
  policy: {},
  modes: unit.modes
})

/** Declared units first, in their order; a declared unit keeps how its source can read it. */
const merged = (
  declared: ReadonlyArray<Unit>,
  reported: ReadonlyArray<UnitDescriptor>
): ReadonlyArray<Unit> => {
  const byId = new Map(reported.map((unit) => [unit.unitId, fromSource(unit)]))
  const own = new Set(declared.map(({ unitId }) => unitId))
  return [
    ...declared.map((unit) => {
      const source = byId.get(unit.unitId)
      return source === undefined ? unit : { ...unit, stats: unit.stats ?? source.stats, modes: source.modes }
    }),
    ...[...byId.values()].filter(({ unitId }) => !own.has(unitId))
  ]
}

/** What the worker refused to do; null when it did not get to say. */
const refusalOf = ({ reason }: PythonWorkerError) =>
  reason._tag === "RequestRejected" ? reason.problem : null

const unavailable = ({ reason }: PythonWorkerError): UnitsUnavailable =>
  reason._tag === "RequestRejected"
    ? new UnitsUnavailable({ detail: reason.problem.message, kind: reason.problem.tag })
    : new UnitsUnavailable({
        detail:
          "No worker could ask the source for its units, and none is known from before. Try again in a moment."
      })
