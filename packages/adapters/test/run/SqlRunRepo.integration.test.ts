import * as SqlKvStore from "@headrace/adapters/kv/SqlKvStore"
import * as SqlSliceLedger from "@headrace/adapters/ledger/SqlSliceLedger"
import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import * as SqlUnitStateRepo from "@headrace/adapters/unit-state/SqlUnitStateRepo"
import * as RunRepoSuite from "@headrace/core/testing/RunRepoSuite"
import { Layer } from "effect"
import * as Database from "../Database.ts"
import { lapse } from "./Lapse.ts"

RunRepoSuite.suite(
  "sql",
  Layer.provideMerge(Layer.mergeAll(SqlKvStore.layer, SqlUnitStateRepo.layer), Database.layer),
  Layer.mergeAll(SqlRunRepo.layer, SqlSliceLedger.layer),
  lapse
)
