/** What can be wrong with an endpoint that somebody registers; nothing was stored. */
import { Schema } from "effect"

/** The connection could not be built or does not work. `field` is the parameter to blame, when one is. */
export class ConnectionTestFailed extends Schema.TaggedError<ConnectionTestFailed>()("ConnectionTestFailed", {
  detail: Schema.String,
  field: Schema.NullOr(Schema.String),
  /** Why no worker could be had, when nothing was tested for want of one: the system is not to blame. */
  noWorker: Schema.optionalKey(Schema.String)
}) {}

/** No template built a url and none was given. */
export class EndpointUrlRequired extends Schema.TaggedError<EndpointUrlRequired>()(
  "EndpointUrlRequired",
  {}
) {}
