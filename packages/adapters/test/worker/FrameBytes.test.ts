import { assert, it } from "@effect/vitest"
import { UnitId } from "@headrace/core/domain/Unit"
import { Effect } from "effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as RealWorker from "./RealWorker.ts"
import { carry, endpoint, request } from "./Runs.ts"

const rowCount = 200_000

it.live(
  "rows stay in Python: a run of many megabytes says less than 64 KiB on the socket (P22, P23, D13, D14)",
  () =>
    Effect.gen(function* () {
      const folder = yield* RealWorker.temporaryDirectory
      mkdirSync(join(folder, "from"))
      const rows = Array.from({ length: rowCount }, (_, n) => `${n},${"x".repeat(50)}`)
      writeFileSync(join(folder, "from", "rows.csv"), `id,text\n${rows.join("\n")}\n`)
      let bytes = 0

      const events = yield* carry(
        request("weighed", {
          unitId: UnitId.make("rows.csv"),
          policy: { mode: "full" },
          source: endpoint("numbers", "file.local", { base_path: join(folder, "from") }),
          sink: endpoint("lake", "file.local", { base_path: join(folder, "to") })
        })
      ).pipe(Effect.provide(RealWorker.layer({ workers: 1, onFrame: (_, length) => (bytes += length) })))

      const slices = events.filter((event) => event._tag === "Committed")
      const carried = slices.reduce((sum, { commitRecord }) => sum + commitRecord.rows, 0)
      assert.strictEqual(carried, rowCount)
      assert.isAbove(slices.length, 1)
      assert.isAbove(bytes, 0)
      assert.isAtMost(bytes, 64 * 1024)
    }).pipe(Effect.scoped),
  60_000
)
