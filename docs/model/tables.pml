/* Bounds and rules of the model, and what lasts in it: the control plane's tables, the sink, and what the rules look at. */

#define ROWS 2                     /* of the source; a slice has one or two */
#define GENERATIONS 3              /* a reset can begin two: it ends the one that began while it was at work */
#ifndef RUNS
#define RUNS 3                     /* each is one attempt by one process, and one epoch */
#endif
#ifndef LOSSES
#define LOSSES 1                   /* requests or answers of a sink commit that go astray */
#endif

/* The rules, by the invariants of README.md. With WATCH only that one can be broken, so that a variant is caught by
   the rule it is said to break. */
#define I1_NO_LOSS 1
#define I2_NO_DUPLICATE 2
#define I3_CHECKPOINT_SOUND 3
#define I4_FENCED 4
#define I5_CHAIN 5
#define I6_LIFECYCLE 6
#define ONE_OWNER 7
#define NO_FALSE_HALT 8
#ifndef WATCH
#define WATCH 0
#endif
#define must(rule, holds) assert((WATCH != 0 && WATCH != rule) || (holds))

/* With REACH the search ends in an error as soon as that moment comes about: it shows that the search comes there. */
#define LATE_COMMIT 1
#define REFUSED_BY_FENCE 2
#define FOUND_BY_KEY 3
#define ROLLED_FORWARD 4
#define COUNTED_ONLY 5
#define HALTED_AHEAD 6
#define HALTED_FORK 7
#define CONFLICT 8
#define LATE_REQUEST_LANDS 9
#define LATE_REQUEST_REFUSED 10
#define TAKEN_OVER 11
#define DONE_AFTER_RESET 12
#define RESUMED 13
#define FENCED 14
#ifndef REACH
#define REACH 0
#endif
#define moment(name) assert(REACH != name)

/* The control plane's tables. `hr_lease` and "IngestionUnitState": a run's id is its epoch here, so the state shows
   the run of `epoch`. PASSED: `lease_until` is over, and nobody has taken the unit yet. */
mtype:lease = { FREE, HELD, PASSED };
mtype:state = { IDLE, RUNNING, PAUSED, FAILED, SUCCEEDED };
mtype:lease lease = FREE;
mtype:state shown = IDLE;
byte epoch = 0;

/* `hr_generation`: the last one, its next slice as far as that was counted, and whether another is to begin. */
byte gen = 0; byte nextSeq = 0; bool spent = false;

/* `hr_kv`: the checkpoint record. A cursor is the number of rows behind it, 0 is none. */
bool kept = false; byte cursor = 0; byte version = 0;

/* The sink: its fence; how often each row has landed in each generation; the commit records, of which only
   `to_ckpt` is kept, since it is never 0 and the record before says where a slice begins. */
byte fence = 0;
byte landed[6]; byte slot[6];
#define LANDED(g, row) landed[(g) * ROWS + (row)]
#define SLOT(g, seq) slot[(g) * ROWS + (seq)]
#define HIGH(g) (SLOT(g, 1) > 0 -> SLOT(g, 1) : SLOT(g, 0))
#ifdef KEY_PER_ATTEMPT
byte owner[6];                     /* of a record: with the epoch in its key, another epoch's is not in the way */
#endif

/* A commit that is on its way while its sender has given up waiting for the answer. `lateEpoch` 0: there is none. */
byte lateEpoch = 0; byte lateGen; byte lateSeq; byte lateFrom; byte lateTo;

/* What went wrong so far, and what only the rules look at. */
byte losses = 0; byte mishaps = 0;
byte unaware = 0;                  /* runs up to this epoch looked at the sink before it was set back */
byte opened = 0;                   /* the newest epoch that ever opened the sink */
byte alive = 0;                    /* the epoch whose lease has not passed */
bool paused = false;               /* somebody paused the unit, and nobody started or reset it since */
bool resetting = false;            /* a reset has removed the checkpoint and not yet ended what began meanwhile */
byte asked = 0;                    /* the first generation that comes after the last reset */

/* What a run that begins now would take for the checkpoint: in a generation without a slice a record is an old one. */
#ifdef OLD_RECORD
#define BELIEVED (spent || !kept -> 0 : cursor)
#else
#define BELIEVED (spent || !kept || nextSeq == 0 -> 0 : cursor)
#endif
#define CHECKPOINT_SOUND (unaware > 0 || resetting || BELIEVED <= HIGH(gen))

/* Why a run may be refused: somebody meddled, or its generation is over anyway. */
#define HAS_CAUSE(g) (mishaps > 0 || spent || g != gen)
