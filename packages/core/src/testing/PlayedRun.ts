/**
 * A run of any `PythonWorker`, played to its end or to where a clause wants it
 * to stand. Each has a sink of its own, since a sink remembers what it holds.
 */
import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber, Result, Stream } from "effect"
import { Epoch, Generation, RunId, SliceSeq } from "../domain/Run.ts"
import type { RunEvent, RunIngestionUnit, Verdict } from "../protocol/Protocol.ts"
import { PythonWorker, type PythonWorkerError } from "../services/PythonWorker.ts"
import { Fixtures } from "./PythonWorkerFixtures.ts"

type Event<Tag extends RunEvent["_tag"]> = Extract<RunEvent, { readonly _tag: Tag }>
type Question = Event<"Sealed"> | Event<"Records">

const isQuestion = (event: RunEvent): event is Question => event._tag === "Sealed" || event._tag === "Records"

/** All events of one kind. */
export const of = <Tag extends RunEvent["_tag"]>(events: ReadonlyArray<RunEvent>, tag: Tag) =>
  events.filter((event): event is Event<Tag> => event._tag === tag)

export const tagsOf = (events: ReadonlyArray<RunEvent>) => events.map(({ _tag }) => _tag)

const placeOf = (runId: RunId, question: Question) => ({
  runId,
  sliceSeq: question.sliceSeq,
  batch: question._tag === "Records" ? question.batch : null
})

/** A run of the fixtures' unit into a sink of its own, in slices of two rows. */
export const requestOf = (change: Partial<RunIngestionUnit> = {}) =>
  Effect.map(Fixtures, ({ source, sink: sinkOf, unitId }): RunIngestionUnit => {
    const id = crypto.randomUUID()
    const sink = sinkOf(`lake-${id}`)
    return {
      endpointId: source.id,
      unitId,
      checkpoint: null,
      policy: { mode: "incremental", targetSliceSize: 2 },
      sinkEndpointId: sink.id,
      stagingProviderId: "in_memory",
      tenant: "acme",
      runId: RunId.make(`run-${id}`),
      epoch: Epoch.make(1),
      generation: Generation.make(1),
      nextSeq: SliceSeq.make(0),
      deadline: null,
      source,
      sink,
      replay: null,
      ...change
    }
  })

/** The run that takes over after `before`, from the place its last commit left. */
export const successorOf = (before: RunIngestionUnit, events: ReadonlyArray<RunEvent>): RunIngestionUnit => {
  const last = of(events, "Committed").at(-1)?.commitRecord
  return {
    ...before,
    runId: RunId.make(`run-${crypto.randomUUID()}`),
    epoch: Epoch.make(before.epoch + 1),
    checkpoint: last?.toCkpt ?? before.checkpoint,
    nextSeq: last === undefined ? before.nextSeq : SliceSeq.make(last.sliceSeq + 1)
  }
}

export type Answer = (question: Question) => Effect.Effect<Verdict>
const commit: Answer = () => Effect.succeed("commit")

/** Commits the slices before `at`, then says `verdict`. */
export const upTo =
  (at: number, verdict: Verdict): Answer =>
  ({ sliceSeq }) =>
    Effect.succeed(sliceSeq < at ? "commit" : verdict)

/** Plays the run and answers its questions. What it said, progress aside, and how it ended. */
export const play = Effect.fnUntraced(function* (request: RunIngestionUnit, answer: Answer = commit) {
  const worker = yield* PythonWorker
  const events: Array<RunEvent> = []
  const hear = Effect.fnUntraced(function* (event: RunEvent) {
    if (event._tag !== "Progress") events.push(event)
    if (!isQuestion(event)) return
    const verdict = yield* answer(event)
    // A worker that died meanwhile is heard of through its stream.
    yield* Effect.ignore(worker.decide({ ...placeOf(request.runId, event), verdict }))
  })
  const outcome = yield* Effect.result(Stream.runForEach(worker.runIngestionUnit(request), hear))
  return { events, outcome }
})

/** Plays a run that has to end well. */
export const carry = Effect.fnUntraced(function* (request: RunIngestionUnit, answer: Answer = commit) {
  const { events, outcome } = yield* play(request, answer)
  assert.deepStrictEqual(outcome, Result.void)
  return events
})

export const reasonOf = (outcome: Result.Result<unknown, PythonWorkerError>) =>
  Result.isFailure(outcome) ? outcome.failure.reason : undefined

/** A run that stands at its first question of slice `at`; `goOn` lets it commit that and the rest. */
export const standing = Effect.fnUntraced(function* (request: RunIngestionUnit, at: number) {
  const reached = yield* Deferred.make<Question>()
  const gate = yield* Deferred.make<Verdict>()
  const wait: Answer = (question) =>
    question.sliceSeq < at
      ? Effect.succeed("commit")
      : Effect.andThen(Deferred.succeed(reached, question), Deferred.await(gate))
  const fiber = yield* Effect.forkChild(play(request, wait))
  const tooSoon = Effect.flatMap(Fiber.join(fiber), ({ outcome }) =>
    Effect.die(new Error(`the run ended before slice ${at}`, { cause: outcome }))
  )
  const question = yield* Effect.raceFirst(Deferred.await(reached), tooSoon)
  const goOn = Effect.andThen(Deferred.succeed(gate, "commit"), Fiber.join(fiber))
  return { fiber, question, goOn }
})

export const rowsOf = (events: ReadonlyArray<RunEvent>) =>
  of(events, "Committed").reduce((sum, { commitRecord }) => sum + commitRecord.rows, 0)
