/**
 * EndpointRepo — the rows of `"MetadataEndpoint"`, each in one scope (tenant and
 * project). A deleted row stays and keeps its `sourceId` taken.
 */
import { Context, type Effect, type Option, Schema } from "effect"
import type { Endpoint, EndpointId, Scope } from "../domain/Endpoint.ts"

export class EndpointRepo extends Context.Service<
  EndpointRepo,
  {
    /** Rows of the scope that are not deleted, oldest first, then by id: a stable order. */
    readonly list: (scope: Scope) => Effect.Effect<ReadonlyArray<Endpoint>, EndpointRepoError>

    /** By row id; also a deleted row. None in another scope. */
    readonly get: (scope: Scope, id: EndpointId) => Effect.Effect<Option.Option<Endpoint>, EndpointRepoError>

    /** By row id or `sourceId`, the row id first; never a deleted row. */
    readonly find: (
      scope: Scope,
      idOrSourceId: string
    ) => Effect.Effect<Option.Option<Endpoint>, EndpointRepoError>

    /**
     * Stores the row under its id, replacing one that is there. Fails with
     * `DuplicateSourceId` when another row of the project has the `sourceId`,
     * deleted ones included.
     */
    readonly put: (endpoint: Endpoint) => Effect.Effect<void, DuplicateSourceId | EndpointRepoError>
  }
>()("@headrace/core/services/EndpointRepo") {}

export class DuplicateSourceId extends Schema.TaggedError<DuplicateSourceId>()("DuplicateSourceId", {
  sourceId: Schema.String
}) {}

export class EndpointRepoError extends Schema.TaggedError<EndpointRepoError>()("EndpointRepoError", {
  cause: Schema.Defect()
}) {}
