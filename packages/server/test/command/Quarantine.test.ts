import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Shop from "../scenario/Shop.ts"
import * as Place from "./Place.ts"

const live = { excludeTestServices: true, timeout: "90 seconds" } as const
const setAside = ["--policy", 'quarantine={"maxRows":10,"maxRatio":1}']

/** A table of 20 rows, and a copy in the schema `copy` that refuses the third and the fifth. */
const carried = Effect.fnUntraced(function* (name: string, ...how: ReadonlyArray<string>) {
  const { headrace, shop, uri } = yield* Place.Place
  const { sql } = shop
  yield* Shop.makeTable(shop, name, 20)
  yield* sql`create schema if not exists copy`
  yield* sql`create table copy.${sql(name)} (id bigint primary key, note text, changed bigint,
    constraint liked check (note not in ('row 3', 'row 5')))`
  const pair = ["--source", uri, "-u", `public.${name}`, "--sink", `${uri}?schemas=copy`]
  const ingested = yield* headrace("ingest", ...pair, ...how, ...setAside)
  const stored = Effect.map(sql`select id::int from copy.${sql(name)} order by id, note`, (rows) =>
    rows.map(({ id }) => id)
  )
  const relax = sql`alter table copy.${sql(name)} drop constraint liked`
  return { headrace, pair, ingested, stored, relax }
})

const all = Array.from({ length: 20 }, (_, n) => n + 1)

layer(Place.layer, live)("headrace quarantine", (it) => {
  it.effect("lists what a run set aside, and shows each row with its place, its reason and its content", () =>
    Effect.gen(function* () {
      const { headrace, pair, ingested, stored } = yield* carried("shown", "--write", "append")

      const list = yield* headrace("quarantine", "list", "-o", "json")
      const show = yield* headrace("quarantine", "show", ...pair, "-o", "json")
      const text = yield* headrace("quarantine", "show", ...pair)

      assert.strictEqual(ingested.exit, 0, ingested.stderr)
      assert.match(ingested.stdout, /18 rows   2 set aside/)
      assert.match(
        ingested.stderr,
        /Why: {2}.*quarantine show --source .* -u public\.shown --sink .*schemas=copy/
      )
      assert.deepStrictEqual(
        yield* stored,
        all.filter((id) => id !== 3 && id !== 5)
      )
      const found = (JSON.parse(list.stdout) as ReadonlyArray<Record<string, unknown>>).find(
        ({ unit }) => unit === "public.shown"
      )
      assert.deepInclude(found, { unit: "public.shown", reason: "CONSTRAINT", rows: 2 })
      const rows = JSON.parse(show.stdout) as ReadonlyArray<Record<string, unknown>>
      assert.deepStrictEqual(
        rows.map(({ slice, position, row }) => [slice, position, row]),
        [
          [0, 2, { id: 3, note: "row 3", changed: 3 }],
          [0, 4, { id: 5, note: "row 5", changed: 5 }]
        ]
      )
      assert.match(text.stdout, /^id = 3   CONSTRAINT\n  .*liked.*\n  \{"id":3,/)
    })
  )

  it.effect("takes the only unit of a file as ingest does, and says of a row that was none what helps", () =>
    Effect.gen(function* () {
      const { folder, headrace } = yield* Place.Place
      writeFileSync(join(folder, "torn.csv"), "id,note\n1,a\n2\n")
      const pair = ["--source", "./torn.csv", "--sink", "./torn"]
      yield* headrace("ingest", ...pair, ...setAside)

      const show = yield* headrace("quarantine", "show", ...pair)
      const replay = yield* headrace("quarantine", "replay", ...pair)
      const reset = yield* headrace("reset", ...pair)

      assert.match(show.stdout, /^line 3   MALFORMED\n/, show.stderr)
      assert.strictEqual(replay.exit, 7, replay.stdout)
      assert.match(replay.stdout, /^✗ torn\.csv   0 rows taken in   0 refused again\n$/)
      assert.match(replay.stderr, /1 row was never readable\. Correct it at the source, and ingest again\./)
      assert.match(reset.stdout, /^✓ torn\.csv into .* is forgotten/, reset.stderr)
    })
  )

  it.effect("replays a row once, when the target takes it at last", () =>
    Effect.gen(function* () {
      const { headrace, pair, stored, relax } = yield* carried("later", "--write", "append")
      const tooEarly = yield* headrace("quarantine", "replay", ...pair)
      yield* relax
      const replayed = yield* headrace("quarantine", "replay", ...pair)
      const again = yield* headrace("quarantine", "replay", ...pair)

      assert.strictEqual(tooEarly.exit, 7, tooEarly.stderr)
      assert.match(tooEarly.stdout, /^✗ public\.later   0 rows taken in   2 refused again\n$/)
      assert.match(tooEarly.stderr, /liked[^]*All: {2}.*quarantine show --source .* -u public\.later --sink /)
      assert.strictEqual(replayed.exit, 0, replayed.stderr)
      assert.match(replayed.stdout, /^✓ public\.later   2 rows taken in   0 refused again\n$/)
      assert.match(again.stdout, /0 rows taken in/)
      assert.deepStrictEqual(yield* stored, all)
    })
  )

  it.effect("takes nothing from the next run: an incremental unit goes on from its checkpoint", () =>
    Effect.gen(function* () {
      const byChange = ["--mode", "incremental", "--cursor", "changed", "--key", "id"]
      const { headrace, pair, stored, relax } = yield* carried("onward", ...byChange)
      yield* relax
      yield* headrace("quarantine", "replay", ...pair)
      const { shop } = yield* Place.Place
      yield* Shop.addRows(shop, "onward", 21, 22)

      const next = yield* headrace("ingest", ...pair, ...byChange)

      assert.match(next.stdout, /^✓ public\.onward   2 rows/, next.stderr)
      assert.deepStrictEqual(yield* stored, [...all, 21, 22])
    })
  )

  it.effect("puts a merged row back as its source has it now, and not beside or over a newer one", () =>
    Effect.gen(function* () {
      const byChange = ["--mode", "incremental", "--cursor", "changed", "--key", "id"]
      const { headrace, pair, stored } = yield* carried("renewed", ...byChange)
      const { shop } = yield* Place.Place
      yield* shop.sql`update renewed set note = 'mended', changed = 21 where id = 3`
      yield* shop.sql`delete from renewed where id = 5`
      yield* headrace("ingest", ...pair, ...byChange, ...setAside)

      const replayed = yield* headrace("quarantine", "replay", ...pair)
      const show = yield* headrace("quarantine", "show", ...pair)

      assert.strictEqual(replayed.exit, 7, replayed.stderr)
      assert.match(replayed.stdout, /^! public\.renewed   1 row taken in   1 refused again\n$/)
      assert.match(replayed.stderr, /Gone at the source: 1 row\./)
      assert.notMatch(replayed.stderr, /never readable/)
      assert.match(show.stdout, /^id = 5   GONE\n/)
      assert.deepStrictEqual(
        yield* stored,
        all.filter((id) => id !== 5)
      )
      const notes = yield* shop.sql`select note from copy.renewed where id = 3`
      assert.deepStrictEqual(notes, [{ note: "mended" }])
    })
  )

  it.effect("refuses flags by which rows would land in another way, and tries none", () =>
    Effect.gen(function* () {
      const { headrace, pair, stored, relax } = yield* carried("otherwise", "--write", "append")
      yield* relax

      const merged = yield* headrace("quarantine", "replay", ...pair, "--write", "merge", "--key", "id")

      assert.strictEqual(merged.exit, 2, merged.stdout)
      assert.match(merged.stderr, /HR2106[^]*carried[^]*with(out)? --(key|write)/)
      assert.lengthOf(yield* stored, 18)
    })
  )

  it.effect("forgets what is read again: after a reset nothing waits", () =>
    Effect.gen(function* () {
      const { headrace, pair } = yield* carried("anew", "--write", "append")

      yield* headrace("reset", ...pair)

      const show = yield* headrace("quarantine", "show", ...pair)
      assert.strictEqual(show.stdout, "No row of public.anew is set aside.\n", show.stderr)
    })
  )

  it.effect("ends a run beyond its limit with nothing of the slice in the sink, and keeps no row of it", () =>
    Effect.gen(function* () {
      const { headrace, pair, ingested, stored } = yield* carried(
        "limited",
        "--write",
        "append",
        "--policy",
        'quarantine={"maxRows":10,"maxRatio":1}'
      )
      assert.strictEqual(ingested.exit, 0, ingested.stderr)
      const { shop } = yield* Place.Place
      yield* shop.sql`update limited set note = 'row 3'`
      yield* headrace("reset", ...pair)

      const beyond = yield* headrace("ingest", ...pair, "--write", "append", ...setAside)

      assert.strictEqual(beyond.exit, 7, beyond.stdout)
      assert.match(beyond.stderr, /HR4202/)
      assert.lengthOf(yield* stored, 18)
      const show = yield* headrace("quarantine", "show", ...pair)
      assert.match(show.stdout, /^No row/)
    })
  )
})
