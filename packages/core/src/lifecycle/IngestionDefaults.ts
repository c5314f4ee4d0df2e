/** What holds for every ingestion until an endpoint, a unit or a client says otherwise. */
import { Context } from "effect"
import { knowledgeBase } from "../domain/Unit.ts"

export const IngestionDefaults = Context.Reference<{
  /** Where units go that name no sink. */
  readonly sinkId: string
  /** Null: `in_memory`. */
  readonly stagingProviderId: string | null
}>("@headrace/core/lifecycle/IngestionDefaults", {
  defaultValue: () => ({ sinkId: knowledgeBase, stagingProviderId: null })
})
