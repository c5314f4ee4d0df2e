import { Layer } from "effect"
import * as MemoryKvStore from "../../src/memory/MemoryKvStore.ts"
import * as MemoryQuarantine from "../../src/memory/MemoryQuarantine.ts"
import * as MemoryRunRepo from "../../src/memory/MemoryRunRepo.ts"
import * as MemorySliceLedger from "../../src/memory/MemorySliceLedger.ts"
import * as MemoryUnitStateRepo from "../../src/memory/MemoryUnitStateRepo.ts"
import * as RunRepoSuite from "../../src/testing/RunRepoSuite.ts"

RunRepoSuite.suite(
  "memory",
  Layer.mergeAll(
    MemoryKvStore.layer,
    MemoryQuarantine.layerStore,
    MemoryRunRepo.layerStore,
    MemoryUnitStateRepo.layer
  ),
  Layer.mergeAll(MemoryRunRepo.layerProcess, MemorySliceLedger.layer),
  MemoryRunRepo.lapse
)
