import { assert, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { shopReader } from "../../src/start/ShopSql.ts"
import { referenceOf, story } from "../../src/start/Story.ts"
import { python } from "../scenario/Lake.ts"
import * as HeadraceCommand from "./HeadraceCommand.ts"
import * as Place from "./Place.ts"

const live = { excludeTestServices: true, timeout: "90 seconds" } as const

/** Rows and distinct keys of what lies under the folder. */
const counted = (folder: string): unknown =>
  JSON.parse(
    execFileSync(python, [
      "-c",
      `import json, pyarrow.dataset as d
t = d.dataset(${JSON.stringify(folder)}).to_table(["l_orderkey", "l_linenumber"])
print(json.dumps([t.num_rows, t.group_by(["l_orderkey", "l_linenumber"]).aggregate([]).num_rows]))`
    ]).toString()
  )

layer(Layer.fresh(Place.layer), live)("npm start", (it) => {
  it.effect("carries the whole shop, then nothing, then exactly what was changed", () =>
    Effect.gen(function* () {
      const { folder, headrace, surroundings } = yield* Place.Place
      const environment = { HEADRACE_PORT: "0" }
      const start = (...words: ReadonlyArray<string>) =>
        HeadraceCommand.run("start", ["--once", ...words], { ...surroundings, environment })
      const lake = join(folder, "lake", "public.lineitem")

      const first = yield* start()
      const arrived = counted(lake)
      const again = yield* start()
      const touched = yield* start("--touch", "1000")
      const shop = referenceOf({
        username: shopReader,
        host: join(surroundings.data, "shop"),
        database: "shop"
      })
      const found = yield* headrace("discover", shop)
      const nations = yield* headrace("ingest", "--source", shop, "-u", "public.nation", "--sink", "./lake")

      assert.strictEqual(first.exit, 0, first.stderr)
      assert.match(first.stdout, /^✓ public\.lineitem   700,000 rows   → \.\/lake\/public\.lineitem/)
      assert.deepStrictEqual(arrived, [700_000, 700_000])
      assert.match(again.stdout, /^✓ public\.lineitem   nothing new/)
      assert.match(touched.stdout, /^✓ public\.lineitem   1,000 rows/, touched.stderr)
      assert.deepStrictEqual(counted(lake), [701_000, 700_000])
      assert.match(found.stdout, /public\.nation +table +≈25 +n_nationkey/, found.stderr)
      assert.match(nations.stdout, /^✓ public\.nation   25 rows/, nations.stderr)
    })
  )

  it.effect("carries the visitor's own table, and serves on until a signal", () =>
    Effect.gen(function* () {
      const { folder, shop, surroundings, uri } = yield* Place.Place
      yield* shop.sql`create table notes as select 1 as id, 'mine' as note`
      const environment = { ...surroundings.environment, HEADRACE_PORT: "0" }

      const going = yield* HeadraceCommand.begun(
        "start",
        ["--source", uri, "--unit", "public.notes", "--sink", "./own"],
        { ...surroundings, environment }
      )
      const line = yield* going.printed("public.notes")
      going.child.kill("SIGINT")
      const ended = yield* going.ended

      assert.match(line, /^✓ public\.notes {3}1 row {3}→ \.\/own/)
      assert.strictEqual(ended.exit, 0, ended.stderr)
      assert.isTrue(existsSync(join(folder, "own", "public.notes")))
    })
  )

  it("proposes what works as it is printed: the shop only while it serves", () => {
    const shop = "postgres://visitor@%2Fwork%2Fshop/shop"
    const serving = story({ location: "/lake", url: "http://127.0.0.1:4010/graphql", shop })
    const ending = story({ location: "/lake", url: null, shop })

    assert.includeMembers([...serving], [`      SHOP=${shop}`])
    assert.isTrue(serving.some((line) => line.endsWith("headrace discover $SHOP")))
    assert.isFalse(ending.some((line) => line.includes("SHOP")))
  })

  it("proposes no folder twice, nor that of the shop, for each belongs to the source that was first", () => {
    const shop = "postgres://visitor@%2Fwork%2Fshop/shop"
    const said = story({ location: "/work/lake/x", url: "http://127.0.0.1:4010/graphql", shop })

    const sinks = said.flatMap((line) => / --sink (\S+)/.exec(line)?.[1] ?? [])

    assert.deepStrictEqual(sinks.toSorted(), ["./copy", "./own"])
  })

  it.effect("refuses flags that cannot be meant, before anything is made", () =>
    Effect.gen(function* () {
      const { surroundings, folder } = yield* Place.Place
      const place = { ...surroundings, data: join(folder, "untouched") }

      const none = yield* HeadraceCommand.run("start", ["--touch", "0"], place)
      const both = yield* HeadraceCommand.run("start", ["--touch", "5", "--source", "./x"], place)
      const word = yield* HeadraceCommand.run("start", ["--touch", "x"], place)
      const mode = yield* HeadraceCommand.run("start", ["--mode", "ful"], place)
      const key = yield* HeadraceCommand.run("start", ["--source", "./x", "--policy", "mod=full"], place)
      const idle = yield* HeadraceCommand.run("start", ["--mode", "full"], place)

      assert.deepStrictEqual(
        [none, both, word, mode, key, idle].map(({ exit }) => exit),
        [2, 2, 2, 2, 2, 2]
      )
      assert.match(word.stderr, /"x" is no value for --touch[^]*It takes a whole number\./)
      assert.match(mode.stderr, /Unknown value "ful" of --mode[^]*Did you mean: full/)
      assert.match(key.stderr, /Unknown policy key "mod"/)
      assert.match(idle.stderr, /need --source/)
      assert.isFalse(existsSync(place.data))
    })
  )
})
