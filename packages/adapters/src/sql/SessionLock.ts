/**
 * An advisory lock that says "this process is here" for as long as a scope
 * lives. It belongs to a session of its own, so it ends when the process does,
 * however it ends, without a clock; when only the connection breaks, it is
 * taken again on a new one.
 */
import { PgConnection } from "@effect/sql-pg"
import { Effect, Exit, Fiber, Latch, Queue, Schedule, Scope } from "effect"
import type { SqlError } from "effect/sql/SqlError"

export interface SessionLock {
  /** Returns when the lock is held. */
  readonly held: Effect.Effect<void>
  /** Runs one statement on the session that holds the lock, once it is held. */
  readonly query: Query
}

export type Query = (
  statement: string,
  parameters?: ReadonlyArray<unknown>
) => Effect.Effect<ReadonlyArray<PgConnection.Row>, SqlError>

export interface Options<E> {
  readonly session: PgConnection.Config
  /** Gets the lock on a new session, or fails: the first time for the caller, later to be tried again. */
  readonly take: (query: Query) => Effect.Effect<void, E>
  /** Done before each try to take a lost lock again: what has to be there for a session. */
  readonly revive?: Effect.Effect<void, E>
  /** Said on the session before it ends with the scope; the lock is still held. */
  readonly farewell?: (query: Query) => Effect.Effect<void, unknown>
}

interface Session {
  readonly query: Query
  /** Returns when the connection has broken. */
  readonly broken: Effect.Effect<void>
  readonly close: Effect.Effect<void>
}

/** Between two tries to take a lost lock again. */
const again = Schedule.spaced("200 millis")

/** Holds the lock until the scope ends. */
export const hold = <E>(options: Options<E>): Effect.Effect<SessionLock, E | SqlError, Scope.Scope> =>
  Effect.gen(function* () {
    const latch = yield* Latch.make(true)
    let current = yield* open(options)
    const reopen = Effect.andThen(options.revive ?? Effect.void, open(options))
    const takeAgain = Effect.gen(function* () {
      yield* current.broken
      yield* latch.close
      yield* Effect.logWarning("A database session broke; its lock is taken again.")
      yield* current.close
      current = yield* Effect.retry(reopen, again)
      yield* latch.open
    })
    const keeper = yield* Effect.forkDetach(Effect.forever(takeAgain))
    const query: Query = (...statement) =>
      Effect.andThen(
        latch.await,
        Effect.suspend(() => current.query(...statement))
      )
    const end = Effect.suspend(() =>
      Effect.andThen(Effect.ignore(options.farewell?.(current.query) ?? Effect.void), current.close)
    )
    yield* Effect.addFinalizer(() => Effect.andThen(Fiber.interrupt(keeper), end))
    return { held: latch.await, query }
  }).pipe(Effect.uninterruptible)

/** A session in a scope of its own, so that a broken one can be let go before the owner ends. */
const open = <E>(options: Options<E>): Effect.Effect<Session, E | SqlError> =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    return yield* connect(options).pipe(
      Scope.provide(scope),
      Effect.map((session) => ({ ...session, close: Scope.close(scope, Exit.void) })),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
  })

/** Listening costs nothing and ends with an error when the connection does: that is how a break is noticed. */
const connect = <E>({ session, take }: Options<E>) =>
  Effect.gen(function* () {
    const connection = yield* Effect.flatMap(PgConnection.make(session), ({ pin }) => pin)
    const query: Query = (statement, parameters = []) =>
      Effect.map(connection.query(statement, parameters), ({ rows }) => rows)
    yield* take(query)
    const notices = yield* connection.listen("headrace_session")
    return { query, broken: Effect.ignore(Effect.forever(Queue.take(notices))) }
  })
