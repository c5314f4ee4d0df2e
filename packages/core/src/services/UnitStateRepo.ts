/** UnitStateRepo — the durable record of where each unit is in its lifecycle. Reads never write. */
import { Context, type Effect, type Option, Schema } from "effect"
import type { EndpointId } from "../domain/Endpoint.ts"
import type {
  IllegalTransition,
  IngestionUnitEvent,
  IngestionUnitState
} from "../domain/IngestionUnitState.ts"
import type { UnitKey } from "../domain/Unit.ts"

export class UnitStateRepo extends Context.Service<
  UnitStateRepo,
  {
    /** The unit's state; none before its first event. */
    readonly get: (unit: UnitKey) => Effect.Effect<Option.Option<IngestionUnitState>, UnitStateRepoError>

    /** Every unit of the endpoint that ever had an event; newest change first. */
    readonly list: (
      endpointId: EndpointId
    ) => Effect.Effect<ReadonlyArray<IngestionUnitState>, UnitStateRepoError>

    /**
     * Applies one event by `transition`, atomically, and returns the state it led
     * to. A unit never seen begins from `initial`; an event of a run (`Completed`,
     * `Failed`) on such a unit is an `IllegalTransition`. Of concurrent `Started`s
     * exactly one succeeds. A refused event changes nothing.
     */
    readonly apply: (
      unit: UnitKey,
      event: IngestionUnitEvent
    ) => Effect.Effect<IngestionUnitState, UnitStateRepoError | IllegalTransition>

    /** Sets the copy of the checkpoint record that readers of the table see. Changes nothing else; no-op for a unit never seen. */
    readonly copyCheckpoint: (unit: UnitKey, record: Schema.Json) => Effect.Effect<void, UnitStateRepoError>
  }
>()("@headrace/core/services/UnitStateRepo") {}

/** The store could not be reached, or holds a row that does not decode. */
export class UnitStateRepoError extends Schema.TaggedError<UnitStateRepoError>()("UnitStateRepoError", {
  cause: Schema.Defect()
}) {}
