/** For programs that want a run and its outcome in one breath, as the workflow of something larger does. */
import { Effect, Option, Schema, Stream } from "effect"
import type { Scope } from "../domain/Endpoint.ts"
import { RunId } from "../domain/Run.ts"
import { isTerminal, RunEvents } from "../services/RunEvents.ts"
import { Ingestion, type Start } from "./Ingestion.ts"

/** A run of the unit is active; it was not started again (D1). */
export class AlreadyRunning extends Schema.TaggedError<AlreadyRunning>()("AlreadyRunning", {
  runId: Schema.NullOr(RunId)
}) {}

/**
 * Starts a run and waits for its last event: `event` says how it ended, `stats`
 * what it did, `message` why it failed. A run that fails is an answer, not an
 * error. The run goes on when the waiting is interrupted.
 */
export const runToEnd = Effect.fn("runToEnd")(function* (scope: Scope, start: Start) {
  const events = yield* (yield* RunEvents).subscribe
  const { ok, runId } = yield* (yield* Ingestion).start(scope, start)
  if (!ok) return yield* new AlreadyRunning({ runId })
  const last = yield* events.pipe(
    Stream.filter((event) => event.runId === runId && isTerminal(event)),
    Stream.runHead
  )
  // The events of a living process never end.
  return Option.getOrThrow(last)
}, Effect.scoped)
