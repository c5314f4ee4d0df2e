/**
 * Accepting a run: everything that can be known to be wrong is found before
 * anything changes; then the unit is acquired, RUNNING, and the run is the engine's.
 */
import { Cause, Context, DateTime, Effect, Layer, Option, Schedule } from "effect"
import type { Scope } from "../domain/Endpoint.ts"
import { IngestionUnitEvent, type IngestionState } from "../domain/IngestionUnitState.ts"
import { asksForIncremental, resolvePolicy, resolveStagingProvider, withMode } from "../domain/Policy.ts"
import { type RunId, runIdOf } from "../domain/Run.ts"
import { hasCapability } from "../domain/Template.ts"
import type { UnitKey } from "../domain/Unit.ts"
import { Ids } from "../services/Ids.ts"
import { RunEngine } from "../services/RunEngine.ts"
import { type Run, RunRepo, type RunRepoError } from "../services/RunRepo.ts"
import type { SecretsError } from "../services/Secrets.ts"
import { UnitStateRepo, type UnitStateRepoError } from "../services/UnitStateRepo.ts"
import { Endpoints } from "./Endpoints.ts"
import { IngestionDefaults } from "./IngestionDefaults.ts"
import { IngestionLookup, type SinkFailure, type UnitArguments, type UnitFailure } from "./IngestionLookup.ts"
import { CapabilityMissing } from "./LookupFailure.ts"
import { lastErrorOf, OwnerLost, TemplateNotSaid } from "./RunFailure.ts"
import { RunSettlement } from "./RunSettlement.ts"
import { Templates } from "./Templates.ts"

export interface StartArguments extends UnitArguments {
  readonly stagingProviderId: string | null
}

/** `runId` is the accepted run's, or the one that holds the unit when `ok` is false. */
export interface ActionResult {
  readonly ok: boolean
  readonly runId: RunId | null
  readonly state: IngestionState
  readonly message: string | null
}

export type StartFailure =
  | UnitFailure
  | SinkFailure
  | CapabilityMissing
  | RunRepoError
  | SecretsError
  | UnitStateRepoError

const { Failed, Started } = IngestionUnitEvent.cases

/** A run whose outcome is shown already is only closing its books, which takes milliseconds. */
const books = { schedule: Schedule.spaced("20 millis"), times: 100 }

const busy = (runId: RunId, state: IngestionState): ActionResult => ({
  ok: false,
  runId,
  state,
  message:
    state === "PAUSED"
      ? "The paused run is still winding down. Start again in a moment."
      : "This unit is already running. Wait for it, or pause it first."
})

export class IngestionStart extends Context.Service<
  IngestionStart,
  {
    /** Answers before any row is read. `ok: false` with the live run's id while one is active (D1). */
    readonly start: (scope: Scope, asked: StartArguments) => Effect.Effect<ActionResult, StartFailure>
  }
>()("@headrace/core/lifecycle/IngestionStart") {
  static readonly layer: Layer.Layer<
    IngestionStart,
    never,
    Endpoints | IngestionLookup | RunEngine | RunRepo | RunSettlement | Templates | UnitStateRepo
  > = Layer.effect(
    IngestionStart,
    Effect.gen(function* () {
      const defaults = yield* IngestionDefaults
      const endpoints = yield* Endpoints
      const engine = yield* RunEngine
      const ids = yield* Ids
      const lookup = yield* IngestionLookup
      const runs = yield* RunRepo
      const settlement = yield* RunSettlement
      const states = yield* UnitStateRepo
      const templates = yield* Templates

      const stateOf = (key: UnitKey) =>
        Effect.map(
          states.get(key),
          Option.match({ onNone: () => "IDLE" as const, onSome: ({ state }) => state })
        )

      /** Where the run reads, where it writes and how. Changes nothing. */
      const plan = Effect.fnUntraced(function* (scope: Scope, asked: StartArguments) {
        const { endpoint, unit, key } = yield* lookup.unit(scope, asked)
        const named = yield* lookup.namedSink(scope, asked)
        const sink = Option.isSome(named) ? named.value : yield* lookup.defaultSink(scope, endpoint, unit)
        const source = yield* endpoints.refOf(endpoint)
        const template = source === null ? Option.none() : yield* templates.find(source.templateId)
        const canIncremental = Option.exists(template, (each) => hasCapability(each, "ingest.incremental"))
        const endpointPolicy = endpoint.config?.["ingestionPolicy"]
        const said = resolvePolicy(endpointPolicy, unit.policy)
        if (asksForIncremental(said) && Option.isSome(template) && !canIncremental)
          return yield* new CapabilityMissing({
            capability: "ingest.incremental",
            templateId: template.value.id
          })
        return {
          key,
          source,
          sinkId: sink.sinkId,
          sink: sink.endpoint === null ? null : yield* endpoints.refOf(sink.endpoint),
          policy: withMode(said, canIncremental),
          stagingProviderId: resolveStagingProvider({
            argument: asked.stagingProviderId,
            unitPolicy: unit.policy,
            endpointPolicy,
            config: endpoint.config?.["stagingProvider"],
            setting: defaults.stagingProviderId
          })
        }
      })

      const hasEnded = (key: UnitKey) =>
        Effect.map(
          Effect.orElseSucceed(stateOf(key), () => "RUNNING" as const),
          (state) => state !== "RUNNING" && state !== "PAUSED"
        )

      const open = (run: Pick<Run, "runId" | "tenant" | "unit" | "sinkId">) =>
        runs.open({ ...run, fresh: false }).pipe(
          Effect.retry({
            ...books,
            while: (error) => (error._tag === "UnitBusy" ? hasEnded(run.unit) : Effect.succeed(false))
          })
        )

      /** RUNNING under the new run's id. RUNNING already, though no run is open: its owner died unsettled. */
      const acquire = Effect.fnUntraced(function* (run: Run) {
        const at = yield* DateTime.now
        const started = Started.make({ runId: run.runId, sinkId: run.sinkId, at })
        yield* states.apply(run.unit, started).pipe(
          Effect.catchTag("IllegalTransition", ({ currentRunId }) => {
            const lost = Failed.make({
              runId: currentRunId ?? run.runId,
              reason: lastErrorOf(Cause.fail(new OwnerLost()), null),
              at
            })
            return Effect.andThen(states.apply(run.unit, lost), states.apply(run.unit, started))
          }),
          Effect.catchTag("IllegalTransition", Effect.die),
          Effect.onError(() => Effect.ignore(runs.close(run.runId, "FAILED", { complete: false })))
        )
      })

      const start = Effect.fn("IngestionStart.start")(function* (scope: Scope, asked: StartArguments) {
        const { key, source, sinkId, ...how } = yield* plan(scope, asked)
        const runId = runIdOf(key, yield* ids.uuid)
        const run = yield* open({ runId, tenant: scope.tenant, unit: key, sinkId })
        yield* acquire(run)
        if (source === null) {
          const unsaid = Cause.fail(new TemplateNotSaid({ endpointId: key.endpointId }))
          yield* settlement.settle(run, { _tag: "Failed", reason: lastErrorOf(unsaid, null) })
        } else yield* engine.submit({ run, scope, source, ...how })
        const accepted: ActionResult = { ok: true, runId, state: "RUNNING", message: null }
        return accepted
      }, Effect.uninterruptible)

      return IngestionStart.of({
        start: (scope, asked) =>
          start(scope, asked).pipe(
            Effect.catchTag("UnitBusy", (error) =>
              Effect.map(stateOf(error.unit), (state) => busy(error.runId, state))
            )
          )
      })
    })
  )
}
