/** The contract of `TemplateCatalog`, executable. Its layer must begin with an empty store. */
import { assert, layer as shared } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { TemplateId } from "../domain/Endpoint.ts"
import type { EndpointTemplate } from "../domain/Template.ts"
import { TemplateCatalog } from "../services/TemplateCatalog.ts"
import { template } from "./Samples.ts"

const named = (id: string, change: Partial<EndpointTemplate> = {}): EndpointTemplate => ({
  ...template,
  ...change,
  id: TemplateId.make(id)
})

export const suite = <E>(adapter: string, layer: Layer.Layer<TemplateCatalog, E>) =>
  shared(layer, { timeout: "60 seconds", excludeTestServices: true })(
    `TemplateCatalog contract: ${adapter}`,
    (it) => {
      it.effect("nothing is known before the first list", () =>
        Effect.gen(function* () {
          const catalog = yield* TemplateCatalog

          assert.deepStrictEqual(yield* catalog.known, [])
        })
      )

      it.effect("what is remembered is known in order of id, every field as it was", () =>
        Effect.gen(function* () {
          const catalog = yield* TemplateCatalog
          const sparse = named("a.sparse", {
            fields: [],
            sampleConfig: null,
            connection: null,
            probing: null,
            defaultPort: null
          })
          const full = named("b.full")

          yield* catalog.remember([full, sparse])

          assert.deepStrictEqual(yield* catalog.known, [sparse, full])
        })
      )

      it.effect(
        "a new list replaces the old one: what is not in it is forgotten, what is in both is renewed",
        () =>
          Effect.gen(function* () {
            const catalog = yield* TemplateCatalog
            yield* catalog.remember([named("old"), named("stays", { title: "Before" })])
            const renewed = [named("new"), named("stays", { title: "After", family: "FILE" })]

            yield* catalog.remember(renewed)

            assert.deepStrictEqual(yield* catalog.known, renewed)
          })
      )

      it.effect("an empty list forgets everything", () =>
        Effect.gen(function* () {
          const catalog = yield* TemplateCatalog
          yield* catalog.remember([named("old")])

          yield* catalog.remember([])

          assert.deepStrictEqual(yield* catalog.known, [])
        })
      )
    }
  )
