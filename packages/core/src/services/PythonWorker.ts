/**
 * PythonWorker — asks the data plane to do one thing. The words of the
 * conversation are in `protocol/Protocol.ts`.
 */
import { Context, type Effect, Schema, type Stream } from "effect"
import type { EndpointTemplate, Family } from "../domain/Template.ts"
import type { UnitDescriptor } from "../domain/Unit.ts"
import {
  type BuildConnection,
  type Connection,
  type ConnectionTest,
  type Decide,
  type ListUnits,
  type Preview,
  type PreviewAnswer,
  Problem,
  type RunEvent,
  type RunIngestionUnit,
  type SweepStaging,
  type Swept,
  type TestConnection
} from "../protocol/Protocol.ts"

type Answer<A> = Effect.Effect<A, PythonWorkerError>

export class PythonWorker extends Context.Service<
  PythonWorker,
  {
    /** Every template of the registry, or those of one family. Touches no system. */
    readonly listTemplates: (family: Family | null) => Answer<ReadonlyArray<EndpointTemplate>>

    /** Url, config and labels of an endpoint to be. Touches no system. */
    readonly buildConnection: (request: typeof BuildConnection.Type) => Answer<Connection>

    /** Really connects. That it does not work is an answer with `success: false`, not an error. */
    readonly testConnection: (request: typeof TestConnection.Type) => Answer<ConnectionTest>

    readonly listUnits: (request: typeof ListUnits.Type) => Answer<ReadonlyArray<UnitDescriptor>>

    readonly preview: (request: typeof Preview.Type) => Answer<PreviewAnswer>

    /**
     * Carries the unit and emits what happens, in the order `RunEvent` promises.
     * The worker waits for `decide` after each `Sealed` and each `Records`. A
     * failure may come at any point; what was committed before it stays committed.
     * Interrupting the stream stops the worker at its next batch; a worker that
     * has not stopped after one second is terminated and replaced.
     */
    readonly runIngestionUnit: (request: RunIngestionUnit) => Stream.Stream<RunEvent, PythonWorkerError>

    /** Answers a `Sealed` or a `Records` of a run that is streaming. `RequestRejected` when no such run waits. */
    readonly decide: (request: Decide) => Answer<void>

    /** Deletes staging that dead runs left behind, and says how much it was. */
    readonly sweepStaging: (request: typeof SweepStaging.Type) => Answer<Swept>
  }
>()("@headrace/core/services/PythonWorker") {}

/** No worker could be had: none starts, or none is ready in time. Nothing was asked of it. */
export class WorkerUnavailable extends Schema.TaggedError<WorkerUnavailable>()("WorkerUnavailable", {
  detail: Schema.String
}) {}

/** The process died or the connection broke. Nothing is known about the slice in flight. */
export class WorkerLost extends Schema.TaggedError<WorkerLost>()("WorkerLost", { detail: Schema.String }) {}

/** The worker said something that is no word of the protocol; `issue` names the path in the value. A bug. */
export class WorkerContractViolation extends Schema.TaggedError<WorkerContractViolation>()(
  "WorkerContractViolation",
  { issue: Schema.String }
) {}

/** The worker understood the request and could not do it; `problem.retry` says what to do next. */
export class RequestRejected extends Schema.TaggedError<RequestRejected>()("RequestRejected", {
  problem: Problem
}) {}

export class PythonWorkerError extends Schema.TaggedError<PythonWorkerError>()("PythonWorkerError", {
  reason: Schema.Union([WorkerUnavailable, WorkerLost, WorkerContractViolation, RequestRejected])
}) {
  /** May the same request succeed when it is made again? */
  get isRetryable(): boolean {
    switch (this.reason._tag) {
      case "WorkerUnavailable":
      case "WorkerLost":
        return true
      case "WorkerContractViolation":
        return false
      case "RequestRejected":
        return this.reason.problem.retry === "Later"
    }
  }
}
