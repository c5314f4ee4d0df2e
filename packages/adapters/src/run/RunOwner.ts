/**
 * How a process shows that it lives: it holds a session lock made from its own
 * id. When it dies, however it dies, the server ends its session and frees the
 * lock; so whose lock is held, lives, and no clock is asked.
 */
import type { PgClient } from "@effect/sql-pg"
import { Data, Effect, type Scope } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import * as SessionLock from "../sql/SessionLock.ts"

export interface RunOwner {
  readonly id: string
  /** Returns when the lock is held, as far as this process knows. */
  readonly present: Effect.Effect<void>
}

/** Our session broke and its lock is not back yet: a run opened now would look like a dead one's. */
export class OwnershipLost extends Data.TaggedError("OwnershipLost") {
  override readonly message = "the database session that shows that this process lives is broken"
}

/** The number of an owner's lock; the seed keeps it apart from other locks made from text. */
const numberOf = (id: string) => `hashtextextended(${id}::text, 4852)`

/** A new owner, alive as long as the scope. */
export const make = (
  sql: PgClient.PgClient
): Effect.Effect<RunOwner, OwnershipLost | SqlError, Scope.Scope> =>
  Effect.gen(function* () {
    const id = crypto.randomUUID()
    const { held } = yield* SessionLock.hold({
      session: { ...sql.config, applicationName: "headrace owner" },
      take: (query) =>
        Effect.flatMap(query(`select pg_try_advisory_lock(${numberOf("$1")}) as got`, [id]), ([row]) =>
          row?.["got"] === true ? Effect.void : new OwnershipLost()
        ),
      // Without it the server frees the lock only when it notices that we are gone.
      farewell: (query) => Effect.asVoid(query(`select pg_advisory_unlock(${numberOf("$1")})`, [id]))
    })
    return { id, present: held }
  })

/** Is the lock of the owner in the column or parameter `id` held by somebody, in this database? */
export const lives = (sql: PgClient.PgClient, id: Fragment): Fragment => sql`exists (
  select from pg_locks
  where locktype = 'advisory' and granted and objsubid = 1
    and database = (select oid from pg_database where datname = current_database())
    and (classid::int8 << 32 | objid::int8) = hashtextextended(${id}::text, 4852))`
