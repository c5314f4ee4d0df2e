/** Ids in a message, and what people call the endpoints behind them: the reference they gave. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Endpoints } from "@headrace/core/lifecycle/Endpoints"
import { Owner } from "./Engine.ts"
import { messageOf, refuse, type Refused } from "./Message.ts"

const id = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g

/** The refusal, with a line for each endpoint of ours that its reasons only name by id. */
export const withNames = Effect.fn("withNames")(function* (refused: Refused) {
  const endpoints = yield* Endpoints
  const scope = yield* Owner
  const ids = [...new Set(refused.why.flatMap((line) => line.match(id) ?? []))]
  const names = yield* Effect.forEach(ids, (each) =>
    endpoints.get(scope, each).pipe(
      Effect.map(Option.map(({ sourceId }) => `${each} is ${sourceId.replace(/#sink$/, "")}.`)),
      // The message says enough without; a store that cannot be asked has been told of elsewhere.
      Effect.orElseSucceed(() => Option.none<string>())
    )
  )
  const known = names.flatMap(Option.toArray)
  return refuse({ ...messageOf(refused), why: [...refused.why, ...known] })
})
