/**
 * One run of one unit, from start to outcome. Read this file to learn what the
 * system does; read `domain/IngestionUnitState.ts` to learn what it may do.
 *
 *     startIngestionRun ─▶ runIngestionUnitPythonWorker ─▶ completeIngestionRun
 *             └──────────────────────┴───── any failure ──▶ failIngestionRun
 *
 * The unit was acquired when the run was accepted (`Ingestion.start`). From
 * there this workflow ends it, whatever happens: errors, bugs, interruption.
 */
import { type Cause, Effect, Layer, Option, Ref, Stream } from "effect"
import { asksForIncremental, knownPolicy, withoutEffect } from "../domain/Policy.ts"
import type { RunEvent } from "../protocol/Protocol.ts"
import { EndpointRepo } from "../services/EndpointRepo.ts"
import { PythonWorker, PythonWorkerError, WorkerContractViolation } from "../services/PythonWorker.ts"
import { IngestionRunWorkflow, type RunRequest } from "../services/RunEngine.ts"
import { RunEvents } from "../services/RunEvents.ts"
import type { Filled } from "../services/RunRepo.ts"
import { asStored, CheckpointLog, cursorOf } from "./CheckpointLog.ts"
import * as RunAccount from "./RunAccount.ts"
import { RunClaim } from "./RunClaim.ts"
import {
  EndpointDeleted,
  lastErrorOf,
  type RunError,
  RunReportedErrors,
  RunRevoked,
  unexplained
} from "./RunFailure.ts"
import { RunSettlement } from "./RunSettlement.ts"
import { SetAside } from "./SetAside.ts"
import { SliceDecisions } from "./SliceDecisions.ts"

type Finished = Extract<RunEvent, { readonly _tag: "Finished" }>

const unfinished = new PythonWorkerError({
  reason: new WorkerContractViolation({ issue: "the run's events ended without Finished" })
})

/** Nothing is left to go on from. An incremental unit without a row has a place to go on from all the same: the beginning. */
const isWhole = ({ policy }: RunRequest, { newCheckpoint }: Finished): boolean =>
  newCheckpoint === null && !asksForIncremental(policy)

/** Null when every key of the policy has an effect. */
const warningOf = (policy: RunRequest["policy"]): string | null => withoutEffect(policy).join(" ") || null

/** Rows tried again say nothing of what else there is. */
const filledBy = (request: RunRequest, finished: Finished): Filled => {
  if (request.replay !== null) return "part"
  return isWhole(request, finished) ? "whole" : "so far"
}

const make = Effect.gen(function* () {
  const checkpoints = yield* CheckpointLog
  const claim = yield* RunClaim
  const decisions = yield* SliceDecisions
  const endpoints = yield* EndpointRepo
  const events = yield* RunEvents
  const setAside = yield* SetAside
  const settlement = yield* RunSettlement
  const worker = yield* PythonWorker

  /** Reads the endpoint and loads the checkpoint. The unit is RUNNING under this run's id since it was accepted. */
  const startIngestionRun = Effect.fn("IngestionRun.startIngestionRun")(function* (
    request: RunRequest,
    account: RunAccount.AccountRef
  ) {
    const { endpointId } = request.run.unit
    const [endpoint, found] = yield* Effect.all(
      [endpoints.get(request.scope, endpointId), checkpoints.read(RunAccount.placeOf(request))],
      { concurrency: 2 }
    )
    if (Option.isNone(endpoint) || endpoint.value.deletedAt !== null)
      yield* new EndpointDeleted({ endpointId })
    // A generation without a slice begins at the beginning; a record that is there is of an earlier one.
    const kept = request.run.nextSeq === 0 ? { ...found, record: null } : found
    const now = yield* Ref.updateAndGet(account, (before) => ({ ...before, kept }))
    const message = warningOf(request.policy)
    if (message !== null)
      yield* Effect.logWarning("A policy is not heeded as a whole", request.run.runId, message)
    const said = { event: "RUN_STARTED", phase: "plan", message } as const
    yield* events.publish(yield* RunAccount.happening(request, now, said))
  })

  /**
   * Carries what is new and decides over each slice. One attempt: with
   * `policy.attempts` above 1 another would begin here, as a new owner with an
   * epoch of its own from `RunRepo`.
   */
  const runIngestionUnitPythonWorker = Effect.fn("IngestionRun.runIngestionUnitPythonWorker")(function* (
    request: RunRequest,
    account: RunAccount.AccountRef
  ) {
    const { run, source, sink, policy, stagingProviderId, replay } = request
    const { kept } = yield* Ref.get(account)
    const said = worker.runIngestionUnit({
      endpointId: run.unit.endpointId,
      unitId: run.unit.unitId,
      checkpoint: cursorOf(kept),
      policy: knownPolicy(policy),
      sinkEndpointId: sink?.id ?? null,
      stagingProviderId,
      tenant: run.tenant,
      runId: run.runId,
      epoch: run.epoch,
      generation: run.generation,
      nextSeq: run.nextSeq,
      deadline: null,
      source,
      sink,
      replay: replay === null ? null : replay.map(({ payload }) => payload)
    })
    const finished = yield* Stream.runFoldEffect(
      said,
      (): Finished | null => null,
      (last, event) =>
        event._tag === "Finished"
          ? Effect.succeed(event)
          : Effect.as(decisions.answer(request, account, event), last)
    )
    if (finished === null) return yield* unfinished
    const [first, ...others] = finished.errors
    if (first !== undefined) return yield* new RunReportedErrors({ errors: [first, ...others] })
    return finished
  })

  /** Writes the checkpoint with which the run ends, and answers it as it is stored. */
  const moveTo = Effect.fnUntraced(function* (
    request: RunRequest,
    account: RunAccount.AccountRef,
    { newCheckpoint: cursor }: Finished
  ) {
    const now = yield* Ref.get(account)
    const stats = yield* RunAccount.statsOf(request, now)
    const to = { cursor, runId: request.run.runId, stats }
    const kept = yield* checkpoints.advance(RunAccount.placeOf(request), now.kept, to)
    yield* Ref.update(account, (before) => ({ ...before, kept }))
    return asStored(kept)
  })

  /** Writes the new checkpoint and the stats, unless the unit was paused or reset meanwhile. */
  const completeIngestionRun = Effect.fn("IngestionRun.completeIngestionRun")(function* (
    request: RunRequest,
    account: RunAccount.AccountRef,
    finished: Finished
  ) {
    const now = yield* Ref.updateAndGet(account, (before) => ({ ...before, worker: finished.stats }))
    const stats = yield* RunAccount.statsOf(request, now)
    const holds = yield* claim.holds(request.run)
    // Told to stop although nobody paused or reset the unit: its lease was taken, and what it did is a part.
    if (now.stopped && holds) return yield* new RunRevoked()
    const counts = !now.stopped && holds
    const end = counts
      ? {
          filled: filledBy(request, finished),
          checkpoint: yield* moveTo(request, account, finished)
        }
      : { filled: "part" as const }
    const hasEarlier = request.run.generation > 1
    if (counts && request.replay === null && hasEarlier)
      yield* setAside.forget(request.run, request.run.generation)
    yield* settlement.settle(request.run, { _tag: "Completed", stats, ...end }, { tally: now.tally })
  })

  /** Says why in the state and beside the checkpoint, which stays where the last committed slice left it. */
  const failIngestionRun = Effect.fn("IngestionRun.failIngestionRun")(function* (
    request: RunRequest,
    account: RunAccount.AccountRef,
    cause: Cause.Cause<RunError>
  ) {
    const { kept, tally } = yield* Ref.get(account)
    const reason = lastErrorOf(cause, request)
    yield* Effect.logWarning("A run did not end well", request.run.runId, reason, ...unexplained(cause))
    const onFailed = checkpoints
      .noteFailure(RunAccount.placeOf(request), kept, reason)
      .pipe(
        Effect.catch((error) => Effect.logWarning("The failure is not noted beside the checkpoint", error))
      )
    yield* settlement.settle(request.run, { _tag: "Failed", reason }, { tally, onFailed })
  })

  const ingestionRunWorkflow = Effect.fn("IngestionRun.ingestionRunWorkflow")(function* (
    request: RunRequest
  ) {
    const account = yield* RunAccount.open
    yield* startIngestionRun(request, account).pipe(
      Effect.andThen(runIngestionUnitPythonWorker(request, account)),
      Effect.raceFirst(claim.untilRevoked(request.run)),
      Effect.interruptible,
      Effect.flatMap((finished) => completeIngestionRun(request, account, finished)),
      Effect.catchCause((cause) => failIngestionRun(request, account, cause))
    )
  }, Effect.uninterruptible)

  return IngestionRunWorkflow.of({ ingestionRunWorkflow })
})

export const layer: Layer.Layer<
  IngestionRunWorkflow,
  never,
  | CheckpointLog
  | EndpointRepo
  | PythonWorker
  | RunClaim
  | RunEvents
  | RunSettlement
  | SetAside
  | SliceDecisions
> = Layer.effect(IngestionRunWorkflow, make)
