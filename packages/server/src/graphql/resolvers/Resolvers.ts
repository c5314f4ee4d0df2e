/** Which resolver stands behind which field. */
import type { Endpoints } from "@headrace/core/lifecycle/Endpoints"
import type { Ingestion } from "@headrace/core/lifecycle/Ingestion"
import type { IngestionStatuses } from "@headrace/core/lifecycle/IngestionStatuses"
import type { Templates } from "@headrace/core/lifecycle/Templates"
import type { Caller } from "../Caller.ts"
import type { Resolvers } from "../Schema.ts"
import { endpoint, endpoints, registerEndpoint, testEndpoint } from "./Endpoints.ts"
import { health } from "./Health.ts"
import {
  ingestionStatus,
  ingestionStatuses,
  ingestionUnits,
  pauseIngestion,
  resetIngestionCheckpoint,
  startIngestion
} from "./Ingestion.ts"
import { endpointTemplates } from "./Templates.ts"

/** What the resolvers ask; nothing else of the system is reachable through the API. */
export type ApiServices = Caller | Endpoints | Ingestion | IngestionStatuses | Templates

export const resolvers: Resolvers<ApiServices> = {
  Query: {
    health,
    metadataEndpointTemplates: endpointTemplates,
    endpointTemplates,
    endpoints,
    endpoint,
    ingestionUnits,
    ingestionStatuses,
    ingestionStatus
  },
  Mutation: {
    registerEndpoint,
    testEndpoint,
    startIngestion,
    pauseIngestion,
    resetIngestionCheckpoint
  }
}
