/**
 * RunEngine — carries accepted runs on, apart from the caller that started them.
 *
 * It orders work and owns no truth: state, checkpoints and runs live in their
 * stores. The workflow it carries is `IngestionRunWorkflow`, one function in
 * `lifecycle/IngestionRun.ts`; every engine runs the same one.
 */
import { Context, type Effect } from "effect"
import type { EndpointRef, JsonObject, Scope } from "../domain/Endpoint.ts"
import type { UnitKey } from "../domain/Unit.ts"
import type { KeptKey } from "./Quarantine.ts"
import type { Run } from "./RunRepo.ts"

/** All a run needs to know; decided when it was accepted, so that a later edit of the endpoint does not change it. */
export interface RunRequest {
  readonly run: Run
  readonly scope: Scope
  readonly source: EndpointRef
  /** Null: the knowledge base. */
  readonly sink: EndpointRef | null
  readonly policy: JsonObject
  readonly stagingProviderId: string
  /** Rows that were set aside, to be tried again in place of what the source has. */
  readonly replay: ReadonlyArray<ReplayedRow> | null
}

/** Which row it is, and what was kept of it. */
export interface ReplayedRow {
  readonly key: KeptKey
  readonly payload: string
}

export class IngestionRunWorkflow extends Context.Service<
  IngestionRunWorkflow,
  {
    /** Runs from start to outcome. Never fails: whatever happens is in the unit's state when it ends, also when interrupted. */
    readonly ingestionRunWorkflow: (request: RunRequest) => Effect.Effect<void>
  }
>()("@headrace/core/services/RunEngine/IngestionRunWorkflow") {}

export class RunEngine extends Context.Service<
  RunEngine,
  {
    /** Takes the run over and returns at once. It goes on when the caller goes away. */
    readonly submit: (request: RunRequest) => Effect.Effect<void>

    /** Ends the unit's run here, if there is one, and returns when it has ended. */
    readonly interrupt: (unit: UnitKey) => Effect.Effect<void>

    /** Returns when this engine has no run of the unit. */
    readonly settled: (unit: UnitKey) => Effect.Effect<void>
  }
>()("@headrace/core/services/RunEngine") {}
