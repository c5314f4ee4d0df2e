/**
 * Values the suites need: one template with every kind of content filled in,
 * shaped like those of the real registry, and records for a graph.
 */
import { EndpointId, TemplateId } from "../domain/Endpoint.ts"
import type { NormalizedEdge, NormalizedRecord } from "../domain/Graph.ts"
import { type EndpointTemplate, plainCapability, plainField } from "../domain/Template.ts"

export const template: EndpointTemplate = {
  id: TemplateId.make("sample.database"),
  family: "JDBC",
  title: "Sample database",
  vendor: "Headrace",
  description: "A template for tests. ü",
  domain: "database.sample",
  driver: null,
  docsUrl: "https://example.test/docs",
  agentPrompt: null,
  descriptorVersion: "1",
  minVersion: "1.0",
  maxVersion: null,
  categories: ["database"],
  protocols: ["sample"],
  versions: ["1", "2"],
  defaultPort: 5432,
  defaultLabels: ["sample"],
  fields: [
    plainField("host", {
      label: "Host",
      required: true,
      valueType: "HOSTNAME",
      semantic: "HOST",
      placeholder: "db.example"
    }),
    plainField("port", { valueType: "PORT", semantic: "PORT", min: 1, max: 65_535, defaultValue: "5432" }),
    plainField("username", { semantic: "USERNAME" }),
    plainField("password", { valueType: "PASSWORD", semantic: "PASSWORD", sensitive: true }),
    plainField("ssl_mode", {
      valueType: "ENUM",
      options: [
        { label: "Off", value: "disable", description: null },
        { label: "Full", value: "verify-full", description: "Checks the name too" }
      ],
      defaultValue: "disable",
      advanced: true
    }),
    plainField("ssl_key", {
      semantic: "FILE_PATH",
      sensitive: true,
      dependsOn: "ssl_mode",
      dependsValue: "verify-full",
      visibleWhen: [{ field: "ssl_mode", values: ["verify-full"] }]
    })
  ],
  capabilities: [
    "metadata.collect",
    "metadata",
    "metadata.preview",
    "preview",
    "ingest.full",
    "ingest.incremental",
    "sink.jdbc"
  ].map(plainCapability),
  sampleConfig: { host: "db.example", nested: { list: [1, "two", null] } },
  connection: { urlTemplate: "sample://{username}:{password}@{host}:{port}/", defaultVerb: "POST" },
  probing: {
    methods: [
      {
        key: "version",
        label: "Version",
        strategy: "SQL",
        statement: "select version()",
        description: null,
        requires: ["host"],
        returnsVersion: true,
        returnsCapabilities: []
      }
    ],
    fallbackMessage: "No version could be read."
  }
}

/** A page of a wiki, said as a record. */
export const record = (
  logicalId: string | null,
  change: Partial<NormalizedRecord> = {}
): NormalizedRecord => ({
  entityType: "docs.page",
  logicalId,
  displayName: `Page ${logicalId}`,
  scope: { domainId: "docs", projectId: null, teamId: "tëam" },
  provenance: { endpointId: EndpointId.make("wiki"), vendor: "test", sourceEventId: "42" },
  phase: null,
  payload: { text: "Größe ☃", deep: { list: [1, null, "two"] } },
  edges: [],
  ...change
})

export const edge = (from: string, to: string, change: Partial<NormalizedEdge> = {}): NormalizedEdge => ({
  type: "CHILD_OF",
  sourceLogicalId: from,
  targetLogicalId: to,
  properties: {},
  ...change
})
