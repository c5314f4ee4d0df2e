/**
 * The reference `RunRepo`. The store and its owners are apart: `layerStore` is
 * what would be the database, each `layerProcess` over it is one process, which
 * is known to be gone when its scope closes. `layer` is one process with a store
 * of its own.
 */
import { Clock, Context, DateTime, Duration, Effect, Layer, Option, Semaphore } from "effect"
import { unitPath } from "../domain/Checkpoint.ts"
import { IngestionUnitEvent } from "../domain/IngestionUnitState.ts"
import { Epoch, Generation, type RunId, SliceSeq } from "../domain/Run.ts"
import { type Reached, reachedBefore } from "../domain/RunOutcome.ts"
import type { SinkId, UnitKey } from "../domain/Unit.ts"
import {
  type Ending,
  type Filled,
  LeaseTimes,
  Run,
  RunRepo,
  RunRepoError,
  UnitBusy
} from "../services/RunRepo.ts"
import type { NotedSlice } from "../services/SliceLedger.ts"
import { UnitStateRepo } from "../services/UnitStateRepo.ts"

const { Completed, Failed, Started } = IngestionUnitEvent.cases

interface Row {
  readonly run: Run
  readonly owner: symbol
  readonly open: boolean
  /** Milliseconds of the clock; null once the unit was taken from it. */
  readonly leaseUntil: number | null
}

/** Where the next run into a sink goes on; `spent` once its generation is whole or was reset. */
interface Filling {
  readonly generation: Generation
  readonly nextSeq: SliceSeq
  readonly complete: boolean
  readonly spent: boolean
}

/** A slice of a generation, in the ledger's words. */
interface Slice {
  readonly path: string
  readonly generation: Generation
  readonly noted: NotedSlice
}

/** What processes share: the rows, what is noted of slices, which owners live, and whose turn it is to change them. */
export class RunStore extends Context.Service<
  RunStore,
  {
    readonly rows: Map<RunId, Row>
    readonly fillings: Map<string, Filling>
    readonly slices: Map<string, Slice>
    readonly alive: Set<symbol>
    readonly turn: Semaphore.Semaphore
  }
>()("@headrace/core/memory/MemoryRunRepo/RunStore") {
  static readonly make = (): RunStore["Service"] => ({
    rows: new Map(),
    fillings: new Map(),
    slices: new Map(),
    alive: new Set(),
    turn: Semaphore.makeUnsafe(1)
  })
}

const sameUnit = (a: UnitKey, b: UnitKey) => a.endpointId === b.endpointId && a.unitId === b.unitId

const openRows = ({ rows }: RunStore["Service"]) => [...rows.values()].filter((row) => row.open)

/** Does the run hold its unit at that time? */
const isHeld =
  ({ alive }: RunStore["Service"], now: number) =>
  ({ owner, leaseUntil }: Row): boolean =>
    alive.has(owner) && leaseUntil !== null && leaseUntil > now

const liveRow = (store: RunStore["Service"], unit: UnitKey, now: number) =>
  openRows(store).find((row) => sameUnit(row.run.unit, unit) && isHeld(store, now)(row))

const nextEpoch = ({ rows }: RunStore["Service"], unit: UnitKey) =>
  Epoch.make(
    [...rows.values()].reduce(
      (top, { run }) => (sameUnit(run.unit, unit) ? Math.max(top, run.epoch) : top),
      0
    ) + 1
  )

const nextFilling = (last: Filling | undefined, fresh: boolean, continues: boolean): Filling => {
  if (last !== undefined && (continues || (!last.spent && !(last.complete && fresh)))) return last
  const generation = Generation.make((last?.generation ?? 0) + 1)
  return { generation, nextSeq: SliceSeq.make(0), complete: false, spent: false }
}

const filledMore = (filling: Filling, filled: Filled): Filling => ({
  ...filling,
  complete: filling.complete || filled !== "part",
  spent: filling.spent || filled === "whole"
})

/** The run's row while it is open and nobody acquired the unit after it. */
const rowOf = (store: RunStore["Service"], { runId, unit, epoch }: Run) => {
  const row = store.rows.get(runId)
  return row !== undefined && row.open && nextEpoch(store, unit) === epoch + 1 ? row : undefined
}

/** The same while its lease was not taken from it. */
export const heldRow = (store: RunStore["Service"], run: Run): Row | undefined => {
  const row = rowOf(store, run)
  return row?.leaseUntil === null ? undefined : row
}

export const pathOf = ({ tenant, unit, sinkId }: { tenant: string; unit: UnitKey; sinkId: SinkId }) =>
  unitPath(tenant, unit, sinkId)

const lost = "Its process died."

/** What a run writes into the state of its unit, by the lifecycle's own rules. */
const showing = (units: UnitStateRepo["Service"]) => {
  const start = Effect.fnUntraced(function* ({ unit, runId, sinkId }: Run) {
    return yield* units.apply(unit, Started.make({ runId, sinkId, at: yield* DateTime.now }))
  })

  return {
    /** The unit is acquired, so a run that its state still calls RUNNING is dead. */
    begin: (run: Run) =>
      start(run).pipe(
        Effect.catchTag("IllegalTransition", ({ currentRunId }) =>
          Effect.gen(function* () {
            if (currentRunId !== null) {
              const dead = Failed.make({ runId: currentRunId, reason: lost, at: yield* DateTime.now })
              yield* units.apply(run.unit, dead)
            }
            yield* start(run)
          })
        ),
        Effect.catchTag("IllegalTransition", (refused) => Effect.die(refused))
      ),

    end: Effect.fnUntraced(function* ({ unit, runId }: Run, ending: Ending) {
      const at = yield* DateTime.now
      const isCompleted = ending._tag === "Completed"
      const event = isCompleted
        ? Completed.make({ runId, stats: ending.stats, at })
        : Failed.make({ runId, reason: ending.reason, at })
      const written = Effect.gen(function* () {
        yield* units.apply(unit, event)
        if (isCompleted && ending.checkpoint !== undefined)
          yield* units.copyCheckpoint(unit, ending.checkpoint)
        const reached: Reached = { outcome: isCompleted ? "SUCCEEDED" : "FAILED", isShown: true }
        return reached
      })
      const found = Effect.map(units.get(unit), (now) => reachedBefore(runId, Option.getOrUndefined(now)))
      return yield* Effect.catchTag(written, "IllegalTransition", () => found)
    })
  }
}

const failed = (cause: unknown) => new RunRepoError({ cause })

export const make = Effect.gen(function* () {
  const { ttl } = yield* LeaseTimes
  const store = yield* RunStore
  const units = yield* UnitStateRepo
  const shown = showing(units)
  const owner = Symbol("owner")
  yield* Effect.acquireRelease(
    Effect.sync(() => store.alive.add(owner)),
    () => Effect.sync(() => store.alive.delete(owner))
  )

  const inTurn = store.turn.withPermits(1)

  const leaseEnd = Effect.map(Clock.currentTimeMillis, (now) => now + Duration.toMillis(ttl))

  /** What is noted of generations before the last one is of no use to anybody. */
  const forget = (path: string, before: Generation) => {
    for (const [key, slice] of store.slices)
      if (slice.path === path && slice.generation < before) store.slices.delete(key)
  }

  const acquire: RunRepo["Service"]["acquire"] = Effect.fnUntraced(function* ({
    fresh,
    continues = false,
    ...request
  }) {
    const busy = liveRow(store, request.unit, yield* Clock.currentTimeMillis)
    if (busy !== undefined) return yield* new UnitBusy({ unit: request.unit, runId: busy.run.runId })
    const startedAt = yield* DateTime.now
    const filling = nextFilling(store.fillings.get(pathOf(request)), fresh, continues)
    const { generation, nextSeq } = filling
    const epoch = nextEpoch(store, request.unit)
    const run = Run.make({ ...request, epoch, generation, nextSeq, startedAt })
    yield* Effect.mapError(shown.begin(run), failed)
    store.fillings.set(pathOf(run), filling)
    forget(pathOf(run), Generation.make(Math.max(0, generation - 1)))
    store.rows.set(run.runId, { run, owner, open: true, leaseUntil: yield* leaseEnd })
    return run
  })

  const renew: RunRepo["Service"]["renew"] = Effect.fnUntraced(function* (run) {
    const row = heldRow(store, run)
    if (row === undefined) return false
    store.rows.set(run.runId, { ...row, leaseUntil: yield* leaseEnd })
    return true
  })

  /** What has passed is taken, so that nobody renews it afterwards. */
  const orphans = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const lost = openRows(store).filter((row) => !isHeld(store, now)(row))
    for (const row of lost) store.rows.set(row.run.runId, { ...row, leaseUntil: null })
    return lost.map(({ run }) => run)
  })

  const close: RunRepo["Service"]["close"] = Effect.fnUntraced(function* (run, ending) {
    const reached = yield* Effect.mapError(shown.end(run, ending), failed)
    const filling = store.fillings.get(pathOf(run))
    if (ending._tag === "Completed" && rowOf(store, run) !== undefined && filling !== undefined)
      store.fillings.set(pathOf(run), filledMore(filling, ending.filled))
    const row = store.rows.get(run.runId)
    if (row !== undefined) store.rows.set(run.runId, { ...row, open: false })
    return reached
  })

  return RunRepo.of({
    acquire: (request) => inTurn(acquire(request)),
    renew: (run) => inTurn(renew(run)),
    close: (run, ending) => inTurn(close(run, ending)),
    live: (unit) =>
      Effect.map(Clock.currentTimeMillis, (now) =>
        Option.map(Option.fromNullishOr(liveRow(store, unit, now)), (row) => row.run)
      ),
    openRuns: Effect.map(Clock.currentTimeMillis, (now) =>
      openRows(store)
        .filter(isHeld(store, now))
        .map((row) => row.run)
    ),
    endGeneration: (tenant, unit, sinkId) =>
      Effect.sync(() => {
        const path = unitPath(tenant, unit, sinkId)
        const filling = store.fillings.get(path)
        if (filling !== undefined) store.fillings.set(path, { ...filling, spent: true })
      }),
    orphans: inTurn(orphans)
  })
})

/** As if the run had not renewed its lease for too long. */
export const lapse = ({ runId }: Run): Effect.Effect<void, never, RunStore> =>
  Effect.map(RunStore, ({ rows }) => {
    const row = rows.get(runId)
    if (row?.leaseUntil != null) rows.set(runId, { ...row, leaseUntil: 0 })
  })

export const layerStore: Layer.Layer<RunStore> = Layer.sync(RunStore, RunStore.make)

/** One process over the store it shares with others; build it with `Layer.fresh` for each of several. */
export const layerProcess: Layer.Layer<RunRepo, never, RunStore | UnitStateRepo> = Layer.effect(RunRepo, make)

export const layer: Layer.Layer<RunRepo, never, UnitStateRepo> = layerProcess.pipe(Layer.provide(layerStore))
