/** What the suite of `PythonWorker` asks a worker for: named by whoever brings the worker, since each has endpoints of its own. */
import type { Vitest } from "@effect/vitest"
import { Context, type Effect } from "effect"
import type { EndpointRef, JsonObject, Parameters, TemplateId } from "../domain/Endpoint.ts"
import type { NormalizedRecord } from "../domain/Graph.ts"
import type { RunId } from "../domain/Run.ts"
import type { UnitId } from "../domain/Unit.ts"
import type { PythonWorker } from "../services/PythonWorker.ts"

export class Fixtures extends Context.Service<
  Fixtures,
  {
    /** A source of rows that reads incrementally and cuts slices of `policy.targetSliceSize` rows. */
    readonly source: EndpointRef
    readonly unitId: UnitId
    /** What the unit holds, in order and as a preview shows it: five rows. */
    readonly rows: ReadonlyArray<JsonObject>
    /** A sink of that name, empty at first; it outlives the process of a worker. */
    readonly sink: (name: string) => EndpointRef
    /** A source that speaks in records, more than fit in one message. */
    readonly semantic: {
      readonly source: EndpointRef
      readonly unitId: UnitId
      readonly records: ReadonlyArray<NormalizedRecord>
    }
    /** A well-formed connection to a system that does not answer. */
    readonly unreachable: { readonly templateId: TemplateId; readonly parameters: Parameters }
    /** The process that carries the run dies, at the latest when it is decided about its slice. */
    readonly kill: (runId: RunId) => Effect.Effect<void>
    /** Stages a slice on local disk as a process does that died in this run. */
    readonly abandon: (runId: RunId) => Effect.Effect<void>
  }
>()("@headrace/core/testing/PythonWorkerFixtures") {}

export type Clauses = Vitest.MethodsNonLive<PythonWorker | Fixtures>
