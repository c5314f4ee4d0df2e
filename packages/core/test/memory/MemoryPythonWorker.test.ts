import { Effect, Layer } from "effect"
import { EndpointId, EndpointRef } from "../../src/domain/Endpoint.ts"
import type { RunId } from "../../src/domain/Run.ts"
import { UnitId } from "../../src/domain/Unit.ts"
import * as MemoryDataPlane from "../../src/memory/MemoryDataPlane.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import * as PythonWorkerSuite from "../../src/testing/PythonWorkerSuite.ts"
import { record } from "../../src/testing/Samples.ts"

const endpoint = (id: string, templateId: typeof MemoryDataPlane.sourceTemplateId) =>
  EndpointRef.make({ id: EndpointId.make(id), templateId, parameters: { host: "db" } })

const rows = MemoryDataPlane.rowsOf(5)
const records = Array.from({ length: 1200 }, (_, n) => record(`page-${n}`))
const units = [
  { unitId: "orders", rows },
  { unitId: "pages", rows: [], records }
]

const doomed = new Set<string>()
const source = endpoint("shop", MemoryDataPlane.sourceTemplateId)

const fixtures = Layer.effect(
  PythonWorkerSuite.Fixtures,
  Effect.map(MemoryDataPlane.MemoryDataPlane, ({ staged }) => ({
    source,
    unitId: UnitId.make("orders"),
    rows,
    sink: (name: string) => endpoint(name, MemoryDataPlane.sinkTemplateId),
    semantic: { source, unitId: UnitId.make("pages"), records },
    unreachable: { templateId: source.templateId, parameters: { host: MemoryPythonWorker.unreachableHost } },
    kill: (runId: RunId) => Effect.sync(() => void doomed.add(runId)),
    abandon: (runId: RunId) => Effect.sync(() => void staged.add({ runId, sliceSeq: 0 }))
  }))
)

const worker = MemoryPythonWorker.layerScript({
  during: ({ name, request }) =>
    name === "committing" && doomed.has(request.runId) ? Effect.fail(MemoryPythonWorker.died) : Effect.void
})

PythonWorkerSuite.suite(
  "memory",
  Layer.merge(worker, fixtures).pipe(Layer.provide(MemoryDataPlane.layer({ units })))
)
