/**
 * The reference `SliceLedger`: rows beside the runs of `MemoryRunRepo`, whose
 * turn it takes, so that a slice and a lease never change at once.
 */
import { Effect, Layer, Option } from "effect"
import { checkpointKey } from "../domain/Checkpoint.ts"
import { type Generation, SliceSeq } from "../domain/Run.ts"
import { absent, KvStore, VersionConflict } from "../services/KvStore.ts"
import type { Run } from "../services/RunRepo.ts"
import {
  type Finalising,
  type Landed,
  LedgerUnavailable,
  type NotedSlice,
  SliceGap,
  SliceLedger,
  SliceLedgerError
} from "../services/SliceLedger.ts"
import { UnitStateRepo } from "../services/UnitStateRepo.ts"
import { QuarantineStore, settle } from "./MemoryQuarantine.ts"
import { heldRow, pathOf, RunStore } from "./MemoryRunRepo.ts"

type Operation = SliceLedgerError["operation"]

const away = (operation: Operation) => (cause: unknown) =>
  new SliceLedgerError({ operation, reason: new LedgerUnavailable({ cause }) })

const keyOf = (path: string, generation: Generation, sliceSeq: SliceSeq) =>
  `${path} ${generation} ${sliceSeq}`

/** What was counted at the seal is true of what landed when one run did both. */
const landedOn = (noted: NotedSlice | undefined, { runId }: Run, slice: Landed): NotedSlice => {
  const isAsMeant = noted?.epoch === slice.epoch && noted.rows === slice.rows
  const { read, rejected, filtered } = isAsMeant ? noted : { read: null, rejected: null, filtered: null }
  const { sliceSeq, epoch, fromCkpt: from, toCkpt: to, rows, sha256 } = slice
  return {
    sliceSeq,
    phase: "COMMITTED",
    epoch,
    runId: noted?.runId ?? runId,
    from,
    to,
    read,
    rows,
    rejected,
    filtered,
    sha256
  }
}

export const make = Effect.gen(function* () {
  const kv = yield* KvStore
  const kept = yield* QuarantineStore
  const store = yield* RunStore
  const units = yield* UnitStateRepo

  const note = (run: Run, noted: NotedSlice) => {
    const { generation } = run
    const path = pathOf(run)
    store.slices.set(keyOf(path, generation, noted.sliceSeq), { path, generation, noted })
  }
  const notedOf = (run: Run, sliceSeq: SliceSeq) =>
    store.slices.get(keyOf(pathOf(run), run.generation, sliceSeq))?.noted

  const intend: SliceLedger["Service"]["intend"] = Effect.fnUntraced(function* (run, slice) {
    const state = Option.getOrNull(yield* Effect.mapError(units.get(run.unit), away("intend")))
    const isWanted = state?.lastRunId === run.runId && state.state === "RUNNING"
    if (heldRow(store, run) === undefined || !isWanted) return false
    const { sliceSeq, from, to, read, rows, rejected, filtered, sha256 } = slice
    const counts = { read, rows, rejected, filtered }
    const { epoch, runId } = run
    if (notedOf(run, sliceSeq)?.phase !== "COMMITTED")
      note(run, { sliceSeq, phase: "COMMITTING", epoch, runId, from, to, ...counts, sha256 })
    return true
  })

  /** The version, when the slice counts already and these very words did it; else why it cannot. */
  const before = Effect.fnUntraced(function* (
    run: Run,
    { slice: { sliceSeq }, checkpoint, expected }: Finalising,
    next: number | undefined
  ) {
    const key = checkpointKey(run.unit, run.sinkId)
    const entry = Option.getOrNull(yield* Effect.mapError(kv.get(run.tenant, key), away("finalise")))
    const version = entry?.version ?? absent
    const isOurs = version === expected + 1 && JSON.stringify(entry?.value) === JSON.stringify(checkpoint)
    if (isOurs && next === sliceSeq + 1) return version
    const reason = version === expected ? new SliceGap({ sliceSeq }) : new VersionConflict({ key, expected })
    return yield* new SliceLedgerError({ operation: "finalise", reason })
  })

  const move = (run: Run, { checkpoint, expected }: Finalising) =>
    Effect.mapError(
      kv.put(run.tenant, checkpointKey(run.unit, run.sinkId), checkpoint, expected),
      ({ reason }) =>
        reason._tag === "VersionConflict"
          ? new SliceLedgerError({ operation: "finalise", reason })
          : away("finalise")(reason)
    )

  const finalise: SliceLedger["Service"]["finalise"] = Effect.fnUntraced(function* (run, to) {
    if (heldRow(store, run) === undefined) return { _tag: "Fenced" }
    const { slice, checkpoint } = to
    const filling = store.fillings.get(pathOf(run))
    if (filling === undefined || filling.nextSeq !== slice.sliceSeq)
      return { _tag: "Counted", version: yield* before(run, to, filling?.nextSeq) }
    const version = yield* move(run, to)
    note(run, landedOn(notedOf(run, slice.sliceSeq), run, slice))
    store.fillings.set(pathOf(run), { ...filling, nextSeq: SliceSeq.make(slice.sliceSeq + 1) })
    settle(kept, run, run.generation, (seq) => seq === slice.sliceSeq, false)
    yield* Effect.mapError(units.copyCheckpoint(run.unit, checkpoint), away("finalise"))
    return { _tag: "Counted", version }
  })

  const inTurn = store.turn.withPermits(1)
  return SliceLedger.of({
    intend: (run, slice) => inTurn(intend(run, slice)),
    finalise: (run, to) => inTurn(finalise(run, to)),
    slicesOf: (place, generation) =>
      Effect.sync(() =>
        [...store.slices.values()]
          .filter((slice) => slice.path === pathOf(place) && slice.generation === generation)
          .map(({ noted }) => noted)
          .toSorted((a, b) => a.sliceSeq - b.sliceSeq)
      )
  })
})

export const layer: Layer.Layer<SliceLedger, never, KvStore | QuarantineStore | RunStore | UnitStateRepo> =
  Layer.effect(SliceLedger, make)
