/**
 * The checkpoint of each unit and sink: read before a run, moved by each slice
 * that counts (`SliceLedger`) and by the run's end, removed by a reset. Every
 * move is a compare-and-set, so a run notices when somebody else moved it. A
 * record that cannot be read is refused; it never means "no checkpoint".
 */
import { Context, DateTime, Effect, Layer, Option, Schema } from "effect"
import {
  type Checkpoint,
  checkpointKey,
  CheckpointRecord,
  CheckpointRecordJson
} from "../domain/Checkpoint.ts"
import type { RunId, RunStats } from "../domain/Run.ts"
import type { SinkId, UnitKey } from "../domain/Unit.ts"
import { absent, KvStore, type KvStoreError, type Version } from "../services/KvStore.ts"

/** Whose checkpoint it is. */
export interface Place {
  readonly tenant: string
  readonly unit: UnitKey
  readonly sinkId: SinkId
}

/** A record as it was read or written last; the version proves that nobody moved it since. */
export interface Kept {
  readonly record: CheckpointRecord | null
  readonly version: Version
}

/** What is held where a checkpoint should be is not one. Nothing was started or changed. */
export class CheckpointUnreadable extends Schema.TaggedError<CheckpointUnreadable>()("CheckpointUnreadable", {
  key: Schema.String,
  issue: Schema.String
}) {}

const decode = Schema.decodeUnknownEffect(CheckpointRecordJson)
const encode = Schema.encodeSync(CheckpointRecordJson)

/** Only the cursor travels to the data plane, never the record around it. */
export const cursorOf = ({ record }: Kept): Checkpoint | null => record?.cursor ?? null

/** The record as it is stored. */
export const asStored = ({ record }: Pick<Kept, "record">): Schema.Json =>
  record === null ? null : encode(record)

/** `lastUpdatedAt` grows with every write, also when the clock does not. */
const laterThan = (before: CheckpointRecord | null) =>
  Effect.map(DateTime.now, (now) =>
    before === null ? now : DateTime.max(now, DateTime.add(before.lastUpdatedAt, { milliseconds: 1 }))
  )

/** Where a checkpoint moves to. */
export interface Move {
  readonly cursor: Checkpoint | null
  readonly runId: RunId
  readonly stats: RunStats
}

/** The record that a move makes of the one before. */
export const recordAfter = (kept: Kept, { cursor, runId, stats }: Move): Effect.Effect<CheckpointRecord> =>
  Effect.map(laterThan(kept.record), (lastUpdatedAt) => ({ cursor, lastRunId: runId, stats, lastUpdatedAt }))

export class CheckpointLog extends Context.Service<
  CheckpointLog,
  {
    /** The record, and the version to move it from; `record: null` before the first committed slice. */
    readonly read: (place: Place) => Effect.Effect<Kept, CheckpointUnreadable | KvStoreError>

    /** The record as it is stored, for people to see; null when there is none. */
    readonly shown: (place: Place) => Effect.Effect<Schema.Json, KvStoreError>

    /** Moves the checkpoint on with no slice. Fails with `VersionConflict` when somebody moved it since `kept`; theirs stays. */
    readonly advance: (place: Place, kept: Kept, to: Move) => Effect.Effect<Kept, KvStoreError>

    /** Notes why the latest run failed in the record, when there is one. The cursor stays. */
    readonly noteFailure: (place: Place, kept: Kept, lastError: string) => Effect.Effect<void, KvStoreError>

    /** Removes the record, whatever it holds: also one that cannot be read. */
    readonly remove: (place: Place) => Effect.Effect<void, KvStoreError>
  }
>()("@headrace/core/lifecycle/CheckpointLog") {
  static readonly layer: Layer.Layer<CheckpointLog, never, KvStore> = Layer.effect(
    CheckpointLog,
    Effect.gen(function* () {
      const kv = yield* KvStore
      const entryOf = ({ tenant, unit, sinkId }: Place) => kv.get(tenant, checkpointKey(unit, sinkId))

      const put = Effect.fnUntraced(function* (
        { tenant, unit, sinkId }: Place,
        kept: Kept,
        record: CheckpointRecord
      ) {
        const version = yield* kv.put(tenant, checkpointKey(unit, sinkId), encode(record), kept.version)
        return { record, version }
      })

      return CheckpointLog.of({
        read: Effect.fn("CheckpointLog.read")(function* (place) {
          const entry = yield* entryOf(place)
          if (Option.isNone(entry)) return { record: null, version: absent }
          const record = yield* decode(entry.value.value).pipe(
            Effect.mapError(
              (issue) =>
                new CheckpointUnreadable({
                  key: checkpointKey(place.unit, place.sinkId),
                  issue: issue.message
                })
            )
          )
          return { record, version: entry.value.version }
        }),
        shown: Effect.fn("CheckpointLog.shown")((place) =>
          Effect.map(entryOf(place), Option.match({ onNone: () => null, onSome: (entry) => entry.value }))
        ),
        advance: Effect.fn("CheckpointLog.advance")(function* (place, kept, to) {
          return yield* put(place, kept, yield* recordAfter(kept, to))
        }),
        noteFailure: Effect.fn("CheckpointLog.noteFailure")(function* (place, kept, lastError) {
          if (kept.record === null) return
          const lastUpdatedAt = yield* laterThan(kept.record)
          yield* put(place, kept, { ...kept.record, lastError, lastUpdatedAt })
        }),
        remove: Effect.fn("CheckpointLog.remove")(function* (place) {
          const { tenant, unit, sinkId } = place
          const once = Effect.flatMap(
            entryOf(place),
            Option.match({
              onNone: () => Effect.void,
              onSome: ({ version }) => kv.remove(tenant, checkpointKey(unit, sinkId), version)
            })
          )
          // Whoever writes between our reading and removing loses too: a reset takes what is there.
          yield* Effect.retry(once, { times: 5, while: (error) => error.reason._tag === "VersionConflict" })
        })
      })
    })
  )
}
