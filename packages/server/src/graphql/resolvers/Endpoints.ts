/** The fields of the schema about endpoints. */
import type { Endpoint } from "@headrace/core/domain/Endpoint"
import { Endpoints } from "@headrace/core/lifecycle/Endpoints"
import { Effect, Option, Schema } from "effect"
import { decoder, optional } from "../Arguments.ts"
import { Caller } from "../Caller.ts"
import * as Storable from "../Storable.ts"

/** What clients see of an endpoint; collections and datasets are not kept yet. */
const seen = ({ scope, ...row }: Endpoint) => ({
  ...row,
  projectId: scope.project,
  isDeleted: row.deletedAt !== null,
  runs: [],
  datasets: []
})

const scopeOf = (project: string | null | undefined) =>
  Caller.useSync(({ scope }) => (project ? { ...scope, project } : scope))

const decodePage = decoder(
  Schema.Struct({
    projectSlug: optional(Storable.Text),
    capability: optional(Schema.String),
    search: optional(Schema.String),
    first: optional(Schema.Int),
    after: optional(Schema.String)
  })
)

/** `first` is what the schema says when it is left out; a null asks for the same. */
export const endpoints = Effect.fn("Query.endpoints")(function* (args: unknown) {
  const { projectSlug, capability = null, search = null, first, after = null } = yield* decodePage(args)
  const query = { capability, search, first: first ?? 50, after }
  const found = yield* (yield* Endpoints).list(yield* scopeOf(projectSlug), query)
  return found.map(seen)
})

const decodeId = decoder(Schema.Struct({ id: Storable.Text }))

export const endpoint = Effect.fn("Query.endpoint")(function* (args: unknown) {
  const { id } = yield* decodeId(args)
  if (id === "") return null
  const found = yield* (yield* Endpoints).get(yield* scopeOf(null), id)
  return Option.getOrNull(Option.map(found, seen))
})

const Text = optional(Storable.Text)
const Texts = optional(Schema.Array(Storable.Text))

const decodeRegistration = decoder(
  Schema.Struct({
    input: Schema.Struct({
      projectSlug: Text,
      sourceId: Text,
      name: Storable.Text,
      description: Text,
      verb: Storable.Text,
      url: Text,
      authPolicy: Text,
      domain: Text,
      labels: Texts,
      config: optional(Storable.Config),
      capabilities: Texts
    })
  })
)

export const registerEndpoint = Effect.fn("Mutation.registerEndpoint")(function* (args: unknown) {
  const { input } = yield* decodeRegistration(args)
  const stored = yield* (yield* Endpoints).register(yield* scopeOf(input.projectSlug), {
    sourceId: input.sourceId?.trim() ? input.sourceId : null,
    name: input.name,
    description: input.description ?? null,
    verb: input.verb,
    url: input.url ?? null,
    authPolicy: input.authPolicy ?? null,
    domain: input.domain ?? null,
    labels: input.labels ?? [],
    config: input.config ?? null,
    capabilities: input.capabilities ?? []
  })
  return seen(stored)
})

/** `type` and `capabilities` are accepted and decide nothing. */
const decodeTest = decoder(
  Schema.Struct({
    input: Schema.Struct({
      templateId: Storable.Text,
      connection: Storable.Config,
      endpointId: Text
    })
  })
)

export const testEndpoint = Effect.fn("Mutation.testEndpoint")(function* (args: unknown) {
  const { input } = yield* decodeTest(args)
  const diagnostics = yield* (yield* Endpoints).test(yield* scopeOf(null), {
    templateId: input.templateId,
    connection: input.connection,
    endpointId: input.endpointId ?? null
  })
  return { ok: diagnostics.every(({ level }) => level !== "ERROR"), diagnostics }
})
