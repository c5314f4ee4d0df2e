/** The whole server in this process: embedded Postgres, real Python workers, HTTP; and a shop to carry from. */
import { Context, Effect, Layer } from "effect"
import { mkdirSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Serve from "../../src/Serve.ts"
import { register } from "../Api.ts"
import { config } from "../MemoryServer.ts"
import { python } from "./Lake.ts"
import * as Shop from "./Shop.ts"

export class World extends Context.Service<
  World,
  { readonly data: string; readonly folder: string; readonly shop: Shop.Shop }
>()("test/World") {}

const world = Layer.effect(
  World,
  Effect.gen(function* () {
    const folder = yield* Shop.temporaryFolder
    const data = join(folder, "data")
    mkdirSync(data, { mode: 0o700 })
    return { data, folder, shop: yield* Shop.open(data) }
  })
)

/** One worker, so that a test can kill it and know which. */
export const layer = Layer.unwrap(
  World.useSync(({ data }) => Serve.layer({ ...config, python, data, workers: 1, logLevel: "None" }))
).pipe(Layer.provideMerge(world))

/** A table of so many rows, its endpoint, and a sink of its own. */
export const unit = Effect.fnUntraced(function* (
  name: string,
  rows: number,
  policy: Readonly<Record<string, unknown>> = {}
) {
  const { folder, shop } = yield* World
  yield* Shop.makeTable(shop, name, rows)
  const source = yield* register({
    name,
    config: { templateId: "jdbc.postgres", parameters: shop.parameters, ingestionPolicy: policy }
  })
  const lake = join(folder, `lake-${name}`)
  mkdirSync(lake)
  const sink = yield* register({
    name: `lake ${name}`,
    config: { templateId: "file.local", parameters: { base_path: lake } }
  })
  return { lake, named: { endpointId: source.id, unitId: `public.${name}`, sinkId: sink.id } }
})

/** Policy of a table made by `Shop.makeTable` that is read by what changed. */
export const byChange = { mode: "incremental", cursorField: "changed", primaryKeys: ["id"] } as const

/** Process ids of the workers that stage below `data`. */
export const workersOf = (data: string): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8")
        const environment = readFileSync(`/proc/${pid}/environ`, "utf8")
        return words.includes("headrace.worker") && environment.includes(join(data, "staging"))
      } catch {
        return false
      }
    })
    .map(Number)
