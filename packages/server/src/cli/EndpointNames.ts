/**
 * Whose a place in a sink is, in the words people gave: sinks know units by ids
 * of the data directory that wrote them, and a person by references.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Endpoints } from "@headrace/core/lifecycle/Endpoints"
import { Owner } from "./Engine.ts"
import { shellWord } from "./Hint.ts"
import { messageOf, refuse, type Refused } from "./Message.ts"
import type { Reference } from "./Reference.ts"

const uuid = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
const id = new RegExp(String.raw`\b${uuid}\b`, "g")
/** Tenant, endpoint, unit and sink, as the data plane writes the path of a unit. */
const path = String.raw`[^\s/]+/(?<source>${uuid})/(?<unit>[^\s/]+)/(?<sink>${uuid})`
const belonging = new RegExp(
  String.raw`belongs to (?:the unit )?${path}(?=[\s,.])(?:, and this is (?:another one|[^\s/]+/\S+/${uuid}))?`
)

type Sink = Pick<Reference, "templateId" | "again">

/** The refusal, where it is about a place that another unit has: with that one's name, and the way out of it. */
export const withNames = Effect.fn("withNames")(function* (refused: Refused, sink: Sink) {
  const owner = refused.why.map((line) => belonging.exec(line)?.groups).find((groups) => groups !== undefined)
  if (owner === undefined) return yield* withIds(refused)
  const [source, writtenAs] = [yield* nameOf(owner["source"] ?? ""), yield* nameOf(owner["sink"] ?? "")]
  if (source === null || writtenAs === null)
    return refuse({ ...messageOf(refused), advice: [elsewhere, ...refused.advice] })
  const holds = `holds ${decodeURIComponent(owner["unit"] ?? "")} of ${source}, carried with --sink ${writtenAs}`
  return refuse({
    ...messageOf(refused),
    why: refused.why.map((line) =>
      line
        .replace(belonging, () => holds)
        .replace("Give this sink another path", "Give --sink another folder")
    ),
    advice: [...refused.advice, ...anotherPlace(sink)]
  })
})

const elsewhere =
  "Another data directory wrote it: call the command where you called it before, or set HEADRACE_DATA to that .headrace."

/** A line for each endpoint of ours that the reasons only name by id. */
const withIds = Effect.fnUntraced(function* (refused: Refused) {
  const ids = [...new Set(refused.why.flatMap((line) => line.match(id) ?? []))]
  const named = yield* Effect.forEach(ids, (each) =>
    Effect.map(nameOf(each), (name) => (name === null ? [] : [`${each} is ${name}.`]))
  )
  return refuse({ ...messageOf(refused), why: [...refused.why, ...named.flat()] })
})

/** The reference under which an endpoint of ours is known; null for one that is none of this data directory. */
const nameOf = Effect.fnUntraced(function* (endpointId: string) {
  const found = yield* (yield* Endpoints).get(yield* Owner, endpointId).pipe(
    // The message says enough without; a store that cannot be asked has been told of elsewhere.
    Effect.orElseSucceed(() => Option.none())
  )
  return Option.getOrNull(Option.map(found, ({ sourceId }) => sourceId.replace(/#sink$/, "")))
})

/** Of a database or catalog: the same with another schema. Of one that stands nowhere in clear nothing is proposed. */
const anotherPlace = ({ templateId, again }: Sink): ReadonlyArray<string> => {
  if (templateId === "file.local" || again.startsWith("${")) return []
  const setting = templateId === "jdbc.postgres" ? "schemas" : "namespace"
  const bare = again.replace(new RegExp(`([?&])${setting}=[^&]*&?`), "$1").replace(/[?&]$/, "")
  const other = `${bare}${bare.includes("?") ? "&" : "?"}${setting}=other`
  return [`Another ${setting === "schemas" ? "schema" : "namespace"}:  --sink ${shellWord(other)}`]
}
