/**
 * One run of the reference worker, as the protocol orders it: `Opened`,
 * `Planned`, then for each slice `Sealed`, a decision and `Committed`; last
 * `Finished`. Without a sink it carries records instead of rows. Checkpoints are
 * `{"next": n}`: the position of the first that was not read.
 */
import { Cause, Clock, Effect, Queue, Schema } from "effect"
import { Checkpoint, unitPath } from "../domain/Checkpoint.ts"
import type { NormalizedRecord } from "../domain/Graph.ts"
import { SliceSeq } from "../domain/Run.ts"
import { SinkId, UnitKey } from "../domain/Unit.ts"
import {
  type Decide,
  type Problem,
  RunEvent,
  type RunIngestionUnit,
  type Verdict
} from "../protocol/Protocol.ts"
import { PythonWorkerError, RequestRejected } from "../services/PythonWorker.ts"
import type { MemoryDataPlane, Row, SourceUnit } from "./MemoryDataPlane.ts"

export type MomentName = "opened" | "staged" | "sealed" | "committing" | "committed" | "finishing"

/** Where a run is: `slice` counts from 0 within the run; null outside of a slice. */
export interface Moment {
  readonly name: MomentName
  readonly slice: number | null
  readonly request: RunIngestionUnit
}

interface Run {
  readonly plane: MemoryDataPlane["Service"]
  readonly request: RunIngestionUnit
  readonly unit: SourceUnit
  readonly events: Queue.Queue<RunEvent, PythonWorkerError | Cause.Done>
  /** Says the event and waits for what is decided about it. */
  readonly ask: (
    place: Omit<Decide, "verdict">,
    event: Effect.Effect<void, PythonWorkerError>
  ) => Effect.Effect<Verdict, PythonWorkerError>
  readonly script: {
    readonly during?: (moment: Moment) => Effect.Effect<void, PythonWorkerError>
    readonly sliceRows?: number
    readonly errors?: ReadonlyArray<typeof Problem.Type>
  }
}

const { Committed, Finished, Opened, Planned, Progress, Records, Sealed } = RunEvent.cases

const rejected = (problem: Partial<typeof Problem.Type> & Pick<typeof Problem.Type, "tag" | "message">) =>
  new PythonWorkerError({
    reason: new RequestRejected({ problem: { retry: "AfterFix", role: null, details: {}, ...problem } })
  })

const Position = Schema.Struct({ next: Schema.Int })
const positionOf = Schema.decodeUnknownEffect(Position)
const checkpointAt = (next: number) => Checkpoint.make({ next })

const knownStaging = ["in_memory", "local_disk", "object_store"]

/** The most records one message says. */
const batchRecords = 500

interface Piece {
  readonly seq: SliceSeq
  readonly index: number
  readonly from: number | null
  readonly to: number
  /** Rows or records of this run up to the end of the slice. */
  readonly soFar: number
  readonly rows: ReadonlyArray<Row>
  readonly records: ReadonlyArray<NormalizedRecord>
}

/** What a run carries: rows into a sink, or records for the knowledge base. */
type Load = Pick<Piece, "rows" | "records">

const loadOf = (run: Run): Load =>
  run.request.sink === null
    ? { rows: [], records: run.unit.records ?? metadataOf(run) }
    : { rows: run.unit.rows, records: [] }

const sizeOf = ({ rows, records }: Load) => rows.length + records.length

/** The slices from `start` to the end, numbered on from `nextSeq`. */
const planOf = ({ request, script }: Run, load: Load, start: number | null, nextSeq: number) => {
  const asked = request.policy["targetSliceSize"]
  const size = typeof asked === "number" ? asked : (script.sliceRows ?? 1000)
  const first = start ?? 0
  const count = Math.ceil((sizeOf(load) - first) / size)
  return Array.from({ length: Math.max(0, count) }, (_, index): Piece => {
    const from = first + index * size
    const to = Math.min(from + size, sizeOf(load))
    const seq = SliceSeq.make(nextSeq + index)
    const [rows, records] = [load.rows.slice(from, to), load.records.slice(from, to)]
    return { seq, index, from: index === 0 ? start : from, to, soFar: to - first, rows, records }
  })
}

/** A table's metadata, as a worker without a sink tells it: the unit and its columns (D19). */
const metadataOf = ({ unit, request }: Run): ReadonlyArray<NormalizedRecord> => {
  const columns = Object.keys(unit.rows[0] ?? {})
  const record = (entityType: string, logicalId: string, displayName: string): NormalizedRecord => ({
    entityType,
    logicalId,
    displayName,
    scope: { domainId: null, projectId: null, teamId: null },
    provenance: { endpointId: request.endpointId, vendor: "memory", sourceEventId: null },
    phase: null,
    payload: {},
    edges: []
  })
  const dataset = `${request.endpointId}/${unit.unitId}`
  const edges = columns.map((column) => ({
    type: "HAS_COLUMN",
    sourceLogicalId: dataset,
    targetLogicalId: `${dataset}/${column}`,
    properties: {}
  }))
  return [
    { ...record("catalog.dataset", dataset, unit.unitId), edges },
    ...columns.map((column) => record("catalog.column", `${dataset}/${column}`, column))
  ]
}

const pathOf = ({ request: { tenant, endpointId, unitId, sink } }: Run) =>
  unitPath(tenant, UnitKey.make({ endpointId, unitId }), SinkId.make(sink?.id ?? "kb"))

/** Installs the fence and reads the newest commit record of the generation. */
const openSink = Effect.fnUntraced(function* (run: Run) {
  const { plane, request } = run
  const sink = plane.sinks.get(pathOf(run)) ?? { fence: 0, slots: [] }
  if (sink.fence > request.epoch)
    return yield* rejected({ tag: "SinkFenced", role: "sink", message: "A newer run owns this unit." })
  plane.sinks.set(pathOf(run), { ...sink, fence: request.epoch })
  const records = sink.slots
    .map(({ commit }) => commit)
    .filter((held) => held.generation === request.generation)
  return records.toSorted((a, b) => b.sliceSeq - a.sliceSeq)[0] ?? null
})

const commitSlice = (run: Run, piece: Piece) => {
  const slots = run.plane.sinks.get(pathOf(run))?.slots ?? []
  const { generation, epoch } = run.request
  const taken = slots.find(({ commit }) => commit.generation === generation && commit.sliceSeq === piece.seq)
  if (taken !== undefined) return { commitRecord: taken.commit, adopted: true }
  const commit = {
    unit: pathOf(run),
    generation,
    epoch,
    sliceSeq: piece.seq,
    fromCkpt: piece.from === null ? null : checkpointAt(piece.from),
    toCkpt: checkpointAt(piece.to),
    rows: piece.rows.length,
    sha256: `${generation}-${piece.seq}`,
    prevHash: ""
  }
  slots.push({ commit, rows: piece.rows })
  return { commitRecord: commit, adopted: false }
}

const manifestOf = (piece: Piece) => ({
  sliceSeq: piece.seq,
  from: piece.from === null ? null : checkpointAt(piece.from),
  to: checkpointAt(piece.to),
  read: sizeOf(piece),
  rows: sizeOf(piece),
  rejected: 0,
  filtered: 0,
  sha256: `${piece.seq}`,
  bytes: sizeOf(piece) * 10
})

/** Sends the slice's records, batch by batch, and waits for each answer; the first that is not `commit` ends it. */
const sendRecords = Effect.fnUntraced(function* (run: Run, { seq: sliceSeq, records }: Piece) {
  const { runId } = run.request
  for (let batch = 0; batch * batchRecords < records.length; batch++) {
    const some = records.slice(batch * batchRecords, (batch + 1) * batchRecords)
    const say = Queue.offer(run.events, Records.make({ sliceSeq, batch, records: some }))
    const said = yield* run.ask({ runId, sliceSeq, batch }, Effect.asVoid(say))
    if (said !== "commit") return said
  }
  return "commit" as const
})

/** One slice from export to commit. Answers whether it counts; not: the run ends here, in order. */
const carrySlice = Effect.fnUntraced(function* (run: Run, piece: Piece) {
  const { plane, request, events, ask, script } = run
  const at = (name: MomentName) => script.during?.({ name, slice: piece.index, request }) ?? Effect.void
  const { runId } = request
  const session = { runId, sliceSeq: piece.seq }
  plane.staged.add(session)
  const counts = { sliceSeq: piece.seq, rows: piece.soFar, bytes: piece.soFar * 10, counter: piece.index }
  yield* Queue.offer(events, Progress.make({ phase: "export", ...counts }))
  yield* at("staged")
  const stored = yield* sendRecords(run, piece)
  const seal = Effect.andThen(Queue.offer(events, Sealed.make(manifestOf(piece))), at("sealed"))
  const said = stored === "commit" ? yield* ask({ runId, sliceSeq: piece.seq, batch: null }, seal) : stored
  if (said === "commit" && request.sink !== null) {
    yield* at("committing")
    yield* Queue.offer(events, Committed.make({ ...commitSlice(run, piece), location: pathOf(run) }))
  }
  plane.staged.delete(session)
  yield* at("committed")
  return said === "commit"
})

const checkStaging = ({ request: { stagingProviderId } }: Run) => {
  const message = `There is no staging provider "${stagingProviderId}". Known: ${knownStaging.join(", ")}.`
  return knownStaging.includes(stagingProviderId)
    ? Effect.void
    : Effect.fail(rejected({ tag: "ConfigInvalid", role: "staging", message }))
}

/** Where to begin: behind the sink's newest record when it has one, else at the checkpoint. */
const startOf = Effect.fnUntraced(function* (
  { request }: Run,
  newest: { readonly toCkpt: Checkpoint | null } | null
) {
  const from = newest === null ? request.checkpoint : newest.toCkpt
  if (from === null) return null
  return yield* positionOf(from).pipe(
    Effect.map(({ next }) => next),
    Effect.mapError(() =>
      rejected({ tag: "ConfigInvalid", role: "source", message: "The checkpoint is not ours." })
    )
  )
})

/** Says what the run came to: how far it reached, how much that was. */
const finish = Effect.fnUntraced(function* (
  run: Run,
  load: Load,
  reached: number | null,
  rows: number,
  startedAt: number
) {
  const { request, events, script } = run
  yield* script.during?.({ name: "finishing", slice: null, request }) ?? Effect.void
  const isComplete = reached === null || reached >= sizeOf(load)
  const isDone = reached === null || (request.policy["mode"] !== "incremental" && isComplete)
  const stats = {
    exported_rows: rows,
    applied_rows: request.sink === null ? 0 : rows,
    duration_ms: (yield* Clock.currentTimeMillis) - startedAt,
    stagingProviderId: request.stagingProviderId
  }
  const newCheckpoint = isDone ? null : checkpointAt(reached)
  yield* Queue.offer(events, Finished.make({ newCheckpoint, stats, errors: script.errors ?? [] }))
  yield* Queue.end(events)
})

/** Plays the whole run into `events` and ends them. */
export const carry = Effect.fnUntraced(function* (run: Run) {
  const { request, events, script } = run
  const startedAt = yield* Clock.currentTimeMillis
  yield* checkStaging(run)
  const newest = request.sink === null ? null : yield* openSink(run)
  yield* Queue.offer(events, Opened.make({ fenced: request.sink !== null, highWater: newest }))
  yield* script.during?.({ name: "opened", slice: null, request }) ?? Effect.void
  const start = yield* startOf(run, newest)
  const load = loadOf(run)
  const pieces = planOf(run, load, start, newest === null ? request.nextSeq : newest.sliceSeq + 1)
  const estimatedRows = Math.max(0, sizeOf(load) - (start ?? 0))
  yield* Queue.offer(
    events,
    Planned.make({ slices: pieces.length, estimatedRows, strategy: "position", resumes: true })
  )
  let reached = start
  let rows = 0
  for (const piece of pieces) {
    if (!(yield* carrySlice(run, piece))) break
    reached = piece.to
    rows += sizeOf(piece)
  }
  yield* finish(run, load, reached, rows, startedAt)
}, cleanStaging)

/** A run that ends by itself or is interrupted empties its staging; one whose process dies leaves it behind. */
function cleanStaging<A>(effect: Effect.Effect<A, PythonWorkerError>, { plane, request }: Run) {
  const clean = Effect.sync(() => {
    for (const session of plane.staged) if (session.runId === request.runId) plane.staged.delete(session)
  })
  return Effect.onExit(effect, (exit) => {
    const failure = exit._tag === "Failure" ? exit.cause.reasons.find(Cause.isFailReason) : undefined
    return failure?.error.reason._tag === "WorkerLost" ? Effect.void : clean
  })
}
