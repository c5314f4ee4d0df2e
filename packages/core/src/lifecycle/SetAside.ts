/**
 * Rows that were set aside, with their contents: sealed on the way into the
 * store, opened for whoever asks. Others see counts and reasons alone.
 */
import { Context, Effect, Layer, Redacted, Schema } from "effect"
import { unitPath } from "../domain/Checkpoint.ts"
import { type Generation, SliceSeq } from "../domain/Run.ts"
import type { RejectedRow } from "../domain/Slice.ts"
import {
  type KeptKey,
  type KeptRow,
  type KeptSummary,
  Quarantine,
  type QuarantineError,
  type QuarantinePlace
} from "../services/Quarantine.ts"
import type { RunRequest } from "../services/RunEngine.ts"
import { type SecretPlace, Secrets, type SecretsError } from "../services/Secrets.ts"

/** Rows that were to be tried again were taken in before. None was tried. */
export class ReplayOutdated extends Schema.TaggedError<ReplayOutdated>()("ReplayOutdated", {}) {}

export class SetAside extends Context.Service<
  SetAside,
  {
    /** Keeps rows of a slice, unseen until it counts. Of a replay they are the rows that were refused again. */
    readonly keep: (
      request: RunRequest,
      sliceSeq: SliceSeq,
      rows: ReadonlyArray<RejectedRow>
    ) => Effect.Effect<void, QuarantineError | SecretsError>

    /** The sink holds slices up to `newest`, and no other. A replay claims its rows for the slice after it. */
    readonly reconcile: (
      request: RunRequest,
      newest: SliceSeq | null
    ) => Effect.Effect<void, QuarantineError | ReplayOutdated>

    /** What waits, by unit, sink and reason. */
    readonly summary: (tenant: string) => Effect.Effect<ReadonlyArray<KeptSummary>, QuarantineError>

    /** Rows that wait, with their contents; with `after`, those behind it. */
    readonly rows: (
      place: QuarantinePlace,
      limit: number,
      after?: KeptKey
    ) => Effect.Effect<ReadonlyArray<KeptRow>, QuarantineError | SecretsError>

    /** Forgets the rows of generations before `before`, or all: they were, or will be, read anew. */
    readonly forget: (
      place: QuarantinePlace,
      before: Generation | null
    ) => Effect.Effect<void, QuarantineError>
  }
>()("@headrace/core/lifecycle/SetAside") {
  static readonly layer: Layer.Layer<SetAside, never, Quarantine | Secrets> = Layer.effect(
    SetAside,
    Effect.gen(function* () {
      const quarantine = yield* Quarantine
      const secrets = yield* Secrets

      const sealed = (place: QuarantinePlace, key: KeptKey) => (row: RejectedRow) =>
        row.payload === null
          ? Effect.succeed(row)
          : Effect.map(
              secrets.seal(sealOf(place, key), Redacted.make(row.payload)),
              (payload): RejectedRow => ({ ...row, payload })
            )

      const opened = (place: QuarantinePlace) => (row: KeptRow) =>
        row.payload === null
          ? Effect.succeed(row)
          : Effect.map(secrets.open(sealOf(place, row), row.payload), (payload): KeptRow => ({
              ...row,
              payload: Redacted.value(payload)
            }))

      return SetAside.of({
        keep: Effect.fn("SetAside.keep")(function* ({ run, replay, policy }, sliceSeq, rows) {
          if (replay !== null) {
            yield* Effect.forEach(
              rows,
              (row) => {
                const tried = replay[row.position]
                return tried === undefined ? Effect.void : quarantine.refuse(run, tried.key, row)
              },
              { discard: true }
            )
            return
          }
          const { generation, runId } = run
          const kept = yield* Effect.forEach(rows, (row) =>
            sealed(run, { generation, sliceSeq, position: row.position })(row)
          )
          yield* quarantine.keep(run, { runId, generation, sliceSeq }, kept, policy)
        }),
        reconcile: Effect.fn("SetAside.reconcile")(function* ({ run, replay }, newest) {
          const { runId, generation } = run
          yield* quarantine.reconcile(run, generation, newest)
          if (replay === null) return
          const sliceSeq = newest === null ? run.nextSeq : SliceSeq.make(newest + 1)
          const keys = replay.map(({ key }) => key)
          const claimed = yield* quarantine.claim(run, keys, { runId, generation, sliceSeq })
          // A replay that died had taken some in, as has just turned out.
          if (claimed.length < keys.length) yield* new ReplayOutdated()
        }),
        summary: quarantine.summary,
        rows: Effect.fn("SetAside.rows")(function* (place, limit, after) {
          return yield* Effect.forEach(yield* quarantine.rows(place, limit, after), opened(place))
        }),
        forget: quarantine.forget
      })
    })
  )
}

/** A payload is sealed to its row. */
const sealOf = ({ tenant, unit, sinkId }: QuarantinePlace, key: KeptKey): SecretPlace => ({
  tenant,
  endpointId: unit.endpointId,
  field: `quarantine/${unitPath(tenant, unit, sinkId)}/${key.generation}/${key.sliceSeq}/${key.position}`
})
