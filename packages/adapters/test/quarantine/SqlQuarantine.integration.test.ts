import * as SqlQuarantine from "@headrace/adapters/quarantine/SqlQuarantine"
import * as QuarantineSuite from "@headrace/core/testing/QuarantineSuite"
import { Layer } from "effect"
import * as Database from "../Database.ts"

QuarantineSuite.suite("sql", SqlQuarantine.layer.pipe(Layer.provide(Database.layer)))
