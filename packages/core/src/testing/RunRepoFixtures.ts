/** What the clauses of `RunRepo` play with: units, runs, and processes that live and die. */
import type { Vitest } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { EndpointId } from "../domain/Endpoint.ts"
import { RunId, SliceSeq } from "../domain/Run.ts"
import { SinkId, UnitId, UnitKey } from "../domain/Unit.ts"
import { type Ending, type Run, RunRepo } from "../services/RunRepo.ts"
import type { UnitStateRepo } from "../services/UnitStateRepo.ts"

export const lake = SinkId.make("lake")
export const seq = (n: number) => SliceSeq.make(n)

/** The checkpoint of a slice, as it is copied for readers. */
export const copy = (n: number) => ({ cursor: { next: n } })

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
  runs: RunRepo["Service"],
  request: Parameters<RunRepo["Service"]["acquire"]>[0],
  nextSeq: number,
  ending = failed
) {
  const run = yield* runs.acquire(request)
  for (let next = run.nextSeq + 1; next <= nextSeq; next++)
    yield* runs.advance(run, { nextSeq: seq(next), checkpoint: copy(next) })
  yield* runs.close(run, ending)
  return run
})

export interface Processes<R, E> {
  /** A process that lives as long as the scope it is built in. */
  readonly living: Effect.Effect<RunRepo["Service"], E, R | UnitStateRepo | Scope.Scope>
  /** A process, and how it dies. */
  readonly mortal: Effect.Effect<
    { readonly runs: RunRepo["Service"]; readonly dies: Effect.Effect<void> },
    E,
    R | UnitStateRepo | Scope.Scope
  >
  /** The run's lease passes, whether its process lives or not. */
  readonly lapse: (run: Run) => Effect.Effect<unknown, unknown, R>
}

/** Processes, each built fresh over one store. */
export const processesOf = <R, E>(
  process: Layer.Layer<RunRepo, E, R | UnitStateRepo>,
  lapse: Processes<R, E>["lapse"]
): Processes<R, E> => {
  const living = Effect.map(Layer.build(Layer.fresh(process)), Context.get(RunRepo))
  const mortal = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const runs = yield* Scope.provide(living, scope)
    return { runs, dies: Scope.close(scope, Exit.void) }
  })
  return { living, mortal, lapse }
}

export type Clauses<R> = Vitest.MethodsNonLive<R | UnitStateRepo>
