/** The reference `TemplateCatalog`: one list in one process. */
import { Effect, Layer } from "effect"
import type { EndpointTemplate } from "../domain/Template.ts"
import { TemplateCatalog } from "../services/TemplateCatalog.ts"

export const make = Effect.sync(() => {
  let list: ReadonlyArray<EndpointTemplate> = []

  return TemplateCatalog.of({
    known: Effect.sync(() => list),
    remember: (templates) =>
      Effect.sync(() => {
        list = templates.toSorted((a, b) => (a.id < b.id ? -1 : 1))
      })
  })
})

export const layer: Layer.Layer<TemplateCatalog> = Layer.effect(TemplateCatalog, make)
