import { assert, describe, it } from "@effect/vitest"
import { buildSchema, isEnumType, isInputObjectType, isObjectType, parse, validate } from "graphql"
import { sdl } from "../../src/graphql/Schema.ts"

const schema = buildSchema(sdl)

/** `Type.field(arg: T = default): T`, as the schema has it. */
const signatures = (): ReadonlySet<string> => {
  const found = new Set<string>()
  for (const type of Object.values(schema.getTypeMap())) {
    if (isEnumType(type)) for (const { name } of type.getValues()) found.add(`${type.name}.${name}`)
    if (isInputObjectType(type))
      for (const field of Object.values(type.getFields()))
        found.add(`${type.name}.${field.name}: ${String(field.type)}`)
    if (!isObjectType(type)) continue
    for (const field of Object.values(type.getFields())) {
      found.add(`${type.name}.${field.name}: ${String(field.type)}`)
      for (const { name, type: taken, defaultValue } of field.args)
        found.add(
          `${type.name}.${field.name}(${name}: ${String(taken)}${defaultValue === undefined ? "" : ` = ${JSON.stringify(defaultValue)}`})`
        )
    }
  }
  return found
}

/** What clients were promised before Headrace; a line may only ever be added to the schema, never vanish from it. */
const promised = `
Query.ingestionUnits: [IngestionUnit!]!
Query.ingestionUnits(endpointId: ID!)
Query.ingestionStatuses: [IngestionStatus!]!
Query.ingestionStatuses(endpointId: ID!)
Query.ingestionStatus: IngestionStatus
Query.ingestionStatus(endpointId: ID!)
Query.ingestionStatus(unitId: ID!)
Mutation.startIngestion: IngestionActionResult!
Mutation.startIngestion(endpointId: ID!)
Mutation.startIngestion(unitId: ID!)
Mutation.startIngestion(sinkId: String)
Mutation.pauseIngestion: IngestionActionResult!
Mutation.pauseIngestion(endpointId: ID!)
Mutation.pauseIngestion(unitId: ID!)
Mutation.pauseIngestion(sinkId: String)
Mutation.resetIngestionCheckpoint: IngestionActionResult!
Mutation.resetIngestionCheckpoint(endpointId: ID!)
Mutation.resetIngestionCheckpoint(unitId: ID!)
Mutation.resetIngestionCheckpoint(sinkId: String)
IngestionUnit.endpointId: ID!
IngestionUnit.unitId: ID!
IngestionUnit.kind: String!
IngestionUnit.displayName: String!
IngestionUnit.stats: JSON
IngestionUnit.driverId: String!
IngestionUnit.sinkId: String!
IngestionStatus.endpointId: ID!
IngestionStatus.unitId: ID!
IngestionStatus.sinkId: String!
IngestionStatus.state: IngestionState!
IngestionStatus.lastRunId: String
IngestionStatus.lastRunAt: DateTime
IngestionStatus.lastError: String
IngestionStatus.stats: JSON
IngestionStatus.checkpoint: JSON
IngestionActionResult.ok: Boolean!
IngestionActionResult.runId: String
IngestionActionResult.state: IngestionState
IngestionActionResult.message: String
IngestionState.IDLE
IngestionState.RUNNING
IngestionState.PAUSED
IngestionState.FAILED
IngestionState.SUCCEEDED
Health.status: String!
Health.version: String!
Query.endpoints: [MetadataEndpoint!]!
Query.endpoints(projectSlug: String)
Query.endpoints(capability: String)
Query.endpoints(search: String)
Query.endpoints(first: Int = 50)
Query.endpoints(after: ID)
Query.endpoint: MetadataEndpoint
Query.endpoint(id: ID!)
Mutation.registerEndpoint: MetadataEndpoint!
Mutation.registerEndpoint(input: EndpointInput!)
Mutation.testEndpoint: TestResult!
Mutation.testEndpoint(input: TestEndpointInput!)
MetadataEndpoint.runs: [MetadataCollectionRun!]!
MetadataEndpoint.runs(limit: Int)
MetadataEndpoint.datasets: [CatalogDataset!]!
MetadataEndpoint.datasets(limit: Int)
MetadataEndpoint.datasets(search: String)
MetadataEndpoint.labels: [String!]!
MetadataEndpoint.capabilities: [String!]!
MetadataEndpoint.config: JSON
MetadataEndpoint.createdAt: DateTime
MetadataEndpoint.isDeleted: Boolean!
EndpointInput.name: String!
EndpointInput.verb: String!
EndpointInput.config: JSON
EndpointInput.capabilities: [String!]
TestEndpointInput.templateId: String!
TestEndpointInput.type: String!
TestEndpointInput.connection: JSON!
TestEndpointInput.capabilities: [String!]
Diagnostic.level: String!
Diagnostic.field: String
Query.endpointTemplates: [MetadataEndpointTemplate!]!
Query.endpointTemplates(family: MetadataEndpointFamily)
Query.metadataEndpointTemplates: [MetadataEndpointTemplate!]!
Query.metadataEndpointTemplates(family: MetadataEndpointFamily)
MetadataEndpointTemplate.defaultLabels: [String!]
MetadataEndpointTemplate.defaultPort: Int
MetadataEndpointField.required: Boolean!
MetadataEndpointField.min: Int
MetadataEndpointField.options: [MetadataEndpointRequirementOption!]
MetadataEndpointProbingMethod.returnsVersion: Boolean
`
  .trim()
  .split("\n")

/** What the operator console and the designer send, as far as this schema goes. */
const documents: Record<string, string> = {
  "the console's overview": `
    query Ingestion($endpointId: ID!) {
      ingestionUnits(endpointId: $endpointId) { endpointId unitId kind displayName stats driverId sinkId }
      ingestionStatuses(endpointId: $endpointId) {
        endpointId unitId sinkId state lastRunId lastRunAt lastError stats checkpoint
      }
    }`,
  "the console's actions": `
    mutation Start($endpointId: ID!, $unitId: ID!, $sinkId: String) {
      startIngestion(endpointId: $endpointId, unitId: $unitId, sinkId: $sinkId) { ok runId state message }
      pauseIngestion(endpointId: $endpointId, unitId: $unitId, sinkId: $sinkId) { ok runId state message }
      resetIngestionCheckpoint(endpointId: $endpointId, unitId: $unitId, sinkId: $sinkId) { ok state message }
    }`,
  "the designer's endpoints": `
    query Endpoints {
      endpoints(first: 200) {
        id sourceId name description verb url authPolicy domain labels config detectedVersion versionHint
        capabilities deletedAt deletionReason isDeleted
        runs(limit: 5) { id status requestedAt startedAt completedAt error collection { id isEnabled } }
      }
    }`,
  "the designer's templates": `
    query Templates($family: MetadataEndpointFamily) {
      endpointTemplates(family: $family) {
        id family title vendor description domain categories protocols versions defaultPort driver docsUrl
        agentPrompt defaultLabels sampleConfig descriptorVersion minVersion maxVersion
        fields {
          key label required valueType semantic description placeholder helpText regex min max defaultValue
          advanced sensitive dependsOn dependsValue
          options { label value description } visibleWhen { field values }
        }
        capabilities { key label description }
        connection { urlTemplate defaultVerb }
        probing {
          fallbackMessage
          methods { key label strategy statement description requires returnsVersion returnsCapabilities }
        }
      }
    }`,
  "the designer's writing": `
    mutation Write($input: EndpointInput!, $test: TestEndpointInput!) {
      registerEndpoint(input: $input) { id sourceId config }
      testEndpoint(input: $test) { ok diagnostics { level code message hint field } }
    }`
}

describe("the public schema", () => {
  it("has every field, argument, default and enum value that clients were promised (P18, P32)", () => {
    const has = signatures()

    assert.deepStrictEqual(
      promised.filter((line) => !has.has(line)),
      []
    )
  })

  it("says of every root field what it is for", () => {
    const fields = [schema.getQueryType(), schema.getMutationType()].flatMap((type) =>
      Object.values(type?.getFields() ?? {})
    )

    assert.deepStrictEqual(
      fields.filter(({ description }) => !description).map(({ name }) => name),
      []
    )
  })

  for (const [name, document] of Object.entries(documents))
    it(`validates ${name}`, () => {
      assert.deepStrictEqual(
        validate(schema, parse(document)).map(({ message }) => message),
        []
      )
    })
})
