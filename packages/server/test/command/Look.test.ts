import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import { postgresFolder } from "../../src/Wiring.ts"
import * as Shop from "../scenario/Shop.ts"
import * as HeadraceCommand from "./HeadraceCommand.ts"
import * as Place from "./Place.ts"

const live = { excludeTestServices: true, timeout: "60 seconds" } as const

layer(Place.layer, live)("looking before carrying", (it) => {
  it.effect("discover lists units with what a run would need to know of them", () =>
    Effect.gen(function* () {
      const { headrace, shop, uri } = yield* Place.Place
      yield* Shop.makeTable(shop, "goods", 42)

      const people = yield* headrace("discover", uri)
      const machines = yield* headrace("discover", uri, "-o", "jsonl")
      const unit = HeadraceCommand.jsonLines(machines.stdout).find(({ unitId }) => unitId === "public.goods")

      assert.match(people.stdout, /^UNIT +KIND +ROWS +KEY +CURSOR\n/)
      assert.match(people.stdout, /public\.goods +table +≈42 +id +/)
      assert.deepInclude(unit, { kind: "table", estimatedRows: 42, primaryKey: ["id"] })
    })
  )

  it.effect("preview shows the first rows, and refuses a unit that is not there by naming near ones", () =>
    Effect.gen(function* () {
      const { headrace, shop, uri } = yield* Place.Place
      yield* Shop.makeTable(shop, "parts", 5)

      const rows = yield* headrace("preview", uri, "-u", "public.parts", "-n", "2", "-o", "jsonl")
      const unknown = yield* headrace("preview", uri, "-u", "public.part")
      const many = yield* headrace("preview", uri, "-u", "public.parts", "-n", "201")

      assert.deepStrictEqual(
        HeadraceCommand.jsonLines(rows.stdout).map(({ note }) => note),
        ["row 1", "row 2"]
      )
      assert.strictEqual(unknown.exit, 5)
      assert.match(unknown.stderr, /No unit "public\.part"[^]*Did you mean public\.parts/)
      assert.strictEqual(many.exit, 2)
    })
  )

  it.effect("whoever reads slowly gets everything that is printed", () =>
    Effect.gen(function* () {
      const { folder, headrace } = yield* Place.Place
      const line = JSON.stringify({ note: "x".repeat(9000) })
      writeFileSync(join(folder, "wide.jsonl"), `${line}\n`.repeat(200))

      const rows = yield* headrace("preview", "./wide.jsonl", "-n", "200", "-o", "jsonl")

      assert.strictEqual(rows.exit, 0, rows.stderr)
      assert.strictEqual(rows.stdout, `${line}\n`.repeat(200))
    })
  )

  it.effect("a pattern of file names is a unit though no list has it, unless no file has such a name", () =>
    Effect.gen(function* () {
      const { folder, headrace } = yield* Place.Place
      const from = `${folder}/logs?format=jsonl`
      mkdirSync(join(folder, "logs"))
      writeFileSync(join(folder, "logs", "app-1.log"), '{"n": 1}\n')
      writeFileSync(join(folder, "logs", "app-2.log"), '{"n": 2}\n')

      const rows = yield* headrace("preview", from, "-u", "app-*.log", "-o", "jsonl")
      const carried = yield* headrace("ingest", "--source", from, "-u", "app-*.log", "--sink", "./carried")
      const none = yield* headrace("ingest", "--source", from, "-u", "web-*.log", "--sink", "./carried")

      assert.deepStrictEqual(HeadraceCommand.jsonLines(rows.stdout), [{ n: 1 }, { n: 2 }])
      assert.match(carried.stdout, /2 rows/, carried.stderr)
      assert.strictEqual(none.exit, 5)
      assert.match(none.stderr, /No unit "web-\*\.log".*HR2003\n[^]*No file in \S+logs is called web-\*\.log/)
    })
  )

  it.effect(
    "a compressed file is listed, shown and carried like a plain one, and not at all when it is damaged",
    () =>
      Effect.gen(function* () {
        const { folder, headrace } = yield* Place.Place
        const packed = gzipSync("id,note\n1,a\n2,b\n")
        mkdirSync(join(folder, "packed"))
        writeFileSync(join(folder, "packed", "orders.csv.gz"), packed)
        writeFileSync(join(folder, "packed", "torn.csv.gz"), packed.subarray(0, -5))

        const units = yield* headrace("discover", "./packed", "-o", "jsonl")
        const rows = yield* headrace(
          "preview",
          "./packed/orders.csv.gz",
          "-u",
          "orders.csv.gz",
          "-o",
          "jsonl"
        )
        const from = (unit: string) =>
          headrace("ingest", "--source", "./packed", "-u", unit, "--sink", "./unpacked")
        const carried = yield* from("orders.csv.gz")
        const torn = yield* from("torn.csv.gz")

        assert.deepStrictEqual(
          HeadraceCommand.jsonLines(units.stdout).map(({ unitId, estimatedRows }) => [unitId, estimatedRows]),
          [
            ["orders.csv.gz", 2],
            ["torn.csv.gz", null],
            ["*.csv.gz", null]
          ]
        )
        assert.deepStrictEqual(HeadraceCommand.jsonLines(rows.stdout), [
          { id: "1", note: "a" },
          { id: "2", note: "b" }
        ])
        assert.match(carried.stdout, /2 rows/, carried.stderr)
        assert.strictEqual(torn.exit, 7)
        assert.match(
          torn.stderr,
          /torn\.csv\.gz cannot be decompressed with gzip[^]*start again when it is whole/
        )
      })
  )

  it.effect("data are the source's own, also where they hold what is a password elsewhere", () =>
    Effect.gen(function* () {
      const { surroundings, shop, uri } = yield* Place.Place
      yield* Shop.makeTable(shop, "echoes", 1)
      const environment = { SHOP_PASSWORD: "row 1" }

      const rows = yield* HeadraceCommand.run(
        "headrace",
        ["preview", uri, "-u", "public.echoes", "-o", "jsonl"],
        { ...surroundings, environment }
      )

      assert.deepInclude(HeadraceCommand.jsonLines(rows.stdout)[0], { note: "row 1" })
    })
  )

  it.effect("leaves nothing behind in the temporary folder", () =>
    Effect.gen(function* () {
      const { uri, surroundings } = yield* Place.Place
      const temporary = mkdtempSync(join(tmpdir(), "hr-look-"))
      const environment = { ...surroundings.environment, TMPDIR: temporary }

      const ended = yield* HeadraceCommand.run("headrace", ["check", uri], { ...surroundings, environment })
      const left = readdirSync(temporary).filter((name) => !name.startsWith("node-compile-cache"))
      rmSync(temporary, { recursive: true })

      assert.strictEqual(ended.exit, 0, ended.stderr)
      assert.deepStrictEqual(left, [])
    })
  )

  it.effect("an interpreter that is not there is said to be missing, and no source is blamed for it", () =>
    Effect.gen(function* () {
      const { uri, folder, surroundings, headrace } = yield* Place.Place
      const words = ["ingest", "--source", uri, "-u", "public.orders", "--sink", "./orders"]
      const environment = { ...surroundings.environment, HEADRACE_PYTHON: "/no/such/python" }
      const without = { ...surroundings, environment }

      const fresh = yield* HeadraceCommand.run("headrace", words, { ...without, data: join(folder, "new") })
      yield* headrace(...words)
      const known = yield* HeadraceCommand.run("headrace", words, without)

      for (const { exit, stderr } of [fresh, known]) {
        assert.strictEqual(exit, 3, stderr)
        assert.match(stderr, /The Python worker does not start.*HR1201.*\/no\/such\/python does not start/s)
      }
    })
  )

  it.effect("doctor finds everything in order, and names what is not with what to do", () =>
    Effect.gen(function* () {
      const { surroundings, folder } = yield* Place.Place
      // The machine of a test may serve something else at the usual port.
      const anyPort = { ...surroundings, environment: { ...surroundings.environment, HEADRACE_PORT: "0" } }
      const broken = {
        HEADRACE_PYTHON: "/no/such/python",
        HEADRACE_DATABASE_URL: "postgres://a@127.0.0.1:1/b"
      }

      const fine = yield* HeadraceCommand.run("headrace", ["doctor"], anyPort)
      const data = join(folder, "fresh")
      const ill = yield* HeadraceCommand.run("headrace", ["doctor"], {
        ...surroundings,
        data,
        environment: { ...broken, HEADRACE_PORT: "0" }
      })

      assert.strictEqual(fine.exit, 0, fine.stdout + fine.stderr)
      const database = postgresFolder(surroundings.data)
      if (lstatSync(database).isSymbolicLink())
        assert.include(
          fine.stdout,
          `its database is in ${realpathSync(database)}, since PostgreSQL does not run`
        )
      assert.strictEqual(ill.exit, 3)
      assert.match(ill.stdout, /✓ Node +\d+\./)
      assert.match(ill.stdout, /✗ Python worker .*\/no\/such\/python.*HEADRACE_PYTHON/)
      assert.match(ill.stdout, /✗ PostgreSQL .*HEADRACE_DATABASE_URL/)
      assert.isFalse(existsSync(data), "looking made the data directory")
    })
  )

  it.effect("a line that makes no sense ends with 2, says what, and prints nothing", () =>
    Effect.gen(function* () {
      const { headrace, surroundings } = yield* Place.Place

      const verb = yield* headrace("ingset")
      const flag = yield* headrace("ingest", "--sorce", "x")
      const missing = yield* headrace("ingest", "--sink", "./lake")
      const setting = yield* HeadraceCommand.run("headrace", ["serve"], {
        ...surroundings,
        environment: { HEADRACE_PORT: "http" }
      })

      assert.deepStrictEqual(
        [verb, flag, missing, setting].map(({ exit, stdout }) => [exit, stdout]),
        [
          [2, ""],
          [2, ""],
          [2, ""],
          [3, ""]
        ]
      )
      assert.match(verb.stderr, /Unknown verb "ingset"[^]*Did you mean: ingest\?/)
      assert.match(flag.stderr, /Unknown flag --sorce[^]*Did you mean: --source/)
      assert.match(missing.stderr, /--source is missing/)
      assert.match(setting.stderr, /HEADRACE_PORT must be a port number/)
    })
  )
})
