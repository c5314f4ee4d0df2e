/**
 * The one table from a failure to what a client sees: a code, a sentence, and
 * the keys the contract promises beside the code. It is exhaustive: a new
 * failure does not compile until someone decides. What is not in it is
 * unexpected: the client gets a number, the log gets the reason.
 */
import { nearest } from "@headrace/core/domain/Nearest"
import type { ConnectionTestFailed, EndpointUrlRequired } from "@headrace/core/lifecycle/EndpointFailure"
import type { RunNotEnded } from "@headrace/core/lifecycle/Ingestion"
import type {
  CapabilityMissing,
  DriverMissing,
  EndpointNotFound,
  SinkMissing,
  UnitNotFound,
  UnitsUnavailable
} from "@headrace/core/lifecycle/LookupFailure"
import type { DuplicateSourceId, EndpointRepoError } from "@headrace/core/services/EndpointRepo"
import type { KvStoreError } from "@headrace/core/services/KvStore"
import type { QuarantineError } from "@headrace/core/services/Quarantine"
import type { RunRepoError } from "@headrace/core/services/RunRepo"
import type { SecretsError } from "@headrace/core/services/Secrets"
import type { TemplateCatalogError } from "@headrace/core/services/TemplateCatalog"
import type { UnitStateRepoError } from "@headrace/core/services/UnitStateRepo"
import { Cause, Effect, Match, Schema } from "effect"
import { GraphQLError } from "graphql"
import { randomUUID } from "node:crypto"
import { isDatabaseAway } from "./DatabaseAway.ts"

/** The arguments fit the schema and yet make no sense; `detail` is a complete sentence. */
export class InputInvalid extends Schema.TaggedError<InputInvalid>()("InputInvalid", {
  detail: Schema.String
}) {}

/** Every failure a resolver may end with. */
export type Shown =
  | CapabilityMissing
  | ConnectionTestFailed
  | DriverMissing
  | DuplicateSourceId
  | EndpointNotFound
  | EndpointRepoError
  | EndpointUrlRequired
  | InputInvalid
  | KvStoreError
  | RunNotEnded
  | QuarantineError
  | RunRepoError
  | SecretsError
  | SinkMissing
  | TemplateCatalogError
  | UnitNotFound
  | UnitStateRepoError
  | UnitsUnavailable

interface Sight {
  readonly code: string
  readonly message: string
  readonly [extension: string]: unknown
}

/** A store of ours. When the database is away somebody can bring it back; anything else is masked like a bug. */
const inside = (failure: unknown): Sight | null =>
  isDatabaseAway(failure)
    ? {
        code: "E_DATABASE_UNAVAILABLE",
        message:
          "Headrace's own database does not answer, so nothing is known or kept. Bring it back (the PostgreSQL of " +
          "HEADRACE_DATABASE_URL, or the embedded one: server.log in its folder says why), then ask again."
      }
    : null

/** A list in a sentence has no more; clients have the whole of it beside. */
const mostListed = 5

/** Names that people gave, then those of sinks of the command; what the command only reads is nobody's sink. */
const listed = (names: ReadonlyArray<string>): string => {
  const isReference = (name: string) => name.includes("://")
  const sinks = [
    ...names.filter((name) => !isReference(name)),
    ...names.filter((name) => isReference(name) && name.endsWith("#sink"))
  ]
  const more = sinks.length - mostListed
  return `${sinks.slice(0, mostListed).join(", ")}${more > 0 ? ` and ${more} more` : ""}`
}

/** What was meant, where that can be told; else what there is. */
const nearOrListed = (typed: string, names: ReadonlyArray<string>): string => {
  const near = nearest(typed, names)
  return near.length > 0 ? `Did you mean ${near.join(", ")}?` : `Known: ${listed(names)}.`
}

const sightOf = (failure: Shown): Sight | null =>
  Match.valueTags(failure, {
    InputInvalid: ({ detail }) => ({ code: "E_INPUT_INVALID", message: detail }),
    ConnectionTestFailed: ({ detail }) => ({ code: "E_CONN_TEST_FAILED", message: detail }),
    EndpointUrlRequired: () => ({
      code: "E_ENDPOINT_URL_REQUIRED",
      message: "An endpoint needs a url, or a config.templateId from which one is built."
    }),
    DuplicateSourceId: ({ sourceId }) => ({
      code: "E_DUPLICATE_SOURCE_ID",
      message: `The sourceId "${sourceId}" belongs to another endpoint of the project. Choose another one.`,
      sourceId
    }),
    EndpointNotFound: ({ endpointId }) => ({
      code: "E_ENDPOINT_NOT_FOUND",
      message: `There is no endpoint "${endpointId}" in this project.`,
      endpointId
    }),
    DriverMissing: ({ driverId, registeredDrivers }) => ({
      code: "E_INGESTION_DRIVER_MISSING",
      message: `There is no ingestion driver "${driverId}". Known: ${registeredDrivers.join(", ")}.`,
      driverId,
      registeredDrivers
    }),
    UnitNotFound: ({ unitId, near, why }) => ({
      code: "E_INGESTION_UNIT_NOT_FOUND",
      message:
        `The endpoint has no unit "${unitId}". ${why ?? (near.length > 0 ? `Did you mean ${near.join(", ")}?` : "")}`.trim(),
      unitId
    }),
    SinkMissing: ({ sinkId, registeredSinks, names }) => ({
      code: "E_INGESTION_SINK_MISSING",
      message: `There is no sink "${sinkId}" in this project. ${nearOrListed(sinkId, names)}`,
      sinkId,
      registeredSinks
    }),
    UnitsUnavailable: ({ detail }) => ({ code: "E_WORKER_UNAVAILABLE", message: detail }),
    CapabilityMissing: ({ capability, templateId }) => ({
      code: "E_CAPABILITY_MISSING",
      message: `Endpoints of type ${templateId} cannot do ${capability}.`,
      capability
    }),
    RunNotEnded: ({ runId }) => ({
      code: "E_INGESTION_RUN_NOT_ENDED",
      message: "The unit's run, carried by another process, did not end in time. Try again in a moment.",
      runId
    }),
    EndpointRepoError: inside,
    KvStoreError: inside,
    QuarantineError: inside,
    RunRepoError: inside,
    SecretsError: inside,
    TemplateCatalogError: inside,
    UnitStateRepoError: inside
  })

type Path = ReadonlyArray<string | number>

/** Says to the log what happened, and to the client only under which number it is there. */
export const explainUnexpected = (reason: unknown, path?: Path): Effect.Effect<GraphQLError> =>
  Effect.gen(function* () {
    const correlationId = randomUUID()
    yield* Effect.logError("A request failed unexpectedly.", { correlationId }, reason)
    return new GraphQLError("Something went wrong inside Headrace; the server's log says what.", {
      ...(path !== undefined && { path }),
      extensions: { code: "INTERNAL_SERVER_ERROR", correlationId }
    })
  })

/** What a client is told about a resolver's failure. */
export const explain = (cause: Cause.Cause<Shown>): Effect.Effect<GraphQLError> => {
  const failure = cause.reasons.find(Cause.isFailReason)?.error
  const sight = failure === undefined ? null : sightOf(failure)
  if (sight === null) return explainUnexpected(Cause.pretty(cause))
  const { message, ...extensions } = sight
  const error = new GraphQLError(message, { extensions })
  return isDatabaseAway(failure)
    ? Effect.as(Effect.logError("The database does not answer.", Cause.pretty(cause)), error)
    : Effect.succeed(error)
}
