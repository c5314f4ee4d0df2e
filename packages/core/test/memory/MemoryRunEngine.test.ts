import * as MemoryRunEngine from "../../src/memory/MemoryRunEngine.ts"
import * as RunEngineSuite from "../../src/testing/RunEngineSuite.ts"

RunEngineSuite.suite("memory", MemoryRunEngine.layer)
