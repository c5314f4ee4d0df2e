/**
 * Who holds each unit, and which filling of each sink is under way. A unit has
 * one lease, keyed as its state is, whatever its sink; the epoch in it only
 * grows. A generation that is `complete` holds all there was so far; `ended`
 * says why the next run begins another one, and becomes that one's `reason`.
 *
 * Both begin with what the runs say: every unit with its highest epoch, held
 * where a run is open; every sink with its latest generation. From here on a
 * run keeps what it was given at its start, so what moves leaves its table.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

const createTables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table hr_lease (
      tenant text not null,
      endpoint_id text not null,
      unit_id text not null,
      epoch bigint not null check (epoch > 0),
      run_id text not null,
      sink_id text not null,
      owner uuid,
      primary key (endpoint_id, unit_id)
    )`
  yield* sql`
    create table hr_generation (
      tenant text,
      endpoint_id text,
      unit_id text,
      sink_id text,
      generation bigint not null check (generation > 0),
      next_seq bigint not null default 0 check (next_seq >= 0),
      complete boolean not null default false,
      ended text,
      opened_at timestamptz not null default now(),
      reason text not null,
      primary key (tenant, endpoint_id, unit_id, sink_id)
    )`
})

/** What older servers hold open stays theirs until their processes end; their runs fail to go on, and fail alone. */
const carryOver = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    insert into hr_lease (tenant, endpoint_id, unit_id, epoch, run_id, sink_id, owner)
    select distinct on (endpoint_id, unit_id) tenant, endpoint_id, unit_id, epoch, run_id, sink_id,
      case when closed_at is null then owner end
    from hr_run order by endpoint_id, unit_id, epoch desc`
  yield* sql`
    insert into hr_generation
      (tenant, endpoint_id, unit_id, sink_id, generation, next_seq, complete, ended, opened_at, reason)
    select distinct on (tenant, endpoint_id, unit_id, sink_id)
      tenant, endpoint_id, unit_id, sink_id, generation, next_seq,
      bool_or(outcome = 'SUCCEEDED') over filling is true,
      case when generation_ended then case outcome when 'SUCCEEDED' then 'COMPLETE' else 'RESET' end end,
      min(started_at) over filling, 'CARRIED_OVER'
    from hr_run
    window filling as (partition by tenant, endpoint_id, unit_id, sink_id, generation)
    order by tenant, endpoint_id, unit_id, sink_id, epoch desc`
})

export const createLeaseAndGeneration = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* createTables
  yield* carryOver
  // With the column goes the index that kept a unit single by it; the lease does that now.
  yield* sql`alter table hr_run drop column owner, drop column generation_ended`
})
