import * as MemoryRunRepo from "../../src/memory/MemoryRunRepo.ts"
import * as RunRepoSuite from "../../src/testing/RunRepoSuite.ts"

RunRepoSuite.suite("memory", MemoryRunRepo.layerStore, MemoryRunRepo.layerProcess)
