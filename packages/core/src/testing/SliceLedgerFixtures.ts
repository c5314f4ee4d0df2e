/** What the clauses of `SliceLedger` play with: slices that are meant and that land, and all that moves with them. */
import type { Vitest } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { IngestionUnitEvent } from "../domain/IngestionUnitState.ts"
import type { RejectedRow } from "../domain/Slice.ts"
import { Quarantine } from "../services/Quarantine.ts"
import type { Run } from "../services/RunRepo.ts"
import type { Finalising, Intended } from "../services/SliceLedger.ts"
import { UnitStateRepo } from "../services/UnitStateRepo.ts"
import { checkpointOf, landed, type Process, record, type Stores } from "./RunRepoFixtures.ts"

export type LedgerClauses<R> = Vitest.MethodsNonLive<R | Stores | Quarantine>

/** The slice before `nextSeq`, as it was sealed: of five rows three are left. */
export const sealed = (run: Run, nextSeq: number): Intended => {
  const { sliceSeq, fromCkpt: from, toCkpt: to, rows, sha256 } = landed(run, nextSeq)
  return { sliceSeq, from, to, read: 5, rows, rejected: 1, filtered: 1, sha256 }
}

/** Its end, from where the checkpoint is. */
export const finalising = (run: Run, nextSeq: number) =>
  Effect.map(checkpointOf(run), ({ version: expected }): Finalising => ({
    slice: landed(run, nextSeq),
    checkpoint: record(nextSeq),
    expected
  }))

const row: RejectedRow = {
  position: 0,
  code: "CONSTRAINT",
  reason: "The row breaks a rule of the table.",
  column: null,
  sha256: "ab".repeat(32),
  payload: null
}

const sliceOf = (run: Run, nextSeq: number) => {
  const { runId, generation } = run
  return { runId, generation, sliceSeq: landed(run, nextSeq).sliceSeq }
}

/** The slice sets its first row aside. */
export const setAside = (run: Run, nextSeq: number) =>
  Effect.flatMap(Quarantine, (quarantine) => quarantine.keep(run, sliceOf(run, nextSeq), [row], null))

/** The slice is to take in what the other one set aside. */
export const takingIn = (run: Run, nextSeq: number, of: number) =>
  Effect.flatMap(Quarantine, (quarantine) => {
    const { generation, sliceSeq } = sliceOf(run, of)
    return quarantine.claim(run, [{ generation, sliceSeq, position: 0 }], sliceOf(run, nextSeq))
  })

/** The slices of which rows wait. */
export const waiting = (run: Run) =>
  Effect.gen(function* () {
    const rows = yield* (yield* Quarantine).rows(run, 100)
    return rows.map(({ sliceSeq }) => Number(sliceSeq))
  })

/** Everything that a slice moves: its row, the checkpoint, the rows that wait. The next slice is seen by the next run. */
export const allOf = Effect.fnUntraced(function* ({ ledger }: Process, run: Run) {
  return {
    slices: yield* ledger.slicesOf(run, run.generation),
    checkpoint: yield* checkpointOf(run),
    waiting: yield* waiting(run)
  }
})

const { Paused, Reset } = IngestionUnitEvent.cases
export const orders = { PAUSED: Paused, RESET: Reset } as const

/** Somebody pauses or resets the unit, and leaves its lease to the run. */
export const ordered = Effect.fnUntraced(function* ({ unit, sinkId }: Run, order: keyof typeof orders) {
  yield* (yield* UnitStateRepo).apply(unit, orders[order].make({ sinkId, at: yield* DateTime.now }))
})
