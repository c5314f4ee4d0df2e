/** The contract of `PythonWorker`, held by real processes: rows from the test endpoints into files on disk. */
import { TemplateId } from "@headrace/core/domain/Endpoint"
import type { RunId } from "@headrace/core/domain/Run"
import { UnitId } from "@headrace/core/domain/Unit"
import * as PythonWorkerSuite from "@headrace/core/testing/PythonWorkerSuite"
import { record } from "@headrace/core/testing/Samples"
import { Context, Effect, Layer } from "effect"
import { join } from "node:path"
import * as RealWorker from "./RealWorker.ts"
import { endpoint, signal, theOnlyPid } from "./Runs.ts"

const rows = Array.from({ length: 5 }, (_, index) => ({ id: index + 1, name: `row ${index + 1} ☃` }))
const records = Array.from({ length: 1200 }, (_, n) => record(`page-${n}`))

/** Where the sinks of this file and the staging are. */
class Directory extends Context.Service<Directory, string>()("test/SocketPythonWorkerContract/Directory") {}
const directory = Layer.effect(Directory, RealWorker.temporaryDirectory)

const fixtures = Layer.effect(
  PythonWorkerSuite.Fixtures,
  Effect.map(Directory, (directory) => ({
    source: endpoint("numbers", "test.rows", { rows: JSON.stringify(rows) }),
    unitId: UnitId.make("rows"),
    rows,
    sink: (name) => endpoint(name, "file.local", { base_path: join(directory, name) }),
    semantic: {
      source: endpoint("wiki", "test.records", { records: JSON.stringify(records) }),
      unitId: UnitId.make("records"),
      records
    },
    // Nobody listens on port 1.
    unreachable: {
      templateId: TemplateId.make("jdbc.postgres"),
      parameters: { host: "127.0.0.1", port: "1", database: "shop", username: "app", password: "sesame" }
    },
    kill: () => Effect.flatMap(theOnlyPid, (pid) => signal(pid, "SIGKILL")),
    abandon: (runId: RunId) => RealWorker.dieWhileStaging(runId, join(directory, "staging"))
  }))
)

const worker = Layer.unwrap(
  Effect.map(Directory, (directory) =>
    RealWorker.layer({ workers: 1, stagingDir: join(directory, "staging") })
  )
)

PythonWorkerSuite.suite("real processes", Layer.merge(worker, fixtures).pipe(Layer.provide(directory)))
