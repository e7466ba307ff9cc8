/* A run among several workers: who may act on it, what is known after a fault, that nothing is done twice and nothing is lost.

   `make model` and test_model.py let spin try every order of steps within the bounds below; configurations.py names what is searched,
   and the mutations (-DMUT_...) that must be found to break it. What is shown stands in semantics S15, S17, S18, S19, S20 and S39:
   no write is sent after the lease, nor a second time without a look in between; at most one takes effect, and only under the lock of
   its run; one run a target; who lost a claim writes nothing more; every run ends or is with a person, and its lock with it.

   What is modelled, and where it stands in the program (test_ties.py looks whether each exists):

     take                  remediator.store.claims.claim_due
     renew, Beat           remediator.store.claims.heartbeat, remediator.engine.lease.Lease.renew
     mine                  remediator.store.runs.move
     park, give_back       remediator.store.runs.park, remediator.store.runs.give_back
     close                 remediator.store.runs.end
     withdraw              remediator.store.runs.end_unclaimed, remediator.engine.runner.Runner._give_back
     recover               remediator.store.claims.recover, remediator.engine.runner.Runner.recover
     lock, target_free     remediator.store.locks.take, remediator.store.locks.release, remediator.store.locks.in_the_way
     take_up               remediator.engine.drive.Drive._take_up, remediator.runs.machine.resume
     checking              remediator.engine.drive.Drive._begin, remediator.store.journal.begin, remediator.runs.stepping.begin
     applying, depart      remediator.engine.steps.Steps.apply, remediator.clients.transport._check_write
     settling              remediator.engine.drive.Drive._apply, remediator.store.journal.settle
     landing               remediator.engine.drive.Drive._land, remediator.engine.steps.Steps.landed
     settled, again        remediator.runs.stepping.done, remediator.runs.stepping.again, remediator.runs.undo.done
     verifying             remediator.engine.drive.Drive._verify, remediator.runs.verification.look, remediator.runs.undo.following
     to_person, answered   remediator.engine.drive.Drive._ask_person, remediator.runs.machine._person
     cancels               remediator.store.runs.ask_cancel
     said                  remediator.store.runs.give_answer, remediator.store.approvals.answer
     the reverse           remediator.store.reverses.schedule_reverse, remediator.engine.reverse.follow

   A worker is a process of remediator that drives one run at a time. Every statement of its is one transaction, one look or one
   write; between any two of them it may be held up for as long as you like (a slow store, a freeze), vanish with its claim left
   standing (`leave`: a crash, an unreachable store, a defect, a lost answer of the store), and be passed by everybody else.

   Time comes in ticks. All that has a length counts down: a claim's lease, a worker's permit, the wait before a look, a request.

   Bounds: WORKERS (1 to 3), RUNS on one target (1 or 2), one step and its undo, ATTEMPTS, a lease of 3 ticks, a request of 1, two
   writes on their way at once (three under LATE), one cancel a run, one "continue" of a person. How often a worker is held up, vanishes
   or is passed has no bound where only safety is searched for; under LIVE there are FAULTS, a freeze among which may last for ever, one
   worker stays well, and who is well renews its lease in time. A pause is one more reason for which a guard says no. LATE and SQLITE
   are searched with one run.

   Assumed, because remediator cannot show it: a write that has left lands within the request time-out or never, nothing stops a process
   between its last look at the permit and the first byte, and a permit outlasts the lease that others read by at most SKEW. Under LATE
   the first two are not assumed; then calls must carry a token (resourceVersion, client token) by which the world refuses a write that
   is based on an old read, and that at most one takes effect is all that is claimed. A person who says whether a step landed has
   looked, and not sooner than a request takes.
*/

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef RUNS
#define RUNS 1
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2 /* stepping.MAX_ATTEMPTS, fewer */
#endif
#ifndef FAULTS
#define FAULTS 1
#endif

#define LEASE 3   /* timings.lease; a heartbeat is due every tick */
#define REQUEST 1 /* timings.request */
#define GRACE 1   /* timings.takeover */
#define SKEW (REQUEST + GRACE)

#if defined(SQLITE) || defined(MUT_NO_GRACE)
#define TAKEN_AFTER LEASE
#else
#define TAKEN_AFTER (LEASE + GRACE) /* and the look waits REQUEST more */
#endif
#if defined(MUT_LOOK_AT_ONCE) || defined(MUT_LOOK_FROM_BEGUN)
#define QUIET 0
#else
#define QUIET REQUEST
#endif

#define NOBODY 255
#define INTENTS (2 * RUNS)
#ifdef LATE
#define FLIGHTS 3
#else
#define FLIGHTS 2 /* more are never on their way: the assertions of depart see to it */
#endif

mtype:state = { absent, ready, approval, scheduled, running, waiting, person, ended };
mtype:phase = { check, apply, land, verify, asked };
mtype:step = { nothing, begun, done, failed, unsettled };
mtype:word = { silence, yes, no, unknown, go_on };
mtype:call = { none, ok, refused, not_sent, lost };
mtype:health = { well, frozen, cut };

typedef Row { /* of runs, with the cursor in it */
  mtype:state state = absent;
  mtype:phase phase = check;
  bit leg; /* 0: apply, 1: undo */
  byte attempts;
  bool owned;
  byte lease;
  byte quiet; /* until then a request on its way may still arrive: no look */
  bool cancel;
  bool changed;
  bool about_landed; /* what a person is asked: did it land? else: go on? */
  mtype:word said = silence;
};

typedef Flight { /* a write that has left */
  bool up;
  bool stale; /* somebody wrote since its sender read */
  byte intent;
  byte left;
};

Row row[RUNS];
mtype:step journal[INTENTS] = nothing;
byte lock = NOBODY;

mtype:health health[WORKERS] = well;
byte hand[WORKERS] = NOBODY; /* the run that it believes to hold */
bool holds[WORKERS];         /* its owner and fence are the row's */
byte permit[WORKERS];        /* of its claim */
bool stale[WORKERS];
mtype:call answer[WORKERS] = none;
byte awaits[WORKERS] = NOBODY;

Flight flight[FLIGHTS];
bool mark[INTENTS]; /* the world carries our mark */
byte faults, words;

byte landed[INTENTS];   /* seen by nobody: how often it took effect */
bool unlooked[INTENTS]; /* sent, and neither answered nor looked for since */

#define intent_of(r) (2 * (r) + row[r].leg)
#define active(r) (row[r].state == ready || row[r].state == running || row[r].state == waiting || row[r].state == person)
#define untouched(r) (row[r].phase == check && row[r].attempts == 0 && !row[r].changed)
#define target_free(r) (lock == NOBODY || lock == r)
#define moves(w) (health[w] != frozen)
#define stores(w) (health[w] == well)

#ifdef MUT_NO_FENCE
#define mine(w) true
#else
#define mine(w) holds[w]
#endif

#ifdef MUT_NO_TAKEOVER
#define over(r) false
#else
#define over(r) (row[r].owned && row[r].lease == 0)
#endif
#define due(r)                                                                                                            \
  (!row[r].owned &&                                                                                                       \
   (row[r].state == ready || (row[r].state == waiting && (row[r].quiet == 0 || row[r].cancel)) ||                         \
    (row[r].state == person && (row[r].said != silence || (row[r].cancel && !row[r].about_landed)))))
#define waits_inactive(r) (!row[r].owned && (row[r].state == approval || row[r].state == scheduled))

#if RUNS > 1
#define other_active(r) active(1 - (r))
#else
#define other_active(r) false
#endif
#ifdef MUT_YES_UNCHECKED
#define may_begin(r) true
#else
#define may_begin(r) (!other_active(r)) /* a yes, or a reverse that is due, finds whom a decision has let in meanwhile */
#endif

#ifdef LATE
#define must_land(f) false
#else
#define must_land(f) (flight[f].up && flight[f].left == 0)
#endif
#define still_to_land (must_land(0) || must_land(1))
#define quiet(r) (row[r].quiet == 0 && !still_to_land) /* a request lands before its time-out is over, not just then */

/* ------------------------------------------------------------------------------------------------------- the store */

inline renew(r) { /* the row's clock may run ahead of the worker's */
#if defined(SQLITE) || defined(LIVE)
  row[r].lease = TAKEN_AFTER
#else
  if
  :: row[r].lease = TAKEN_AFTER
  :: row[r].lease = TAKEN_AFTER - SKEW
  fi
#endif
}

inline unlock(r) {
  if
  :: lock == r -> lock = NOBODY
  :: else
  fi
}

inline close(r) {
  assert(row[r].state != ended);
  assert(journal[2 * r] != begun && journal[2 * r + 1] != begun);
  row[r].state = ended;
  row[r].phase = check;
  row[r].owned = false;
  row[r].lease = 0;
  row[r].quiet = 0;
  row[r].cancel = false;
  row[r].said = silence;
  row[r].attempts = 0;
  row[r].changed = false;
  unlock(r)
}

inline give_back(r) { /* one that has begun nothing waits without its target (S18) */
  unlock(r);
#if defined(SECOND_REVERSE)
  row[r].state = (r == 1 -> scheduled : ready)
#elif defined(SECOND_APPROVAL)
  row[r].state = (r == 1 -> approval : ready)
#else
  row[r].state = ready
#endif
}

inline park(r, how) {
  row[r].state = how;
  row[r].owned = false;
  row[r].lease = 0;
  row[r].said = silence;
  if
  :: untouched(r) -> give_back(r)
  :: else
  fi
}

inline to_person(r, landed_is_asked) { /* it keeps its lock: the target is quarantined (S19) */
  row[r].phase = asked;
  row[r].about_landed = landed_is_asked;
  park(r, person)
}

inline take(w, r) { /* a claim raises the fence: no other claim of this run holds any more */
  v = 0;
  do
  :: v < WORKERS && hand[v] == r -> holds[v] = false; v++
  :: v < WORKERS && hand[v] != r -> v++
  :: v == WORKERS -> break
  od;
  v = 0;
  row[r].owned = true;
  row[r].state = running;
  lock = r;
  renew(r);
  hand[w] = r;
  holds[w] = true;
  permit[w] = LEASE;
  i = intent_of(r);
  said = row[r].said;
  stands = row[r].phase;
  assert(!(active(r) && other_active(r))) /* one run a target */
}

inline recover(r) { /* SQLite: the lock file proves that whoever held it is gone */
  if
  :: row[r].owned -> park(r, waiting)
  :: else
  fi
}

/* -------------------------------------------------------------------------------------------------- the run machine */

inline settled(r) { /* the step at which it stands is done */
  journal[i] = done;
  row[r].changed = true;
  row[r].attempts = 0;
#ifdef SECOND_REVERSE
  if
  :: r == 0 && row[1].state == absent -> row[1].state = scheduled; row[1].leg = 1
  :: else
  fi;
#endif
  if
  :: row[r].cancel -> close(r)
  :: else -> row[r].phase = verify; park(r, waiting)
  fi
}

inline again(r) { /* certainly nothing happened */
  journal[i] = failed;
  if
  :: row[r].cancel -> close(r)
  :: !row[r].cancel && row[r].attempts < ATTEMPTS -> row[r].phase = check; park(r, waiting)
  :: !row[r].cancel && row[r].attempts >= ATTEMPTS && row[r].leg == 0 -> close(r)
  :: !row[r].cancel && row[r].attempts >= ATTEMPTS && row[r].leg == 1 -> to_person(r, false)
  fi
}

inline to_land(r) {
  row[r].phase = land;
#ifdef MUT_LOOK_FROM_BEGUN
  skip
#else
  row[r].quiet = QUIET
#endif
}

/* ---------------------------------------------------------------------------------------------------------- workers */

inline drop(w) {
  hand[w] = NOBODY;
  holds[w] = false;
  permit[w] = 0;
  answer[w] = none;
  awaits[w] = NOBODY;
  stale[w] = false
}

inline depart(w) { /* the first byte leaves */
#ifndef LATE
  assert(holds[w]);     /* no write is sent after the lease */
  assert(!unlooked[i]); /* nor a second time without a look in between */
  assert(lock == r);
#endif
  unlooked[i] = true;
  f = 0;
  do
  :: f < FLIGHTS && flight[f].up -> f++
  :: f < FLIGHTS && !flight[f].up -> break
  od;
  flight[f].up = true;
  flight[f].stale = stale[w];
  flight[f].intent = i;
  flight[f].left = REQUEST;
  awaits[w] = f;
  f = 0
}

#ifdef LIVE
#define fails(w) (moves(w) && faults < FAULTS)
#define failing faults++
#else
#define fails(w) moves(w)
#define failing skip
#endif

proctype Worker(byte w) {
  byte r, i, f, v;
  mtype:word seen, said;
  mtype:phase stands;

end_idle:
  atomic {
    stores(w);
    if
    :: due(0) && target_free(0) -> take(w, 0)
#ifdef MUT_BLIND_CLAIM
    :: over(0) -> goto blind
#else
    :: over(0) -> take(w, 0)
#endif
    :: row[0].state == ready && !row[0].owned -> close(0); goto end_idle /* withdraw */
#if RUNS > 1
    :: due(1) && target_free(1) -> r = 1; take(w, 1)
    :: over(1) -> r = 1; take(w, 1)
    :: row[1].state == ready && !row[1].owned -> close(1); goto end_idle
    :: waits_inactive(1) && row[1].said == yes && !row[1].cancel && target_free(1) && may_begin(1) -> r = 1; take(w, 1)
    :: waits_inactive(1) && (row[1].said == no || row[1].cancel) -> close(1); goto end_idle
#endif
    fi;
    goto take_up
  }
#ifdef MUT_BLIND_CLAIM
blind: /* an UPDATE that does not ask again whether the lease is over */
  atomic { stores(w) && row[0].owned -> take(w, 0) }
#endif

take_up:
  atomic {
    moves(w);
    if
    :: stands == check -> stands = 0; goto checking
    :: stands == apply -> stands = 0; goto resuming
    :: stands == land -> stands = 0; goto landing
    :: stands == verify -> stands = 0; goto verifying
    :: stands == asked -> stands = 0; goto answered
    fi
  }

checking: /* guards, pause and cancel are asked in the transaction of the begun mark (S23) */
  if
  :: atomic { fails(w) -> failing; goto leave }
  :: atomic { stores(w) && !mine(w) -> goto leave }
  :: atomic { stores(w) && mine(w) ->
       if
       :: row[r].cancel -> close(r); goto leave
       :: !row[r].cancel -> /* a guard says no, or a pause */
            if
            :: row[r].leg == 0 -> close(r)
#ifdef SECOND_REVERSE
            :: row[r].leg == 1 -> park(r, waiting)
#endif
            :: row[r].leg == 1 -> to_person(r, false)
            :: row[r].leg == 1 -> close(r)
            fi;
            goto leave
       :: !row[r].cancel ->
            row[r].phase = apply;
            row[r].attempts++;
            journal[i] = begun;
#ifdef MUT_LOOK_FROM_BEGUN
            row[r].quiet = REQUEST;
#endif
            goto applying
       fi }
  fi;

applying:
#ifdef LATE
  if
  :: atomic { fails(w) -> failing; goto leave }
  :: atomic { moves(w) && mark[i] -> answer[w] = ok; goto settling }
  :: atomic { moves(w) && !mark[i] -> stale[w] = false }
  fi;
#endif
  if
  :: atomic { fails(w) -> failing; goto leave }
#if defined(MUT_NO_PERMIT)
  :: atomic { moves(w) -> depart(w) }
#elif defined(LATE)
  :: atomic { moves(w) && permit[w] <= REQUEST -> answer[w] = not_sent; goto settling }
  :: moves(w) && permit[w] > REQUEST
#else
  :: atomic { moves(w) && permit[w] <= REQUEST -> answer[w] = not_sent; goto settling }
  :: atomic { moves(w) && permit[w] > REQUEST -> depart(w) }
#endif
  fi;
#ifdef LATE
  if
  :: atomic { fails(w) -> failing; goto leave }
  :: atomic { moves(w) -> depart(w) }
  fi;
#endif
  if
  :: atomic { fails(w) -> failing; goto leave }
  :: atomic { moves(w) && answer[w] != none -> goto settling }
  :: atomic { moves(w) && answer[w] == none -> answer[w] = lost; awaits[w] = NOBODY; goto settling }
  fi;

settling:
  if
  :: atomic { fails(w) -> failing; goto leave }
  :: atomic { stores(w) && !mine(w) -> goto leave }
  :: atomic { stores(w) && mine(w) ->
       if
       :: answer[w] == ok -> unlooked[i] = false; settled(r)
       :: answer[w] == refused -> unlooked[i] = false; again(r)
       :: answer[w] == not_sent -> again(r)
       :: answer[w] == lost -> journal[i] = unsettled; to_land(r); park(r, waiting)
       fi;
       goto leave }
  fi;

resuming: /* begun by somebody who is gone: look before anything else */
  if
  :: atomic { fails(w) -> failing; goto leave }
  :: atomic { stores(w) && !mine(w) -> goto leave }
  :: atomic { stores(w) && mine(w) ->
#ifdef MUT_NO_LAND
       journal[i] = failed;
       row[r].phase = check;
#else
       to_land(r);
#endif
       park(r, waiting);
       goto leave }
  fi;

landing:
  if
  :: atomic { fails(w) -> failing; goto leave }
  :: atomic { stores(w) && row[r].quiet > 0 -> /* a cancel woke it early */
       if
       :: mine(w) -> park(r, waiting)
       :: else
       fi;
       goto leave }
  :: atomic { moves(w) && quiet(r) ->
       if
       :: mark[i] -> seen = yes
       :: !mark[i] -> seen = no; unlooked[i] = false
       :: seen = unknown
       fi }
  fi;
  if
  :: atomic { fails(w) -> failing; goto leave }
  :: atomic { stores(w) && !mine(w) -> goto leave }
  :: atomic { stores(w) && mine(w) ->
       if
       :: seen == yes -> settled(r)
       :: seen == no -> again(r)
       :: seen == unknown -> journal[i] = unsettled; to_person(r, true)
#ifndef LIVE
       :: seen == unknown -> journal[i] = unsettled; park(r, waiting)
#endif
       fi;
       goto leave }
  fi;

verifying: /* held, or refuted: put back, or left */
  if
  :: atomic { fails(w) -> failing; goto leave }
  :: atomic { stores(w) && !mine(w) -> goto leave }
  :: atomic { stores(w) && mine(w) ->
       if
       :: close(r)
#ifdef UNDO
       :: !row[r].cancel && row[r].leg == 0 -> row[r].leg = 1; row[r].phase = check; park(r, waiting)
#endif
       fi;
       goto leave }
  fi;

answered:
  if
  :: atomic { fails(w) -> failing; goto leave }
  :: atomic { stores(w) && !mine(w) -> goto leave }
  :: atomic { stores(w) && mine(w) ->
       if
       :: said == yes -> settled(r)
       :: said == no -> journal[i] = (row[r].about_landed -> failed : journal[i]); close(r)
       :: said == unknown -> close(r)
       :: said == go_on -> row[r].attempts = 0; row[r].phase = check; park(r, waiting)
       :: said == silence && row[r].cancel && !row[r].about_landed -> close(r)
       :: said == silence && !(row[r].cancel && !row[r].about_landed) -> park(r, person)
       fi;
       goto leave }
  fi;

leave:
  atomic {
    drop(w);
#ifdef SQLITE
    if
    :: true
    :: recover(0)
    fi;
#endif
    r = 0; i = 0; seen = 0; said = 0; stands = 0;
    goto end_idle
  }
}

#ifndef LIVE
proctype Beat(byte w) {
end:
  do
  :: atomic { stores(w) && hand[w] != NOBODY ->
       if
       :: holds[w] -> renew(hand[w]); permit[w] = LEASE
#ifdef MUT_PERMIT_OF_PROCESS
       :: !holds[w] -> permit[w] = LEASE
#else
       :: !holds[w] -> permit[w] = 0
#endif
       fi }
  od
}
#endif

/* -------------------------------------------------------------------------------------------------- everything else */

inline answer_with(word) { /* to whoever still waits for it */
  v = 0;
  do
  :: v < WORKERS && awaits[v] == f -> answer[v] = word; awaits[v] = NOBODY; v++
  :: v < WORKERS && awaits[v] != f -> v++
  :: v == WORKERS -> break
  od;
  v = 0
}

inline outdate() { /* all who read before will find another resourceVersion */
#ifdef LATE
  v = 0;
  do
  :: v < WORKERS -> stale[v] = true; v++
  :: v == WORKERS -> break
  od;
  v = 0;
  do
  :: v < FLIGHTS -> flight[v].stale = flight[v].up; v++
  :: v == FLIGHTS -> break
  od;
  v = 0
#else
  skip
#endif
}

proctype World() {
  byte f, v;
end:
  do
  :: atomic {
       if
       :: flight[0].up -> f = 0
       :: flight[1].up -> f = 1
#if FLIGHTS > 2
       :: flight[2].up -> f = 2
#endif
       fi;
       if
#if defined(LATE) && !defined(MUT_NO_TOKEN)
       :: !flight[f].stale ->
#else
       :: true ->
#endif
            landed[flight[f].intent]++;
            assert(landed[flight[f].intent] == 1); /* at most one in effect */
#ifndef LATE
            assert(lock == flight[f].intent / 2); /* and only under the run's own lock */
#endif
            mark[flight[f].intent] = true;
            outdate();
            if
            :: answer_with(ok)
            :: answer_with(none)
            fi
       :: answer_with(refused)
       :: answer_with(none)
       fi;
       flight[f].up = false; flight[f].stale = false; flight[f].intent = 0; flight[f].left = 0;
       f = 0 }
  od
}

inline count(what) {
  if
  :: what > 0 -> what--
  :: else
  fi
}

proctype Clock() {
  byte v;
end:
  do
  :: atomic {
       !still_to_land ->
       v = 0;
       do
       :: v < RUNS -> count(row[v].lease); count(row[v].quiet); v++
       :: v == RUNS -> break
       od;
       v = 0;
       do
       :: v < WORKERS -> count(permit[v]); v++
       :: v == WORKERS -> break
       od;
#ifdef LIVE
       v = 0; /* a healthy worker renews in time */
       do
       :: v < WORKERS && stores(v) && holds[v] -> renew(hand[v]); permit[v] = LEASE; v++
       :: v < WORKERS && !(stores(v) && holds[v]) -> v++
       :: v == WORKERS -> break
       od;
#endif
       v = 0;
       do
       :: v < FLIGHTS -> count(flight[v].left); v++
       :: v == FLIGHTS -> break
       od;
       v = 0 }
  od
}

#define asks(r) (row[r].state == person && !row[r].owned && row[r].said == silence && quiet(r))

inline speak(r) {
  if
  :: row[r].about_landed && mark[intent_of(r)] -> row[r].said = yes
  :: row[r].about_landed && !mark[intent_of(r)] -> unlooked[intent_of(r)] = false; row[r].said = no
  :: row[r].about_landed -> row[r].said = unknown
  :: !row[r].about_landed && words == 0 -> words++; row[r].said = go_on
  :: !row[r].about_landed -> row[r].said = no
  fi
}

proctype People() {
  bool cancelled[RUNS];
end:
  do
#ifndef NO_CANCEL
  :: atomic { !cancelled[0] && row[0].state != ended -> cancelled[0] = true; row[0].cancel = true }
#endif
  :: atomic { asks(0) -> speak(0) }
#if RUNS > 1
#ifndef NO_CANCEL
  :: atomic { !cancelled[1] && row[1].state != ended && row[1].state != absent -> cancelled[1] = true; row[1].cancel = true }
#endif
  :: atomic { asks(1) -> speak(1) }
#if defined(SECOND_APPROVAL)
  :: atomic { row[1].state == absent -> row[1].state = approval }
  :: atomic { waits_inactive(1) && row[1].said == silence -> row[1].said = yes }
  :: atomic { waits_inactive(1) && row[1].said == silence -> row[1].said = no }
#elif defined(SECOND_REVERSE)
  :: atomic { waits_inactive(1) && row[1].said == silence -> row[1].said = yes } /* it is due */
#else
  :: atomic { row[1].state == absent && !other_active(1) -> row[1].state = ready }
#endif
#endif
  od
}

#ifdef LIVE
proctype Fate(byte w) { /* it freezes, or loses its store, perhaps for ever */
end:
  do
  :: atomic { health[w] == well && faults < FAULTS -> faults++; health[w] = frozen }
  :: atomic { health[w] == well && faults < FAULTS -> faults++; health[w] = cut }
  :: atomic { health[w] != well -> health[w] = well }
  :: health[w] != well -> break
  od
}
#endif

#ifdef LIVE
/* Every run ends or is with a person, and stays so; its lock is given back, or keeps the target from others (S19). */
#define at_rest(r) \
  ((row[r].state == ended && lock != r) || (row[r].state == person && !row[r].owned && row[r].said == silence && lock == r))
#if RUNS > 1
ltl nothing_is_lost { <>[] (at_rest(0) && (row[1].state == absent || at_rest(1))) }
#else
ltl nothing_is_lost { <>[] at_rest(0) }
#endif
#endif

init {
  byte w;
  atomic {
    row[0].state = ready;
    w = 0;
    do
    :: w < WORKERS ->
         run Worker(w);
#ifndef LIVE
         run Beat(w);
#endif
         w++
    :: else -> break
    od;
    run World();
    run Clock();
    run People();
#ifdef LIVE
    run Fate(WORKERS - 1);
#endif
  }
}
