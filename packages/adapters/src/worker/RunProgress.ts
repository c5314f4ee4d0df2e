/**
 * Tells a run that takes long from one that hangs. Every event is progress,
 * but a `Progress` only when its counter moved; time in which the worker waits
 * for us, for a decision or for the consumer, does not count.
 */
import type { RunEvent } from "@headrace/core/protocol/Protocol"
import { type PythonWorkerError, WorkerLost } from "@headrace/core/services/PythonWorker"
import { Clock, Duration, Effect, Stream } from "effect"
import { failed } from "./WorkerFailures.ts"

export interface RunProgress {
  readonly heard: (event: RunEvent) => void
  /** A decision was sent. */
  readonly decided: () => void
  /** The worker waits for a decision of ours. */
  readonly isUndecided: () => boolean
  /** Moves with every progress. */
  readonly count: () => number
}

export const makeProgress = (): RunProgress => {
  let counter = -1
  let undecided = 0
  let count = 0
  return {
    heard: (event) => {
      if (event._tag === "Sealed" || event._tag === "Records") undecided += 1
      if (event._tag !== "Progress" || event.counter !== counter) count += 1
      if (event._tag === "Progress") counter = event.counter
    },
    decided: () => {
      undecided -= 1
      count += 1
    },
    isUndecided: () => undecided > 0,
    count: () => count
  }
}

/** The same events; without progress for `limit` the worker is given up and the stream fails with `WorkerLost`. */
export const watched = (
  events: Stream.Stream<RunEvent, PythonWorkerError>,
  progress: RunProgress,
  limit: Duration.Duration,
  giveUp: (detail: string) => Effect.Effect<void>
): Stream.Stream<RunEvent, PythonWorkerError> => {
  const detail = `no row moved for ${Duration.format(limit)}, so it was terminated; if the source or sink needs longer, raise HEADRACE_STALL_SECONDS`

  /** Fails when nothing moved while it waited, over as many pulls as that took. */
  const stalled = (waited: number) =>
    Effect.gen(function* () {
      let left = Duration.toMillis(limit) - waited
      let seen = progress.count()
      while (left > 0) {
        yield* Effect.sleep(left)
        const hasMoved = progress.count() !== seen || progress.isUndecided()
        seen = progress.count()
        left = hasMoved ? Duration.toMillis(limit) : 0
      }
      yield* giveUp(detail)
      return yield* Effect.fail(failed(new WorkerLost({ detail })))
    })

  return Stream.transformPull(events, (pull) => {
    let waited = 0
    return Effect.succeed(
      Effect.gen(function* () {
        const before = progress.count()
        const begun = yield* Clock.currentTimeMillis
        const heard = yield* Effect.raceFirst(pull, stalled(waited))
        for (const event of heard) progress.heard(event)
        const hasMoved = progress.count() !== before
        waited = hasMoved ? 0 : waited + ((yield* Clock.currentTimeMillis) - begun)
        return heard
      })
    )
  })
}
