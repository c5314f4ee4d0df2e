/**
 * Accepting a run: the unit is acquired, which makes it RUNNING under the new id,
 * and the engine has it. From then on the run ends by itself, whatever its
 * caller does; what cannot even begin is accepted and ends FAILED.
 */
import { Context, Effect, Layer } from "effect"
import type { JsonObject, Scope } from "../domain/Endpoint.ts"
import { runIdOf } from "../domain/Run.ts"
import { Ids } from "../services/Ids.ts"
import { type ReplayedRow, RunEngine, type RunRequest } from "../services/RunEngine.ts"
import { type Run, RunRepo, type RunRepoError, type UnitBusy } from "../services/RunRepo.ts"
import { Endpoints } from "./Endpoints.ts"
import type { Found } from "./Lookups.ts"
import { lastErrorOf, TemplateNotSaid } from "./RunFailure.ts"
import { RunSettlement } from "./RunSettlement.ts"
import type { Sink } from "./Sinks.ts"

/** All that was decided before a run is accepted. */
export interface Order {
  readonly scope: Scope
  readonly found: Found
  readonly sink: Sink
  readonly policy: JsonObject
  readonly stagingProviderId: string
  /** Rows to try again, in place of what the source has; the generation goes on for them even when it is complete. */
  readonly replay?: ReadonlyArray<ReplayedRow> | undefined
}

export class RunStart extends Context.Service<
  RunStart,
  {
    /** The accepted run; `UnitBusy` names the one that is active, and then nothing has changed. */
    readonly accept: (order: Order) => Effect.Effect<Run, UnitBusy | RunRepoError>
  }
>()("@headrace/core/lifecycle/RunStart") {
  static readonly layer: Layer.Layer<RunStart, never, Endpoints | RunEngine | RunRepo | RunSettlement> =
    Layer.effect(
      RunStart,
      Effect.gen(function* () {
        const endpoints = yield* Endpoints
        const engine = yield* RunEngine
        const ids = yield* Ids
        const runs = yield* RunRepo
        const settlement = yield* RunSettlement

        const requestOf = Effect.fnUntraced(function* (
          run: Run,
          { scope, found, sink, policy, stagingProviderId, replay }: Order
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
            stagingProviderId,
            replay: replay ?? null
          }
          return request
        })

        return RunStart.of({
          accept: Effect.fn("RunStart.accept")(function* (order) {
            const { scope, found, sink, replay } = order
            const runId = runIdOf(found.key, yield* ids.uuid)
            const run = yield* runs.acquire({
              runId,
              tenant: scope.tenant,
              unit: found.key,
              sinkId: sink.sinkId,
              // One that follows a failure or a pause goes on with what is there.
              fresh: replay === undefined && order.policy["mode"] === "full",
              continues: replay !== undefined
            })
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
