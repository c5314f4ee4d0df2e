/**
 * Headrace as layers: everything the system does, over the services it needs.
 * A program that embeds it provides those services, or takes the ones in memory:
 *
 *     Effect.provide(program, Headrace.layerMemory)
 */
import { Layer } from "effect"
import * as MemoryEndpointRepo from "../memory/MemoryEndpointRepo.ts"
import * as MemoryGraphStore from "../memory/MemoryGraphStore.ts"
import * as MemoryKvStore from "../memory/MemoryKvStore.ts"
import * as MemoryPythonWorker from "../memory/MemoryPythonWorker.ts"
import * as MemoryQuarantine from "../memory/MemoryQuarantine.ts"
import * as MemoryRunEngine from "../memory/MemoryRunEngine.ts"
import * as MemoryRunEvents from "../memory/MemoryRunEvents.ts"
import * as MemoryRunRepo from "../memory/MemoryRunRepo.ts"
import * as MemorySecrets from "../memory/MemorySecrets.ts"
import * as MemorySliceLedger from "../memory/MemorySliceLedger.ts"
import * as MemoryTemplateCatalog from "../memory/MemoryTemplateCatalog.ts"
import * as MemoryUnitStateRepo from "../memory/MemoryUnitStateRepo.ts"
import type { IngestionRunWorkflow, RunEngine } from "../services/RunEngine.ts"
import { CheckpointLog } from "./CheckpointLog.ts"
import { Endpoints } from "./Endpoints.ts"
import * as Ingestion from "./Ingestion.ts"
import * as IngestionRun from "./IngestionRun.ts"
import * as IngestionStatuses from "./IngestionStatuses.ts"
import { Lookups } from "./Lookups.ts"
import { Recovery } from "./Recovery.ts"
import { Replay } from "./Replay.ts"
import { RunClaim } from "./RunClaim.ts"
import { RunSettlement } from "./RunSettlement.ts"
import { RunStart } from "./RunStart.ts"
import { SetAside } from "./SetAside.ts"
import { Sinks } from "./Sinks.ts"
import * as SliceDecisions from "./SliceDecisions.ts"
import { Templates } from "./Templates.ts"
import { Units } from "./Units.ts"

/** Everything but the choice of an engine: the workflow it carries is part of it. */
const lifecycle = Lookups.layer.pipe(
  Layer.provideMerge(Layer.mergeAll(Sinks.layer, Units.layer)),
  Layer.provideMerge(Endpoints.layer),
  Layer.provideMerge(Templates.layer),
  Layer.provideMerge(IngestionRun.layer),
  Layer.provideMerge(SliceDecisions.layer),
  Layer.provideMerge(Layer.mergeAll(CheckpointLog.layer, RunSettlement.layer, SetAside.layer)),
  Layer.provideMerge(RunClaim.layer)
)

/** Headrace with runs carried by `engine`; needs its stores, a worker, secrets and events. */
export const layerEngine = <E, R>(engine: Layer.Layer<RunEngine, E, R>) =>
  Layer.mergeAll(Replay.layer, IngestionStatuses.layer, Recovery.layerRounds).pipe(
    Layer.provideMerge(Ingestion.layer),
    Layer.provideMerge(Layer.mergeAll(RunStart.layer, Recovery.layer)),
    Layer.provideMerge(engine),
    Layer.provideMerge(lifecycle)
  )

/** Headrace with runs carried in this process, each by a supervised fiber. */
export const layer = layerEngine<never, IngestionRunWorkflow>(MemoryRunEngine.layer)

/** Every store in memory: correct, and gone when the process ends. Lacks only a worker. */
export const layerStoresMemory = Layer.mergeAll(
  MemoryEndpointRepo.layer,
  MemoryGraphStore.layer,
  MemoryQuarantine.layer,
  MemoryRunEvents.layer,
  MemoryRunRepo.layerProcess,
  MemorySecrets.layer,
  MemorySliceLedger.layer,
  MemoryTemplateCatalog.layer
).pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      MemoryKvStore.layer,
      MemoryQuarantine.layerStore,
      MemoryRunRepo.layerStore,
      MemoryUnitStateRepo.layer
    )
  )
)

/** All of it in one process, with a data plane in memory as well: for examples and tests. */
export const layerMemory = layer.pipe(
  Layer.provideMerge(layerStoresMemory),
  Layer.provideMerge(MemoryPythonWorker.layer)
)
