/* How a unit is held, a slice committed and the checkpoint moved, small enough to try every order of events.
   README.md says what this proves, what it cannot show, and how to run it.

   Every step below is one transaction of the product, or one look at something: within `atomic` nobody else does
   anything, between two steps anybody may. A run that is not given a turn for a while is a process that freezes,
   and wakes when it gets one; a run that is never given one again has died, after whichever step it was.

   Each name in `#ifdef` or `#ifndef` takes one guard away, and README.md says which rule must then break. */

#include "tables.pml"

/* ── The sink ─────────────────────────────────────────────────────────────────────────────────────────────────── */

/* Rows and commit record, in one transaction of the target, one change of a table's metadata, or one rename. */
inline store(e, g, seq, from, to) {
  must(I4_FENCED, e >= opened);
  must(I5_CHAIN, (seq == 0 && from == 0) || (seq > 0 && SLOT(g, seq - 1) == from));
  row = from;
  do
  :: row < to -> LANDED(g, row)++; must(I2_NO_DUPLICATE, LANDED(g, row) <= 1); row++
  :: else -> break
  od;
  row = 0;
#if !defined(NO_RECORD) && !defined(ROWS_THEN_RECORD)
  SLOT(g, seq) = to;
#endif
#ifdef KEY_PER_ATTEMPT
  owner[(g) * ROWS + (seq)] = e;
#endif
}

#ifdef KEY_PER_ATTEMPT
#define TAKEN(e, g, seq) (SLOT(g, seq) > 0 && owner[(g) * ROWS + (seq)] == e)
#else
#define TAKEN(e, g, seq) (SLOT(g, seq) > 0)
#endif

#if defined(NO_FENCE) || defined(FENCE_READ_ONLY)
#define PASSES(e) true
#else
#define PASSES(e) (fence == e)     /* the last statement of the commit: it holds the row, or waits for who holds it */
#endif

/* A commit whose answer nobody waits for reaches the sink after all. */
active proctype Network() {
  byte row;
end:
  do
  :: atomic { lateEpoch > 0 ->
       if
       :: PASSES(lateEpoch) && !TAKEN(lateEpoch, lateGen, lateSeq) ->
          moment(LATE_REQUEST_LANDS); store(lateEpoch, lateGen, lateSeq, lateFrom, lateTo)
       :: else -> moment(LATE_REQUEST_REFUSED)
       fi;
       lateEpoch = 0; lateGen = 0; lateSeq = 0; lateFrom = 0; lateTo = 0 }
  od
}

/* ── The control plane ────────────────────────────────────────────────────────────────────────────────────────── */

/* `RunRepo.close`: frees the unit and shows the end, if the unit is still this run's; PAUSED and IDLE stay. */
inline close(e, ending) {
  if
#ifdef CLOSE_ANY
  :: true ->
#else
  :: epoch == e ->
#endif
     lease = FREE;
     if :: alive == e -> alive = 0 :: else fi;
     if
#ifdef END_OVERWRITES
     :: true -> shown = ending
#else
     :: shown == RUNNING -> shown = ending
#endif
     :: else
     fi;
     must(I6_LIFECYCLE, !paused || shown == PAUSED)
  :: else
  fi
}

/* `RunClaim.holds`: the state row is the order. */
#define HOLDS(e) (epoch == e && shown == RUNNING)

/* The unit is this run's: nobody has acquired it since, or taken its lease. */
#define OWNS(e) (epoch == e && lease != FREE)

/* `SliceLedger.intend` asks for both in one statement. */
#ifdef NO_INTENT
#define MAY_COMMIT(e) HOLDS(e)
#else
#define MAY_COMMIT(e) (OWNS(e) && HOLDS(e))
#endif

/* A checkpoint moves: compare-and-set by the version this run has read or written last. */
inline moveCheckpoint(from, to) {
#ifndef NO_COMPARE
  if :: (kept -> version : 0) == mine -> skip :: else -> moment(CONFLICT); goto leave fi;
#endif
  must(I5_CHAIN, spent || resetting || g != gen || BELIEVED == from || BELIEVED == to || kept && cursor == from);
  cursor = to; kept = true;
  version++; mine = version;
  must(I3_CHECKPOINT_SOUND, CHECKPOINT_SOUND)
}

/* `SliceLedger.finalise`: the slice before `next` counts and the checkpoint moves behind it, if the unit is still this
   run's and that slice is the generation's next one. With APART the checkpoint moves in a transaction before. */
inline mayFinalise(e, next) {
  skip;
#ifndef FINALISE_ANY
  if :: OWNS(e) -> skip :: else -> moment(FENCED); goto leave fi;
#endif
#ifndef NO_NEXT
  if :: g == gen && nextSeq + 1 == next -> skip :: else -> goto leave fi
#endif
}
#ifdef APART
#define finalise(e, next, from, to) mayFinalise(e, next) }; atomic { moveCheckpoint(from, to) }; atomic { count(e, next)
#else
#define finalise(e, next, from, to) mayFinalise(e, next); moveCheckpoint(from, to); count(e, next)
#endif

inline count(e, next) {
#ifdef APART
  mayFinalise(e, next);
#endif
  nextSeq = next;
  must(I3_CHECKPOINT_SOUND, CHECKPOINT_SOUND)
}

#include "run.pml"
#include "world.pml"

init { atomic { byte e = 1; do :: e <= RUNS -> run Run(e); e++ :: else -> break od; e = 0 } }
