/** Row ids of endpoints in a sentence, said as what clients call them: their `sourceId`. */
import type { Scope } from "@headrace/core/domain/Endpoint"
import { maximumLastError } from "@headrace/core/domain/Failure"
import { Endpoints } from "@headrace/core/lifecycle/Endpoints"
import { Effect, Option } from "effect"

const id = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g

/** The endpoint's name without the mark of a sink that the command registered. */
const nameOf = ({ sourceId }: { readonly sourceId: string }): string => sourceId.replace(/#sink$/, "")

/** A `lastError` in which ids of the caller's own endpoints are names; as it was where it would become too long. */
export const withNames = Effect.fn("withNames")(function* (scope: Scope, sentence: string) {
  const endpoints = yield* Endpoints
  const names = new Map<string, string>()
  for (const each of new Set(sentence.match(id) ?? [])) {
    // The sentence says enough without; a store that cannot be asked is told of elsewhere.
    const found = yield* Effect.orElseSucceed(endpoints.get(scope, each), () => Option.none())
    if (Option.isSome(found)) names.set(each, nameOf(found.value))
  }
  const said = sentence.replaceAll(id, (each) => names.get(each) ?? each)
  return said.length <= maximumLastError ? said : sentence
})
