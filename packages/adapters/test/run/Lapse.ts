/** Time that nobody has to wait for. */
import { PgClient } from "@effect/sql-pg"
import type { RunId } from "@headrace/core/domain/Run"
import { Effect } from "effect"

/** The run's lease has passed. */
export const lapse = ({ runId }: { readonly runId: RunId }) =>
  Effect.flatMap(
    PgClient.PgClient,
    (sql) =>
      sql`update hr_lease set lease_until = clock_timestamp() - interval '1 second' where run_id = ${runId}`
  )
