import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { join } from "node:path"
import * as Lake from "../scenario/Lake.ts"
import * as Shop from "../scenario/Shop.ts"
import * as HeadraceCommand from "./HeadraceCommand.ts"
import * as Place from "./Place.ts"

const live = { excludeTestServices: true, timeout: "60 seconds" } as const
const byChange = ["--mode", "incremental", "--cursor", "changed", "--key", "id"]

/** A run that is still going when it is interrupted: of so many slices that its end is far away. */
const long = Effect.fnUntraced(function* (name: string, sliceRows = 1000) {
  const { shop, uri, surroundings } = yield* Place.Place
  yield* Shop.makeTable(shop, name, 100_000)
  const words = [
    "ingest",
    "--source",
    uri,
    "-u",
    `public.${name}`,
    "--sink",
    `./${name}`,
    ...byChange,
    "-o",
    "jsonl"
  ]
  const sliced = [...words, "--policy", `targetSliceSize=${sliceRows}`]
  return { words: sliced, going: yield* HeadraceCommand.begun("headrace", sliced, surroundings) }
})

layer(Place.layer, live)("headrace ingest that is ended from outside", (it) => {
  it.effect("at Ctrl-C ends with 130, and the same command goes on without losing or doubling a row", () =>
    Effect.gen(function* () {
      const { folder, headrace } = yield* Place.Place
      const { words, going } = yield* long("stopped")
      yield* going.printed("slice.committed")
      going.child.kill("SIGINT")

      const stopped = yield* going.ended
      const resumed = yield* headrace(...words)

      assert.strictEqual(stopped.exit, 130, stopped.stderr)
      assert.deepInclude(HeadraceCommand.jsonLines(stopped.stdout).at(-1), {
        type: "run.finished",
        outcome: "INTERRUPTED",
        runId: HeadraceCommand.jsonLines(stopped.stdout)[0]?.["runId"]
      })
      assert.match(stopped.stderr, /Resume: the same command/)
      assert.strictEqual(resumed.exit, 0, resumed.stderr)
      assert.deepStrictEqual(yield* Lake.ids(join(folder, "stopped")), Lake.range(1, 100_000))
    })
  )

  it.effect("of a unit that is being carried ends with 8 and disturbs nothing (D1)", () =>
    Effect.gen(function* () {
      const { headrace } = yield* Place.Place
      // Two thousand slices are not carried while another command starts and is refused.
      const { words, going } = yield* long("busy", 50)
      yield* going.printed("slice.committed")

      const second = yield* headrace(...words)
      going.child.kill("SIGTERM")
      const first = yield* going.ended

      assert.strictEqual(second.exit, 8, second.stderr)
      assert.match(second.stderr, /public\.busy is already running +HR5001/)
      assert.strictEqual(first.exit, 143, first.stderr)
    })
  )

  it.effect("killed with SIGKILL loses and doubles nothing: the same command goes on", () =>
    Effect.gen(function* () {
      const { folder, headrace } = yield* Place.Place
      const { words, going } = yield* long("killed")
      yield* going.printed("slice.committed")
      going.child.kill("SIGKILL")
      yield* going.ended

      const resumed = yield* headrace(...words)

      assert.strictEqual(resumed.exit, 0, resumed.stderr)
      assert.deepStrictEqual(yield* Lake.ids(join(folder, "killed")), Lake.range(1, 100_000))
    })
  )
})
