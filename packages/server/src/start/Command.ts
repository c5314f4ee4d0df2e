/** The flags of `npm start --`, and its help. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Flags from "../cli/Flags.ts"
import { perform } from "../cli/Verb.ts"

const touch = Flag.Int("touch").pipe(
  Flag.withMetavar("ROWS"),
  Flag.withDescription("Change so many rows of the sample shop first: only those travel"),
  Flag.optional,
  Flag.map(Option.getOrNull)
)

export const start = Command.make(
  "npm start --",
  { ...Flags.speech, once: Flags.once, touch, ...Flags.maybePlaces, unit: Flags.unit, ...Flags.policy },
  (flags) =>
    perform(Effect.succeed(flags), "run.finished", async () => (await import("./Start.ts")).start(flags))
).pipe(
  Command.withDescription(
    "Fills a sample shop, carries its order lines into ./lake, and keeps serving. With --source, --unit and --sink: your own data, into ./own when no sink is said."
  )
)
