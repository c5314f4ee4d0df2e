/** What a client named and is not there. The look-ups change nothing; the first that fails decides. */
import { Schema } from "effect"
import { failureKinds } from "../domain/Failure.ts"

/** No endpoint of the caller's project has this row id or `sourceId`, or it is deleted. */
export class EndpointNotFound extends Schema.TaggedError<EndpointNotFound>()("EndpointNotFound", {
  endpointId: Schema.String
}) {}

/** The endpoint asks for a driver nobody registered. */
export class DriverMissing extends Schema.TaggedError<DriverMissing>()("DriverMissing", {
  driverId: Schema.String,
  registeredDrivers: Schema.Array(Schema.String)
}) {}

/**
 * Neither declared by the endpoint nor known to its source. `near`: units whose ids
 * look like it. `why`: what the source said of it, which names them too; null when it was not asked.
 */
export class UnitNotFound extends Schema.TaggedError<UnitNotFound>()("UnitNotFound", {
  unitId: Schema.String,
  near: Schema.Array(Schema.String),
  why: Schema.NullOr(Schema.String)
}) {}

/** Not `kb`, and no endpoint of the project that can be written to. `names`: what people call those there are. */
export class SinkMissing extends Schema.TaggedError<SinkMissing>()("SinkMissing", {
  sinkId: Schema.String,
  registeredSinks: Schema.Array(Schema.String),
  names: Schema.Array(Schema.String)
}) {}

/** The units could not be asked for, and none is declared or known from before. */
export class UnitsUnavailable extends Schema.TaggedError<UnitsUnavailable>()("UnitsUnavailable", {
  detail: Schema.String,
  /** What a run would have failed of, where the source was asked and refused. */
  kind: Schema.optionalKey(Schema.Literals(failureKinds))
}) {}

/** The source cannot read as it was asked to. */
export class CapabilityMissing extends Schema.TaggedError<CapabilityMissing>()("CapabilityMissing", {
  capability: Schema.String,
  templateId: Schema.String
}) {}
