import { assert, layer } from "@effect/vitest"
import { RunEvents } from "@headrace/core/services/RunEvents"
import { Effect, Stream } from "effect"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { act, endOf, runToEnd, status } from "../Api.ts"
import * as Lake from "./Lake.ts"
import * as World from "./World.ts"

layer(World.layer, { excludeTestServices: true, timeout: "60 seconds" })(
  "a worker killed with SIGKILL in mid-run",
  (it) => {
    it.effect("ends the run FAILED within seconds, and the next start goes on from what was committed", () =>
      Effect.gen(function* () {
        const { data } = yield* World.World
        const { lake, named } = yield* World.unit("killed", 60_000, { targetSliceSize: 500 })
        const events = yield* (yield* RunEvents).subscribe
        const started = yield* act("start", { ...named, stagingProviderId: "local_disk" })

        yield* events.pipe(
          Stream.filter(({ event, runId }) => event === "SLICE_COMMITTED" && runId === started.runId),
          Stream.runHead
        )
        const killed = World.workersOf(data)
        yield* Effect.sync(() => killed.forEach((pid) => process.kill(pid, "SIGKILL")))
        const end = yield* Effect.timeout(endOf(events, started.runId), "5 seconds")
        const failed = yield* status(named)
        const held = yield* Lake.unseen(lake)
        const seen = yield* Lake.ids(lake)
        const next = yield* runToEnd({ ...named, stagingProviderId: "local_disk" })

        assert.strictEqual(killed.length, 1)
        assert.strictEqual(end.event, "RUN_FAILED")
        assert.deepInclude(failed, { state: "FAILED", lastRunId: started.runId })
        assert.match(failed.lastError ?? "", /^WORKER_LOST: /)
        assert.isNotNull(failed.checkpoint)
        assert.isTrue(held > 0 && held < 60_000)
        assert.deepStrictEqual(seen, [])
        assert.strictEqual(next.event, "RUN_SUCCEEDED")
        assert.isAtMost(next.exportedRows, 60_000 - held + 500)
        assert.deepStrictEqual(yield* Lake.ids(lake), Lake.range(1, 60_000))
        assert.deepStrictEqual(readdirSync(join(data, "staging")), [])
      })
    )
  }
)
