/**
 * The reference `RunEngine`, and the one of a single process: a fiber for each
 * run, supervised by the layer's scope. When the scope closes every run is
 * interrupted, and closing waits until each has settled its unit.
 */
import { Effect, Fiber, Layer } from "effect"
import type { UnitKey } from "../domain/Unit.ts"
import { IngestionRunWorkflow, RunEngine } from "../services/RunEngine.ts"

interface Carried {
  readonly unit: UnitKey
  readonly fiber: Fiber.Fiber<void>
}

const isOf = (unit: UnitKey) => (carried: Carried) =>
  carried.unit.endpointId === unit.endpointId && carried.unit.unitId === unit.unitId

export const make = Effect.gen(function* () {
  const { ingestionRunWorkflow } = yield* IngestionRunWorkflow
  const carried = new Set<Carried>()
  const fibersOf = (unit: UnitKey) => [...carried].filter(isOf(unit)).map(({ fiber }) => fiber)

  yield* Effect.addFinalizer(() => Fiber.interruptAll([...carried].map(({ fiber }) => fiber)))

  return RunEngine.of({
    submit: Effect.fn("MemoryRunEngine.submit")(function* (request) {
      // Uninterruptible at its root: a run interrupted before its first step must still settle.
      const fiber = yield* Effect.forkDetach(ingestionRunWorkflow(request), { uninterruptible: true })
      const entry = { unit: request.run.unit, fiber }
      carried.add(entry)
      fiber.addObserver(() => carried.delete(entry))
    }, Effect.uninterruptible),
    interrupt: (unit) => Effect.suspend(() => Fiber.interruptAll(fibersOf(unit))),
    settled: (unit) => Effect.suspend(() => Effect.asVoid(Fiber.awaitAll(fibersOf(unit))))
  })
})

export const layer: Layer.Layer<RunEngine, never, IngestionRunWorkflow> = Layer.effect(RunEngine, make)
