/**
 * The runs of every unit. A run is open until it has an outcome; one without an
 * owner was given up: its process had died when another run of the unit was
 * opened. The unique index keeps a unit single whatever else happens.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const createRun = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table hr_run (
      tenant text not null,
      run_id text primary key,
      endpoint_id text not null,
      unit_id text not null,
      sink_id text not null,
      epoch bigint not null check (epoch > 0),
      generation bigint not null check (generation > 0),
      next_seq bigint not null check (next_seq >= 0),
      owner uuid,
      started_at timestamptz not null,
      closed_at timestamptz,
      outcome text check (outcome in ('SUCCEEDED', 'FAILED', 'PAUSED', 'RESET')),
      generation_ended boolean not null default false,
      check ((closed_at is null) = (outcome is null)),
      unique (endpoint_id, unit_id, epoch)
    )`
  yield* sql`
    create unique index hr_run_single on hr_run (endpoint_id, unit_id)
    where closed_at is null and owner is not null`
  yield* sql`create index hr_run_open on hr_run (started_at) where closed_at is null`
})
