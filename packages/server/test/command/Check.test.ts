import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as HeadraceCommand from "./HeadraceCommand.ts"
import * as Place from "./Place.ts"

const live = { excludeTestServices: true, timeout: "60 seconds" } as const

layer(Place.layer, live)("check", (it) => {
  it.effect("really connects and says what it met, and what the database is good for", () =>
    Effect.gen(function* () {
      const { headrace, shop, uri } = yield* Place.Place
      yield* shop.sql`create table goods as select 1 as id`

      const works = yield* headrace("check", uri)
      const refused = yield* headrace("check", "postgres://app@127.0.0.1:1/shop")

      assert.strictEqual(works.exit, 0, works.stderr)
      assert.match(works.stdout, /^✓ postgres:\/\/postgres:•••@\S+ {3}Connected to PostgreSQL 18/)
      assert.match(works.stdout, /\n {2}as a source: yes, with \d+ units?\n {2}as a sink: tried when/)
      assert.strictEqual(refused.exit, 5)
      assert.match(
        refused.stderr,
        /✗ The connection does not work +HR3000\n[^]*Nothing answers at 127\.0\.0\.1:1/
      )
    })
  )

  it.effect("tells a folder that only a sink could use from one that has something to read", () =>
    Effect.gen(function* () {
      const { folder, headrace } = yield* Place.Place
      mkdirSync(join(folder, "in"))
      writeFileSync(join(folder, "in", "a.csv"), "id\n1\n")

      const missing = yield* headrace("check", "./nowhere", "-o", "json")
      const there = yield* headrace("check", join(folder, "in"))

      const [told] = HeadraceCommand.jsonLines(missing.stdout)
      assert.strictEqual(missing.exit, 0, missing.stderr)
      assert.match(JSON.stringify(told?.["uses"]), /"source","usable":false.*"sink","usable":true/)
      assert.match(there.stdout, /^✓ \S+\/in {3}is ready\.\n/)
      assert.match(there.stdout, /as a source: yes, with 1 unit\n {2}as a sink: yes/)
    })
  )

  it.effect("refuses a path that is no use to anybody, and says why not for each", () =>
    Effect.gen(function* () {
      const { folder, headrace } = yield* Place.Place
      writeFileSync(join(folder, "shop.db"), "neither text nor table")

      const below = yield* headrace("check", "./shop.db/below")
      const file = yield* headrace("check", "./shop.db")

      assert.deepStrictEqual([below.exit, file.exit], [5, 5])
      assert.match(file.stderr, /Nothing can be read or written there +HR3000\n[^]*As a source: no/)
    })
  )
})
