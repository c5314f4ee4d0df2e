/**
 * Accepting a run: the unit is acquired, its state says RUNNING under the new
 * id, and the engine has it. From then on the run ends by itself, whatever its
 * caller does; what cannot even begin is accepted and ends FAILED.
 */
import { Cause, Context, DateTime, Effect, Layer, Option, Schedule } from "effect"
import type { JsonObject, Scope } from "../domain/Endpoint.ts"
import { type IllegalTransition, IngestionUnitEvent } from "../domain/IngestionUnitState.ts"
import { runIdOf } from "../domain/Run.ts"
import type { UnitKey } from "../domain/Unit.ts"
import { Ids } from "../services/Ids.ts"
import { RunEngine, type RunRequest } from "../services/RunEngine.ts"
import { type Run, RunRepo, type RunRepoError, type UnitBusy } from "../services/RunRepo.ts"
import { UnitStateRepo, type UnitStateRepoError } from "../services/UnitStateRepo.ts"
import { Endpoints } from "./Endpoints.ts"
import type { Found } from "./Lookups.ts"
import { lastErrorOf, OwnerLost, TemplateNotSaid } from "./RunFailure.ts"
import { RunSettlement } from "./RunSettlement.ts"
import type { Sink } from "./Sinks.ts"

/** All that was decided before a run is accepted. */
export interface Order {
  readonly scope: Scope
  readonly found: Found
  readonly sink: Sink
  readonly policy: JsonObject
  readonly stagingProviderId: string
}

const { Failed, Started } = IngestionUnitEvent.cases

const left = lastErrorOf(Cause.fail(new OwnerLost()), null)

/** A run whose end is shown already is only closing its books, which takes milliseconds. */
const books = { schedule: Schedule.spaced("20 millis"), times: 100 }

export class RunStart extends Context.Service<
  RunStart,
  {
    /** The accepted run; `UnitBusy` names the one that is active, and then nothing has changed. */
    readonly accept: (order: Order) => Effect.Effect<Run, UnitBusy | RunRepoError | UnitStateRepoError>
  }
>()("@headrace/core/lifecycle/RunStart") {
  static readonly layer: Layer.Layer<
    RunStart,
    never,
    Endpoints | RunEngine | RunRepo | RunSettlement | UnitStateRepo
  > = Layer.effect(
    RunStart,
    Effect.gen(function* () {
      const endpoints = yield* Endpoints
      const engine = yield* RunEngine
      const ids = yield* Ids
      const runs = yield* RunRepo
      const settlement = yield* RunSettlement
      const units = yield* UnitStateRepo

      const started = Effect.fnUntraced(function* ({ unit, runId, sinkId }: Run) {
        return yield* units.apply(unit, Started.make({ runId, sinkId, at: yield* DateTime.now }))
      })

      /** We hold the unit, so a run that its state still calls RUNNING is dead. */
      const takeOver = Effect.fnUntraced(function* (run: Run, { currentRunId }: IllegalTransition) {
        if (currentRunId !== null) {
          const dead = Failed.make({ runId: currentRunId, reason: left, at: yield* DateTime.now })
          yield* units.apply(run.unit, dead).pipe(Effect.catchTag("IllegalTransition", () => Effect.void))
        }
        return yield* started(run)
      })

      /** A full read after a run that succeeded; one that follows a failure or a pause goes on with what is there. */
      const isLoadedAnew = ({ found, sink, policy }: Order) =>
        policy["mode"] === "full"
          ? Effect.map(
              units.get(found.key),
              Option.exists((row) => row.state === "SUCCEEDED" && row.sinkId === sink.sinkId)
            )
          : Effect.succeed(false)

      const showsEnd = (unit: UnitKey) =>
        units.get(unit).pipe(
          Effect.map(Option.exists(({ state }) => state === "SUCCEEDED" || state === "FAILED")),
          Effect.orElseSucceed(() => false)
        )

      const open = (request: Parameters<typeof runs.open>[0]) =>
        runs.open(request).pipe(
          Effect.retry({
            ...books,
            while: (error) => (error._tag === "UnitBusy" ? showsEnd(error.unit) : Effect.succeed(false))
          })
        )

      const begin = (run: Run) =>
        started(run).pipe(
          Effect.catchTag("IllegalTransition", (refused) => takeOver(run, refused)),
          Effect.catchTag("IllegalTransition", (refused) => Effect.die(refused)),
          Effect.onError(() => Effect.orDie(runs.close(run.runId, "FAILED", { complete: false })))
        )

      const requestOf = Effect.fnUntraced(function* (
        run: Run,
        { scope, found, sink, policy, stagingProviderId }: Order
      ) {
        const source = yield* endpoints.refOf(found.endpoint)
        if (source === null) return yield* new TemplateNotSaid({ endpointId: found.endpoint.id })
        const target = sink.endpoint === null ? null : yield* endpoints.refOf(sink.endpoint)
        const request: RunRequest = {
          run,
          scope,
          source,
          sink: target,
          policy,
          stagingProviderId
        }
        return request
      })

      return RunStart.of({
        accept: Effect.fn("RunStart.accept")(function* (order) {
          const { scope, found, sink } = order
          const runId = runIdOf(found.key, yield* ids.uuid)
          const run = yield* open({
            runId,
            tenant: scope.tenant,
            unit: found.key,
            sinkId: sink.sinkId,
            fresh: yield* isLoadedAnew(order)
          })
          yield* begin(run)
          yield* requestOf(run, order).pipe(
            Effect.flatMap(engine.submit),
            Effect.catchCause((cause) =>
              settlement.settle(run, { _tag: "Failed", reason: lastErrorOf(cause, null) })
            )
          )
          return run
        }, Effect.uninterruptible)
      })
    })
  )
}
