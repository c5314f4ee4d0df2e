/** What the clauses of `RunRepo` play with: units, runs, and processes that live and die. */
import type { Vitest } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Option, Scope } from "effect"
import { Checkpoint, checkpointKey } from "../domain/Checkpoint.ts"
import { EndpointId } from "../domain/Endpoint.ts"
import { RunId, SliceSeq } from "../domain/Run.ts"
import { SinkId, UnitId, UnitKey } from "../domain/Unit.ts"
import { absent, KvStore, type KvStoreError } from "../services/KvStore.ts"
import { type Ending, type Run, RunRepo } from "../services/RunRepo.ts"
import { type Landed, SliceLedger, type SliceLedgerError } from "../services/SliceLedger.ts"
import type { UnitStateRepo } from "../services/UnitStateRepo.ts"

export const lake = SinkId.make("lake")
export const seq = (n: number) => SliceSeq.make(n)

/** Where a slice ends. */
const end = (n: number) => Checkpoint.make({ next: n })

/** The slice before `nextSeq`, as its sink holds it. */
export const landed = ({ epoch }: Pick<Run, "epoch">, nextSeq: number): Landed => ({
  sliceSeq: seq(nextSeq - 1),
  fromCkpt: nextSeq === 1 ? null : end(nextSeq - 1),
  toCkpt: end(nextSeq),
  rows: 3,
  sha256: `${nextSeq}`,
  epoch
})

/** What the checkpoint is behind it. */
export const record = (nextSeq: number) => ({ cursor: { next: nextSeq } })

/** What KV holds of the run's unit and sink, and its version. */
export const checkpointOf = ({ tenant, unit, sinkId }: Pick<Run, "tenant" | "unit" | "sinkId">) =>
  Effect.gen(function* () {
    const entry = yield* (yield* KvStore).get(tenant, checkpointKey(unit, sinkId))
    return Option.getOrElse(entry, () => ({ value: null, version: absent }))
  })

/** What a process does for runs. */
export type Process = RunRepo["Service"] & {
  readonly ledger: SliceLedger["Service"]
  /** The run commits slices up to `nextSeq`, whoever moved the checkpoint before. */
  readonly commits: (run: Run, nextSeq: number) => Effect.Effect<void, SliceLedgerError | KvStoreError>
}

const processIn = (here: Context.Context<RunRepo | SliceLedger>, kv: KvStore["Service"]): Process => {
  const ledger = Context.get(here, SliceLedger)
  const commits = Effect.fnUntraced(function* (run: Run, nextSeq: number) {
    for (let next = run.nextSeq + 1; next <= nextSeq; next++) {
      const { version: expected } = yield* Effect.provideService(checkpointOf(run), KvStore, kv)
      yield* ledger.finalise(run, { slice: landed(run, next), checkpoint: record(next), expected })
    }
  })
  return { ...Context.get(here, RunRepo), ledger, commits }
}

export const unitOf = (name: string) =>
  UnitKey.make({
    endpointId: EndpointId.make(`${name}-${crypto.randomUUID()}`),
    unitId: UnitId.make("orders")
  })

export const asking = (unit: UnitKey, sinkId = lake, fresh = false) => ({
  runId: RunId.make(`run-${crypto.randomUUID()}`),
  tenant: "acme",
  unit,
  sinkId,
  fresh
})

export const failed: Ending = { _tag: "Failed", reason: "BUG: It broke." }
export const completed = (filled: Extract<Ending, { _tag: "Completed" }>["filled"]): Ending => ({
  _tag: "Completed",
  stats: { exported_rows: 3 },
  filled
})

/** A run that committed up to `nextSeq` slices and was closed. */
export const carried = Effect.fnUntraced(function* (
  runs: Process,
  request: Parameters<RunRepo["Service"]["acquire"]>[0],
  nextSeq: number,
  ending = failed
) {
  const run = yield* runs.acquire(request)
  yield* runs.commits(run, nextSeq)
  yield* runs.close(run, ending)
  return run
})

/** What processes share, beside what the adapter's own store is. */
export type Stores = KvStore | UnitStateRepo

export interface Processes<R, E> {
  /** A process that lives as long as the scope it is built in. */
  readonly living: Effect.Effect<Process, E, R | Stores | Scope.Scope>
  /** A process, and how it dies. */
  readonly mortal: Effect.Effect<
    { readonly runs: Process; readonly dies: Effect.Effect<void> },
    E,
    R | Stores | Scope.Scope
  >
  /** The run's lease passes, whether its process lives or not. */
  readonly lapse: (run: Run) => Effect.Effect<unknown, unknown, R>
}

/** Processes, each built fresh over one store. */
export const processesOf = <R, E>(
  process: Layer.Layer<RunRepo | SliceLedger, E, R | Stores>,
  lapse: Processes<R, E>["lapse"]
): Processes<R, E> => {
  const living = Effect.zipWith(Layer.build(Layer.fresh(process)), KvStore, processIn)
  const mortal = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const runs = yield* Scope.provide(living, scope)
    return { runs, dies: Scope.close(scope, Exit.void) }
  })
  return { living, mortal, lapse }
}

export type Clauses<R> = Vitest.MethodsNonLive<R | Stores>
