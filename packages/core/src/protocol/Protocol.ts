/**
 * The words of the conversation between the control plane (TypeScript) and the
 * data plane (Python). This file is the definition.
 *
 * The words travel in effect/rpc's envelope as length-prefixed MessagePack over
 * a Unix socket (`adapters/worker`). `python/src/headrace/protocol.py` mirrors
 * this file by hand; both sides are held together by `protocol/transcripts/`.
 * Every field is always present; what is not known is null.
 */
import { Schema } from "effect"
import { Checkpoint } from "../domain/Checkpoint.ts"
import { EndpointId, EndpointRef, JsonObject, Parameters, TemplateId } from "../domain/Endpoint.ts"
import { NormalizedRecord } from "../domain/Graph.ts"
import { Epoch, Generation, RunId, RunStats, SliceSeq } from "../domain/Run.ts"
import { CommitRecord, Manifest, RejectedRow } from "../domain/Slice.ts"
import { EndpointTemplate, Family } from "../domain/Template.ts"
import { UnitDescriptor, UnitId } from "../domain/Unit.ts"

/** Bumped when an old worker would misread a new message. Additions do not bump it. */
export const protocolVersion = 1

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Text = Schema.NullOr(Schema.String)

/** First call of a connection. `token` proves that the supervisor started this very process. */
export const Hello = Schema.Struct({
  protocol: Schema.Struct({ min: Schema.Int, max: Schema.Int }),
  token: Schema.String,
  contractFingerprint: Schema.String
})
export const HelloAnswer = Schema.Struct({
  protocol: Schema.Int,
  pid: Schema.Int,
  pythonVersion: Schema.String,
  headraceVersion: Schema.String,
  endpoints: Count
})

/** Null: every family. */
export const ListTemplates = Schema.Struct({ family: Schema.NullOr(Family) })
export const Templates = Schema.Array(EndpointTemplate)

export const BuildConnection = Schema.Struct({ templateId: TemplateId, parameters: Parameters })
/** `url` and `config` may hold secrets; `domain` is the template's. */
export const Connection = Schema.Struct({
  url: Schema.String,
  config: JsonObject,
  labels: Schema.Array(Schema.String),
  domain: Text,
  verb: Schema.String
})
export type Connection = typeof Connection.Type

/** How far a test goes; null: as far as the template's capabilities ask. */
export const TestLevel = Schema.Literals(["connect", "read", "write"])
export const TestConnection = Schema.Struct({
  templateId: TemplateId,
  parameters: Parameters,
  level: Schema.NullOr(TestLevel)
})
export const Diagnostic = Schema.Struct({
  level: Schema.Literals(["INFO", "WARN", "ERROR"]),
  code: Schema.String,
  message: Schema.String,
  hint: Text,
  /** The parameter to blame, when one is. */
  field: Text
})
export type Diagnostic = typeof Diagnostic.Type
/** A connection that does not work is an answer, not an error: `success: false`. */
export const ConnectionTest = Schema.Struct({
  success: Schema.Boolean,
  message: Schema.String,
  detectedVersion: Text,
  capabilities: Schema.Array(Schema.String),
  details: JsonObject,
  diagnostics: Schema.Array(Diagnostic)
})
export type ConnectionTest = typeof ConnectionTest.Type

export const ListUnits = Schema.Struct({ endpoint: EndpointRef })
export const Units = Schema.Array(UnitDescriptor)

export const Preview = Schema.Struct({
  endpoint: EndpointRef,
  unitId: UnitId,
  limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 200 }))
})
/** Values that JSON cannot say exactly (decimals, bytes, times, wide integers) are text. */
export const PreviewAnswer = Schema.Struct({
  columns: Schema.Array(Schema.Struct({ name: Schema.String, type: Schema.String })),
  rows: Schema.Array(JsonObject)
})
export type PreviewAnswer = typeof PreviewAnswer.Type

/**
 * Carry everything of one unit that is new since `checkpoint`. `sink: null` is
 * the knowledge-base flow: records come back as `Records`. `nextSeq` is the
 * `sliceSeq` of the first new slice of this generation. `deadline` is ISO 8601.
 */
export const RunIngestionUnit = Schema.Struct({
  endpointId: EndpointId,
  unitId: UnitId,
  checkpoint: Schema.NullOr(Checkpoint),
  policy: JsonObject,
  sinkEndpointId: Schema.NullOr(EndpointId),
  stagingProviderId: Schema.NonEmptyString,
  tenant: Schema.NonEmptyString,
  runId: RunId,
  epoch: Epoch,
  generation: Generation,
  nextSeq: SliceSeq,
  deadline: Text,
  source: EndpointRef,
  sink: Schema.NullOr(EndpointRef),
  /** Payloads of rows that were set aside: these are carried, in one slice, and the source is not read. */
  replay: Schema.NullOr(Schema.Array(Schema.String))
})
export type RunIngestionUnit = typeof RunIngestionUnit.Type

/** `retry` says what the control plane may do; the worker has already done what it could. */
export const Problem = Schema.Struct({
  tag: Schema.Literals([
    "EndpointUnreachable",
    "AuthenticationFailed",
    "PermissionDenied",
    "ConfigInvalid",
    "UnitNotFound",
    "SchemaChanged",
    "RowRejected",
    "QuarantineExceeded",
    "SourceRewound",
    "SourceReplaced",
    "Throttled",
    "SinkFenced",
    "SinkAmbiguous",
    "SinkFull",
    "CheckpointAheadOfSink",
    "StagingFull",
    "Bug"
  ]),
  retry: Schema.Literals(["Later", "AfterFix", "Never"]),
  /** Which side it happened on; null when on neither. */
  role: Schema.NullOr(Schema.Literals(["source", "sink", "staging"])),
  /** One complete sentence or two, without secrets: what happened, where, and what to do. */
  message: Schema.String,
  details: JsonObject
})
export type Problem = typeof Problem.Type

export const Phase = Schema.Literals(["plan", "export", "import", "commit", "finish"])

/**
 * What a run says, in order: `Opened`, `Planned`, then for each slice `Sealed`
 * (answered by `decide`) and `Committed`; last `Finished`. Without a sink each
 * slice begins with `Records`, each answered by a `decide` with its batch, ends
 * with `Sealed`, and has no `Committed`. `Rejected` comes before the `Sealed` of
 * its slice, `Progress` whenever. It counts rows and bytes of the whole run so far and is never a decision.
 */
export const RunEvent = Schema.TaggedUnion({
  Opened: { fenced: Schema.Boolean, highWater: Schema.NullOr(CommitRecord) },
  /**
   * `slices: null`: the source learns how many as it reads. `resumes: false`: a run that
   * breaks off among these slices cannot be gone on with, and the next one begins anew.
   */
  Planned: {
    slices: Schema.NullOr(Count),
    estimatedRows: Schema.NullOr(Count),
    strategy: Schema.String,
    resumes: Schema.Boolean
  },
  Sealed: Manifest.fields,
  /** The sink holds the slice durably. Only now may the checkpoint move to `commitRecord.toCkpt`. */
  Committed: { commitRecord: CommitRecord, adopted: Schema.Boolean, location: Schema.Json },
  Records: { sliceSeq: SliceSeq, batch: Count, records: Schema.Array(NormalizedRecord) },
  Progress: { phase: Phase, sliceSeq: Schema.NullOr(SliceSeq), rows: Count, bytes: Count, counter: Count },
  Rejected: { sliceSeq: SliceSeq, rows: Schema.Array(RejectedRow) },
  Finished: {
    newCheckpoint: Schema.NullOr(Checkpoint),
    stats: RunStats,
    /** Not empty: these ended the run, which has FAILED. */
    errors: Schema.Array(Problem)
  }
})
export type RunEvent = typeof RunEvent.Type

/** `commit`: the slice (or the batch) counts. `stop`: end here, in order. `abort`: end here, nothing of it counts. */
export const Verdict = Schema.Literals(["commit", "stop", "abort"])
export type Verdict = typeof Verdict.Type

/** The only gate before a sink commit. `batch: null` decides a sealed slice, a number one batch of `Records`. */
export const Decide = Schema.Struct({
  runId: RunId,
  sliceSeq: SliceSeq,
  batch: Schema.NullOr(Count),
  verdict: Verdict
})
export type Decide = typeof Decide.Type

/** Deletes staging older than `olderThanSeconds` that belongs to no run in `keep`. */
export const SweepStaging = Schema.Struct({ olderThanSeconds: Count, keep: Schema.Array(RunId) })
export const Swept = Schema.Struct({ sessions: Count, bytes: Count })
export type Swept = typeof Swept.Type
