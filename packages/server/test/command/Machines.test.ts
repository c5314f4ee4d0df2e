import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Lake from "../scenario/Lake.ts"
import * as Shop from "../scenario/Shop.ts"
import * as HeadraceCommand from "./HeadraceCommand.ts"
import * as Place from "./Place.ts"

const live = { excludeTestServices: true, timeout: "60 seconds" } as const

layer(Place.layer, live)("what ingest prints for machines", (it) => {
  it.effect("with -o jsonl is numbered lines, of which exactly the last one ends the run", () =>
    Effect.gen(function* () {
      const { headrace, shop, uri } = yield* Place.Place
      yield* Shop.makeTable(shop, "lines", 2_000)

      const ended = yield* headrace(
        "ingest",
        "--source",
        uri,
        "-u",
        "public.lines",
        "--sink",
        "./lines",
        "-o",
        "jsonl"
      )
      const lines = HeadraceCommand.jsonLines(ended.stdout)

      assert.deepStrictEqual(
        lines.map(({ seq }) => seq),
        [...Lake.range(1, lines.length)]
      )
      assert.deepStrictEqual(
        lines.map(({ type }) => type === "run.finished"),
        lines.map((_, index) => index === lines.length - 1)
      )
      assert.deepInclude(lines.at(-1), {
        outcome: "SUCCEEDED",
        rowsRead: 2_000,
        rowsWritten: 2_000,
        rowsRejected: 0
      })
    })
  )

  it.effect("names run and code of a run that failed, and the code alone of one that never began", () =>
    Effect.gen(function* () {
      const { folder, headrace } = yield* Place.Place
      writeFileSync(join(folder, "torn.csv"), 'id,name\n1,"open\n')
      const from = (source: string) =>
        headrace("ingest", "--source", source, "-u", "torn.csv", "--sink", "./torn", "-o", "jsonl")

      const failed = HeadraceCommand.jsonLines((yield* from("./torn.csv")).stdout)
      const refused = HeadraceCommand.jsonLines((yield* from("./nowhere.csv")).stdout)

      assert.strictEqual(failed[0]?.["type"], "run.started")
      assert.deepInclude(failed.at(-1), {
        type: "run.finished",
        outcome: "FAILED",
        runId: failed[0]?.["runId"]
      })
      assert.deepInclude(failed.at(-1)?.["error"], { code: "ROW_REJECTED", number: "HR4201", exit: 7 })
      assert.deepInclude(refused.at(-1), { type: "run.finished", outcome: "FAILED", runId: null })
      assert.deepInclude(refused.at(-1)?.["error"], { code: "SOURCE_CONFIG", number: "HR2201" })
    })
  )

  it.effect("says whose a folder is by the references that were given, and nothing of ids", () =>
    Effect.gen(function* () {
      const { folder, headrace } = yield* Place.Place
      for (const name of ["mine", "yours"]) {
        mkdirSync(join(folder, name))
        writeFileSync(join(folder, name, "rows.csv"), "id\n1\n")
      }
      const from = (name: string) =>
        headrace("ingest", "--source", `./${name}`, "-u", "rows.csv", "--sink", "./shared")

      yield* from("mine")
      const taken = yield* from("yours")

      assert.strictEqual(taken.exit, 3, taken.stdout)
      assert.match(
        taken.stderr,
        /shared\/rows\.csv for this unit: it holds rows\.csv of file:\/\/\S+\/mine, carried with --sink file:\/\/\S+\/shared\. Give --sink another folder/
      )
      assert.notMatch(taken.stderr, /[0-9a-f]{8}-[0-9a-f]{4}-/)
    })
  )

  it.effect("proposes another schema where a table is another unit's", () =>
    Effect.gen(function* () {
      const { folder, headrace, uri } = yield* Place.Place
      for (const name of ["his", "hers"]) {
        mkdirSync(join(folder, name))
        writeFileSync(join(folder, name, "list.csv"), "id\n1\n")
      }
      const from = (name: string) =>
        headrace("ingest", "--source", `./${name}`, "-u", "list.csv", "--sink", `${uri}?schemas=lists`)

      yield* from("his")
      const taken = yield* from("hers")

      assert.strictEqual(taken.exit, 3, taken.stdout)
      assert.match(
        taken.stderr,
        /lists\.list holds list\.csv of file:\/\/\S+\/his, carried with --sink postgres:/
      )
      assert.match(taken.stderr, /Another schema: {2}--sink 'postgres:\S+\/shop\?schemas=other'\n/)
      assert.notMatch(taken.stderr, /[0-9a-f]{8}-[0-9a-f]{4}-/)
    })
  )

  it.effect("says of a folder that another data directory wrote how to call the command", () =>
    Effect.gen(function* () {
      const { folder, headrace } = yield* Place.Place
      writeFileSync(join(folder, "moved.csv"), "id\n1\n")
      const words = ["ingest", "--source", "./moved.csv", "--sink", "./moved"]
      mkdirSync(join(folder, "moved/moved.csv"), { recursive: true })
      const stranger =
        "dev/52914eca-0000-4000-8000-000000000001/moved.csv/1ffdfea5-0000-4000-8000-000000000002"
      writeFileSync(join(folder, "moved/moved.csv/_unit.json"), JSON.stringify({ unit: stranger }))

      const refused = yield* headrace(...words)

      assert.strictEqual(refused.exit, 3, refused.stdout)
      assert.match(
        refused.stderr,
        /Another data directory wrote it: .* or set HEADRACE_DATA to that \.headrace/
      )
    })
  )
})
