/** What `npm start` was asked for, and whether that makes sense: said before anything is made. */
import * as Effect from "effect/Effect"
import { Exit } from "../cli/Exit.ts"
import { count } from "../cli/Figures.ts"
import { refuse, type Refused } from "../cli/Message.ts"
import { parsePolicy, type PolicyFlags } from "../cli/Policy.ts"
import { mostTouched, shopUnit } from "./ShopSql.ts"

export interface StartFlags extends PolicyFlags {
  readonly once: boolean
  readonly touch: number | null
  readonly source: string | null
  readonly unit: string | null
  readonly sink: string | null
}

/** A policy is checked as that of `ingest`; the shop has one of its own, and would travel without it. */
export const checked = Effect.fn("start.checked")(function* (flags: StartFlags) {
  const { touch, source, unit } = flags
  const policy = yield* Effect.fromResult(parsePolicy(flags))
  if (source === null && Object.keys(policy).length > 0)
    return yield* usage(
      "--mode, --cursor, --key, --write and --policy need --source",
      "The sample shop has a policy of its own."
    )
  if (touch !== null && (touch < 1 || touch > mostTouched))
    return yield* usage(`--touch is 1 to ${count(mostTouched)}, not ${touch}`, "")
  if (source !== null && touch !== null)
    return yield* usage(
      "--touch changes the sample shop; with --source it has nothing to change",
      "Leave one out."
    )
  if (source === null && unit !== null && unit !== shopUnit.unitId)
    return yield* usage("--unit needs --source", `The sample shop carries ${shopUnit.unitId}.`)
})

const usage = (title: string, advice: string): Refused =>
  refuse({
    title,
    number: "HR2100",
    exit: Exit.usage,
    advice: [advice, "Help:  npm start -- --help"]
  })
