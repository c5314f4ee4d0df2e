/**
 * Under which name a sink is kept, and with the name its checkpoints: its place,
 * and within a database the schema in which tables land. Another schema is
 * another sink: what one holds, the other does not.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { EndpointRepo } from "@headrace/core/services/EndpointRepo"
import { Endpoint } from "@headrace/core/domain/Endpoint"
import { Owner } from "./Engine.ts"
import type { Reference } from "./Reference.ts"

type Named = Pick<Reference, "sourceId" | "parameters">

const List = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Array(Schema.String)))

/** The schema of a list as the parameter takes it, names between commas or a JSON list. Null: tables keep their own. */
const firstSchema = (schemas: unknown): string | null => {
  const text = typeof schemas === "string" ? schemas.trim() : ""
  const listed = text.startsWith("[") ? List(text) : Option.some(text.split(",").map((name) => name.trim()))
  return Option.getOrElse(listed, () => []).find((name) => name !== "") ?? null
}

const named = (place: string, schemas: unknown): string => {
  const schema = firstSchema(schemas)
  return `${place}${schema === null ? "" : `?schemas=${encodeURIComponent(schema)}`}#sink`
}

/** A sink's own name: one database may be both, under two users. */
export const sinkIdOf = ({ sourceId, parameters }: Named): string => named(sourceId, parameters["schemas"])

const parametersOf = ({ config }: Endpoint): Schema.JsonObject => {
  const parameters = config?.["parameters"]
  return Schema.is(Schema.Record(Schema.String, Schema.Json))(parameters) ? parameters : {}
}

/**
 * A sink that was kept under its place alone takes the name that says its schema
 * too, so that its checkpoints go on and no other schema finds them.
 */
export const renameFormer = Effect.fn("SinkName.renameFormer")(function* ({ sourceId: place }: Named) {
  const endpoints = yield* EndpointRepo
  const former = yield* endpoints.find(yield* Owner, named(place, undefined))
  if (Option.isNone(former)) return
  const sourceId = named(place, parametersOf(former.value)["schemas"])
  if (sourceId === former.value.sourceId) return
  yield* endpoints
    .put(Endpoint.make(Object.assign({}, former.value, { sourceId })))
    // Another command was first.
    .pipe(Effect.catchTag("DuplicateSourceId", () => Effect.void))
})
