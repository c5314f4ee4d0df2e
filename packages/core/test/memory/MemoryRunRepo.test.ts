import { Layer } from "effect"
import * as MemoryRunRepo from "../../src/memory/MemoryRunRepo.ts"
import * as MemoryUnitStateRepo from "../../src/memory/MemoryUnitStateRepo.ts"
import * as RunRepoSuite from "../../src/testing/RunRepoSuite.ts"

RunRepoSuite.suite(
  "memory",
  Layer.merge(MemoryRunRepo.layerStore, MemoryUnitStateRepo.layer),
  MemoryRunRepo.layerProcess,
  MemoryRunRepo.lapse
)
