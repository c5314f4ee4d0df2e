/**
 * The reference `Quarantine`: rows in a map, gone with the process. The map is a
 * store of its own, as the database's table is: the ledger lets rows count in it.
 */
import { Context, DateTime, Effect, Layer } from "effect"
import { unitPath } from "../domain/Checkpoint.ts"
import type { Generation } from "../domain/Run.ts"
import {
  type KeptKey,
  type KeptRow,
  Quarantine,
  type QuarantinePlace,
  type Replaying
} from "../services/Quarantine.ts"

interface Row {
  readonly tenant: string
  readonly path: string
  readonly kept: KeptRow
  readonly isSeen: boolean
  readonly claim: Replaying | null
}

/** What the table would be. */
export class QuarantineStore extends Context.Service<QuarantineStore, Map<string, Row>>()(
  "@headrace/core/memory/MemoryQuarantine/QuarantineStore"
) {}

const pathOf = ({ tenant, unit, sinkId }: QuarantinePlace) => unitPath(tenant, unit, sinkId)

const keyOf = (path: string, { generation, sliceSeq, position }: KeptKey) =>
  `${path} ${generation} ${sliceSeq} ${position}`

const order = (a: KeptKey, b: KeptKey) =>
  a.generation - b.generation || a.sliceSeq - b.sliceSeq || a.position - b.position

const of = (rows: Map<string, Row>, place: QuarantinePlace) =>
  [...rows].filter(([, { path }]) => path === pathOf(place)).toSorted(([, a], [, b]) => order(a.kept, b.kept))

/** `counts` says of a slice of the generation whether it is committed; with `givesUp` no other ever will be. */
export const settle = (
  rows: Map<string, Row>,
  place: QuarantinePlace,
  generation: Generation,
  counts: (sliceSeq: number) => boolean,
  givesUp: boolean
): void => {
  for (const [key, row] of of(rows, place)) {
    const { kept, claim, isSeen } = row
    const isNew = kept.generation === generation && !isSeen
    if (claim?.generation === generation && counts(claim.sliceSeq)) rows.delete(key)
    else if (isNew && counts(kept.sliceSeq)) rows.set(key, { ...row, isSeen: true })
    else if (isNew && givesUp) rows.delete(key)
    else if (givesUp) rows.set(key, { ...row, claim: null })
  }
}

export const make = Effect.gen(function* () {
  const rows = yield* QuarantineStore

  return Quarantine.of({
    keep: Effect.fnUntraced(function* (place, { runId, generation, sliceSeq }, rejected, policy) {
      const keptAt = yield* DateTime.now
      const path = pathOf(place)
      for (const row of rejected) {
        const kept = {
          ...row,
          generation,
          sliceSeq,
          unit: place.unit,
          sinkId: place.sinkId,
          runId,
          policy,
          keptAt
        }
        rows.set(keyOf(path, kept), { tenant: place.tenant, path, kept, isSeen: false, claim: null })
      }
    }),
    reconcile: (place, generation, newest) =>
      Effect.sync(() => settle(rows, place, generation, (seq) => newest !== null && seq <= newest, true)),
    summary: (tenant) =>
      Effect.sync(() => {
        const seen = [...rows.values()].filter((row) => row.tenant === tenant && row.isSeen)
        return [...Map.groupBy(seen, ({ path, kept }) => `${path} ${kept.code}`)]
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([, [first, ...others]]) => ({
            unit: first!.kept.unit,
            sinkId: first!.kept.sinkId,
            code: first!.kept.code,
            rows: others.length + 1,
            newest: others.reduce((top, { kept }) => DateTime.max(top, kept.keptAt), first!.kept.keptAt)
          }))
      }),
    rows: (place, limit, after) =>
      Effect.sync(() =>
        of(rows, place)
          .filter(([, { isSeen, kept }]) => isSeen && (after === undefined || order(kept, after) > 0))
          .slice(0, limit)
          .map(([, { kept }]) => kept)
      ),
    claim: (place, keys, by) =>
      Effect.sync(() =>
        keys.flatMap((wanted) => {
          const key = keyOf(pathOf(place), wanted)
          const row = rows.get(key)
          if (row === undefined || !row.isSeen) return []
          rows.set(key, { ...row, claim: by })
          return [row.kept]
        })
      ),
    refuse: (place, wanted, why) =>
      Effect.sync(() => {
        const key = keyOf(pathOf(place), wanted)
        const row = rows.get(key)
        if (row !== undefined) rows.set(key, { ...row, claim: null, kept: { ...row.kept, ...why } })
      }),
    forget: (place, before) =>
      Effect.sync(() => {
        for (const [key, { kept }] of of(rows, place))
          if (before === null || kept.generation < before) rows.delete(key)
      })
  })
})

export const layerStore: Layer.Layer<QuarantineStore> = Layer.sync(QuarantineStore, () => new Map())

export const layer: Layer.Layer<Quarantine, never, QuarantineStore> = Layer.effect(Quarantine, make)
