/**
 * Rows that were set aside. A row is seen once its slice counts; `claim_*` name
 * the slice that is to take it in, `taken_at` says that one has. Its payload is sealed by whoever keeps it.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const createQuarantine = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table hr_quarantine (
      tenant text,
      endpoint_id text,
      unit_id text,
      sink_id text,
      generation bigint,
      slice_seq bigint,
      position bigint,
      run_id text not null,
      code text not null,
      reason text not null,
      column_name text,
      sha256 bytea not null,
      sealed text,
      kept_at timestamptz not null,
      expires_at timestamptz not null,
      seen boolean not null default false,
      claim_run text,
      claim_generation bigint,
      claim_seq bigint,
      taken_at timestamptz,
      check ((claim_run is null) = (claim_generation is null) and (claim_run is null) = (claim_seq is null)),
      primary key (tenant, endpoint_id, unit_id, sink_id, generation, slice_seq, position)
    )`
  yield* sql`create index hr_quarantine_expires on hr_quarantine (expires_at)`
})
