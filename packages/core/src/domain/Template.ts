/**
 * A template describes a kind of endpoint: its form, what it can do, how its
 * connection is built. Python's registry is the only origin; this is the shape
 * in which descriptors travel, are kept as last known, and reach clients.
 */
import { Schema } from "effect"
import { JsonObject, TemplateId } from "./Endpoint.ts"

const Text = Schema.NullOr(Schema.String)
const Texts = Schema.Array(Schema.String)

export const Family = Schema.Literals(["JDBC", "HTTP", "STREAM", "FILE", "WAREHOUSE"])
export type Family = typeof Family.Type

export const FieldValueType = Schema.Literals([
  "STRING",
  "PASSWORD",
  "NUMBER",
  "BOOLEAN",
  "URL",
  "HOSTNAME",
  "PORT",
  "JSON",
  "ENUM",
  "LIST",
  "TEXT"
])

export const FieldSemantic = Schema.Literals([
  "HOST",
  "PORT",
  "DATABASE",
  "USERNAME",
  "PASSWORD",
  "API_TOKEN",
  "PROJECT",
  "SCHEMA",
  "TABLE",
  "WAREHOUSE",
  "ROLE",
  "ENVIRONMENT",
  "CLUSTER",
  "TOPIC",
  "GENERIC",
  "FILE_PATH"
])

/** One input of the form. With `visibleWhen`, it counts as required only while every rule holds. */
export const TemplateField = Schema.Struct({
  key: Schema.NonEmptyString,
  label: Schema.String,
  required: Schema.Boolean,
  valueType: FieldValueType,
  semantic: Schema.NullOr(FieldSemantic),
  description: Text,
  placeholder: Text,
  helpText: Text,
  options: Schema.NullOr(
    Schema.Array(Schema.Struct({ label: Schema.String, value: Schema.String, description: Text }))
  ),
  regex: Text,
  min: Schema.NullOr(Schema.Int),
  max: Schema.NullOr(Schema.Int),
  defaultValue: Text,
  advanced: Schema.Boolean,
  sensitive: Schema.Boolean,
  dependsOn: Text,
  dependsValue: Text,
  visibleWhen: Schema.NullOr(Schema.Array(Schema.Struct({ field: Schema.String, values: Texts })))
})
export type TemplateField = typeof TemplateField.Type

export const EndpointTemplate = Schema.Struct({
  id: TemplateId,
  family: Family,
  title: Schema.String,
  vendor: Schema.String,
  description: Text,
  domain: Text,
  driver: Text,
  docsUrl: Text,
  agentPrompt: Text,
  descriptorVersion: Text,
  minVersion: Text,
  maxVersion: Text,
  categories: Texts,
  protocols: Texts,
  versions: Texts,
  defaultPort: Schema.NullOr(Schema.Int),
  defaultLabels: Texts,
  fields: Schema.Array(TemplateField),
  capabilities: Schema.Array(Schema.Struct({ key: Schema.String, label: Schema.String, description: Text })),
  sampleConfig: Schema.NullOr(JsonObject),
  connection: Schema.NullOr(Schema.Struct({ urlTemplate: Text, defaultVerb: Text })),
  probing: Schema.NullOr(
    Schema.Struct({
      methods: Schema.Array(
        Schema.Struct({
          key: Schema.String,
          label: Schema.String,
          strategy: Schema.String,
          statement: Text,
          description: Text,
          requires: Texts,
          returnsVersion: Schema.Boolean,
          returnsCapabilities: Texts
        })
      ),
      fallbackMessage: Text
    })
  )
})
export type EndpointTemplate = typeof EndpointTemplate.Type

/** Can endpoints of this template do `capability`? */
export const hasCapability = (template: EndpointTemplate, capability: string): boolean =>
  template.capabilities.some(({ key }) => key === capability)

/** Can endpoints of this template be written to? */
export const isSink = (template: EndpointTemplate): boolean =>
  template.capabilities.some(({ key }) => key.startsWith("sink."))

/** A field of which nothing is said but its key and `change`. */
export const plainField = (key: string, change: Partial<TemplateField> = {}): TemplateField => ({
  key,
  label: key,
  required: false,
  valueType: "STRING",
  semantic: null,
  description: null,
  placeholder: null,
  helpText: null,
  options: null,
  regex: null,
  min: null,
  max: null,
  defaultValue: null,
  advanced: false,
  sensitive: false,
  dependsOn: null,
  dependsValue: null,
  visibleWhen: null,
  ...change
})

/** A capability that is called by its key. */
export const plainCapability = (key: string): EndpointTemplate["capabilities"][number] => ({
  key,
  label: key,
  description: null
})
