/** The contract of `RunEvents`, executable; one clause for each sentence of its prose. */
import { assert, layer as shared } from "@effect/vitest"
import { DateTime, Effect, type Layer, Stream } from "effect"
import { EndpointId } from "../domain/Endpoint.ts"
import { RunId } from "../domain/Run.ts"
import { UnitId, UnitKey } from "../domain/Unit.ts"
import { isTerminal, RunEvents, type RunHappening, RunProgress } from "../services/RunEvents.ts"

const unitOf = (unitId: string) =>
  UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make(unitId) })

/** An event of a run; `rows` tells it from its neighbours. */
const event = (runId: string, happening: RunHappening, rows = 0): RunProgress =>
  RunProgress.make({
    at: DateTime.makeUnsafe(1_700_000_000_000),
    unit: unitOf(`unit of ${runId}`),
    runId: RunId.make(runId),
    event: happening,
    state: happening === "RUN_SUCCEEDED" ? "SUCCEEDED" : "RUNNING",
    phase: "export",
    slice: 1,
    sliceCount: null,
    exportedRows: rows,
    appliedRows: 0,
    bytes: 0,
    rowsTotal: null,
    message: null,
    stats: null
  })

/** A run of `slices` slices, each with `lines` lines of progress. */
const runOf = (runId: string, slices: number, lines: number): ReadonlyArray<RunProgress> => [
  event(runId, "RUN_STARTED"),
  ...Array.from({ length: slices }, (_, slice) => [
    event(runId, "SLICE_STARTED", slice),
    ...Array.from({ length: lines }, (_, line) => event(runId, "SLICE_PROGRESS", slice * lines + line)),
    event(runId, "SLICE_COMMITTED", slice)
  ]).flat(),
  event(runId, "RUN_SUCCEEDED")
]

const publishAll = (events: RunEvents["Service"], all: ReadonlyArray<RunProgress>) =>
  Effect.forEach(all, events.publish, { discard: true })

/** What is heard up to and including the end of a run. */
const heardUntilEndOf = (runId: string, heard: Stream.Stream<RunProgress>) =>
  heard.pipe(
    Stream.takeUntil((told) => told.runId === runId && isTerminal(told)),
    Stream.runCollect
  )

const isLasting = (told: RunProgress) => told.event !== "SLICE_PROGRESS"

export const suite = <E>(adapter: string, layer: Layer.Layer<RunEvents, E>) =>
  shared(layer, { timeout: "60 seconds", excludeTestServices: true })(
    `RunEvents contract: ${adapter}`,
    (it) => {
      it.effect("every subscriber hears everything, each event as it was and in order", () =>
        Effect.gen(function* () {
          const events = yield* RunEvents
          const readers = [yield* events.subscribe, yield* events.subscribe]
          const run = runOf("everything", 3, 4)

          yield* publishAll(events, run)

          for (const reader of readers)
            assert.deepStrictEqual(yield* heardUntilEndOf("everything", reader), run)
        })
      )

      it.effect("nothing is heard that was published before subscribing, everything that came after", () =>
        Effect.gen(function* () {
          const events = yield* RunEvents
          yield* publishAll(events, runOf("before", 1, 1))

          const reader = yield* events.subscribe
          const after = runOf("after", 1, 1)
          yield* publishAll(events, after)

          assert.deepStrictEqual(yield* heardUntilEndOf("after", reader), after)
        })
      )

      it.effect("a subscriber hears every run, whoever publishes it", () =>
        Effect.gen(function* () {
          const events = yield* RunEvents
          const reader = yield* events.subscribe
          const runs = ["one", "two", "three"].map((runId) => runOf(runId, 2, 2))

          yield* Effect.forEach(runs, (run) => publishAll(events, run), { concurrency: "unbounded" })
          yield* events.publish(event("last", "RUN_FAILED"))

          const heard = yield* heardUntilEndOf("last", reader)
          for (const run of runs)
            assert.deepStrictEqual(
              heard.filter(({ runId }) => runId === run[0]?.runId),
              run
            )
        })
      )

      it.effect("a reader that waits hears an event when it is published", () =>
        Effect.gen(function* () {
          const events = yield* RunEvents
          const reader = yield* events.subscribe
          const run = runOf("awaited", 1, 1)

          const [heard] = yield* Effect.all([heardUntilEndOf("awaited", reader), publishAll(events, run)], {
            concurrency: "unbounded"
          })

          assert.deepStrictEqual(heard, run)
        })
      )

      it.effect("publishing waits for nobody, and a reader that sleeps loses only SLICE_PROGRESS", () =>
        Effect.gen(function* () {
          const events = yield* RunEvents
          const sleeper = yield* events.subscribe
          const run = runOf("slept-through", 50, 200)

          yield* publishAll(events, run)

          const heard = yield* heardUntilEndOf("slept-through", sleeper)
          assert.deepStrictEqual(heard.filter(isLasting), run.filter(isLasting))
          const known = new Set(run)
          assert.isTrue(heard.every((told) => known.has(told)))
        })
      )

      it.effect("a reader that sleeps takes nothing from one that listens", () =>
        Effect.gen(function* () {
          const events = yield* RunEvents
          yield* events.subscribe
          const listener = yield* events.subscribe
          const slices = Array.from({ length: 20 }, (_, n) => runOf(`listened-${n}`, 5, 20))

          for (const run of slices) {
            yield* publishAll(events, run)

            const heard = yield* listener.pipe(Stream.take(run.length), Stream.runCollect)

            assert.deepStrictEqual(heard, run)
          }
        })
      )

      it.effect("publishing is no error when nobody listens", () =>
        Effect.gen(function* () {
          const events = yield* RunEvents
          yield* Effect.scoped(events.subscribe)

          yield* publishAll(events, runOf("unheard", 1, 1))
        })
      )
    }
  )
