/** What becomes of a run whose slices the ledger does not let count. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { Generation, SliceSeq } from "../../src/domain/Run.ts"
import * as Headrace from "../../src/lifecycle/Headrace.ts"
import * as MemoryPythonWorker from "../../src/memory/MemoryPythonWorker.ts"
import * as MemoryRunRepo from "../../src/memory/MemoryRunRepo.ts"
import { RunRepo } from "../../src/services/RunRepo.ts"
import { LedgerUnavailable, SliceGap, SliceLedger, SliceLedgerError } from "../../src/services/SliceLedger.ts"
import * as Shop from "./Shop.ts"

/** How far the slices of the first generation are, by the ledger. */
const phases = ({ place }: Shop.Shop) =>
  SliceLedger.use((ledger) =>
    Effect.map(ledger.slicesOf(place, Generation.make(1)), (slices) => slices.map(({ phase }) => phase))
  )

describe("a slice that cannot be finalised", () => {
  type Answer = ReturnType<SliceLedger["Service"]["finalise"]>

  /** A ledger that says something else of the second slice, once. */
  const saying = (answer: Answer) => {
    const ledger = Layer.effect(
      SliceLedger,
      Effect.map(SliceLedger, (real) => {
        let isLeft = true
        return SliceLedger.of({
          ...real,
          finalise: (run, to) => {
            if (to.slice.sliceSeq !== 1 || !isLeft) return real.finalise(run, to)
            isLeft = false
            return answer
          }
        })
      })
    )
    return Headrace.layer.pipe(
      Layer.provideMerge(ledger),
      Layer.provideMerge(Headrace.layerStoresMemory),
      Layer.provideMerge(MemoryPythonWorker.layer)
    )
  }
  const failing = (reason: SliceLedgerError["reason"]) =>
    Effect.fail(new SliceLedgerError({ operation: "finalise", reason }))

  const answers: ReadonlyArray<readonly [string, RegExp, Answer]> = [
    ["the store is away", /^STORE_UNAVAILABLE: /, failing(new LedgerUnavailable({ cause: "away" }))],
    ["it is not the next one", /^BUG: .* slice 1 /, failing(new SliceGap({ sliceSeq: SliceSeq.make(1) }))],
    ["the unit is another's", /^SUPERSEDED: /, Effect.succeed({ _tag: "Fenced" })]
  ]
  for (const [why, code, answer] of answers)
    it.effect(`because ${why} is told, and the next run counts it and carries the rest once`, () =>
      Effect.gen(function* () {
        const shop = yield* Shop.opened()
        yield* Shop.run(shop.name)
        const { lastError } = yield* Shop.status(shop)
        const broken = yield* Shop.cursor(shop)
        const meant = yield* phases(shop)

        const end = yield* Shop.run(shop.name)
        yield* Shop.run(shop.name)

        assert.match(lastError ?? "", code)
        assert.deepStrictEqual(broken, Shop.at(3))
        assert.deepStrictEqual(meant, ["COMMITTED", "COMMITTING"])
        assert.deepInclude(end, { event: "RUN_SUCCEEDED", exportedRows: 4 })
        assert.deepStrictEqual(yield* Shop.landed(shop), Shop.allRows)
        assert.deepStrictEqual(yield* phases(shop), ["COMMITTED", "COMMITTED", "COMMITTED", "COMMITTED"])
        assert.deepStrictEqual(
          (yield* Shop.asked).map(({ nextSeq }) => Number(nextSeq)),
          [0, 1, 4]
        )
      }).pipe(Effect.provide(saying(answer)))
    )
})

describe("a run whose lease is taken while it stages a slice", () => {
  const staging = Shop.stopAt("staged", 0)

  it.effect("I4, I6 commits nothing of it, and does not end as SUCCEEDED with a part", () =>
    Effect.gen(function* () {
      const shop = yield* Shop.opened()
      const { end } = yield* Shop.started(shop.name)
      yield* staging.reached
      const runs = yield* RunRepo
      yield* MemoryRunRepo.lapse(Option.getOrThrow(yield* runs.live(shop.key)))
      yield* runs.orphans

      yield* staging.goOn

      assert.deepInclude((yield* end).at(-1), { event: "RUN_FAILED" })
      assert.match((yield* Shop.status(shop)).lastError ?? "", /^SUPERSEDED: /)
      assert.deepStrictEqual(yield* Shop.landed(shop), [])
      assert.deepStrictEqual(yield* phases(shop), [])
    }).pipe(Effect.provide(Shop.layer(staging)))
  )
})
