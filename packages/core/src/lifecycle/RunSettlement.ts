/**
 * The end of a run, whoever ends it: the run closed and its end shown by the
 * unit, and then exactly one terminal event. A unit that was paused or
 * reset meanwhile stays so; then that is how the run ended.
 *
 * Settling never fails. A store that cannot be reached is asked again for a
 * while; then the run is told as failed, and its true end is kept here until
 * somebody has it recorded, at the latest the next round of `Recovery`. When
 * the process dies before that, the run is settled as an orphan.
 */
import { Cause, Context, DateTime, Effect, Layer, Schedule } from "effect"
import type { RunId } from "../domain/Run.ts"
import { type RunOutcome, stateAfter } from "../domain/RunOutcome.ts"
import type { UnitKey } from "../domain/Unit.ts"
import { RunEvents, type RunHappening, RunProgress } from "../services/RunEvents.ts"
import { type Ending, type Run, RunRepo, type RunRepoError } from "../services/RunRepo.ts"
import type { UnitStateRepoError } from "../services/UnitStateRepo.ts"
import { RunClaim } from "./RunClaim.ts"
import { lastErrorOf, type RunError, RunRevoked } from "./RunFailure.ts"
import { emptyTally, rowsShown, type RunTally } from "./RunTally.ts"

export interface Closing {
  readonly tally: RunTally
  /** Done when the run failed and the unit is still its own, before anybody can start again. */
  readonly onFailed: Effect.Effect<void>
}

type StoreError = RunRepoError | UnitStateRepoError

/** Half a minute in all: long enough for a database to restart, short enough for a shutdown. */
const again = { schedule: Schedule.exponential("100 millis"), times: 8 }

const happenings: { readonly [Outcome in RunOutcome]: RunHappening } = {
  SUCCEEDED: "RUN_SUCCEEDED",
  FAILED: "RUN_FAILED",
  PAUSED: "RUN_PAUSED",
  RESET: "RUN_RESET"
}

/** An end that no store has taken yet. Recording it again changes nothing. */
interface Unsettled {
  readonly unit: UnitKey
  readonly record: Effect.Effect<RunOutcome, StoreError>
}

const isOf =
  (unit: UnitKey | null) =>
  ({ unit: { endpointId, unitId } }: Unsettled): boolean =>
    unit === null || (unit.endpointId === endpointId && unit.unitId === unitId)

/** Why a run is told as failed: what ended it, or, when it ended well, what kept that from counting. */
const whyFailed = (ending: Ending, otherwise: Cause.Cause<RunError>): string =>
  ending._tag === "Failed" ? ending.reason : lastErrorOf(otherwise, null)

const superseded = Cause.fail(new RunRevoked())

export class RunSettlement extends Context.Service<
  RunSettlement,
  {
    /** Ends the run as said, unless the unit was paused, reset or taken over meanwhile; answers how it ended. */
    readonly settle: (run: Run, ending: Ending, closing?: Partial<Closing>) => Effect.Effect<RunOutcome>

    /** Records the ends that no store has taken yet, those of one unit or all. Fails while the stores are away. */
    readonly settleLeft: (unit: UnitKey | null) => Effect.Effect<void, StoreError>
  }
>()("@headrace/core/lifecycle/RunSettlement") {
  static readonly layer: Layer.Layer<RunSettlement, never, RunClaim | RunEvents | RunRepo> = Layer.effect(
    RunSettlement,
    Effect.gen(function* () {
      const claim = yield* RunClaim
      const runs = yield* RunRepo
      const events = yield* RunEvents
      const unsettled = new Map<RunId, Unsettled>()

      const record = Effect.fnUntraced(function* (run: Run, ending: Ending, onFailed: Closing["onFailed"]) {
        if (ending._tag === "Failed" && (yield* claim.holds(run))) yield* onFailed
        return (yield* runs.close(run, ending)).outcome
      })

      const tell = Effect.fnUntraced(function* (
        run: Run,
        ending: Ending,
        { outcome, why }: { readonly outcome: RunOutcome; readonly why: string },
        tally: RunTally
      ) {
        yield* events.publish(
          RunProgress.make({
            at: yield* DateTime.now,
            unit: run.unit,
            runId: run.runId,
            event: happenings[outcome],
            state: stateAfter[outcome],
            phase: null,
            slice: null,
            sliceCount: tally.sliceCount,
            ...rowsShown(tally),
            bytes: tally.bytes,
            rowsTotal: tally.rowsTotal,
            message: outcome === "FAILED" ? why : null,
            stats: outcome === "SUCCEEDED" && ending._tag === "Completed" ? ending.stats : null
          })
        )
      })

      return RunSettlement.of({
        settle: Effect.fn("RunSettlement.settle")(function* (run, ending, closing = {}) {
          const { tally = emptyTally, onFailed = Effect.void } = closing
          const recording = record(run, ending, onFailed)
          const { outcome, why } = yield* recording.pipe(
            Effect.retry(again),
            Effect.map((reached) => ({ outcome: reached, why: whyFailed(ending, superseded) })),
            Effect.catchCause((cause) => {
              // A mistake of ours would meet itself again; a store comes back.
              if (cause.reasons.some(Cause.isFailReason))
                unsettled.set(run.runId, { unit: run.unit, record: recording })
              return Effect.as(
                Effect.logError("The end of a run could not be recorded yet", run.runId, cause),
                { outcome: "FAILED" as const, why: whyFailed(ending, cause) }
              )
            })
          )
          yield* tell(run, ending, { outcome, why }, tally)
          return outcome
        }, Effect.uninterruptible),

        settleLeft: Effect.fn("RunSettlement.settleLeft")(function* (unit) {
          const left = [...unsettled].filter(([, end]) => isOf(unit)(end))
          const [, failures] = yield* Effect.partition(left, ([runId, { record: recording }]) =>
            Effect.tap(recording, (outcome) => {
              unsettled.delete(runId)
              return Effect.logInfo("The end of a run is recorded after all", runId, outcome)
            })
          )
          const [first] = failures
          if (first !== undefined) return yield* Effect.fail(first)
        }, Effect.uninterruptible)
      })
    })
  )
}
