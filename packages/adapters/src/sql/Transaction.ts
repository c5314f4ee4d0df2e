/**
 * All of it or nothing. When the connection breaks on the way the client cannot
 * say its rollback either, and takes that for a mistake of ours; it is a failure
 * like any other, which a caller may try again.
 */
import type { PgClient } from "@effect/sql-pg"
import { Effect } from "effect"
import { isSqlError, type SqlError } from "effect/sql/SqlError"

export const within =
  (sql: PgClient.PgClient) =>
  <A, E, R>(statements: Effect.Effect<A, E, R>): Effect.Effect<A, E | SqlError, R> =>
    sql
      .withTransaction(statements)
      .pipe(Effect.catchDefect((defect) => (isSqlError(defect) ? Effect.fail(defect) : Effect.die(defect))))
