import { Endpoints } from "@headrace/core/lifecycle/Endpoints"
import * as Headrace from "@headrace/core/lifecycle/Headrace"
import { fromTemplate } from "@headrace/core/lifecycle/Registration"
import { runToEnd } from "@headrace/core/lifecycle/RunToEnd"
import { Effect } from "effect"

const scope = { tenant: "acme", project: "shop" }

export const program = Effect.gen(function* () {
  const endpoints = yield* Endpoints
  yield* endpoints.register(
    scope,
    fromTemplate("shop", "memory.table", { host: "db", username: "app", password: "…" })
  )
  yield* endpoints.register(scope, fromTemplate("lake", "memory.lake", { host: "lake" }))
  const run = yield* runToEnd(scope, { endpointId: "shop", unitId: "public.orders", sinkId: "lake" })
  return [run.event, run.stats?.applied_rows]
})

console.log(await Effect.runPromise(Effect.provide(program, Headrace.layerMemory)))
