/**
 * The contract of `Quarantine`, executable. An adapter is a `Quarantine` when
 * this suite passes, and its test file is the two lines that say so.
 */
import { assert, layer as shared } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { EndpointId } from "../domain/Endpoint.ts"
import { Generation, RunId, SliceSeq } from "../domain/Run.ts"
import { type RejectedRow } from "../domain/Slice.ts"
import { SinkId, UnitId, UnitKey } from "../domain/Unit.ts"
import { Quarantine, type QuarantinePlace, type Replaying } from "../services/Quarantine.ts"

/** A place that no other test uses. */
const somewhere = (): QuarantinePlace => ({
  tenant: `suite-${crypto.randomUUID()}`,
  unit: UnitKey.make({ endpointId: EndpointId.make("shop"), unitId: UnitId.make("public.orders") }),
  sinkId: SinkId.make("lake")
})

const slice = (sliceSeq: number, generation = 1, runId = "run-1"): Replaying => ({
  runId: RunId.make(runId),
  generation: Generation.make(generation),
  sliceSeq: SliceSeq.make(sliceSeq)
})

const row = (position: number, more: Partial<RejectedRow> = {}): RejectedRow => ({
  position,
  code: "CONSTRAINT",
  reason: "The row breaks a rule of the table; 'naïve' ☃.",
  column: null,
  sha256: "ab".repeat(32),
  payload: `{"row":{"id":${position}}}`,
  ...more
})

const keyOf = ({ generation, sliceSeq }: Replaying, position: number) => ({ generation, sliceSeq, position })

const positions = (place: QuarantinePlace) =>
  Effect.gen(function* () {
    const rows = yield* (yield* Quarantine).rows(place, 100)
    return rows.map(({ sliceSeq, position }) => `${sliceSeq}/${position}`)
  })

/** The sink holds slices up to this one. */
const counts = (place: QuarantinePlace, { generation, sliceSeq }: Replaying) =>
  Effect.flatMap(Quarantine, (quarantine) => quarantine.reconcile(place, generation, sliceSeq))

/** Rows of a slice that counts. */
const seen = (place: QuarantinePlace, of: Replaying, ...rows: ReadonlyArray<RejectedRow>) =>
  Effect.gen(function* () {
    const quarantine = yield* Quarantine
    yield* quarantine.keep(place, of, rows, null)
    yield* counts(place, of)
  })

export const suite = <E>(adapter: string, layer: Layer.Layer<Quarantine, E>) =>
  shared(layer, { timeout: "60 seconds", excludeTestServices: true })(
    `Quarantine contract: ${adapter}`,
    (it) => {
      it.effect("a row is not seen before its slice counts, and then as it was kept", () =>
        Effect.gen(function* () {
          const quarantine = yield* Quarantine
          const place = somewhere()
          const kept = row(7, { column: "kind", payload: null })
          yield* quarantine.keep(place, slice(3), [kept], null)
          assert.deepStrictEqual(yield* quarantine.rows(place, 100), [])

          yield* counts(place, slice(3))

          const [found] = yield* quarantine.rows(place, 100)
          assert.deepInclude(found, { ...kept, ...slice(3), unit: place.unit, sinkId: place.sinkId })
        })
      )

      it.effect(
        "a row remembers the policy of the run that kept it last, also when it is refused again",
        () =>
          Effect.gen(function* () {
            const quarantine = yield* Quarantine
            const place = somewhere()
            const policy = { mode: "incremental", primaryKeys: ["id"], limits: { rowBytes: 1000 } }
            yield* quarantine.keep(place, slice(0), [row(1)], { mode: "full" })
            yield* quarantine.keep(place, slice(0), [row(1)], policy)
            yield* quarantine.keep(place, slice(1), [row(2)], null)
            yield* quarantine.reconcile(place, Generation.make(1), SliceSeq.make(1))

            const claimed = yield* quarantine.claim(place, [keyOf(slice(0), 1)], slice(2))
            yield* quarantine.refuse(place, keyOf(slice(0), 1), row(1))

            assert.deepStrictEqual(
              [...claimed, ...(yield* quarantine.rows(place, 100))].map((kept) => kept.policy),
              [policy, policy, null]
            )
          })
      )

      it.effect("a slice that is carried again replaces what was kept of it", () =>
        Effect.gen(function* () {
          const quarantine = yield* Quarantine
          const place = somewhere()
          yield* quarantine.keep(place, slice(0), [row(1), row(2)], null)
          yield* quarantine.reconcile(place, Generation.make(1), null)
          yield* quarantine.keep(place, slice(0, 1, "run-2"), [row(1, { reason: "another" })], null)

          yield* counts(place, slice(0))

          const rows = yield* quarantine.rows(place, 100)
          assert.deepStrictEqual(
            rows.map(({ position, reason, runId }) => [position, reason, runId]),
            [[1, "another", "run-2"]]
          )
        })
      )

      it.effect("what the sink holds counts when the next run begins, and nothing beyond it", () =>
        Effect.gen(function* () {
          const quarantine = yield* Quarantine
          const place = somewhere()
          for (const seq of [0, 1, 2]) yield* quarantine.keep(place, slice(seq), [row(seq)], null)

          yield* quarantine.reconcile(place, Generation.make(1), SliceSeq.make(1))

          assert.deepStrictEqual(yield* positions(place), ["0/0", "1/1"])
          yield* counts(place, slice(2))
          assert.deepStrictEqual(yield* positions(place), ["0/0", "1/1"])
        })
      )

      it.effect("rows that were seen stay, whatever the next run finds", () =>
        Effect.gen(function* () {
          const quarantine = yield* Quarantine
          const place = somewhere()
          yield* seen(place, slice(4), row(1))

          yield* quarantine.reconcile(place, Generation.make(1), null)
          yield* quarantine.reconcile(place, Generation.make(2), null)

          assert.deepStrictEqual(yield* positions(place), ["4/1"])
        })
      )

      it.effect("rows are counted by unit, sink and code", () =>
        Effect.gen(function* () {
          const quarantine = yield* Quarantine
          const place = somewhere()
          yield* seen(place, slice(0), row(1), row(2), row(3, { code: "SCHEMA" }))
          yield* quarantine.keep(place, slice(1), [row(9)], null)

          const summary = yield* quarantine.summary(place.tenant)

          assert.deepStrictEqual(
            summary.map(({ unit, sinkId, code, rows }) => [unit.unitId, sinkId, code, rows]),
            [
              ["public.orders", "lake", "CONSTRAINT", 2],
              ["public.orders", "lake", "SCHEMA", 1]
            ]
          )
        })
      )

      it.effect("a claimed row is done with when the slice that took it counts, and only then", () =>
        Effect.gen(function* () {
          const quarantine = yield* Quarantine
          const place = somewhere()
          yield* seen(place, slice(0), row(1), row(2))

          const claimed = yield* quarantine.claim(place, [keyOf(slice(0), 1)], slice(1, 1, "replay"))
          assert.deepStrictEqual(yield* positions(place), ["0/1", "0/2"])
          yield* counts(place, slice(1))

          assert.deepStrictEqual(
            claimed.map(({ payload }) => payload),
            [row(1).payload]
          )
          assert.deepStrictEqual(yield* positions(place), ["0/2"])
        })
      )

      it.effect("a row that was taken in cannot be claimed again", () =>
        Effect.gen(function* () {
          const quarantine = yield* Quarantine
          const place = somewhere()
          yield* seen(place, slice(0), row(1))
          yield* quarantine.claim(place, [keyOf(slice(0), 1)], slice(1))
          yield* counts(place, slice(1))

          assert.deepStrictEqual(yield* quarantine.claim(place, [keyOf(slice(0), 1)], slice(2)), [])
        })
      )

      it.effect("a replay that died counts as far as the sink says", () =>
        Effect.gen(function* () {
          const quarantine = yield* Quarantine
          const [took, broke] = [somewhere(), somewhere()]
          for (const place of [took, broke]) {
            yield* seen(place, slice(0), row(1))
            yield* quarantine.claim(place, [keyOf(slice(0), 1)], slice(1, 1, "replay"))
          }

          yield* quarantine.reconcile(took, Generation.make(1), SliceSeq.make(1))
          yield* quarantine.reconcile(broke, Generation.make(1), SliceSeq.make(0))
          // The slice that the dead replay would have had is somebody else's.
          yield* counts(broke, slice(1))

          assert.deepStrictEqual(yield* positions(took), [])
          assert.deepStrictEqual(yield* positions(broke), ["0/1"])
        })
      )

      it.effect("a row that is refused again waits on, with its new reason", () =>
        Effect.gen(function* () {
          const quarantine = yield* Quarantine
          const place = somewhere()
          yield* seen(place, slice(0), row(1))
          yield* quarantine.claim(place, [keyOf(slice(0), 1)], slice(1))
          const why = { code: "UNSTORABLE", reason: "too long", column: "note" }

          yield* quarantine.refuse(place, keyOf(slice(0), 1), why)
          yield* counts(place, slice(1))

          const [left] = yield* quarantine.rows(place, 100)
          assert.deepInclude(left, { ...why, payload: row(1).payload })
        })
      )

      it.effect("rows are found page by page, in the order they were read", () =>
        Effect.gen(function* () {
          const quarantine = yield* Quarantine
          const place = somewhere()
          yield* seen(place, slice(10), row(0))
          yield* seen(place, slice(9), row(10), row(9))

          const [first] = yield* quarantine.rows(place, 1)
          const rest = yield* quarantine.rows(place, 100, first)

          assert.deepInclude(first, keyOf(slice(9), 9))
          assert.deepStrictEqual(
            rest.map(({ sliceSeq, position }) => `${sliceSeq}/${position}`),
            ["9/10", "10/0"]
          )
        })
      )

      it.effect("what was read anew is forgotten: earlier generations, or everything", () =>
        Effect.gen(function* () {
          const quarantine = yield* Quarantine
          const place = somewhere()
          yield* seen(place, slice(0, 1), row(1))
          yield* seen(place, slice(0, 2), row(2))

          yield* quarantine.forget(place, Generation.make(2))
          assert.deepStrictEqual(yield* positions(place), ["0/2"])

          yield* quarantine.forget(place, null)
          assert.deepStrictEqual(yield* positions(place), [])
        })
      )

      it.effect("places do not see each other", () =>
        Effect.gen(function* () {
          const quarantine = yield* Quarantine
          const place = somewhere()
          const other = { ...place, sinkId: SinkId.make("lake/2") }
          yield* seen(place, slice(0), row(1))

          yield* quarantine.forget(other, null)

          assert.deepStrictEqual(yield* positions(other), [])
          assert.deepStrictEqual(yield* positions(place), ["0/1"])
        })
      )
    }
  )
