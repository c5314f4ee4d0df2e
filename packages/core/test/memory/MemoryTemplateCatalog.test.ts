import * as MemoryTemplateCatalog from "../../src/memory/MemoryTemplateCatalog.ts"
import * as TemplateCatalogSuite from "../../src/testing/TemplateCatalogSuite.ts"

TemplateCatalogSuite.suite("memory", MemoryTemplateCatalog.layer)
