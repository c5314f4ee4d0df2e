/**
 * What can end a run besides success, and how each is told in `lastError`. The
 * switch is exhaustive: a new error does not compile until someone says what
 * people will read.
 */
import { Cause, Match, Schema } from "effect"
import { codeOf, type FailureKind, lastError, type Side } from "../domain/Failure.ts"
import { secretsOf } from "../domain/Masking.ts"
import { Problem } from "../protocol/Protocol.ts"
import type { EndpointRepoError } from "../services/EndpointRepo.ts"
import type { GraphStoreError } from "../services/GraphStore.ts"
import type { KvStoreError } from "../services/KvStore.ts"
import type { PythonWorkerError } from "../services/PythonWorker.ts"
import type { QuarantineError } from "../services/Quarantine.ts"
import type { RunRequest } from "../services/RunEngine.ts"
import type { RunRepoError } from "../services/RunRepo.ts"
import type { SecretsError } from "../services/Secrets.ts"
import type { TemplateCatalogError } from "../services/TemplateCatalog.ts"
import type { SliceLedgerError } from "../services/SliceLedger.ts"
import type { UnitStateRepoError } from "../services/UnitStateRepo.ts"
import type { CheckpointUnreadable } from "./CheckpointLog.ts"
import type { ReplayOutdated } from "./SetAside.ts"

/** The worker finished and said what ended the run (D3). */
export class RunReportedErrors extends Schema.TaggedError<RunReportedErrors>()("RunReportedErrors", {
  errors: Schema.NonEmptyArray(Problem)
}) {}

/** The endpoint was deleted after the run was accepted. */
export class EndpointDeleted extends Schema.TaggedError<EndpointDeleted>()("EndpointDeleted", {
  endpointId: Schema.String
}) {}

/** The endpoint cannot be asked for anything: its configuration names no template. */
export class TemplateNotSaid extends Schema.TaggedError<TemplateNotSaid>()("TemplateNotSaid", {
  endpointId: Schema.String
}) {}

/** The sink's newest commit record and our checkpoint are not of one history. */
export class CheckpointMismatch extends Schema.TaggedError<CheckpointMismatch>()("CheckpointMismatch", {
  /** `ahead`: the sink holds less than we noted; `fork`: what it holds we never noted. */
  kind: Schema.Literals(["ahead", "fork"])
}) {}

/** The unit is no longer this run's: it was paused too long ago, reset, or taken over. */
export class RunRevoked extends Schema.TaggedError<RunRevoked>()("RunRevoked", {}) {}

/** The process that carried the run died, or was not heard of for as long as its lease lasts. */
export class OwnerLost extends Schema.TaggedError<OwnerLost>()("OwnerLost", {}) {}

export type RunError =
  | CheckpointMismatch
  | CheckpointUnreadable
  | EndpointDeleted
  | EndpointRepoError
  | GraphStoreError
  | KvStoreError
  | OwnerLost
  | PythonWorkerError
  | QuarantineError
  | ReplayOutdated
  | RunRepoError
  | RunReportedErrors
  | RunRevoked
  | SecretsError
  | SliceLedgerError
  | TemplateCatalogError
  | TemplateNotSaid
  | UnitStateRepoError

interface Told {
  readonly kind: FailureKind
  readonly side?: Side | null
  readonly message: string
}

const goesOn = "Start again: the next run goes on from the checkpoint."

const tellWorker = ({ reason }: PythonWorkerError): Told =>
  Match.valueTags(reason, {
    RequestRejected: ({ problem }): Told => ({
      kind: problem.tag,
      side: problem.role,
      message: problem.message
    }),
    WorkerLost: ({ detail }): Told => ({
      kind: "WorkerLost",
      message: `The Python worker died during the run. ${detail} ${goesOn}`
    }),
    WorkerUnavailable: ({ detail }): Told => ({
      kind: "WorkerUnavailable",
      message: `No Python worker could be had. ${detail}`
    }),
    WorkerContractViolation: ({ issue }): Told => ({
      kind: "WorkerContractViolation",
      message: `The worker broke the protocol: ${issue}`
    })
  })

const checkpointMoved: Told = {
  kind: "VersionConflict",
  message: `Someone else changed the checkpoint during the run; their value stays. ${goesOn}`
}

const tellKv = ({ operation, reason }: KvStoreError): Told =>
  reason._tag === "VersionConflict"
    ? checkpointMoved
    : {
        kind: "KvUnavailable",
        message: `The checkpoint store could not be reached (${operation}). ${goesOn}`
      }

const tellReported = ({ errors }: RunReportedErrors): Told => {
  const [first] = errors
  const more = errors.length === 1 ? "" : ` (the first of ${errors.length} errors)`
  return { kind: first.tag, side: first.role, message: first.message + more }
}

const tellMismatch = ({ kind }: CheckpointMismatch): Told =>
  kind === "ahead"
    ? {
        kind: "CheckpointAheadOfSink",
        message:
          "The sink holds less than was committed to it; it was restored or emptied. Reset the unit to load it again."
      }
    : {
        kind: "CheckpointFork",
        message:
          "The sink holds a slice that the checkpoint knows nothing of. Reset the unit to load it again."
      }

const ownStore = (): Told => ({
  kind: "StoreUnavailable",
  message: `Headrace's own database could not be reached. ${goesOn}`
})

const tellLedger = ({ reason }: SliceLedgerError): Told =>
  Match.valueTags(reason, {
    VersionConflict: () => checkpointMoved,
    LedgerUnavailable: ownStore,
    SliceGap: ({ sliceSeq }): Told => ({
      kind: "WorkerContractViolation",
      message: `The worker broke the protocol: slice ${sliceSeq} was committed and is not the next one.`
    })
  })

const tell: (error: RunError) => Told = Match.type<RunError>().pipe(
  Match.tagsExhaustive({
    PythonWorkerError: tellWorker,
    KvStoreError: tellKv,
    RunReportedErrors: tellReported,
    CheckpointMismatch: tellMismatch,
    CheckpointUnreadable: ({ issue }): Told => ({
      kind: "CheckpointUnreadable",
      message: `The stored checkpoint is no checkpoint record, so nothing was read: ${issue} Restore it, or reset the unit to load everything again.`
    }),
    EndpointDeleted: ({ endpointId }): Told => ({
      kind: "EndpointDeleted",
      message: `The endpoint ${endpointId} was deleted after the run was started.`
    }),
    TemplateNotSaid: ({ endpointId }): Told => ({
      kind: "ConfigInvalid",
      side: "source",
      message: `The endpoint ${endpointId} has no config.templateId. Register it again with the type of its system.`
    }),
    SecretsError: ({ field, detail }): Told => ({
      kind: "SecretUnreadable",
      message: `The secret ${field} cannot be opened. ${detail}`
    }),
    QuarantineError: ownStore,
    GraphStoreError: (): Told => ({
      kind: "GraphUnavailable",
      message: `The knowledge base could not be written. ${goesOn}`
    }),
    EndpointRepoError: ownStore,
    RunRepoError: ownStore,
    SliceLedgerError: tellLedger,
    TemplateCatalogError: ownStore,
    UnitStateRepoError: ownStore,
    ReplayOutdated: (): Told => ({
      kind: "Superseded",
      message:
        "Some of the rows to be replayed were taken in by a replay that died. Replay again: the others are left."
    }),
    RunRevoked: (): Told => ({
      kind: "Superseded",
      message: "The unit was given to another run; nothing this run did later counts."
    }),
    OwnerLost: (): Told => ({
      kind: "WorkerLost",
      message: `The process that carried the run died, or was not heard of for too long. ${goesOn}`
    })
  })
)

const interrupted: Told = {
  kind: "Interrupted",
  message: `The run was interrupted before its end. ${goesOn}`
}
const bug: Told = { kind: "Bug", message: "Headrace met an error nobody expected; its log has the details." }

const toldBy = (cause: Cause.Cause<RunError>): Told => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return tell(failure.error)
  return Cause.hasInterruptsOnly(cause) ? interrupted : bug
}

const secretsIn = ({ source, sink }: RunRequest): ReadonlyArray<string> =>
  [source, sink].flatMap((endpoint) =>
    secretsOf({ parameters: endpoint?.parameters ?? {} }, null).flatMap(({ value }) => spoken(`${value}`))
  )

/** User info is a secret as a whole; a message may hold its password alone. */
const spoken = (secret: string): ReadonlyArray<string> => {
  const password = secret.slice(secret.indexOf(":") + 1)
  return password === "" ? [secret] : [secret, password]
}

/** What a log needs beside `lastError`: nothing where the worker, or a person, said all there is to say. */
export const unexplained = (cause: Cause.Cause<RunError>): ReadonlyArray<Cause.Cause<RunError>> => {
  const isTold = cause.reasons.every(
    (reason) =>
      Cause.isInterruptReason(reason) ||
      (Cause.isFailReason(reason) &&
        (reason.error._tag === "PythonWorkerError" || reason.error._tag === "RunReportedErrors"))
  )
  return isTold ? [] : [cause]
}

/** The `lastError` of a run that ended so. `request` is asked for the secrets the text must not hold. */
export const lastErrorOf = (cause: Cause.Cause<RunError>, request: RunRequest | null): string => {
  const { kind, side, message } = toldBy(cause)
  return lastError(codeOf(kind, side ?? null), message, request === null ? [] : secretsIn(request))
}
