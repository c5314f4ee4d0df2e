/**
 * Ids — where new identifiers come from: random UUIDs unless somebody provides
 * another source, as a simulation does that must make the same ones again.
 */
import { Context, Effect } from "effect"

export const Ids = Context.Reference<{ readonly uuid: Effect.Effect<string> }>(
  "@headrace/core/services/Ids",
  {
    defaultValue: () => ({ uuid: Effect.sync(() => crypto.randomUUID()) })
  }
)
