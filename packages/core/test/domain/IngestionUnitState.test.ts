import { assert, describe, it } from "@effect/vitest"
import { DateTime, Option, Result } from "effect"
import { EndpointId } from "../../src/domain/Endpoint.ts"
import {
  IngestionState,
  IngestionUnitEvent,
  IngestionUnitState,
  initial,
  transition
} from "../../src/domain/IngestionUnitState.ts"
import { RunId } from "../../src/domain/Run.ts"
import { SinkId, UnitId, UnitKey } from "../../src/domain/Unit.ts"

const { Completed, Failed, Paused, Reset, Started } = IngestionUnitEvent.cases

const unit = UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make("orders") })
const current = RunId.make("current")
const stale = RunId.make("stale")
const next = RunId.make("next")
const [lake, river] = [SinkId.make("lake"), SinkId.make("river")]
const before = DateTime.makeUnsafe(1_700_000_000_000)
const at = DateTime.makeUnsafe(1_700_000_060_000)
const oldStats = { exported_rows: 1 }
const stats = { exported_rows: 2 }

/** A unit in that state, with every column filled. */
const unitIn = (state: IngestionState) =>
  IngestionUnitState.make({
    unit,
    sinkId: lake,
    state,
    lastRunId: current,
    lastRunAt: before,
    lastError: "BUG: before",
    stats: oldStats,
    updatedAt: before
  })

const events = {
  Started: Started.make({ runId: next, sinkId: river, at }),
  Paused: Paused.make({ sinkId: river, at }),
  Reset: Reset.make({ sinkId: river, at }),
  "Completed of the current run": Completed.make({ runId: current, stats, at }),
  "Completed of another run": Completed.make({ runId: stale, stats, at }),
  "Failed of the current run": Failed.make({ runId: current, reason: "BUG: now", at }),
  "Failed of another run": Failed.make({ runId: stale, reason: "BUG: now", at })
} as const

type Row = { readonly [Event in keyof typeof events]: IngestionState | "refused" }

const ofNoRun = {
  "Completed of the current run": "refused",
  "Completed of another run": "refused",
  "Failed of the current run": "refused",
  "Failed of another run": "refused"
} as const

/** The whole lifecycle: what each event makes of each state. */
const table: { readonly [State in IngestionState]: Row } = {
  IDLE: { Started: "RUNNING", Paused: "PAUSED", Reset: "IDLE", ...ofNoRun },
  RUNNING: {
    Started: "refused",
    Paused: "PAUSED",
    Reset: "IDLE",
    "Completed of the current run": "SUCCEEDED",
    "Completed of another run": "refused",
    "Failed of the current run": "FAILED",
    "Failed of another run": "refused"
  },
  PAUSED: { Started: "RUNNING", Paused: "PAUSED", Reset: "IDLE", ...ofNoRun },
  FAILED: { Started: "RUNNING", Paused: "PAUSED", Reset: "IDLE", ...ofNoRun },
  SUCCEEDED: { Started: "RUNNING", Paused: "PAUSED", Reset: "IDLE", ...ofNoRun }
}

describe.each(IngestionState.literals)("P29 a unit that is %s", (state) => {
  const row: Readonly<Record<string, string>> = table[state]

  it.each(Object.entries(events).map(([name, event]) => [name, row[name], event] as const))(
    "on %s: %s",
    (_, expected, event) => {
      const reached = transition(unitIn(state), event)

      assert.strictEqual(Result.isSuccess(reached) ? reached.success.state : "refused", expected)
    }
  )
})

const after = (state: IngestionState, event: IngestionUnitEvent) =>
  Result.getOrThrow(transition(unitIn(state), event))

describe("what an event leaves in the row", () => {
  it("Started names run, sink and time, clears the error, and keeps the stats of the run before (P18)", () => {
    const state = after("FAILED", events.Started)

    assert.deepInclude(state, {
      state: "RUNNING",
      lastRunId: next,
      lastRunAt: at,
      sinkId: river,
      lastError: null,
      stats: oldStats,
      updatedAt: at
    })
  })

  it("Completed replaces the stats and clears the error", () => {
    const state = after("RUNNING", events["Completed of the current run"])

    assert.deepInclude(state, {
      stats,
      lastError: null,
      lastRunId: current,
      lastRunAt: at,
      updatedAt: at,
      sinkId: lake
    })
  })

  it("Failed says why and keeps the stats of the last run that succeeded", () => {
    const state = after("RUNNING", events["Failed of the current run"])

    assert.deepInclude(state, { stats: oldStats, lastError: "BUG: now", lastRunAt: at, updatedAt: at })
  })

  it.each([events.Paused, events.Reset])(
    "$_tag clears the error and keeps run, time, sink and stats",
    (event) => {
      const state = after("FAILED", event)

      assert.deepInclude(state, {
        lastError: null,
        lastRunId: current,
        lastRunAt: before,
        sinkId: lake,
        stats: oldStats,
        updatedAt: at
      })
    }
  )

  it("Paused of a unit that is PAUSED already changes nothing at all", () => {
    assert.deepStrictEqual(after("PAUSED", events.Paused), unitIn("PAUSED"))
  })

  it("a unit never seen begins IDLE, with nothing of a run in it", () => {
    assert.deepInclude(initial(unit, events.Paused), {
      state: "IDLE",
      sinkId: river,
      lastRunId: null,
      lastRunAt: null,
      lastError: null,
      stats: null
    })
  })
})

describe("a refusal", () => {
  it("D1 names the state, the event and the run that holds the unit", () => {
    const refused = Option.getOrThrow(Result.getFailure(transition(unitIn("RUNNING"), events.Started)))

    assert.deepInclude(refused, {
      _tag: "IllegalTransition",
      from: "RUNNING",
      event: "Started",
      currentRunId: current
    })
  })
})
