/* One run: the workflow in TypeScript and the worker that carries the rows, which die or freeze as one. */
proctype Run(byte e) {
  byte g; byte next;                /* what `acquire` answered: generation and next slice */
  byte seq; byte pos; byte mine;    /* the slice that comes, the cursor it begins at, the version of the checkpoint */
  byte from; byte to; byte ends;    /* a slice, and where this run would have it end */
  byte row; bool told;
end:
  atomic {                                                      /* RunRepo.acquire */
#ifdef NO_LEASE
    epoch == e - 1 ->
#else
    epoch == e - 1 && lease != HELD ->
#endif
    must(ONE_OWNER, alive == 0);
    if :: lease == PASSED -> moment(TAKEN_OVER) :: else fi;
    if :: paused -> moment(RESUMED) :: else fi;
    epoch = e; lease = HELD; alive = e; shown = RUNNING; paused = false;
    if :: spent -> gen++; nextSeq = 0; spent = false :: else fi;
    g = gen; next = nextSeq; seq = nextSeq
  }
  atomic {                                                      /* CheckpointLog.read */
    mine = (kept -> version : 0);
#ifdef OLD_RECORD
    pos = (kept -> cursor : 0)
#else
    pos = (kept && next > 0 -> cursor : 0)
#endif
  }
  atomic {                                                      /* Opened: install the fence, read the newest record */
#ifndef NO_FENCE
    if :: fence > e -> moment(REFUSED_BY_FENCE); goto leave :: else -> fence = e fi;
#endif
    if :: opened < e -> opened = e :: else fi;
#ifndef NO_ROLL_FORWARD
    if
    :: SLOT(g, 0) == 0 -> seq = next
    :: SLOT(g, 0) > 0 && SLOT(g, 1) == 0 -> seq = 1; to = SLOT(g, 0)
    :: SLOT(g, 1) > 0 -> seq = 2; from = SLOT(g, 0); to = SLOT(g, 1)
    fi;
    if                                                          /* SliceDecisions.reconcile: how does `next` stand to it? */
    :: to == 0 && pos > 0 || to > 0 && seq < next ->
#ifndef NO_HALT
       moment(HALTED_AHEAD); must(NO_FALSE_HALT, HAS_CAUSE(g));
       goto leave                                               /* emptied or set back: CHECKPOINT_AHEAD_OF_SINK */
#else
       if :: to > 0 -> pos = to :: else fi
#endif
    :: to == 0 && pos == 0 -> skip
    :: to > 0 && seq == next -> pos = to
    :: to > 0 && (seq > next + 1 || seq == next + 1 && pos != from && pos != to) ->
#ifndef NO_FORK
       moment(HALTED_FORK); must(NO_FALSE_HALT, HAS_CAUSE(g));
       goto leave                                               /* of another history: CHECKPOINT_FORK */
#else
       pos = to; told = true
#endif
    :: to > 0 && seq == next + 1 && pos == from -> moment(ROLLED_FORWARD); told = true
    :: to > 0 && seq == next + 1 && pos == to && pos != from -> moment(COUNTED_ONLY); told = true
    fi
#endif
  }
  if                                                            /* one slice more than was noted: it counts */
  :: told -> atomic { told = false; finalise(e, seq, from, to); pos = to; to = 0; from = 0 }
  :: else -> atomic { to = 0; from = 0 }
  fi;
  do
  :: atomic { pos < ROWS ->                                     /* exported and sealed, as many rows as the source likes */
     from = pos;
     if :: ends = pos + 1 :: pos + 2 <= ROWS -> ends = pos + 2 fi;
     to = ends;
     if :: MAY_COMMIT(e) -> skip :: else -> goto leave fi;      /* Sealed: may it be committed? */
#ifdef FENCE_READ_ONLY
     if :: fence == e -> skip :: else -> goto leave fi;
#endif
     }
#ifdef CHECKPOINT_FIRST
     atomic { moveCheckpoint(from, to) };
#endif
again:
     atomic {                                                   /* SinkEndpoint.write */
       if
       :: losses < LOSSES && lateEpoch == 0 -> losses++;
          if                                                    /* the request is lost, or on its way for long */
          :: true
          :: lateEpoch = e; lateGen = g; lateSeq = seq; lateFrom = from; lateTo = to
          fi
       :: true ->
          if
          :: TAKEN(e, g, seq) -> to = SLOT(g, seq); told = true
          :: else ->
             if :: PASSES(e) -> skip :: else -> moment(REFUSED_BY_FENCE); goto leave fi;
             if :: e < epoch -> moment(LATE_COMMIT) :: else fi;
             store(e, g, seq, from, to);
             if
             :: losses < LOSSES -> losses++                     /* the answer is lost */
             :: told = true
             fi
          fi
       fi;
#ifdef GUESS
       told = true
#endif
     };
#ifdef ROWS_THEN_RECORD
     atomic { if :: told -> SLOT(g, seq) = to :: else fi };
#endif
     if
     :: told -> skip
     :: else ->                                                 /* no answer: the record is read, by its key */
        atomic { if :: TAKEN(e, g, seq) -> moment(FOUND_BY_KEY); to = SLOT(g, seq) :: else -> goto again fi }
     fi;
     atomic {                                                   /* Committed: the slice counts */
       told = false;
       seq++;
#ifdef CHECKPOINT_FIRST
       count(e, seq);
#else
       finalise(e, seq, from, to);
#endif
#ifdef ADOPT_ANY
       pos = ends;
#else
       if :: to == ends -> pos = to :: else -> goto leave fi;
#endif
       from = 0; to = 0; ends = 0
     }
  :: atomic { pos >= ROWS ->                                    /* completeIngestionRun */
       if :: HOLDS(e) -> break :: else -> goto leave fi }
  od;
  atomic { moveCheckpoint(pos, pos) };
  atomic {
    close(e, SUCCEEDED);
    if
    :: epoch == e && shown == SUCCEEDED ->
       if :: g > 0 -> moment(DONE_AFTER_RESET) :: else fi;
       must(I1_NO_LOSS, e <= unaware || g >= asked && LANDED(g, 0) > 0 && LANDED(g, 1) > 0)
    :: else
    fi;
    goto over
  };
leave:
  atomic { close(e, FAILED) };                                  /* failIngestionRun */
over:
  atomic {                                                      /* so that ends differ by nothing but what they left */
    g = 0; next = 0; seq = 0; pos = 0; mine = 0; from = 0; to = 0; ends = 0; row = 0; told = false
  }
}
