/** Small versioned values; checkpoints above all. A version counts from 1, so that 0 can say "must not exist". */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const createKv = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    create table hr_kv (
      ns text,
      k text,
      v jsonb not null,
      version bigint not null check (version > 0),
      updated_at timestamptz not null default now(),
      primary key (ns, k)
    )`
})
