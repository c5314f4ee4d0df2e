import * as SqlRunRepo from "@headrace/adapters/run/SqlRunRepo"
import * as RunRepoSuite from "@headrace/core/testing/RunRepoSuite"
import * as Database from "../Database.ts"

RunRepoSuite.suite("sql", Database.layer, SqlRunRepo.layer)
