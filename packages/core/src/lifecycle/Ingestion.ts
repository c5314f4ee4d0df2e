/**
 * What clients ask of ingestion: which units there are, where they stand, start,
 * pause, reset. Reads never write. A refusal is an answer with `ok: false`; an
 * error means that a name was wrong or a store failed, and nothing changed.
 */
import { Context, DateTime, Duration, Effect, Layer, Option, Schedule, Schema } from "effect"
import type { JsonObject, Scope } from "../domain/Endpoint.ts"
import { type IngestionState, IngestionUnitEvent } from "../domain/IngestionUnitState.ts"
import { asksForIncremental, resolvePolicy, resolveStagingProvider, withMode } from "../domain/Policy.ts"
import { RunId } from "../domain/Run.ts"
import { hasCapability } from "../domain/Template.ts"
import type { UnitKey } from "../domain/Unit.ts"
import type { KvStoreError } from "../services/KvStore.ts"
import type { QuarantineError } from "../services/Quarantine.ts"
import { type ReplayedRow, RunEngine } from "../services/RunEngine.ts"
import { RunRepo, type RunRepoError, type UnitBusy } from "../services/RunRepo.ts"
import { UnitStateRepo, type UnitStateRepoError } from "../services/UnitStateRepo.ts"
import { CheckpointLog, type Place } from "./CheckpointLog.ts"
import { CapabilityMissing } from "./LookupFailure.ts"
import {
  type Found,
  IngestionDefaults,
  isNamed,
  Lookups,
  type SinkLookupError,
  type SinkName,
  templateIdOf,
  type UnitLookupError
} from "./Lookups.ts"
import { RunSettlement } from "./RunSettlement.ts"
import { RunStart } from "./RunStart.ts"
import { SetAside } from "./SetAside.ts"
import { Templates } from "./Templates.ts"

/** The unit a mutation is about, and the sink when one is named. */
export interface UnitName extends SinkName {
  readonly endpointId: string
  readonly unitId: string
}

export interface Start extends UnitName {
  /** For this run only; else the policies, the endpoint, the setting decide. */
  readonly stagingProviderId?: string | null | undefined
  /** For this run only: key by key over what endpoint and unit say. */
  readonly policy?: JsonObject | undefined
  /** The whole policy of an earlier run, in place of what endpoint and unit say today. */
  readonly carriedWith?: JsonObject | null | undefined
  /** Tries these rows again in place of what the source has; see `Replay`. */
  readonly replay?: ReadonlyArray<ReplayedRow> | undefined
}

export interface ActionResult {
  readonly ok: boolean
  readonly runId: RunId | null
  readonly state: IngestionState
  readonly message: string | null
}

/** The run that holds the unit, in another process, did not end in time. The next run loads everything all the same. */
export class RunNotEnded extends Schema.TaggedError<RunNotEnded>()("RunNotEnded", { runId: RunId }) {}

type StoreError = KvStoreError | QuarantineError | RunRepoError | UnitStateRepoError
type ActionError = UnitLookupError | SinkLookupError | StoreError

/** How long a reset waits for a run that another process carries. */
const patience = { spaced: Duration.millis(200), times: 150 }

const { Paused, Reset } = IngestionUnitEvent.cases

export class Ingestion extends Context.Service<
  Ingestion,
  {
    /**
     * Accepts a run and answers at once, before a row is read: `ok: true` with its
     * new id, and the status is RUNNING. While a run of the unit is active or
     * winds down: `ok: false` with that run's id (D1). Starting also resumes.
     */
    readonly start: (
      scope: Scope,
      start: Start
    ) => Effect.Effect<ActionResult, ActionError | CapabilityMissing>

    /** PAUSED at once; an active run stops at its next slice boundary, a minute later its slice is given up (D2). */
    readonly pause: (scope: Scope, unit: UnitName) => Effect.Effect<ActionResult, ActionError>

    /** Ends an active run, removes the checkpoint into one sink, and answers IDLE (D16). */
    readonly reset: (scope: Scope, unit: UnitName) => Effect.Effect<ActionResult, ActionError | RunNotEnded>
  }
>()("@headrace/core/lifecycle/Ingestion") {}

const make = Effect.gen(function* () {
  const checkpoints = yield* CheckpointLog
  const defaults = yield* IngestionDefaults
  const engine = yield* RunEngine
  const lookups = yield* Lookups
  const runs = yield* RunRepo
  const runStart = yield* RunStart
  const setAside = yield* SetAside
  const settlement = yield* RunSettlement
  const templates = yield* Templates
  const units = yield* UnitStateRepo

  const apply = (key: UnitKey, event: IngestionUnitEvent) =>
    // A pause or a reset follows any state: a refusal is our bug.
    units.apply(key, event).pipe(Effect.catchTag("IllegalTransition", (refused) => Effect.die(refused)))

  const policyOf = Effect.fnUntraced(function* (
    { endpoint, unit }: Found,
    { policy: asked, carriedWith }: Start
  ) {
    const templateId = templateIdOf(endpoint)
    const template = templateId === null ? Option.none() : yield* templates.find(templateId)
    const canIncremental = Option.exists(template, (known) => hasCapability(known, "ingest.incremental"))
    const standing = carriedWith ?? resolvePolicy(endpoint.config?.["ingestionPolicy"], unit.policy)
    const policy = resolvePolicy(standing, asked)
    if (asksForIncremental(policy) && Option.isSome(template) && !canIncremental)
      return yield* new CapabilityMissing({ capability: "ingest.incremental", templateId: template.value.id })
    return withMode(policy, canIncremental)
  })

  const stagingOf = ({ endpoint, unit }: Found, asked: Start) =>
    resolveStagingProvider({
      argument: asked.stagingProviderId,
      unitPolicy: resolvePolicy(unit.policy, asked.policy),
      endpointPolicy: endpoint.config?.["ingestionPolicy"],
      config: endpoint.config?.["stagingProvider"],
      setting: defaults.stagingProviderId
    })

  const refused = Effect.fnUntraced(function* ({ unit, runId }: UnitBusy) {
    const status = yield* units.get(unit)
    const isShown = Option.exists(status, ({ lastRunId }) => lastRunId === runId)
    const state = Option.match(status, {
      onNone: () => "RUNNING" as const,
      onSome: (row) => (isShown ? row.state : ("RUNNING" as const))
    })
    const message =
      state === "RUNNING"
        ? "A run of this unit is active; it was not started again. Wait for its end, or pause it."
        : "The last run of this unit is still winding down. Start again when it has ended."
    return { ok: false, runId, state, message }
  })

  /** Ends what runs of the unit there are: in this process at once, elsewhere as soon as they see the state. */
  const endRuns = Effect.fnUntraced(function* (
    key: UnitKey,
    reset: Effect.Effect<unknown, UnitStateRepoError>
  ) {
    const round = Effect.gen(function* () {
      if (Option.isSome(yield* runs.live(key))) yield* reset
      yield* engine.interrupt(key)
      const left = yield* runs.live(key)
      if (Option.isSome(left)) return yield* new RunNotEnded({ runId: left.value.runId })
    })
    yield* Effect.retry(round, {
      schedule: Schedule.spaced(patience.spaced),
      times: patience.times,
      while: (error) => error._tag === "RunNotEnded"
    })
  })

  /** Where the next run into the sink begins. Whoever is interrupted after the first step has reset it. */
  const forget = Effect.fnUntraced(function* (
    place: Place,
    endingRuns: Effect.Effect<void, RunNotEnded | StoreError>
  ) {
    const endGeneration = runs.endGeneration(place.tenant, place.unit, place.sinkId)
    yield* endGeneration
    yield* endingRuns
    yield* checkpoints.remove(place)
    // Everything is read again, and what cannot be carried then is set aside then.
    yield* setAside.forget(place, null)
    // Of a run that began meanwhile: what it committed is without a checkpoint now.
    yield* endGeneration
  })

  return Ingestion.of({
    start: Effect.fn("Ingestion.start")(function* (scope, asked) {
      const found = yield* lookups.unit(scope, asked.endpointId, asked.unitId)
      yield* settlement.settleLeft(found.key)
      const sink = yield* lookups.sink(scope, found, asked)
      const policy = yield* policyOf(found, asked)
      const order = {
        scope,
        found,
        sink,
        policy,
        stagingProviderId: stagingOf(found, asked),
        replay: asked.replay
      }
      return yield* runStart.accept(order).pipe(
        Effect.map(({ runId }) => ({ ok: true, runId, state: "RUNNING" as const, message: null })),
        Effect.catchTag("UnitBusy", refused)
      )
    }),

    pause: Effect.fn("Ingestion.pause")(function* (scope, asked) {
      const { key, ...found } = yield* lookups.unit(scope, asked.endpointId, asked.unitId)
      yield* settlement.settleLeft(key)
      const { sinkId } = yield* lookups.sink(scope, { key, ...found }, asked)
      yield* apply(key, Paused.make({ sinkId, at: yield* DateTime.now }))
      const runId = Option.getOrNull(Option.map(yield* runs.live(key), (run) => run.runId))
      const message =
        runId === null
          ? "The unit is paused. Start it to go on."
          : "The run stops at its next slice boundary; what is committed stays. Start the unit to go on."
      return { ok: true, runId, state: "PAUSED" as const, message }
    }),

    reset: Effect.fn("Ingestion.reset")(function* (scope, asked) {
      const found = yield* lookups.unit(scope, asked.endpointId, asked.unitId)
      yield* settlement.settleLeft(found.key)
      const named = yield* lookups.sink(scope, found, asked)
      const status = yield* units.get(found.key)
      const shown = Option.getOrElse(
        Option.map(status, (row) => row.sinkId),
        () => named.sinkId
      )
      const sinkId = isNamed(asked) ? named.sinkId : shown
      const toIdle = Effect.flatMap(DateTime.now, (at) => apply(found.key, Reset.make({ sinkId, at })))
      yield* forget({ tenant: scope.tenant, unit: found.key, sinkId }, endRuns(found.key, toIdle))
      if (sinkId === shown) yield* units.copyCheckpoint(found.key, null)
      // Last: who reads IDLE may believe that there is no checkpoint.
      yield* toIdle
      const message = "The checkpoint is removed. The next run loads everything."
      return { ok: true, runId: null, state: "IDLE" as const, message }
    })
  })
})

export const layer: Layer.Layer<
  Ingestion,
  never,
  | CheckpointLog
  | Lookups
  | RunEngine
  | RunRepo
  | RunSettlement
  | RunStart
  | SetAside
  | Templates
  | UnitStateRepo
> = Layer.effect(Ingestion, make)
