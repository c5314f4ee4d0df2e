/** Whose each endpoint is: `"MetadataEndpoint"` has no tenant. A row without an entry is the default tenant's. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const createEndpointScope = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table hr_endpoint (
      endpoint_id text primary key,
      tenant text not null,
      project text not null
    )`
  yield* sql`create index hr_endpoint_scope on hr_endpoint (tenant, project)`
})
