/** With which policy a row was carried when it was set aside: it is tried again with no other. Null of rows kept before. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const addQuarantinePolicy = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`alter table hr_quarantine add column policy jsonb`
})
