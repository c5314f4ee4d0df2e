/** `TemplateCatalog` over the existing table `"MetadataEndpointTemplate"`; a descriptor is the template whole. */
import { PgClient } from "@effect/sql-pg"
import { EndpointTemplate } from "@headrace/core/domain/Template"
import { TemplateCatalog, TemplateCatalogError } from "@headrace/core/services/TemplateCatalog"
import { Effect, Layer, Option, Schema } from "effect"
import * as Transaction from "../sql/Transaction.ts"

const DescriptorJson = Schema.toCodecJson(EndpointTemplate)

const decode = Schema.decodeUnknownOption(DescriptorJson)

const failed = (cause: unknown) => new TemplateCatalogError({ cause })

export const make = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient

  /** A database from before may hold descriptors that are none of ours; the next list replaces them. */
  const known = Effect.gen(function* () {
    const rows =
      yield* sql`select "id", "descriptor" from "MetadataEndpointTemplate" order by "id" collate "C"`
    const decoded = rows.map((row) => ({ row, template: decode(row["descriptor"]) }))
    const unread = decoded.flatMap(({ row, template }) => (Option.isNone(template) ? [row["id"]] : []))
    if (unread.length > 0) yield* Effect.logWarning(`Templates that cannot be read: ${unread.join(", ")}`)
    return decoded.flatMap(({ template }) => Option.toArray(template))
  })

  const store = Effect.fnUntraced(function* (template: EndpointTemplate) {
    const descriptor = sql.json(yield* Schema.encodeEffect(DescriptorJson)(template))
    const { id, family, title, vendor } = template
    yield* sql`
      insert into "MetadataEndpointTemplate" ("id", "family", "title", "vendor", "descriptor", "updatedAt")
      values (${id}, ${family}, ${title}, ${vendor}, ${descriptor}, now())
      on conflict ("id") do update set
        "family" = excluded."family", "title" = excluded."title", "vendor" = excluded."vendor",
        "descriptor" = excluded."descriptor", "updatedAt" = excluded."updatedAt"`
  })

  /** Readers go on; two who remember at once take turns. */
  const replace = Effect.fnUntraced(function* (templates: ReadonlyArray<EndpointTemplate>) {
    yield* sql`lock table "MetadataEndpointTemplate" in share row exclusive mode`
    const ids = sql.json(templates.map(({ id }) => id))
    yield* sql`
      delete from "MetadataEndpointTemplate" where "id" not in (select jsonb_array_elements_text(${ids}))`
    yield* Effect.forEach(templates, store, { discard: true })
  })

  return TemplateCatalog.of({
    known: known.pipe(Effect.mapError(failed), Effect.withSpan("SqlTemplateCatalog.known")),
    remember: Effect.fn("SqlTemplateCatalog.remember")((templates: ReadonlyArray<EndpointTemplate>) =>
      Transaction.within(sql)(replace(templates)).pipe(Effect.mapError(failed))
    )
  })
})

export const layer: Layer.Layer<TemplateCatalog, never, PgClient.PgClient> = Layer.effect(
  TemplateCatalog,
  make
)
