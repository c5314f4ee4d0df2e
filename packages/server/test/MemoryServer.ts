/** The real API over HTTP, with Headrace and its data plane in memory: fast, and scriptable. */
import * as Headrace from "@headrace/core/lifecycle/Headrace"
import * as MemoryDataPlane from "@headrace/core/memory/MemoryDataPlane"
import * as MemoryPythonWorker from "@headrace/core/memory/MemoryPythonWorker"
import { Layer, Option, Redacted, References } from "effect"
import type { ServerConfig } from "../src/Config.ts"
import { httpLayer } from "../src/http/Server.ts"

export const config: ServerConfig = {
  databaseUrl: Option.none(),
  data: ".headrace",
  host: "127.0.0.1",
  port: 0,
  workers: 1,
  stallSeconds: 900,
  leaseSeconds: 30,
  python: "python3",
  logLevel: "None",
  defaultTenant: "dev",
  defaultSink: Option.none(),
  staging: Option.none(),
  stagingBucket: Redacted.make({})
}

export const layer = (script: MemoryPythonWorker.Script = {}, contents: MemoryDataPlane.Contents = {}) =>
  httpLayer(config).pipe(
    Layer.provideMerge(Headrace.layer),
    Layer.provideMerge(Headrace.layerStoresMemory),
    Layer.provideMerge(MemoryPythonWorker.layerScript(script)),
    Layer.provideMerge(MemoryDataPlane.layer(contents)),
    // Runs that fail on purpose say so to their log.
    Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, config.logLevel))
  )

/** A source whose password is `hunter2`. */
export const source = (more: Readonly<Record<string, unknown>> = {}) => ({
  name: "Shop",
  config: {
    templateId: MemoryDataPlane.sourceTemplateId,
    parameters: { host: "db", username: "app", password: "hunter2" },
    ...more
  }
})

export const lake = {
  name: "Lake",
  config: { templateId: MemoryDataPlane.sinkTemplateId, parameters: { host: "lake" } }
}
