/**
 * An endpoint is one configured connection to a system we read from or write
 * to. The row is the existing `"MetadataEndpoint"` table's; `EndpointRef` is
 * the part of it a worker needs for one call, secrets included.
 */
import { Schema } from "effect"

export const EndpointId = Schema.NonEmptyString.pipe(Schema.brand("EndpointId"))
export type EndpointId = typeof EndpointId.Type

/** Names the template an endpoint was made from. Templates exist only in Python. */
export const TemplateId = Schema.NonEmptyString.pipe(Schema.brand("TemplateId"))
export type TemplateId = typeof TemplateId.Type

/** Connection parameters as people type them: every value is text, a list is comma-separated. */
export const Parameters = Schema.Record(Schema.String, Schema.String)
export type Parameters = typeof Parameters.Type

export const JsonObject = Schema.Record(Schema.String, Schema.Json)
export type JsonObject = typeof JsonObject.Type

/** What travels to the worker for the length of one call. Never logged, never echoed: `parameters` holds secrets. */
export const EndpointRef = Schema.Struct({ id: EndpointId, templateId: TemplateId, parameters: Parameters })
export type EndpointRef = typeof EndpointRef.Type

/** Whose endpoint it is. Every read and write of endpoints stays inside one scope. */
export const Scope = Schema.Struct({ tenant: Schema.NonEmptyString, project: Schema.NonEmptyString })
export type Scope = typeof Scope.Type

/** One row of `"MetadataEndpoint"`; times are UTC, `config` holds secrets as `Secrets` sealed them. */
export class Endpoint extends Schema.Class<Endpoint>("headrace/domain/Endpoint")({
  id: EndpointId,
  sourceId: Schema.NonEmptyString,
  scope: Scope,
  name: Schema.String,
  description: Schema.NullOr(Schema.String),
  verb: Schema.String,
  url: Schema.String,
  authPolicy: Schema.NullOr(Schema.String),
  domain: Schema.NullOr(Schema.String),
  labels: Schema.Array(Schema.String),
  config: Schema.NullOr(JsonObject),
  detectedVersion: Schema.NullOr(Schema.String),
  versionHint: Schema.NullOr(Schema.String),
  capabilities: Schema.Array(Schema.String),
  createdAt: Schema.DateTimeUtc,
  updatedAt: Schema.DateTimeUtc,
  deletedAt: Schema.NullOr(Schema.DateTimeUtc),
  deletionReason: Schema.NullOr(Schema.String)
}) {}
