import * as SqlTemplateCatalog from "@headrace/adapters/template/SqlTemplateCatalog"
import * as TemplateCatalogSuite from "@headrace/core/testing/TemplateCatalogSuite"
import { Layer } from "effect"
import * as Database from "../Database.ts"

TemplateCatalogSuite.suite("sql", SqlTemplateCatalog.layer.pipe(Layer.provide(Database.layer)))
