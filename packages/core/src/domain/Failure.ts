/**
 * Why a run failed, in the words people and scripts see: one table from what
 * happened to the capital code that `lastError` starts with.
 *
 * The table is exhaustive by construction: whoever has a new kind of failure
 * cannot ask for its code before the kind stands here.
 */
import { withoutSecrets } from "./Redaction.ts"
import { masked } from "./SecretText.ts"

/** One code, or one for each side it can happen on; `none` where no side is known. */
type Code =
  | string
  | { readonly source: string; readonly sink: string; readonly staging: string; readonly none: string }

const codes = {
  // what the worker reports (`Problem.tag`)
  EndpointUnreachable: {
    source: "SOURCE_UNREACHABLE",
    sink: "SINK_UNREACHABLE",
    staging: "STAGING_UNREACHABLE",
    none: "ENDPOINT_UNREACHABLE"
  },
  AuthenticationFailed: {
    source: "SOURCE_SIGN_IN",
    sink: "SINK_SIGN_IN",
    staging: "STAGING_SIGN_IN",
    none: "SIGN_IN"
  },
  PermissionDenied: {
    source: "SOURCE_PERMISSION",
    sink: "SINK_PERMISSION",
    staging: "STAGING_PERMISSION",
    none: "PERMISSION"
  },
  ConfigInvalid: {
    source: "SOURCE_CONFIG",
    sink: "SINK_CONFIG",
    staging: "STAGING_CONFIG",
    none: "CONFIG_INVALID"
  },
  UnitNotFound: "UNIT_NOT_FOUND",
  SchemaChanged: "SCHEMA_DRIFT",
  RowRejected: "ROW_REJECTED",
  QuarantineExceeded: "QUARANTINE_LIMIT",
  SourceRewound: "SOURCE_REWOUND",
  SourceReplaced: "SOURCE_REPLACED",
  Throttled: {
    source: "SOURCE_THROTTLED",
    sink: "SINK_THROTTLED",
    staging: "STAGING_THROTTLED",
    none: "THROTTLED"
  },
  SinkFenced: "SINK_FENCED",
  SinkAmbiguous: "SINK_AMBIGUOUS",
  SinkFull: "SINK_FULL",
  StagingFull: "STAGING_FULL",
  Bug: "BUG",
  // what can be wrong with the worker itself
  WorkerUnavailable: "WORKER_UNAVAILABLE",
  WorkerLost: "WORKER_LOST",
  WorkerContractViolation: "BUG",
  // what can be wrong with our own stores
  VersionConflict: "KV_CONFLICT",
  KvUnavailable: "KV_UNAVAILABLE",
  CheckpointUnreadable: "CHECKPOINT_UNREADABLE",
  CheckpointFork: "CHECKPOINT_FORK",
  CheckpointAheadOfSink: "CHECKPOINT_AHEAD_OF_SINK",
  StoreUnavailable: "STORE_UNAVAILABLE",
  GraphUnavailable: "GRAPH_UNAVAILABLE",
  SecretUnreadable: "SECRET_UNREADABLE",
  // what people do while a run is on its way
  EndpointDeleted: "ENDPOINT_DELETED",
  Interrupted: "INTERRUPTED",
  Superseded: "SUPERSEDED"
} as const satisfies Record<string, Code>

/** Everything a run can fail of. */
export type FailureKind = keyof typeof codes

const isFailureKind = (kind: string): kind is FailureKind => Object.hasOwn(codes, kind)

export const failureKinds: ReadonlyArray<FailureKind> = Object.keys(codes).filter(isFailureKind)

export type Side = "source" | "sink" | "staging"

/** The capital code of a failure; `side` chooses where a kind has one code for each. */
export const codeOf = (kind: FailureKind, side: Side | null = null): string => {
  const code: Code = codes[kind]
  return typeof code === "string" ? code : code[side ?? "none"]
}

/** Longer texts are cut; `lastError` is a line in a list, not a log. */
export const maximumLastError = 500

const oneLine = (text: string) => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").trim()

const cut = (text: string) =>
  text.length <= maximumLastError
    ? text
    : `${text.slice(0, maximumLastError - 1).replace(/[\uD800-\uDBFF]$/, "")}…`

/**
 * The text of `lastError`: `<CODE>: <message>` on one line, at most 500
 * characters, without any of `secrets`, however the message breaks their lines.
 */
export const lastError = (code: string, message: string, secrets: ReadonlyArray<string> = []): string => {
  const line = oneLine(withoutSecrets(message, secrets, masked))
  return cut(oneLine(`${code}: ${withoutSecrets(line, secrets.map(oneLine), masked)}`))
}
