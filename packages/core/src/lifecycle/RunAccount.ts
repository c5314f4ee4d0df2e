/**
 * What one run knows of itself while it goes on: the checkpoint it moved last,
 * what it counted, whether it was told to stop. Kept apart from the workflow,
 * so that whoever ends the run, well or badly, can tell how far it came.
 */
import { DateTime, Effect, Ref } from "effect"
import type { RunStats, SliceSeq } from "../domain/Run.ts"
import { absent } from "../services/KvStore.ts"
import type { RunRequest } from "../services/RunEngine.ts"
import { type RunHappening, RunProgress } from "../services/RunEvents.ts"
import type { Kept, Place } from "./CheckpointLog.ts"
import { clientStats, emptyTally, rowsShown, type RunTally } from "./RunTally.ts"

export interface Account {
  readonly startedAt: DateTime.Utc
  readonly kept: Kept
  readonly tally: RunTally
  /** The highest `sliceSeq` that was announced. */
  readonly announced: number
  /** The slice that may be committed and was not said to be yet. */
  readonly allowed: SliceSeq | null
  /** Rows set aside of the slice that is not sealed yet. */
  readonly rejected: number
  /** The worker was told to end in order. */
  readonly stopped: boolean
  /** What the worker finished with. */
  readonly worker: RunStats
}

export type AccountRef = Ref.Ref<Account>

export const open = Effect.flatMap(DateTime.now, (startedAt) =>
  Ref.make<Account>({
    startedAt,
    kept: { record: null, version: absent },
    tally: emptyTally,
    announced: -1,
    allowed: null,
    rejected: 0,
    stopped: false,
    worker: {}
  })
)

export const placeOf = ({ run: { tenant, unit, sinkId } }: RunRequest): Place => ({ tenant, unit, sinkId })

/** The stats of the run so far, as clients see them. */
export const statsOf = Effect.fnUntraced(function* (
  request: RunRequest,
  { startedAt, tally, worker }: Account
) {
  const durationMs = DateTime.toEpochMillis(yield* DateTime.now) - DateTime.toEpochMillis(startedAt)
  const { stagingProviderId, sink } = request
  return clientStats(tally, { worker, durationMs, stagingProviderId, isGraph: sink === null })
})

/** An event of the run while it is RUNNING; `slice` is the `sliceSeq`, shown as a number from 1 within the run. */
export const happening = Effect.fnUntraced(function* (
  { run }: RunRequest,
  { tally }: Account,
  said: {
    readonly event: RunHappening
    readonly slice?: number | null
    readonly phase?: string | null
    readonly message?: string | null
  }
) {
  const { slice = null } = said
  return RunProgress.make({
    at: yield* DateTime.now,
    unit: run.unit,
    runId: run.runId,
    event: said.event,
    state: "RUNNING",
    phase: said.phase ?? null,
    slice: slice === null ? null : slice - run.nextSeq + 1,
    sliceCount: tally.sliceCount,
    ...rowsShown(tally),
    bytes: tally.bytes,
    rowsTotal: tally.rowsTotal,
    message: said.message ?? null,
    stats: null
  })
})
