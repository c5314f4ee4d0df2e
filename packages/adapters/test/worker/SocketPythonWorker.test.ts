/** The client over real Python workers that are well: what they carry, who waits for whom, how a run stops. */
import { assert, layer } from "@effect/vitest"
import { TemplateId } from "@headrace/core/domain/Endpoint"
import { RunId, SliceSeq } from "@headrace/core/domain/Run"
import { UnitId } from "@headrace/core/domain/Unit"
import { PythonWorker } from "@headrace/core/services/PythonWorker"
import { Duration, Effect, Fiber } from "effect"
import * as RealWorker from "./RealWorker.ts"
import { carry, numbers, request, standing, tagsOf, workerPids } from "./Runs.ts"

layer(RealWorker.layer(), { excludeTestServices: true, timeout: "30 seconds" })(
  "SocketPythonWorker",
  (test) => {
    test.effect("carries a unit slice by slice and ends with its checkpoint", () =>
      Effect.gen(function* () {
        const events = yield* carry(request("run-1"))

        const slice = ["Sealed", "Committed"] as const
        assert.deepStrictEqual(tagsOf(events), [
          "Opened",
          "Planned",
          ...slice,
          ...slice,
          ...slice,
          "Finished"
        ])
        const last = events.at(-1)
        assert.isTrue(last?._tag === "Finished" && JSON.stringify(last.newCheckpoint) === '{"next":5}')
      })
    )

    test.effect("stops in order when the verdict is stop", () =>
      Effect.gen(function* () {
        const events = yield* carry(request("run-2", { unitId: UnitId.make("rows") }), "stop")

        assert.deepStrictEqual(tagsOf(events), ["Opened", "Planned", "Sealed", "Finished"])
      })
    )

    test.effect("rejects a unit that the source does not know, and lists the one it does", () =>
      Effect.gen(function* () {
        const worker = yield* PythonWorker

        const units = yield* worker.listUnits({ endpoint: numbers })
        const { reason } = yield* Effect.flip(
          worker.preview({ endpoint: numbers, unitId: UnitId.make("rowz"), limit: 1 })
        )

        assert.deepStrictEqual(
          units.map(({ unitId }) => unitId),
          [UnitId.make("rows")]
        )
        assert.isTrue(reason._tag === "RequestRejected" && reason.problem.tag === "UnitNotFound")
      })
    )

    test.effect("describes the templates of the registry, each with its fields", () =>
      Effect.gen(function* () {
        const worker = yield* PythonWorker

        const templates = yield* worker.listTemplates("JDBC")

        assert.include(
          templates.map(({ id }) => id),
          TemplateId.make("jdbc.postgres")
        )
        assert.isTrue(templates.every(({ family, fields }) => family === "JDBC" && fields.length > 0))
      })
    )

    test.effect("rejects a decision on a run that nobody carries", () =>
      Effect.gen(function* () {
        const worker = yield* PythonWorker

        const decide = worker.decide({
          runId: RunId.make("nobody"),
          sliceSeq: SliceSeq.make(0),
          batch: null,
          verdict: "commit"
        })

        assert.strictEqual((yield* Effect.flip(decide)).reason._tag, "RequestRejected")
      })
    )

    test.effect("carries two units at the same time on two workers, and a third after them", () =>
      Effect.gen(function* () {
        const [first, second] = [yield* standing("run-3"), yield* standing("run-4")]
        const worker = yield* PythonWorker
        const third = yield* Effect.forkChild(carry(request("run-5")), { startImmediately: true })

        // Both workers are taken: light calls still find one.
        assert.lengthOf(yield* worker.listUnits({ endpoint: numbers }), 1)
        assert.isUndefined(third.pollUnsafe())
        yield* Fiber.interrupt(first)

        assert.strictEqual((yield* Fiber.join(third)).at(-1)?._tag, "Finished")
        yield* Fiber.interrupt(second)
      })
    )

    test.effect("a run that is interrupted leaves its worker to the next within a second", () =>
      Effect.gen(function* () {
        const before = yield* workerPids
        const runs = [yield* standing("run-6"), yield* standing("run-7")]

        const [took] = yield* Effect.timed(Effect.forEach(runs, Fiber.interrupt, { concurrency: 2 }))

        assert.isBelow(Duration.toMillis(took), 1000)
        assert.strictEqual((yield* carry(request("run-8"))).at(-1)?._tag, "Finished")
        assert.deepStrictEqual(yield* workerPids, before)
      })
    )

    test.effect("a consumer that stands still delays no light call on the same worker", () =>
      Effect.gen(function* () {
        const worker = yield* PythonWorker
        const runs = [yield* standing("run-9"), yield* standing("run-10")]

        const [took] = yield* Effect.timed(worker.listUnits({ endpoint: numbers }))

        assert.isBelow(Duration.toMillis(took), 500)
        yield* Effect.forEach(runs, Fiber.interrupt, { concurrency: 2 })
      })
    )
  }
)
