/**
 * The reference `RunEvents`: a mailbox for each subscriber. A mailbox that is
 * full gives up its oldest `SLICE_PROGRESS`, so memory is bounded by the events
 * that may not be lost: a few for each slice.
 */
import { Effect, Layer, Queue, Stream } from "effect"
import { RunEvents, type RunProgress } from "../services/RunEvents.ts"

/** How many `SLICE_PROGRESS` wait for one slow reader before the oldest goes. */
const waitingProgress = 256

class Mailbox {
  private readonly waiting: Array<RunProgress> = []
  private progress = 0

  put(event: RunProgress) {
    this.waiting.push(event)
    if (event.event !== "SLICE_PROGRESS") return
    this.progress++
    if (this.progress > waitingProgress) this.dropOldestProgress()
  }

  takeAll(): ReadonlyArray<RunProgress> {
    this.progress = 0
    return this.waiting.splice(0)
  }

  private dropOldestProgress() {
    const oldest = this.waiting.findIndex(({ event }) => event === "SLICE_PROGRESS")
    this.waiting.splice(oldest, 1)
    this.progress--
  }
}

interface Reader {
  readonly mailbox: Mailbox
  /** Holds at most one mark: "there is post". */
  readonly bell: Queue.Queue<void>
}

export const make = Effect.sync(() => {
  const readers = new Set<Reader>()

  return RunEvents.of({
    publish: (progress) =>
      Effect.sync(() => {
        for (const { mailbox, bell } of readers) {
          mailbox.put(progress)
          Queue.offerUnsafe(bell, undefined)
        }
      }),
    subscribe: Effect.gen(function* () {
      const reader = { mailbox: new Mailbox(), bell: yield* Queue.dropping<void>(1) }
      yield* Effect.acquireRelease(
        Effect.sync(() => readers.add(reader)),
        () =>
          Effect.sync(() => {
            readers.delete(reader)
          })
      )
      return Stream.fromQueue(reader.bell).pipe(
        Stream.flatMap(() => Stream.fromIterable(reader.mailbox.takeAll()))
      )
    })
  })
})

export const layer: Layer.Layer<RunEvents> = Layer.effect(RunEvents, make)
