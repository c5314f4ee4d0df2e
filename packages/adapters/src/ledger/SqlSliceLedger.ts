/**
 * `SliceLedger` over the table `hr_slice`, and over those of which a slice that
 * counts moves something. With the checkpoint in `hr_kv` that is one statement
 * (`layer`). One that is kept elsewhere moves right before it (`layerApart`): who
 * dies between the two leaves a checkpoint whose slice does not count yet, and
 * the next run counts it, since the sink has it.
 */
import { PgClient } from "@effect/sql-pg"
import { checkpointKey } from "@headrace/core/domain/Checkpoint"
import { SliceSeq } from "@headrace/core/domain/Run"
import { absent, KvStore, Version, VersionConflict } from "@headrace/core/services/KvStore"
import type { Run } from "@headrace/core/services/RunRepo"
import {
  type Finalised,
  type Finalising,
  LedgerUnavailable,
  NotedSlice,
  SliceGap,
  SliceLedger,
  SliceLedgerError
} from "@headrace/core/services/SliceLedger"
import { Effect, Equal, Layer, Option, Schema } from "effect"
import { CheckpointTable } from "../sql/CheckpointTable.ts"
import { statements } from "./SliceStatements.ts"

type Operation = SliceLedgerError["operation"]

/** The one row that a statement answers. */
const decodeOne = <Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.decodeUnknownEffect(Schema.Tuple([Schema.Struct(fields)]))

const decodeIntended = decodeOne({ isOurs: Schema.Boolean })
const decodeFinalised = decodeOne({ holds: Schema.Boolean, version: Schema.NullOr(Version) })
const decodeStanding = decodeOne({ holds: Schema.Boolean, next: Schema.NullOr(SliceSeq) })
const decodeSlices = Schema.decodeUnknownEffect(Schema.Array(NotedSlice))

const away = (operation: Operation) => (cause: unknown) =>
  new SliceLedgerError({ operation, reason: new LedgerUnavailable({ cause }) })

const counted = (version: Version): Finalised => ({ _tag: "Counted", version })
const fenced: Finalised = { _tag: "Fenced" }

/** Why a slice does not count, said of where the checkpoint is found. */
const refusing = ({ unit, sinkId }: Run, { slice: { sliceSeq }, expected }: Finalising, version: Version) => {
  const key = checkpointKey(unit, sinkId)
  const reason = version === expected ? new SliceGap({ sliceSeq }) : new VersionConflict({ key, expected })
  return new SliceLedgerError({ operation: "finalise", reason })
}

const over = Effect.fnUntraced(function* (kv: KvStore["Service"], isApart: boolean) {
  const sql = yield* PgClient.PgClient
  const say = statements(sql)

  const standing = (run: Run) =>
    say.standing(run).pipe(
      Effect.flatMap(decodeStanding),
      Effect.map(([found]) => found),
      Effect.mapError(away("finalise"))
    )

  /** Where the checkpoint is, and whether these words put it there. */
  const found = Effect.fnUntraced(function* (run: Run, { checkpoint, expected }: Finalising) {
    const reading = kv.get(run.tenant, checkpointKey(run.unit, run.sinkId))
    const entry = yield* Effect.mapError(reading, away("finalise"))
    const { value, version } = Option.getOrElse(entry, () => ({ value: null, version: absent }))
    return { version, isOurs: version === expected + 1 && Equal.equals(value, checkpoint) }
  })

  /** The slice did not count by this statement; it may be that these very words let it count before. */
  const passed = Effect.fnUntraced(function* (run: Run, to: Finalising) {
    const { next } = yield* standing(run)
    const { version, isOurs } = yield* found(run, to)
    if (isOurs && next === to.slice.sliceSeq + 1) return counted(version)
    return yield* refusing(run, to, version)
  })

  /** The slice counts, by one statement; `isMoved`: its checkpoint does already. */
  const count = Effect.fnUntraced(function* (run: Run, to: Finalising, isMoved: boolean) {
    const rows = yield* Effect.mapError(say.finalise(run, to, isMoved), away("finalise"))
    const [{ holds, version }] = yield* Effect.mapError(decodeFinalised(rows), away("finalise"))
    if (!holds) return fenced
    return version === null ? yield* passed(run, to) : counted(version)
  })

  /** The checkpoint is moved, or these words did it before. */
  const move = Effect.fnUntraced(function* (run: Run, to: Finalising) {
    const { checkpoint, expected } = to
    yield* kv.put(run.tenant, checkpointKey(run.unit, run.sinkId), checkpoint, expected).pipe(
      Effect.catch(
        Effect.fnUntraced(function* ({ reason }) {
          if (reason._tag !== "VersionConflict") return yield* away("finalise")(reason)
          const { version, isOurs } = yield* found(run, to)
          if (!isOurs) return yield* refusing(run, to, version)
        })
      )
    )
  })

  const apart = Effect.fnUntraced(function* (run: Run, to: Finalising) {
    const { holds, next } = yield* standing(run)
    if (!holds) return fenced
    if (next !== to.slice.sliceSeq) return yield* passed(run, to)
    yield* move(run, to)
    return yield* count(run, to, true)
  })

  return SliceLedger.of({
    intend: Effect.fn("SqlSliceLedger.intend")((run, slice) =>
      say.intend(run, slice).pipe(
        Effect.flatMap(decodeIntended),
        Effect.map(([{ isOurs }]) => isOurs),
        Effect.mapError(away("intend"))
      )
    ),
    finalise: Effect.fn("SqlSliceLedger.finalise")((run, to) =>
      isApart ? apart(run, to) : count(run, to, false)
    ),
    slicesOf: Effect.fn("SqlSliceLedger.slicesOf")((place, generation) =>
      say.slicesOf(place, generation).pipe(Effect.flatMap(decodeSlices), Effect.mapError(away("slicesOf")))
    )
  })
})

export const make = Effect.flatMap(CheckpointTable, (kv) => over(kv, false))

export const layer: Layer.Layer<SliceLedger, never, CheckpointTable | PgClient.PgClient> = Layer.effect(
  SliceLedger,
  make
)

/** With whatever `KvStore` there is. */
export const layerApart: Layer.Layer<SliceLedger, never, KvStore | PgClient.PgClient> = Layer.effect(
  SliceLedger,
  Effect.flatMap(KvStore, (kv) => over(kv, true))
)
