import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Shop from "../scenario/Shop.ts"
import * as Place from "./Place.ts"

const live = { excludeTestServices: true, timeout: "60 seconds" } as const

layer(Place.layer, live)("headrace ingest of a unit that its source does not have", (it) => {
  it.effect("leaves neither the source nor the sink behind", () =>
    Effect.gen(function* () {
      const { folder, headrace, shop, uri } = yield* Place.Place
      yield* Shop.makeTable(shop, "spelled", 3)
      mkdirSync(join(folder, "inbox"))
      writeFileSync(join(folder, "inbox", "one.csv"), "id\n1\n")
      const pair = (source: string, unit: string, sink: string) =>
        ["--source", source, "-u", unit, "--sink", sink] as const
      const known = (...words: ReadonlyArray<string>) => headrace("quarantine", "show", ...words)

      const noTable = yield* headrace("ingest", ...pair(uri, "public.spelt", "./mistaken"))
      const noFile = yield* headrace("ingest", ...pair("./inbox", "two.csv", "./mistaken"))
      const right = yield* headrace("ingest", ...pair(uri, "public.spelled", "./spelled"))

      assert.deepStrictEqual([noTable.exit, noFile.exit, right.exit], [5, 5, 0], right.stderr)
      assert.match((yield* known(...pair("./inbox", "one.csv", "./spelled"))).stderr, /HR2005/)
      assert.match((yield* known(...pair(uri, "public.spelled", "./mistaken"))).stderr, /HR2005/)
      assert.strictEqual((yield* known(...pair(uri, "public.spelled", "./spelled"))).exit, 0)
    })
  )
})
