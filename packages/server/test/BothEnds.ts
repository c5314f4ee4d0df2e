/** A source and a sink that are registered, and the unit that goes from the one to the other. */
import { Effect } from "effect"
import { register } from "./Api.ts"
import * as MemoryServer from "./MemoryServer.ts"

export const orders = "public.orders"

export const both = Effect.gen(function* () {
  const source = yield* register(MemoryServer.source())
  const lake = yield* register(MemoryServer.lake)
  return { endpointId: source.id, unitId: orders, sinkId: lake.id, source, lake }
})
