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

  it.effect("calls the endpoint that has a place by the reference it was given", () =>
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
      assert.match(taken.stderr, /it belongs to dev\/([0-9a-f-]{36})\/[^]* \1 is file:\/\/\S+\/mine\.\n/)
    })
  )
})
