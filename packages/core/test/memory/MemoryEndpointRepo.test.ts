import * as MemoryEndpointRepo from "../../src/memory/MemoryEndpointRepo.ts"
import * as EndpointRepoSuite from "../../src/testing/EndpointRepoSuite.ts"

EndpointRepoSuite.suite("memory", MemoryEndpointRepo.layer)
