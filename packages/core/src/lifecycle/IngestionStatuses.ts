/**
 * Where units stand, as clients see it: the state row, and beside it the
 * checkpoint as KV holds it. Only reads: no state, run or checkpoint changes
 * however often it is asked.
 */
import { Context, type DateTime, Effect, Layer, Option, type Schema } from "effect"
import type { EndpointId, JsonObject, Scope } from "../domain/Endpoint.ts"
import type { IngestionState, IngestionUnitState } from "../domain/IngestionUnitState.ts"
import type { RunId, RunStats } from "../domain/Run.ts"
import { knowledgeBase, type SinkId, type UnitId, type UnitKey } from "../domain/Unit.ts"
import type { KvStoreError } from "../services/KvStore.ts"
import { UnitStateRepo, type UnitStateRepoError } from "../services/UnitStateRepo.ts"
import { CheckpointLog } from "./CheckpointLog.ts"
import type { UnitNotFound } from "./LookupFailure.ts"
import { type Found, Lookups, type SinkLookupError, templateIdOf, type UnitLookupError } from "./Lookups.ts"
import { Templates } from "./Templates.ts"

export interface IngestionUnit {
  readonly endpointId: EndpointId
  readonly unitId: UnitId
  readonly kind: string
  readonly displayName: string
  readonly stats: JsonObject | null
  readonly driverId: string
  /** The unit's default sink; `sinkEndpointId` when that is an endpoint. */
  readonly sinkId: SinkId
  readonly sinkEndpointId: string | null
  /** The `ingest.*` capabilities of the unit, or of its template while the source says nothing. */
  readonly capabilities: ReadonlyArray<string>
}

export interface IngestionStatus {
  readonly endpointId: EndpointId
  readonly unitId: UnitId
  /** Of the latest start; before any start the default sink. */
  readonly sinkId: SinkId
  readonly sinkEndpointId: string | null
  readonly state: IngestionState
  readonly lastRunId: RunId | null
  readonly lastRunAt: DateTime.Utc | null
  readonly lastError: string | null
  /** Of the latest run that succeeded. */
  readonly stats: RunStats | null
  /** The record into `sinkId`, as it is stored. */
  readonly checkpoint: Schema.Json
  readonly stagingProviderId: string | null
}

type StoreError = KvStoreError | UnitStateRepoError
type ListError = Exclude<UnitLookupError, UnitNotFound> | SinkLookupError

export class IngestionStatuses extends Context.Service<
  IngestionStatuses,
  {
    readonly units: (
      scope: Scope,
      endpointId: string
    ) => Effect.Effect<ReadonlyArray<IngestionUnit>, ListError>

    /** One for every current unit, newest change first; then those kept from units that no longer exist. */
    readonly statuses: (
      scope: Scope,
      endpointId: string
    ) => Effect.Effect<ReadonlyArray<IngestionStatus>, ListError | StoreError>

    readonly status: (
      scope: Scope,
      endpointId: string,
      unitId: string
    ) => Effect.Effect<IngestionStatus, UnitLookupError | SinkLookupError | StoreError>
  }
>()("@headrace/core/lifecycle/IngestionStatuses") {}

const endpointIn = (sinkId: SinkId): string | null => (sinkId === knowledgeBase ? null : sinkId)

const providerIn = (stats: RunStats | null): string | null => {
  const provider = stats?.["stagingProviderId"]
  return typeof provider === "string" ? provider : null
}

const neverRan = { state: "IDLE", lastRunId: null, lastRunAt: null, lastError: null, stats: null } as const

const changedAt = (row: IngestionUnitState | undefined): number =>
  row?.updatedAt.epochMilliseconds ?? -Infinity

const make = Effect.gen(function* () {
  const checkpoints = yield* CheckpointLog
  const lookups = yield* Lookups
  const rows = yield* UnitStateRepo
  const templates = yield* Templates

  const statusOf = Effect.fnUntraced(function* (
    { tenant }: Scope,
    unit: UnitKey,
    row: IngestionUnitState | undefined,
    defaultSink: SinkId
  ) {
    const sinkId = row?.sinkId ?? defaultSink
    const { state, lastRunId, lastRunAt, lastError, stats } = row ?? neverRan
    const status: IngestionStatus = {
      endpointId: unit.endpointId,
      unitId: unit.unitId,
      sinkId,
      sinkEndpointId: endpointIn(sinkId),
      state,
      lastRunId,
      lastRunAt,
      lastError,
      stats,
      checkpoint: yield* checkpoints.shown({ tenant, unit, sinkId }),
      stagingProviderId: providerIn(stats)
    }
    return status
  })

  const capabilitiesOf = Effect.fnUntraced(function* ({ endpoint, unit }: Found) {
    if (unit.modes !== null) return unit.modes.map((mode) => `ingest.${mode}`)
    const templateId = templateIdOf(endpoint)
    const template = templateId === null ? Option.none() : yield* templates.find(templateId)
    const keys = Option.match(template, { onNone: () => [], onSome: (known) => known.capabilities })
    return keys.map(({ key }) => key).filter((key) => key.startsWith("ingest."))
  })

  return IngestionStatuses.of({
    units: Effect.fn("IngestionStatuses.units")(function* (scope, endpointId) {
      const all = yield* lookups.units(scope, endpointId)
      return yield* Effect.forEach(all, (found) =>
        Effect.gen(function* () {
          const { unitId, kind, displayName, stats, driverId } = found.unit
          const { sinkId } = yield* lookups.defaultSink(scope, found)
          const sinkEndpointId = endpointIn(sinkId)
          const capabilities = yield* capabilitiesOf(found)
          return {
            endpointId: found.endpoint.id,
            unitId,
            kind,
            displayName,
            stats,
            driverId,
            sinkId,
            sinkEndpointId,
            capabilities
          }
        })
      )
    }),

    statuses: Effect.fn("IngestionStatuses.statuses")(function* (scope, endpointId) {
      const endpoint = yield* lookups.endpoint(scope, endpointId)
      const current = yield* lookups.units(scope, endpoint.id)
      const known = new Map((yield* rows.list(endpoint.id)).map((row) => [row.unit.unitId, row]))
      const present = yield* Effect.forEach(current, (found) =>
        Effect.gen(function* () {
          const { sinkId } = yield* lookups.defaultSink(scope, found)
          return { unit: found.key, row: known.get(found.key.unitId), sinkId }
        })
      )
      const gone = [...known.values()]
        .filter(({ unit }) => !current.some(({ key }) => key.unitId === unit.unitId))
        .map((row) => ({ unit: row.unit, row, sinkId: row.sinkId }))
      const ordered = [...present.toSorted((a, b) => newestFirst(a.row, b.row)), ...gone]
      return yield* Effect.forEach(ordered, ({ unit, row, sinkId }) => statusOf(scope, unit, row, sinkId), {
        concurrency: 8
      })
    }),

    status: Effect.fn("IngestionStatuses.status")(function* (scope, endpointId, unitId) {
      const found = yield* lookups.unit(scope, endpointId, unitId)
      const { sinkId } = yield* lookups.defaultSink(scope, found)
      const row = Option.getOrUndefined(yield* rows.get(found.key))
      return yield* statusOf(scope, found.key, row, sinkId)
    })
  })
})

const newestFirst = (a: IngestionUnitState | undefined, b: IngestionUnitState | undefined): number => {
  const [left, right] = [changedAt(a), changedAt(b)]
  return left === right ? 0 : right - left
}

export const layer: Layer.Layer<
  IngestionStatuses,
  never,
  CheckpointLog | Lookups | Templates | UnitStateRepo
> = Layer.effect(IngestionStatuses, make)
