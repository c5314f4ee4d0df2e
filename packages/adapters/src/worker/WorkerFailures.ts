/**
 * The one place where what can go wrong on the way to a worker becomes a
 * `PythonWorkerError`. effect/rpc reports a lost connection as an error of its
 * own and an answer that does not decode as a defect; callers see neither.
 */
import { Problem } from "@headrace/core/protocol/Protocol"
import {
  PythonWorkerError,
  RequestRejected,
  WorkerContractViolation,
  WorkerLost
} from "@headrace/core/services/PythonWorker"
import { Cause, Effect, Schema, Stream } from "effect"
import { RpcClientError } from "effect/rpc"
import { FrameRefused } from "./Frames.ts"

type Reason = PythonWorkerError["reason"]

export const failed = (reason: Reason) => new PythonWorkerError({ reason })

/** An exception nobody declared. What it said stays in the worker's log: it may quote a value. */
export const problemOfDefect = (name: string): Problem => ({
  tag: "Bug",
  retry: "Never",
  role: null,
  message: `The worker met an unexpected ${name}; its log has the traceback.`,
  details: {}
})

/** No worker carries this run now: it never began, or it has ended. */
export const noSuchRun = (runId: string) =>
  failed(
    new RequestRejected({
      problem: {
        tag: "ConfigInvalid",
        retry: "AfterFix",
        role: null,
        message: `No worker waits for a decision on run ${runId}; it has not begun or it has ended.`,
        details: { field: "runId" }
      }
    })
  )

const unsendable = ({ fault }: FrameRefused) =>
  new RequestRejected({
    problem: {
      tag: "ConfigInvalid",
      retry: "AfterFix",
      role: null,
      message: `The request cannot be sent to a worker (${fault}). Its texts must be Unicode and it must stay below 16 MiB.`,
      details: { fault }
    }
  })

const isClientError = Schema.is(RpcClientError.RpcClientError)
const isProblem = Schema.is(Problem)
const isEnded = Schema.is(Schema.Union([WorkerLost, WorkerContractViolation]))

const reasonOfError = (error: unknown): Reason | undefined => {
  if (isProblem(error)) return new RequestRejected({ problem: error })
  if (!isClientError(error)) return undefined
  const { reason } = error
  const carried = reason._tag === "RpcClientDefect" ? reason.cause : undefined
  return isEnded(carried) ? carried : new WorkerLost({ detail: error.message })
}

const reasonOfDefect = (defect: unknown): Reason | undefined => {
  if (Schema.isSchemaError(defect)) return new WorkerContractViolation({ issue: defect.message })
  return defect instanceof FrameRefused ? unsendable(defect) : undefined
}

/** What a call's cause means to its caller, or undefined: it is our own bug, or our own interruption. */
const reasonOf = (cause: Cause.Cause<unknown>): Reason | undefined => {
  for (const part of cause.reasons) {
    if (Cause.isFailReason(part)) return reasonOfError(part.error)
    if (Cause.isDieReason(part)) return reasonOfDefect(part.defect)
  }
  return new WorkerLost({ detail: "the worker ended the call by itself" })
}

const typed = (cause: Cause.Cause<unknown>): Effect.Effect<never, PythonWorkerError> => {
  const reason = reasonOf(cause)
  return reason === undefined ? Effect.die(Cause.squash(cause)) : Effect.fail(failed(reason))
}

/** The answer to a call, or why there is none. */
export const typedAnswer = <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, PythonWorkerError, R> =>
  Effect.catchCause(call, typed)

/** The events of a streaming call, then why it failed if it did. */
export const typedStream = <A, E, R>(
  events: Stream.Stream<A, E, R>
): Stream.Stream<A, PythonWorkerError, R> =>
  Stream.catchCause(events, (cause) => Stream.fromEffect(typed(cause)))
