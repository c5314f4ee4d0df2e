/**
 * The reference `RunRepo`. The store and its owners are apart: `layerStore` is
 * what would be the database, each `layerProcess` over it is one process, alive
 * as long as its scope. `layer` is one process with a store of its own.
 */
import { Context, DateTime, Effect, Layer, Option } from "effect"
import { unitPath } from "../domain/Checkpoint.ts"
import { Epoch, Generation, type RunId, SliceSeq } from "../domain/Run.ts"
import type { SinkId, UnitKey } from "../domain/Unit.ts"
import { Run, RunRepo, UnitBusy } from "../services/RunRepo.ts"

interface Row {
  readonly run: Run
  readonly owner: symbol
  readonly open: boolean
}

/** Where the next run into a sink goes on; `ended` once its generation is complete or reset. */
interface Filling {
  readonly generation: Generation
  readonly nextSeq: SliceSeq
  readonly ended: boolean
}

/** What processes share: the rows, and which owners live. */
export class RunStore extends Context.Service<
  RunStore,
  {
    readonly rows: Map<RunId, Row>
    readonly fillings: Map<string, Filling>
    readonly alive: Set<symbol>
  }
>()("@headrace/core/memory/MemoryRunRepo/RunStore") {
  static readonly make = (): RunStore["Service"] => ({
    rows: new Map(),
    fillings: new Map(),
    alive: new Set()
  })
}

const sameUnit = (a: UnitKey, b: UnitKey) => a.endpointId === b.endpointId && a.unitId === b.unitId

const openRows = ({ rows, alive }: RunStore["Service"], ownerLives: boolean) =>
  [...rows.values()].filter((row) => row.open && alive.has(row.owner) === ownerLives)

const liveRow = (store: RunStore["Service"], unit: UnitKey) =>
  openRows(store, true).find((row) => sameUnit(row.run.unit, unit))

const nextEpoch = ({ rows }: RunStore["Service"], unit: UnitKey) =>
  Epoch.make(
    [...rows.values()].reduce(
      (top, { run }) => (sameUnit(run.unit, unit) ? Math.max(top, run.epoch) : top),
      0
    ) + 1
  )

const nextFilling = (last: Filling | undefined, fresh: boolean): Filling => {
  if (last !== undefined && !fresh && !last.ended) return last
  return { generation: Generation.make((last?.generation ?? 0) + 1), nextSeq: SliceSeq.make(0), ended: false }
}

const pathOf = ({ tenant, unit, sinkId }: { tenant: string; unit: UnitKey; sinkId: SinkId }) =>
  unitPath(tenant, unit, sinkId)

export const make = Effect.gen(function* () {
  const store = yield* RunStore
  const owner = Symbol("owner")
  yield* Effect.acquireRelease(
    Effect.sync(() => store.alive.add(owner)),
    () => Effect.sync(() => store.alive.delete(owner))
  )

  return RunRepo.of({
    open: Effect.fnUntraced(function* ({ fresh, ...request }) {
      const busy = liveRow(store, request.unit)
      if (busy !== undefined) return yield* new UnitBusy({ unit: request.unit, runId: busy.run.runId })
      const startedAt = yield* DateTime.now
      const filling = nextFilling(store.fillings.get(pathOf(request)), fresh)
      const { generation, nextSeq } = filling
      const epoch = nextEpoch(store, request.unit)
      const run = Run.make({ ...request, epoch, generation, nextSeq, startedAt })
      store.fillings.set(pathOf(request), filling)
      store.rows.set(run.runId, { run, owner, open: true })
      return run
    }),
    advance: (runId, nextSeq) =>
      Effect.sync(() => {
        const row = store.rows.get(runId)
        if (row === undefined || !row.open) return
        const path = pathOf(row.run)
        const ended = store.fillings.get(path)?.ended === true
        store.fillings.set(path, { generation: row.run.generation, nextSeq, ended })
      }),
    close: (runId, _outcome, { complete }) =>
      Effect.sync(() => {
        const row = store.rows.get(runId)
        if (row === undefined || !row.open) return
        store.rows.set(runId, { ...row, open: false })
        const filling = store.fillings.get(pathOf(row.run))
        if (complete && filling !== undefined)
          store.fillings.set(pathOf(row.run), { ...filling, ended: true })
      }),
    live: (unit) =>
      Effect.sync(() => Option.map(Option.fromNullishOr(liveRow(store, unit)), (row) => row.run)),
    openRuns: Effect.sync(() => openRows(store, true).map((row) => row.run)),
    endGeneration: (tenant, unit, sinkId) =>
      Effect.sync(() => {
        const path = unitPath(tenant, unit, sinkId)
        const filling = store.fillings.get(path)
        if (filling !== undefined) store.fillings.set(path, { ...filling, ended: true })
      }),
    orphans: Effect.sync(() => openRows(store, false).map((row) => row.run))
  })
})

export const layerStore: Layer.Layer<RunStore> = Layer.sync(RunStore, RunStore.make)

/** One process over the store it shares with others; build it with `Layer.fresh` for each of several. */
export const layerProcess: Layer.Layer<RunRepo, never, RunStore> = Layer.effect(RunRepo, make)

export const layer: Layer.Layer<RunRepo> = layerProcess.pipe(Layer.provide(layerStore))
