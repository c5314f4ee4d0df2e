/**
 * What was meant to be committed of each generation, slice by slice, and what landed. Generations that are
 * under way have no rows of the slices before. `read`, `quarantined` and `filtered` are unknown where the sink's
 * record alone is known of a slice.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const createSlice = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table hr_slice (
      tenant text,
      endpoint_id text,
      unit_id text,
      sink_id text,
      generation bigint,
      slice_seq bigint check (slice_seq >= 0),
      phase text not null check (phase in ('COMMITTING', 'COMMITTED')),
      epoch bigint not null check (epoch > 0),
      run_id text not null,
      from_ckpt jsonb,
      to_ckpt jsonb,
      read bigint,
      rows bigint not null,
      quarantined bigint,
      filtered bigint,
      sha256 text not null,
      noted_at timestamptz not null default now(),
      committed_at timestamptz,
      check (read = rows + quarantined + filtered),
      check ((phase = 'COMMITTED') = (committed_at is not null)),
      primary key (tenant, endpoint_id, unit_id, sink_id, generation, slice_seq)
    )`
})
