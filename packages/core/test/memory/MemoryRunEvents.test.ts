import { assert, it } from "@effect/vitest"
import { DateTime, Effect, Stream } from "effect"
import { EndpointId } from "../../src/domain/Endpoint.ts"
import { RunId } from "../../src/domain/Run.ts"
import { UnitId, UnitKey } from "../../src/domain/Unit.ts"
import * as MemoryRunEvents from "../../src/memory/MemoryRunEvents.ts"
import { RunEvents, type RunHappening, RunProgress } from "../../src/services/RunEvents.ts"
import * as RunEventsSuite from "../../src/testing/RunEventsSuite.ts"

RunEventsSuite.suite("memory", MemoryRunEvents.layer)

const event = (happening: RunHappening, rows: number) =>
  RunProgress.make({
    at: DateTime.makeUnsafe(0),
    unit: UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make("orders") }),
    runId: RunId.make("run-1"),
    event: happening,
    state: "RUNNING",
    phase: null,
    slice: null,
    sliceCount: null,
    exportedRows: rows,
    appliedRows: 0,
    bytes: 0,
    rowsTotal: null,
    message: null,
    stats: null
  })

it.effect("for a reader that sleeps the newest 256 lines of progress are kept, and no more", () =>
  Effect.gen(function* () {
    const events = yield* RunEvents
    const sleeper = yield* events.subscribe
    for (let rows = 1; rows <= 10_000; rows++) yield* events.publish(event("SLICE_PROGRESS", rows))
    yield* events.publish(event("RUN_SUCCEEDED", 10_000))

    const heard = yield* sleeper.pipe(
      Stream.takeUntil((told) => told.event === "RUN_SUCCEEDED"),
      Stream.runCollect
    )

    const progress = heard.filter((told) => told.event === "SLICE_PROGRESS").map((told) => told.exportedRows)
    assert.deepStrictEqual(
      progress,
      Array.from({ length: 256 }, (_, index) => 9745 + index)
    )
  }).pipe(Effect.provide(MemoryRunEvents.layer))
)
