import { Layer } from "effect"
import * as MemoryQuarantine from "../../src/memory/MemoryQuarantine.ts"
import * as QuarantineSuite from "../../src/testing/QuarantineSuite.ts"

QuarantineSuite.suite("memory", MemoryQuarantine.layer.pipe(Layer.provide(MemoryQuarantine.layerStore)))
