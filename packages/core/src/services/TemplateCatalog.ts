/** TemplateCatalog — the templates last heard from the worker, so that forms work while it is away. */
import { Context, type Effect, Schema } from "effect"
import type { EndpointTemplate } from "../domain/Template.ts"

export class TemplateCatalog extends Context.Service<
  TemplateCatalog,
  {
    /** The last remembered list, in order of id; empty before the first. */
    readonly known: Effect.Effect<ReadonlyArray<EndpointTemplate>, TemplateCatalogError>

    /** Replaces the list: a template that is not in it is forgotten. */
    readonly remember: (
      templates: ReadonlyArray<EndpointTemplate>
    ) => Effect.Effect<void, TemplateCatalogError>
  }
>()("@headrace/core/services/TemplateCatalog") {}

export class TemplateCatalogError extends Schema.TaggedError<TemplateCatalogError>()("TemplateCatalogError", {
  cause: Schema.Defect()
}) {}
