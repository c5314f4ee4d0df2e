/**
 * The reference `UnitStateRepo`: one map in one process. The decision is
 * `transition`'s; reading, deciding and writing are one synchronous step.
 */
import { DateTime, Effect, HashMap, Layer, Option, Result, type Schema } from "effect"
import {
  IllegalTransition,
  type IngestionUnitEvent,
  type IngestionUnitState,
  initial,
  transition
} from "../domain/IngestionUnitState.ts"
import type { UnitKey } from "../domain/Unit.ts"
import { UnitStateRepo } from "../services/UnitStateRepo.ts"

/** What an event leads to; an event of a run means nothing to a unit that never started one. */
const next = (
  unit: UnitKey,
  current: Option.Option<IngestionUnitState>,
  event: IngestionUnitEvent
): Result.Result<IngestionUnitState, IllegalTransition> => {
  if (Option.isSome(current)) return transition(current.value, event)
  return event._tag === "Completed" || event._tag === "Failed"
    ? Result.fail(new IllegalTransition({ from: "IDLE", event: event._tag, currentRunId: null }))
    : transition(initial(unit, event), event)
}

export const make = Effect.sync(() => {
  let states = HashMap.empty<UnitKey, IngestionUnitState>()
  let copies = HashMap.empty<UnitKey, Schema.Json>()

  return UnitStateRepo.of({
    get: (unit) => Effect.sync(() => HashMap.get(states, unit)),
    list: (endpointId) =>
      Effect.sync(() =>
        [...HashMap.values(states)]
          .filter(({ unit }) => unit.endpointId === endpointId)
          .toSorted((a, b) => DateTime.toEpochMillis(b.updatedAt) - DateTime.toEpochMillis(a.updatedAt))
      ),
    apply: Effect.fnUntraced(function* (unit, event) {
      const state = yield* Effect.fromResult(next(unit, HashMap.get(states, unit), event))
      states = HashMap.set(states, unit, state)
      return state
    }),
    copyCheckpoint: (unit, record) =>
      Effect.sync(() => {
        if (HashMap.has(states, unit)) copies = HashMap.set(copies, unit, record)
      })
  })
})

export const layer: Layer.Layer<UnitStateRepo> = Layer.effect(UnitStateRepo, make)
