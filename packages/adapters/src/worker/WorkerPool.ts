/**
 * Who gets which worker. A run takes an idle one for itself, first come first
 * served; a light call goes to the least busy, idle or not. While no worker can
 * be started at all, everybody is told so at once instead of waiting.
 */
import type { WorkerUnavailable } from "@headrace/core/services/PythonWorker"
import { Deferred, Effect, type Scope } from "effect"

export interface WorkerPool<W> {
  /** An idle worker, taken until the scope ends. `release` completes when it is idle again or withdrawn. */
  readonly takeIdle: (
    release: (worker: W) => Effect.Effect<void>
  ) => Effect.Effect<W, WorkerUnavailable, Scope.Scope>
  readonly leastBusy: Effect.Effect<W, WorkerUnavailable>
  /** A worker is ready. */
  readonly offered: (worker: W) => Effect.Effect<void>
  /** A worker is gone; whoever holds it hears so from its connection. */
  readonly withdrawn: (worker: W) => Effect.Effect<void>
  /** One more attempt to start a worker has failed. False when the last one failed for the same reason, in whatever slot. */
  readonly startFailed: (why: WorkerUnavailable) => Effect.Effect<boolean>
}

export interface Member {
  readonly openCalls: () => number
  /** False for a worker that is gone and whose supervisor does not know it yet. */
  readonly isUsable: () => boolean
}

/** A place in the queue. It is left by cancelling it, also when the worker has just been given. */
interface Ticket<W> {
  readonly isExclusive: boolean
  readonly worker: Deferred.Deferred<W, WorkerUnavailable>
  given: W | undefined
}

/** A pool that `slots` supervisors fill. */
export const make = <W extends Member>(slots: number): WorkerPool<W> => {
  const ready = new Set<W>()
  const taken = new Set<W>()
  let waiting: ReadonlyArray<Ticket<W>> = []
  let failures = 0
  let lastFailure: WorkerUnavailable | undefined
  let lastReason: string | undefined

  const leastBusyOf = (workers: ReadonlyArray<W>): W | undefined =>
    workers.toSorted((a, b) => a.openCalls() - b.openCalls())[0]

  const candidateFor = (ticket: Ticket<W>): W | undefined =>
    leastBusyOf(
      [...ready].filter((worker) => worker.isUsable() && !(ticket.isExclusive && taken.has(worker)))
    )

  /** Gives every waiting ticket, in order, the worker it may have by now. */
  const serve = (): void => {
    waiting = waiting.filter((ticket) => {
      const worker = candidateFor(ticket)
      if (worker === undefined) return true
      ticket.given = worker
      if (ticket.isExclusive) taken.add(worker)
      Deferred.doneUnsafe(ticket.worker, Effect.succeed(worker))
      return false
    })
  }

  const draw = (isExclusive: boolean): Ticket<W> => {
    const ticket: Ticket<W> = { isExclusive, worker: Deferred.makeUnsafe(), given: undefined }
    waiting = [...waiting, ticket]
    serve()
    if (lastFailure !== undefined) refuseAll(lastFailure)
    return ticket
  }

  const refuseAll = (why: WorkerUnavailable): void => {
    for (const ticket of waiting) Deferred.doneUnsafe(ticket.worker, Effect.fail(why))
    waiting = []
  }

  const cancel = (ticket: Ticket<W>): void => {
    waiting = waiting.filter((other) => other !== ticket)
  }

  const giveBack = (worker: W): void => {
    taken.delete(worker)
    serve()
  }

  const waitFor = (ticket: Ticket<W>) => Deferred.await(ticket.worker)

  return {
    takeIdle: (release) =>
      Effect.acquireRelease(
        Effect.sync(() => draw(true)),
        (ticket) =>
          ticket.given === undefined
            ? Effect.sync(() => cancel(ticket))
            : Effect.ensuring(
                release(ticket.given),
                Effect.sync(() => ticket.given && giveBack(ticket.given))
              )
      ).pipe(Effect.flatMap(waitFor)),
    leastBusy: Effect.acquireUseRelease(
      Effect.sync(() => draw(false)),
      waitFor,
      (ticket) => Effect.sync(() => cancel(ticket))
    ),
    offered: (worker) =>
      Effect.sync(() => {
        failures = 0
        lastFailure = undefined
        lastReason = undefined
        ready.add(worker)
        serve()
      }),
    withdrawn: (worker) => Effect.sync(() => ready.delete(worker)),
    startFailed: (why) =>
      Effect.sync(() => {
        failures += 1
        // Of two processes that end alike only the numbers differ.
        const reason = why.detail.replaceAll(/\d+/g, "")
        const isNew = reason !== lastReason
        lastReason = reason
        if (ready.size > 0 || failures < slots) return isNew
        lastFailure = why
        refuseAll(why)
        return isNew
      })
  }
}
