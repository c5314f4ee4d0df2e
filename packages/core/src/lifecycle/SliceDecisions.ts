/**
 * What the control plane answers to each event of a run. The worker moves the
 * data; here is decided whether a slice may be committed, noted that it is
 * meant to be, and that it was. Progress moves only after what it promises is durable: the checkpoint
 * follows the sink's commit, or the knowledge base's write, never the export.
 */
import { Context, Duration, Effect, Equal, Layer, Match, Ref } from "effect"
import type { Checkpoint } from "../domain/Checkpoint.ts"
import type { SliceSeq } from "../domain/Run.ts"
import { type CommitRecord, isConserved } from "../domain/Slice.ts"
import type { RunEvent, Verdict } from "../protocol/Protocol.ts"
import { GraphStore } from "../services/GraphStore.ts"
import { PythonWorker, PythonWorkerError, WorkerContractViolation } from "../services/PythonWorker.ts"
import type { RunRequest } from "../services/RunEngine.ts"
import { RunEvents } from "../services/RunEvents.ts"
import { RunRepo } from "../services/RunRepo.ts"
import { type Landed, SliceLedger } from "../services/SliceLedger.ts"
import { asStored, cursorOf, recordAfter } from "./CheckpointLog.ts"
import { type AccountRef, happening, statsOf } from "./RunAccount.ts"
import { RunClaim } from "./RunClaim.ts"
import { CheckpointMismatch, type RunError, RunRevoked } from "./RunFailure.ts"
import { SetAside } from "./SetAside.ts"
import { withGraph, withPlan, withProgress, withSealed, withSlice } from "./RunTally.ts"

type Event<Tag extends RunEvent["_tag"]> = Extract<RunEvent, { readonly _tag: Tag }>

/** A worker waits for our decision and for nothing else; one that does not take it in this time never will. */
const patience = Duration.seconds(90)

const violation = (issue: string) => new PythonWorkerError({ reason: new WorkerContractViolation({ issue }) })

export class SliceDecisions extends Context.Service<
  SliceDecisions,
  {
    /** Does what the event asks for. `Finished` is the workflow's own. */
    readonly answer: (
      request: RunRequest,
      account: AccountRef,
      event: Exclude<RunEvent, Event<"Finished">>
    ) => Effect.Effect<void, RunError>
  }
>()("@headrace/core/lifecycle/SliceDecisions") {}

/** Whether the unit is ours, and what is done before we say that something of it may be committed. */
interface Gate {
  readonly isOurs: Effect.Effect<boolean, RunError>
  readonly beforeCommit: Effect.Effect<void, RunError>
}

type Newest = typeof CommitRecord.Type

/**
 * How the checkpoint stands to the sink's newest slice: the same, ahead of it,
 * one slice behind it, moved but not counted, or of another history. A sink that
 * holds nothing of what was committed to it was emptied: going on would lose rows.
 */
const relate = (
  newest: Newest | null,
  { run: { generation, nextSeq } }: RunRequest,
  cursor: Checkpoint | null
): "same" | "ahead" | "behind" | "uncounted" | "fork" => {
  if (newest === null) return cursor === null ? "same" : "ahead"
  if (newest.generation !== generation || newest.sliceSeq + 1 === nextSeq) return "same"
  if (newest.sliceSeq < nextSeq) return "ahead"
  if (newest.sliceSeq > nextSeq) return "fork"
  if (Equal.equals(cursor, newest.toCkpt)) return "uncounted"
  return Equal.equals(cursor, newest.fromCkpt) ? "behind" : "fork"
}

const make = Effect.gen(function* () {
  const claim = yield* RunClaim
  const events = yield* RunEvents
  const graph = yield* GraphStore
  const ledger = yield* SliceLedger
  const runs = yield* RunRepo
  const setAside = yield* SetAside
  const worker = yield* PythonWorker

  const publish = (request: RunRequest, account: AccountRef, said: Parameters<typeof happening>[2]) =>
    Ref.get(account).pipe(
      Effect.flatMap((now) => happening(request, now, said)),
      Effect.flatMap(events.publish)
    )

  /** The slice counts, and the checkpoint is behind it: all of it or nothing. */
  const land = Effect.fnUntraced(function* (request: RunRequest, account: AccountRef, slice: Landed) {
    const { run } = request
    const now = yield* Ref.get(account)
    const stats = yield* statsOf(request, now)
    const record = yield* recordAfter(now.kept, { cursor: slice.toCkpt, runId: run.runId, stats })
    const to = { slice, checkpoint: asStored({ record }), expected: now.kept.version }
    const reached = yield* ledger.finalise(run, to)
    if (reached._tag === "Fenced") return yield* new RunRevoked()
    const kept = { record, version: reached.version }
    yield* Ref.update(account, (before) => ({ ...before, kept }))
  })

  /** A slice of this run is where it should be. */
  const finalise = Effect.fnUntraced(function* (request: RunRequest, account: AccountRef, slice: Landed) {
    yield* Ref.update(account, (now) => ({ ...now, tally: withSlice(now.tally, slice.rows) }))
    yield* land(request, account, slice)
    yield* publish(request, account, {
      event: "SLICE_COMMITTED",
      slice: slice.sliceSeq,
      phase: "commit"
    })
  }, Effect.uninterruptible)

  /** The sink may hold one slice more than we noted, when a run died between the two. One that does not fence keeps no record. */
  const reconcile = Effect.fnUntraced(function* (
    request: RunRequest,
    account: AccountRef,
    { fenced, highWater: newest }: Event<"Opened">
  ) {
    if (!fenced) return
    const cursor = cursorOf((yield* Ref.get(account)).kept)
    const relation = relate(newest, request, cursor)
    if (relation === "ahead" || relation === "fork") yield* new CheckpointMismatch({ kind: relation })
    yield* setAside.reconcile(request, newest?.sliceSeq ?? null)
    if (newest !== null && relation !== "same") yield* land(request, account, newest)
  }, Effect.uninterruptible)

  /**
   * A plan nobody can go on with is the last of its generation, however its run ends: that is
   * noted before the first slice, since whoever dies later notes nothing.
   */
  const onPlanned = Effect.fnUntraced(function* (
    { run }: RunRequest,
    account: AccountRef,
    plan: Event<"Planned">
  ) {
    yield* Ref.update(account, (now) => ({ ...now, tally: withPlan(now.tally, plan) }))
    if (!plan.resumes) yield* runs.endGeneration(run.tenant, run.unit, run.sinkId)
  })

  const announceSlice = Effect.fnUntraced(function* (request: RunRequest, account: AccountRef, seq: number) {
    const isNew = yield* Ref.modify(account, (now) => [
      seq > now.announced,
      { ...now, announced: Math.max(now.announced, seq) }
    ])
    if (isNew) yield* publish(request, account, { event: "SLICE_STARTED", slice: seq, phase: "export" })
  })

  /** The gate: commit while the unit is ours, else end here, in order. */
  const decide = Effect.fnUntraced(function* (
    request: RunRequest,
    account: AccountRef,
    place: { readonly sliceSeq: SliceSeq; readonly batch: number | null },
    { isOurs, beforeCommit }: Gate
  ) {
    const holds = yield* isOurs
    if (holds) yield* beforeCommit
    else yield* Ref.update(account, (now) => ({ ...now, stopped: true }))
    const verdict: Verdict = holds ? "commit" : "stop"
    const taken = worker.decide({ runId: request.run.runId, ...place, verdict })
    yield* Effect.timeoutOrElse(taken, {
      duration: patience,
      orElse: () =>
        violation(`slice ${place.sliceSeq}: the decision was not taken in ${Duration.format(patience)}`)
    })
  })

  const onRecords = Effect.fnUntraced(function* (
    request: RunRequest,
    account: AccountRef,
    event: Event<"Records">
  ) {
    const { sliceSeq, batch, records } = event
    const { scope, run } = request
    yield* announceSlice(request, account, sliceSeq)
    const store = graph.write({ scope, runId: run.runId, sliceSeq, batch, records }).pipe(
      Effect.tap((written) =>
        Ref.update(account, (now) => ({
          ...now,
          tally: withGraph(now.tally, { records: records.length, ...written })
        }))
      )
    )
    const gate = { isOurs: claim.holds(run), beforeCommit: Effect.asVoid(store) }
    yield* decide(request, account, { sliceSeq, batch }, gate)
  })

  /** Kept before the seal that counts them; nobody sees them until their slice counts. */
  const onRejected = Effect.fnUntraced(function* (
    request: RunRequest,
    account: AccountRef,
    { sliceSeq, rows }: Event<"Rejected">
  ) {
    yield* setAside.keep(request, sliceSeq, rows)
    yield* Ref.update(account, (now) => ({ ...now, rejected: now.rejected + rows.length }))
  })

  const onSealed = Effect.fnUntraced(function* (
    request: RunRequest,
    account: AccountRef,
    event: Event<"Sealed">
  ) {
    const { run, sink } = request
    const { sliceSeq, from: fromCkpt, to: toCkpt, rows, sha256 } = event
    yield* announceSlice(request, account, sliceSeq)
    const said = yield* Ref.modify(account, (now) => [now.rejected, { ...now, rejected: 0 }])
    if (!isConserved(event) || event.rejected !== said)
      yield* violation(`slice ${sliceSeq} does not account for the ${event.read} rows it read`)
    yield* Ref.update(account, (now) => ({ ...now, tally: withSealed(now.tally, event) }))
    // Without a sink the records are stored already: the seal is the end of the slice.
    const beforeCommit =
      sink === null
        ? finalise(request, account, { sliceSeq, fromCkpt, toCkpt, rows, sha256, epoch: run.epoch })
        : // Noted before the worker hears of it: its commit may be here before its thanks.
          Ref.update(account, (now) => ({ ...now, allowed: sliceSeq }))
    const gate = { isOurs: ledger.intend(run, event), beforeCommit }
    yield* decide(request, account, { sliceSeq, batch: null }, gate)
  })

  /** Only the slice that was allowed last may move the checkpoint, once. */
  const onCommitted = Effect.fnUntraced(function* (
    request: RunRequest,
    account: AccountRef,
    { commitRecord }: Event<"Committed">
  ) {
    const { generation, sliceSeq } = commitRecord
    const allowed = yield* Ref.modify(account, (now) => [now.allowed, { ...now, allowed: null }])
    if (sliceSeq !== allowed || generation !== request.run.generation)
      yield* violation(
        `slice ${sliceSeq} of generation ${generation} was committed without having been allowed`
      )
    yield* finalise(request, account, commitRecord)
  })

  const onProgress = Effect.fnUntraced(function* (
    request: RunRequest,
    account: AccountRef,
    event: Event<"Progress">
  ) {
    const { sliceSeq, phase } = event
    if (sliceSeq !== null) yield* announceSlice(request, account, sliceSeq)
    yield* Ref.update(account, (now) => ({ ...now, tally: withProgress(now.tally, event) }))
    yield* publish(request, account, { event: "SLICE_PROGRESS", slice: sliceSeq, phase })
  })

  return SliceDecisions.of({
    answer: Effect.fn("SliceDecisions.answer")(function* (request, account, event) {
      yield* Match.valueTags(event, {
        Opened: (opened) => reconcile(request, account, opened),
        Planned: (plan) => onPlanned(request, account, plan),
        Progress: (progress) => onProgress(request, account, progress),
        Records: (records) => onRecords(request, account, records),
        Sealed: (sealed) => onSealed(request, account, sealed),
        Committed: (committed) => onCommitted(request, account, committed),
        Rejected: (rejected) => onRejected(request, account, rejected)
      })
    })
  })
})

export const layer: Layer.Layer<
  SliceDecisions,
  never,
  GraphStore | PythonWorker | RunClaim | RunEvents | RunRepo | SetAside | SliceLedger
> = Layer.effect(SliceDecisions, make)
