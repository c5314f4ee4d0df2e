/**
 * The sample shop carried through the GraphQL API, as any client would do it:
 * register both ends, start, look until it has ended.
 */
import { RunId, RunStats } from "@headrace/core/domain/Run"
import { EndpointId } from "@headrace/core/domain/Endpoint"
import { IngestionState } from "@headrace/core/domain/IngestionUnitState"
import { UnitId, UnitKey } from "@headrace/core/domain/Unit"
import { type RunHappening, RunProgress } from "@headrace/core/services/RunEvents"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { type ApiRefused, ask } from "../ApiClient.ts"
import { shopUnit } from "./ShopSql.ts"

/** What clients call the two ends. */
const source = "shop"
const sink = "lake"

interface Ends {
  readonly shop: Readonly<Record<string, string>>
  /** The folder of the Parquet files, in full. */
  readonly lake: string
}

const Registered = Schema.Struct({ registerEndpoint: Schema.Struct({ id: Schema.String }) })

const register = (url: string, input: Readonly<Record<string, Schema.Json>>) =>
  ask(
    url,
    "mutation Register($input: EndpointInput!) { registerEndpoint(input: $input) { id } }",
    { input },
    Registered
  ).pipe(
    Effect.asVoid,
    // Registered at an earlier start.
    Effect.catchIf(
      ({ code }) => code === "E_DUPLICATE_SOURCE_ID",
      () => Effect.void
    )
  )

/** Makes both ends known; the second time there is nothing to do. */
export const registerEnds = (url: string, { shop, lake }: Ends): Effect.Effect<void, ApiRefused> =>
  Effect.gen(function* () {
    const { unitId, cursorField, primaryKeys } = shopUnit
    yield* register(url, {
      sourceId: source,
      name: "Sample shop",
      verb: "READ",
      config: {
        templateId: "jdbc.postgres",
        parameters: shop,
        sinkId: sink,
        ingestionUnits: [{ unitId, policy: { mode: "incremental", cursorField, primaryKeys } }]
      }
    })
    yield* register(url, {
      sourceId: sink,
      name: "Lake",
      verb: "WRITE",
      config: { templateId: "file.local", parameters: { base_path: lake } }
    })
  })

const Started = Schema.Struct({
  startIngestion: Schema.Struct({
    ok: Schema.Boolean,
    runId: Schema.NullOr(RunId),
    state: IngestionState
  })
})

/** Starts the run; `ok: false` when one is on its way already. */
export const startRun = (url: string) =>
  Effect.map(
    ask(
      url,
      "mutation Start($endpoint: ID!, $unit: ID!) { startIngestion(endpointId: $endpoint, unitId: $unit) { ok runId state } }",
      { endpoint: source, unit: shopUnit.unitId },
      Started
    ),
    ({ startIngestion }) => startIngestion
  )

const Status = Schema.Struct({
  ingestionStatus: Schema.Struct({
    endpointId: EndpointId,
    unitId: UnitId,
    state: IngestionState,
    lastRunId: Schema.NullOr(RunId),
    lastError: Schema.NullOr(Schema.String),
    stats: Schema.NullOr(RunStats)
  })
})

const endings: { readonly [State in IngestionState]: RunHappening | null } = {
  RUNNING: null,
  SUCCEEDED: "RUN_SUCCEEDED",
  FAILED: "RUN_FAILED",
  PAUSED: "RUN_PAUSED",
  IDLE: "RUN_RESET"
}

/** How the run ended, from its status, for whoever has no events: one that another process carries. */
const ended = (url: string, runId: RunId) =>
  Effect.gen(function* () {
    const { ingestionStatus: status } = yield* ask(
      url,
      "query Status($endpoint: ID!, $unit: ID!) { ingestionStatus(endpointId: $endpoint, unitId: $unit) { endpointId unitId state lastRunId lastError stats } }",
      { endpoint: source, unit: shopUnit.unitId },
      Status
    )
    const event = endings[status.state]
    if (event === null || status.lastRunId !== runId) return null
    return RunProgress.make({
      at: yield* DateTime.now,
      unit: UnitKey.make({ endpointId: status.endpointId, unitId: status.unitId }),
      runId,
      event,
      state: status.state,
      phase: null,
      slice: null,
      sliceCount: null,
      exportedRows: 0,
      appliedRows: 0,
      bytes: 0,
      rowsTotal: null,
      message: status.lastError,
      stats: status.stats
    })
  })

/** One event, the last, once the run has ended. */
export const lastEvent = (url: string, runId: RunId): Stream.Stream<RunProgress, ApiRefused> =>
  Stream.fromEffect(ended(url, runId)).pipe(
    Stream.repeat(Schedule.spaced("200 millis")),
    Stream.filter((event) => event !== null),
    Stream.take(1)
  )
