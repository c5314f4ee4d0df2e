/** What can be wrong with an endpoint that somebody registers; nothing was stored. */
import { Schema } from "effect"
import { failureKinds } from "../domain/Failure.ts"

/** The connection could not be built or does not work. `field` is the parameter to blame, when one is. */
export class ConnectionTestFailed extends Schema.TaggedError<ConnectionTestFailed>()("ConnectionTestFailed", {
  detail: Schema.String,
  field: Schema.NullOr(Schema.String),
  /** What a run would have failed of, where the test told that. */
  kind: Schema.optionalKey(Schema.Literals(failureKinds)),
  /** Why no worker could be had, when nothing was tested for want of one: the system is not to blame. */
  noWorker: Schema.optionalKey(Schema.String)
}) {}

/** No template built a url and none was given. */
export class EndpointUrlRequired extends Schema.TaggedError<EndpointUrlRequired>()(
  "EndpointUrlRequired",
  {}
) {}
