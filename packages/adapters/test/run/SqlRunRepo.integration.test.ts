import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import * as SqlUnitStateRepo from "@headrace/adapters/unit-state/SqlUnitStateRepo"
import * as RunRepoSuite from "@headrace/core/testing/RunRepoSuite"
import { Layer } from "effect"
import * as Database from "../Database.ts"
import { lapse } from "./Lapse.ts"

RunRepoSuite.suite(
  "sql",
  SqlUnitStateRepo.layer.pipe(Layer.provideMerge(Database.layer)),
  SqlRunRepo.layer,
  lapse
)
