/**
 * What the reference worker works on: sources that hold rows, sinks that hold
 * slices, and staging. It stands for databases and lakes in tests and examples,
 * so it is as strict as they are: a slice's slot is taken once, and an older
 * epoch is refused.
 */
import { Context, Effect, Layer } from "effect"
import { TemplateId } from "../domain/Endpoint.ts"
import type { JsonObject } from "../domain/Endpoint.ts"
import type { NormalizedRecord } from "../domain/Graph.ts"
import type { RunId } from "../domain/Run.ts"
import type { CommitRecord } from "../domain/Slice.ts"
import { type EndpointTemplate, plainCapability, plainField } from "../domain/Template.ts"
import type { RunIngestionUnit } from "../protocol/Protocol.ts"

export type Row = JsonObject

/** A unit of a source: a table of rows, or a semantic source that speaks in records. */
export interface SourceUnit {
  readonly unitId: string
  readonly rows: Array<Row>
  readonly records?: ReadonlyArray<NormalizedRecord>
}

/** A slice as a sink holds it. */
export interface SinkSlot {
  readonly commit: typeof CommitRecord.Type
  readonly rows: ReadonlyArray<Row>
}

export class MemoryDataPlane extends Context.Service<
  MemoryDataPlane,
  {
    readonly templates: Array<EndpointTemplate>
    /** By unit id; every endpoint of a source template sees all of them. */
    readonly units: Map<string, SourceUnit>
    /** By the unit's path in the sink. */
    readonly sinks: Map<string, { fence: number; readonly slots: Array<SinkSlot> }>
    /** One entry for each slice that is staged right now. */
    readonly staged: Set<{ readonly runId: RunId; readonly sliceSeq: number }>
    /** Every run that was asked for, in order. */
    readonly asked: Array<RunIngestionUnit>
  }
>()("@headrace/core/memory/MemoryDataPlane") {}

export const sourceTemplateId = TemplateId.make("memory.table")
export const sinkTemplateId = TemplateId.make("memory.lake")

const templateOf = (
  id: TemplateId,
  title: string,
  family: EndpointTemplate["family"],
  capabilities: ReadonlyArray<string>
): EndpointTemplate => ({
  id,
  family,
  title,
  vendor: "Headrace",
  description: null,
  domain: "database.memory",
  driver: null,
  docsUrl: null,
  agentPrompt: null,
  descriptorVersion: "1",
  minVersion: null,
  maxVersion: null,
  categories: [],
  protocols: [],
  versions: [],
  defaultPort: null,
  defaultLabels: ["memory"],
  fields: [
    plainField("host", { required: true, valueType: "HOSTNAME", semantic: "HOST" }),
    plainField("username", { semantic: "USERNAME" }),
    plainField("password", { valueType: "PASSWORD", semantic: "PASSWORD", sensitive: true }),
    plainField("version_hint")
  ],
  capabilities: capabilities.map(plainCapability),
  sampleConfig: null,
  connection: { urlTemplate: "memory://{username}:{password}@{host}/", defaultVerb: "POST" },
  probing: null
})

const collected = ["metadata.collect", "metadata", "metadata.preview", "preview", "ingest.full"]

/** A source of tables, one that cannot read incrementally, and a sink. */
export const templates: ReadonlyArray<EndpointTemplate> = [
  templateOf(sourceTemplateId, "Memory table", "JDBC", [...collected, "ingest.incremental"]),
  templateOf(TemplateId.make("memory.full-only"), "Memory table, full only", "JDBC", collected),
  templateOf(sinkTemplateId, "Memory lake", "FILE", ["sink.file"])
]

export interface Contents {
  readonly templates?: ReadonlyArray<EndpointTemplate>
  readonly units?: ReadonlyArray<SourceUnit>
}

/** `count` rows of a unit, with ids from 1. */
export const rowsOf = (count: number): Array<Row> =>
  Array.from({ length: count }, (_, index) => ({ id: index + 1, name: `row ${index + 1}` }))

const sampleUnits: ReadonlyArray<SourceUnit> = [{ unitId: "public.orders", rows: rowsOf(10) }]

/** A plane that holds `contents`; without them one table `public.orders` of ten rows. */
export const layer = (contents: Contents = {}): Layer.Layer<MemoryDataPlane> =>
  Layer.effect(
    MemoryDataPlane,
    Effect.sync(() => ({
      templates: [...(contents.templates ?? templates)],
      units: new Map(
        (contents.units ?? sampleUnits).map((unit) => [unit.unitId, { ...unit, rows: [...unit.rows] }])
      ),
      sinks: new Map(),
      staged: new Set(),
      asked: []
    }))
  )

/** The rows a sink holds of a unit, over all its slices in order, of the newest generation. */
export const rowsIn = (plane: MemoryDataPlane["Service"], unitPath: string): ReadonlyArray<Row> => {
  const slots = plane.sinks.get(unitPath)?.slots ?? []
  const newest = slots.reduce((top, { commit }) => Math.max(top, commit.generation), 0)
  return slots.filter(({ commit }) => commit.generation === newest).flatMap(({ rows }) => rows)
}
