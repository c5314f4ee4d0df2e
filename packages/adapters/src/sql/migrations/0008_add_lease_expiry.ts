/**
 * A lease passes at `lease_until`, by the database's clock. `place` says where its owner runs, so that a
 * process of the same machine sees at once that it is dead. What older servers held counts as passed.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const addLeaseExpiry = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`alter table hr_lease add column lease_until timestamptz, add column place text`
})
