import * as SqlUnitStateRepo from "@headrace/adapters/unit-state/SqlUnitStateRepo"
import * as UnitStateRepoSuite from "@headrace/core/testing/UnitStateRepoSuite"
import { Layer } from "effect"
import * as Database from "../Database.ts"

UnitStateRepoSuite.suite("sql", SqlUnitStateRepo.layer.pipe(Layer.provide(Database.layer)))
