import * as SqlEndpointRepo from "@headrace/adapters/endpoint/SqlEndpointRepo"
import * as EndpointRepoSuite from "@headrace/core/testing/EndpointRepoSuite"
import { Layer } from "effect"
import * as Database from "../Database.ts"

EndpointRepoSuite.suite(
  "sql",
  SqlEndpointRepo.layer({ defaultTenant: "dev" }).pipe(Layer.provide(Database.layer))
)
