/** What a run of any `PythonWorker` owes: the order of its events, and that nothing counts which nobody allowed. */
import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TemplateId } from "../domain/Endpoint.ts"
import { RunId, SliceSeq } from "../domain/Run.ts"
import { isConserved } from "../domain/Slice.ts"
import { UnitId } from "../domain/Unit.ts"
import { PythonWorker } from "../services/PythonWorker.ts"
import {
  type Answer,
  carry,
  of,
  play,
  reasonOf,
  requestOf,
  rowsOf,
  standing,
  successorOf,
  tagsOf,
  upTo
} from "./PlayedRun.ts"
import { type Clauses, Fixtures } from "./PythonWorkerFixtures.ts"

const orderClauses = (it: Clauses) => {
  it.effect("P16 a run says Opened, Planned, each slice Sealed and Committed, last Finished", () =>
    Effect.gen(function* () {
      const request = yield* requestOf({ nextSeq: SliceSeq.make(4) })

      const events = yield* carry(request)

      const slice = ["Sealed", "Committed"]
      assert.deepStrictEqual(tagsOf(events), ["Opened", "Planned", ...slice, ...slice, ...slice, "Finished"])
      const seqs = of(events, "Sealed").map(({ sliceSeq }) => Number(sliceSeq))
      assert.deepStrictEqual(seqs, [4, 5, 6])
      assert.isNull(of(events, "Opened")[0]?.highWater)
      assert.isTrue(of(events, "Committed").every(({ adopted }) => !adopted))
    })
  )

  it.effect("a run of a template nobody knows fails as ConfigInvalid before it opens a sink", () =>
    Effect.gen(function* () {
      const { source } = yield* Fixtures
      const request = yield* requestOf({ source: { ...source, templateId: TemplateId.make("nobody.knows") } })

      const { events, outcome } = yield* play(request)

      const reason = reasonOf(outcome)
      assert.isTrue(reason?._tag === "RequestRejected" && reason.problem.tag === "ConfigInvalid")
      assert.deepStrictEqual(events, [])
    })
  )

  it.effect("every row is in one slice, and each slice begins where the one before it ended", () =>
    Effect.gen(function* () {
      const request = yield* requestOf()
      const { rows } = yield* Fixtures

      const events = yield* carry(request)

      const seals = of(events, "Sealed")
      const commits = of(events, "Committed").map(({ commitRecord }) => commitRecord)
      assert.isTrue(seals.every(isConserved))
      assert.strictEqual(rowsOf(events), rows.length)
      assert.deepStrictEqual(
        commits.map(({ fromCkpt }) => fromCkpt),
        [null, ...commits.slice(0, -1).map(({ toCkpt }) => toCkpt)]
      )
      for (const [index, { sliceSeq, to, rows: sealed }] of seals.entries())
        assert.deepInclude(commits[index], { sliceSeq, toCkpt: to, rows: sealed, epoch: request.epoch })
    })
  )

  it.effect("P14 Finished names the checkpoint of the last committed slice and counts the rows", () =>
    Effect.gen(function* () {
      const { rows } = yield* Fixtures

      const events = yield* carry(yield* requestOf())

      const last = of(events, "Finished")[0]
      assert.deepStrictEqual(last?.newCheckpoint, of(events, "Committed").at(-1)?.commitRecord.toCkpt)
      assert.deepStrictEqual(last?.errors, [])
      assert.deepInclude(last?.stats, { exported_rows: rows.length, applied_rows: rows.length })
    })
  )

  it.effect("a run with nothing new plans no slice and keeps the checkpoint", () =>
    Effect.gen(function* () {
      const first = yield* requestOf()
      const second = successorOf(first, yield* carry(first))

      const events = yield* carry(second)

      assert.deepStrictEqual(tagsOf(events), ["Opened", "Planned", "Finished"])
      assert.deepStrictEqual(of(events, "Finished")[0]?.newCheckpoint, second.checkpoint)
    })
  )

  it.effect("a run of a unit nobody has fails as UnitNotFound and plans nothing", () =>
    Effect.gen(function* () {
      const { events, outcome } = yield* play(yield* requestOf({ unitId: UnitId.make("no such unit") }))

      const reason = reasonOf(outcome)
      assert.isTrue(reason?._tag === "RequestRejected" && reason.problem.tag === "UnitNotFound")
      assert.notInclude(tagsOf(events), "Planned")
    })
  )
}

const decisionClauses = (it: Clauses) => {
  for (const verdict of ["stop", "abort"] as const)
    it.effect(`D2 after ${verdict} at a Sealed its slice does not count, those before it do`, () =>
      Effect.gen(function* () {
        const request = yield* requestOf()

        const events = yield* carry(request, upTo(1, verdict))

        const kept = of(events, "Committed").map(({ commitRecord }) => commitRecord)
        assert.strictEqual(kept.length, 1)
        assert.deepStrictEqual(of(events, "Finished")[0]?.newCheckpoint, kept[0]?.toCkpt)
        const next = yield* carry(successorOf(request, events))
        assert.deepStrictEqual(of(next, "Opened")[0]?.highWater, kept[0])
        assert.deepStrictEqual(of(next, "Sealed")[0]?.from, kept[0]?.toCkpt)
        const { rows } = yield* Fixtures
        assert.strictEqual(rowsOf(events) + rowsOf(next), rows.length)
      })
    )

  it.effect("nothing is committed while a Sealed is undecided, and the worker answers others meanwhile", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const { source } = yield* Fixtures
      const request = yield* requestOf()
      const { fiber } = yield* standing(request, 0)

      yield* worker.listUnits({ endpoint: source })
      yield* Fiber.interrupt(fiber)

      const next = yield* carry(successorOf(request, []))
      assert.isNull(of(next, "Opened")[0]?.highWater)
    })
  )

  it.effect("a decision nobody waits for is rejected: no such run, another slice, a run that has ended", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const request = yield* requestOf()
      const { fiber, question } = yield* standing(request, 0)
      const decide = (runId: RunId, sliceSeq: number) =>
        worker.decide({ runId, sliceSeq: SliceSeq.make(sliceSeq), batch: null, verdict: "commit" }).pipe(
          Effect.flip,
          Effect.map(({ reason }) => reason._tag)
        )

      const nobody = yield* decide(RunId.make("nobody"), 0)
      const other = yield* decide(request.runId, 7)
      yield* Fiber.interrupt(fiber)
      const ended = yield* decide(request.runId, question.sliceSeq)

      assert.deepStrictEqual([nobody, other, ended], Array.from({ length: 3 }).fill("RequestRejected"))
    })
  )
}

const endClauses = (it: Clauses) => {
  it.effect("D18 a worker that dies is WorkerLost; what was committed stays, and the next run goes on", () =>
    Effect.gen(function* () {
      const { kill, rows } = yield* Fixtures
      const request = yield* requestOf()
      const dieAtOne: Answer = ({ sliceSeq }) =>
        Effect.as(sliceSeq === 1 ? kill(request.runId) : Effect.void, "commit")

      const { events, outcome } = yield* play(request, dieAtOne)

      assert.strictEqual(reasonOf(outcome)?._tag, "WorkerLost")
      const next = yield* carry(successorOf(request, events))
      assert.deepStrictEqual(of(next, "Opened")[0]?.highWater, of(events, "Committed").at(-1)?.commitRecord)
      assert.strictEqual(rowsOf(events) + rowsOf(next), rows.length)
    })
  )

  it.effect("a run that is interrupted stops; what was committed stays, and the next run goes on", () =>
    Effect.gen(function* () {
      const { rows } = yield* Fixtures
      const request = yield* requestOf()
      const { fiber } = yield* standing(request, 1)

      yield* Fiber.interrupt(fiber)

      const next = yield* carry({ ...successorOf(request, []), nextSeq: SliceSeq.make(1) })
      const held = of(next, "Opened")[0]?.highWater
      assert.deepInclude(held, { sliceSeq: SliceSeq.make(0), epoch: request.epoch })
      assert.strictEqual((held?.rows ?? 0) + rowsOf(next), rows.length)
    })
  )

  it.effect("P31 sweepStaging deletes what a dead run left, says how much, and spares the runs to keep", () =>
    Effect.gen(function* () {
      const worker = yield* PythonWorker
      const { abandon } = yield* Fixtures
      const sweep = (...keep: ReadonlyArray<RunId>) => worker.sweepStaging({ olderThanSeconds: 0, keep })
      yield* sweep()
      const living = yield* requestOf({ stagingProviderId: "local_disk" })
      const { goOn } = yield* standing(living, 0)
      const dead = RunId.make(`run-${crypto.randomUUID()}`)
      yield* abandon(dead)

      const kept = yield* sweep(living.runId, dead)
      const swept = yield* sweep(living.runId)
      const again = yield* sweep(living.runId)

      const nothing = { sessions: 0, bytes: 0 }
      assert.deepStrictEqual([kept, again], [nothing, nothing])
      assert.strictEqual(swept.sessions, 1)
      assert.isAbove(swept.bytes, 0)
      assert.strictEqual(of((yield* goOn).events, "Committed").length, 3)
    })
  )
}

const recordClauses = (it: Clauses) => {
  const withoutSink = { sink: null, sinkEndpointId: null, policy: {} }
  const semanticRequest = Effect.flatMap(Fixtures, ({ semantic: { source, unitId } }) =>
    requestOf({ ...withoutSink, source, endpointId: source.id, unitId })
  )

  it.effect("P17, D11 without a sink records come in order, 500 at most at a time, then the Sealed", () =>
    Effect.gen(function* () {
      const { semantic } = yield* Fixtures

      const events = yield* carry(yield* semanticRequest)

      const batches = of(events, "Records")
      assert.deepStrictEqual(
        batches.flatMap(({ records }) => records),
        semantic.records
      )
      assert.isAbove(batches.length, 1)
      assert.isTrue(batches.every(({ records }) => records.length > 0 && records.length <= 500))
      assert.notInclude(tagsOf(events), "Committed")
      for (const { sliceSeq, rows } of of(events, "Sealed")) {
        const own = batches.filter((batch) => batch.sliceSeq === sliceSeq)
        assert.deepStrictEqual(
          own.map(({ batch }) => batch),
          [...own.keys()]
        )
        assert.strictEqual(
          own.reduce((sum, { records }) => sum + records.length, 0),
          rows
        )
      }
    })
  )

  it.effect("no slice is sealed while a batch of its records is undecided", () =>
    Effect.gen(function* () {
      const request = yield* semanticRequest
      const stopAtSecond: Answer = (question) =>
        Effect.succeed(question._tag === "Records" && question.batch === 1 ? "stop" : "commit")

      const events = yield* carry(request, stopAtSecond)

      assert.notInclude(tagsOf(events), "Sealed")
      assert.deepStrictEqual(of(events, "Finished")[0]?.newCheckpoint, null)
    })
  )

  it.effect("D19 without a sink a table says what it is, and no row of it becomes a record", () =>
    Effect.gen(function* () {
      const events = yield* carry(yield* requestOf(withoutSink))

      const types = of(events, "Records").flatMap(({ records }) =>
        records.map(({ entityType }) => entityType)
      )
      assert.strictEqual(types.filter((type) => type === "catalog.dataset").length, 1)
      assert.isTrue(types.every((type) => type.startsWith("catalog.")))
    })
  )
}

export const runClauses = (it: Clauses) => {
  orderClauses(it)
  decisionClauses(it)
  endClauses(it)
  recordClauses(it)
}
