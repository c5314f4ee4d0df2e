/* What happens to runs. Whatever is here may stop for ever, as a process does that dies. */

/* Time passes for the lease; its owner renews it, until somebody has taken what had passed. */
active proctype Lease() {
end:
  do
  :: atomic { lease == HELD -> lease = PASSED; alive = 0 }
  :: atomic { lease == PASSED -> lease = HELD; alive = epoch }
  od
}

/* `Recovery`: takes leases that have passed, and in a second transaction ends their runs. */
active proctype Sweeper() {
  byte found;
end:
  do
  :: atomic { lease == PASSED -> lease = FREE; found = epoch };
     atomic { close(found, FAILED); found = 0 }
  od
}

/* Somebody pauses the unit once, and resets it once; either may break off after any step. */
active proctype Pause() {
end:
  atomic { shown == RUNNING -> shown = PAUSED; paused = true }
}

#ifdef RESETS
active proctype Reset() {
  byte next;
#ifdef RESET_KEEPS_GENERATION
#define endGeneration skip
#else
#define endGeneration spent = true
#endif
end:
  atomic { epoch > 0 -> endGeneration };
  if :: atomic { lease == HELD -> shown = IDLE; paused = false } :: lease != HELD fi;
endWaiting:
  atomic { lease != HELD ->                                     /* a run that goes on is waited for */
    kept = false; cursor = 0; resetting = true;
#ifdef VERSIONS_BEGIN_AGAIN
    version = 0
#endif
  };
  atomic {
#ifndef RESET_ENDS_ONCE
    endGeneration;
#endif
    resetting = false;
    next = gen + 1
  };
  atomic { shown = IDLE; paused = false; asked = next; next = 0 }
}
#endif

/* What nobody should do, once: the sink is emptied or loses its last slice, or the control plane its place. Whoever had
   the sink open is refused from then on. */
#ifdef MISHAPS
active proctype Mishap() {
end:
  atomic { mishaps == 0 && SLOT(gen, 0) > 0 ->
    mishaps = 1;
    if
    :: unaware = opened; fence = opened + 1;
       if
       :: true -> slot[0] = 0; slot[1] = 0; slot[2] = 0; slot[3] = 0; slot[4] = 0; slot[5] = 0;
          landed[0] = 0; landed[1] = 0; landed[2] = 0; landed[3] = 0; landed[4] = 0; landed[5] = 0
       :: SLOT(gen, 1) > 0 -> LANDED(gen, 1) = 0; SLOT(gen, 1) = 0
       fi
    :: lease == FREE && shown != RUNNING -> kept = false; cursor = 0; nextSeq = 0
    fi }
}
#endif
