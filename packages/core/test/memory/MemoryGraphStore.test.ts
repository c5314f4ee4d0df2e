import * as MemoryGraphStore from "../../src/memory/MemoryGraphStore.ts"
import * as GraphStoreSuite from "../../src/testing/GraphStoreSuite.ts"

GraphStoreSuite.suite("memory", MemoryGraphStore.layer)
