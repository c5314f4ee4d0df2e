/** The six fields of the schema about ingestion, three that look and three that act. */
import type { Scope } from "@headrace/core/domain/Endpoint"
import { Identifier, MaybeIdentifier } from "@headrace/core/domain/Identifier"
import { Ingestion } from "@headrace/core/lifecycle/Ingestion"
import { type IngestionStatus, IngestionStatuses } from "@headrace/core/lifecycle/IngestionStatuses"
import { Effect, Schema } from "effect"
import { decoder, optional } from "../Arguments.ts"
import { Caller } from "../Caller.ts"
import { withNames } from "../NamedEndpoints.ts"

const scope = Caller.useSync((caller) => caller.scope)

const decodeEndpoint = decoder(Schema.Struct({ endpointId: Identifier }))
const decodeUnit = decoder(Schema.Struct({ endpointId: Identifier, unitId: Identifier }))

const shown = Effect.fnUntraced(function* (caller: Scope, status: IngestionStatus) {
  const { lastError } = status
  return lastError === null ? status : { ...status, lastError: yield* withNames(caller, lastError) }
})

export const ingestionUnits = Effect.fn("Query.ingestionUnits")(function* (args: unknown) {
  const { endpointId } = yield* decodeEndpoint(args)
  return yield* (yield* IngestionStatuses).units(yield* scope, endpointId)
})

export const ingestionStatuses = Effect.fn("Query.ingestionStatuses")(function* (args: unknown) {
  const { endpointId } = yield* decodeEndpoint(args)
  const caller = yield* scope
  const found = yield* (yield* IngestionStatuses).statuses(caller, endpointId)
  return yield* Effect.forEach(found, (status) => shown(caller, status))
})

export const ingestionStatus = Effect.fn("Query.ingestionStatus")(function* (args: unknown) {
  const { endpointId, unitId } = yield* decodeUnit(args)
  const caller = yield* scope
  return yield* shown(caller, yield* (yield* IngestionStatuses).status(caller, endpointId, unitId))
})

const named = {
  endpointId: Identifier,
  unitId: Identifier,
  sinkId: optional(MaybeIdentifier),
  sinkEndpointId: optional(MaybeIdentifier)
}
const decodeNamed = decoder(Schema.Struct(named))
const decodeStart = decoder(Schema.Struct({ ...named, stagingProviderId: optional(MaybeIdentifier) }))

export const startIngestion = Effect.fn("Mutation.startIngestion")(function* (args: unknown) {
  return yield* (yield* Ingestion).start(yield* scope, yield* decodeStart(args))
})

export const pauseIngestion = Effect.fn("Mutation.pauseIngestion")(function* (args: unknown) {
  return yield* (yield* Ingestion).pause(yield* scope, yield* decodeNamed(args))
})

export const resetIngestionCheckpoint = Effect.fn("Mutation.resetIngestionCheckpoint")(function* (
  args: unknown
) {
  return yield* (yield* Ingestion).reset(yield* scope, yield* decodeNamed(args))
})
