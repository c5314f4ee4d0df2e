import * as MemoryUnitStateRepo from "../../src/memory/MemoryUnitStateRepo.ts"
import * as UnitStateRepoSuite from "../../src/testing/UnitStateRepoSuite.ts"

UnitStateRepoSuite.suite("memory", MemoryUnitStateRepo.layer)
