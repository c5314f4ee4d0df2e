import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Lake from "../scenario/Lake.ts"
import * as Shop from "../scenario/Shop.ts"
import * as HeadraceCommand from "./HeadraceCommand.ts"
import * as Place from "./Place.ts"

const live = { excludeTestServices: true, timeout: "60 seconds" } as const
const byChange = ["--mode", "incremental", "--cursor", "changed", "--key", "id"]

layer(Place.layer, live)("headrace ingest", (it) => {
  it.effect("copies a table without a server, and the same command carries only what is new", () =>
    Effect.gen(function* () {
      const { folder, headrace, shop, uri } = yield* Place.Place
      yield* Shop.makeTable(shop, "orders", 1_000)
      const words = ["ingest", "--source", uri, "-u", "public.orders", "--sink", "./orders", ...byChange]

      const first = yield* headrace(...words)
      const again = yield* headrace(...words)
      yield* Shop.changeRows(shop, "orders", 1, 7)
      const changed = yield* headrace(...words)

      assert.strictEqual(first.exit, 0, first.stderr)
      assert.match(
        first.stdout,
        /^✓ public\.orders   1,000 rows   → \.\/orders\/public\.orders   [\d.]+ kB   [\d.]+s\n$/
      )
      assert.match(again.stdout, /^✓ public\.orders   nothing new/)
      assert.match(changed.stdout, /^✓ public\.orders   7 rows/)
      assert.deepStrictEqual(
        yield* Lake.ids(join(folder, "orders")),
        [...Lake.range(1, 1_000), ...Lake.range(1, 7)].toSorted((a, b) => a - b)
      )
      assert.notInclude(first.stdout + first.stderr + changed.stderr, "hunter2")
    })
  )

  it.effect("in full mode after incremental runs loads everything anew, and doubles nothing", () =>
    Effect.gen(function* () {
      const { folder, headrace, shop, uri } = yield* Place.Place
      yield* Shop.makeTable(shop, "anew", 200)
      const words = ["ingest", "--source", uri, "-u", "public.anew", "--sink", "./anew"]
      yield* headrace(...words, ...byChange)
      yield* Shop.changeRows(shop, "anew", 1, 5)
      yield* headrace(...words, ...byChange)

      const anew = yield* headrace(...words, "--mode", "full", "--write", "replace")
      const loaded = yield* Lake.ids(join(folder, "anew"))
      const later = yield* headrace(...words, "--mode", "full", "--write", "replace")

      assert.match(anew.stdout, /^✓ public\.anew   200 rows/, anew.stderr)
      assert.deepStrictEqual(loaded, Lake.range(1, 200))
      assert.match(later.stdout, /^✓ public\.anew   200 rows/, later.stderr)
      assert.deepStrictEqual(yield* Lake.ids(join(folder, "anew")), Lake.range(1, 200))
    })
  )

  it.effect(
    "loads everything again after headrace reset, which knows what was carried and what was not",
    () =>
      Effect.gen(function* () {
        const { headrace, shop, uri } = yield* Place.Place
        yield* Shop.makeTable(shop, "reset", 50)
        const place = ["--source", uri, "-u", "public.reset", "--sink", "./reset"]
        yield* headrace("ingest", ...place, ...byChange)

        const forgotten = yield* headrace("reset", ...place)
        const again = yield* headrace("ingest", ...place, ...byChange)
        const stranger = yield* headrace(
          "reset",
          "--source",
          uri,
          "-u",
          "public.reset",
          "--sink",
          "./nowhere"
        )

        assert.strictEqual(forgotten.exit, 0, forgotten.stderr)
        assert.match(again.stdout, /^✓ public\.reset   50 rows/, again.stderr)
        assert.strictEqual(stranger.exit, 2)
        assert.match(stranger.stderr, /Nothing was carried from there to there +HR2005/)
      })
  )

  it.effect("keeps a checkpoint for each schema of a database that is the sink", () =>
    Effect.gen(function* () {
      const { headrace, shop, uri } = yield* Place.Place
      yield* Shop.makeTable(shop, "twice", 20)
      const into = (schema: string) =>
        headrace(
          "ingest",
          "--source",
          uri,
          "-u",
          "public.twice",
          "--sink",
          `${uri}?schemas=${schema}`,
          ...byChange
        )

      const runs = [yield* into("one"), yield* into("two"), yield* into("one")]

      assert.deepStrictEqual(
        runs.map(({ exit }) => exit),
        [0, 0, 0],
        runs.map(({ stderr }) => stderr).join("\n")
      )
      assert.match(runs[1]?.stdout ?? "", /^✓ public\.twice   20 rows/)
      assert.match(runs[2]?.stdout ?? "", /^✓ public\.twice   nothing new/)
    })
  )

  it.effect("goes on to its end when nobody reads its output any more", () =>
    Effect.gen(function* () {
      const { folder, surroundings, shop, uri } = yield* Place.Place
      yield* Shop.makeTable(shop, "unread", 20_000)
      const words = ["ingest", "--source", uri, "-u", "public.unread", "--sink", "./unread", "-o", "jsonl"]
      const going = yield* HeadraceCommand.begun(
        "headrace",
        [...words, "--policy", "targetSliceSize=500"],
        surroundings
      )
      yield* going.printed("slice.committed")
      going.child.stdout?.destroy()

      const ended = yield* going.ended

      assert.strictEqual(ended.exit, 0, ended.stderr)
      assert.deepStrictEqual(yield* Lake.ids(join(folder, "unread")), Lake.range(1, 20_000))
    })
  )

  it.effect("stages where the settings say", () =>
    Effect.gen(function* () {
      const { surroundings, shop, uri } = yield* Place.Place
      yield* Shop.makeTable(shop, "settings", 3)
      const environment = { ...surroundings.environment, HEADRACE_STAGING: "object_store" }

      const ended = yield* HeadraceCommand.run(
        "headrace",
        ["ingest", "--source", uri, "-u", "public.settings", "--sink", "./settings"],
        { ...surroundings, environment }
      )

      assert.strictEqual(ended.exit, 3, ended.stdout)
      assert.match(ended.stderr, /HEADRACE_STAGING_URL/)
    })
  )

  it.effect("copies a table into another database by merge, and again what changed (P3)", () =>
    Effect.gen(function* () {
      const { headrace, shop, uri } = yield* Place.Place
      yield* Shop.makeTable(shop, "people", 500)
      yield* shop.control`create database copy`
      const to = uri.replace("/shop", "/copy")
      const words = [
        "ingest",
        "--source",
        uri,
        "-u",
        "public.people",
        "--sink",
        to,
        ...byChange,
        "--write",
        "merge"
      ]

      const first = yield* headrace(...words)
      yield* Shop.changeRows(shop, "people", 10, 19)
      const second = yield* headrace(...words)
      const compared = yield* headrace("preview", to, "-u", "public.people", "-n", "200", "-o", "jsonl")

      assert.strictEqual(first.exit, 0, first.stderr)
      assert.match(second.stdout, /^✓ public\.people   10 rows/)
      assert.strictEqual(HeadraceCommand.jsonLines(compared.stdout).length, 200)
    })
  )

  it.effect("says what, where, why and what to do, with the exit code of its side", () =>
    Effect.gen(function* () {
      const { folder, headrace, shop, uri } = yield* Place.Place
      yield* Shop.makeTable(shop, "refusals", 3)
      writeFileSync(join(folder, "a-file"), "")
      mkdirSync(join(folder, "fine"))
      const from = (source: string, unit: string, ...more: ReadonlyArray<string>) =>
        headrace("ingest", "--source", source, "-u", unit, "--sink", "./fine", ...more)

      const nobody = yield* from("postgres://app@127.0.0.1:1/shop", "public.refusals")
      const stranger = yield* from(uri.replace(/\/\/[^@]*@/, "//stranger:guessed@"), "public.refusals")
      const noDelimiter = yield* from("./orders.csv?delimiter=;;", "orders.csv")
      const noDatabase = yield* from(uri.replace("/shop", "/nowhere"), "public.refusals")
      const noTable = yield* from(uri, "public.refusal")
      const noCursor = yield* from(
        uri,
        "public.refusals",
        "--mode",
        "incremental",
        "--cursor=nope",
        "--key=id"
      )
      const unsaidCursor = yield* from(uri, "public.refusals", "--mode", "incremental")
      const noKey = yield* from(uri, "public.refusals", "--policy", "writeDispositon=merge")
      const noVariable = yield* from("postgres://app:${env:NOT_SET}@h/d", "public.refusals")
      const noFolder = yield* headrace(
        "ingest",
        "--source",
        uri,
        "-u",
        "public.refusals",
        "--sink",
        "./a-file"
      )

      const atSource = [nobody, stranger, noDelimiter, noDatabase, noTable, noCursor, unsaidCursor]
      assert.deepStrictEqual(
        [...atSource, noKey, noVariable, noFolder].map(({ exit }) => exit),
        [5, 5, 3, 5, 5, 3, 3, 2, 3, 3]
      )
      assert.match(
        nobody.stderr,
        /✗ Cannot use the source +HR3001\n  postgres:\/\/app@127\.0\.0\.1:1\/shop\n  Nothing answers/
      )
      assert.match(
        stranger.stderr,
        /sign-in +HR3011\n[^]*check postgres:\/\/stranger@\S+ +with the password in PGPASSWORD/
      )
      assert.match(noDelimiter.stderr, /✗ The source cannot be read as asked +HR2201\n[^]*delimiter/)
      assert.match(noDatabase.stderr, /nowhere/)
      assert.match(noTable.stderr, /✗ No unit "public\.refusal".*HR2003\n.*Did you mean public\.refusals/)
      assert.match(noCursor.stderr, /nope/)
      assert.match(
        unsaidCursor.stderr,
        /no --cursor says which column grows[^]*\n {2}Say which: {2}--cursor id/
      )
      assert.match(noKey.stderr, /Unknown policy key "writeDispositon"[^]*Did you mean: writeDisposition/)
      assert.match(noVariable.stderr, /NOT_SET is not set/)
      assert.isFalse(
        existsSync(join(folder, "fine", "public.refusals")),
        "a refused run left something behind"
      )
    })
  )
})
