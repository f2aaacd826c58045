/* Threads, the team, the barrier and the futex pair.
 *
 * Waiting is in two steps everywhere: spin for a while in the hope that the other side is about to
 * come, then sleep in the kernel. The spin is bounded by the clock, and nearly nothing where it
 * would only keep the awaited thread from running: when there are more threads than cores, or when
 * that thread was last seen on the core that the waiting one runs on. Of two on one core the later
 * in the team leaves it, if there are others; the other one lets it run meanwhile, awake: the
 * system puts who is woken on the core of who wakes him, and they would share that one again. */
#define _GNU_SOURCE /* pthread_setname_np */
#include "base/thread.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/core.h"
#include "base/cpu.h"
#include "base/status.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SPIN_NS = 100000,
    SPIN_CROWDED_NS = 1000,
    PAUSES_PER_LOOK = 32, /* at the clock: about every microsecond */
    LET_RUN_NS = 1000000, /* for so long others of this core are let run, before one sleeps */
    TEAM_LIMIT = 4096,
    /* Moves to another core. */
    MOVE_PAUSE_NS = 1000000,
    MOVE_PAUSE_MOST_NS = 250000000,
    MOVE_SWITCHES = 2,        /* forced ones that count for nothing: the system's own threads */
    MOVE_QUICK_NS = 500000,   /* a longer one had to wait for that core */
    MOVE_WATCH_NS = 20000000, /* so long nobody must want that core, then it was a good one */
    MOVE_TEAM_MOST = 64,      /* larger teams have cores enough */
};

void sv_futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void sv_futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* Asking the system costs files and system calls; the answer rarely changes. */
static uint32_t granted_cores(void)
{
    static _Atomic uint32_t cached;
    uint32_t cores = atomic_load_explicit(&cached, memory_order_relaxed);
    if (cores == 0) {
        cores = sv_cpu_granted();
        atomic_store_explicit(&cached, cores, memory_order_relaxed);
    }
    return cores;
}

static bool is_crowd(uint32_t threads)
{
    return threads > granted_cores();
}

/* Where a member stands, on a cache line that it alone writes while a region runs. */
typedef struct {
    _Alignas(64) _Atomic uint32_t round; /* of barriers that it has come to, times 2; + SLEEPER */
    _Atomic uint32_t core;               /* where it was seen last; see sv_core_here */
} team_seat;

/* In `round`: somebody sleeps until it changes. */
#define SLEEPER 1u

/* Whether the thread of `seat` cannot be running, because the calling one is. */
static bool is_seen_here(team_seat *seat)
{
    uint32_t core = atomic_load_explicit(&seat->core, memory_order_relaxed);
    return core != 0 && core == sv_core_here();
}

/* Spins while (*word & mask) == value; false when the time is over, or when whoever changes the
 * word is on this core (`seat` is that thread's; it may be NULL). */
static bool spin_while(_Atomic uint32_t *word, uint32_t mask, uint32_t value, uint64_t limit_ns,
                       team_seat *seat)
{
    uint64_t begin = 0;
    for (;;) {
        for (int i = 0; i < PAUSES_PER_LOOK; i++) {
            if ((atomic_load_explicit(word, memory_order_acquire) & mask) != value) return true;
            sv_cpu_pause();
        }
        if (seat && is_seen_here(seat)) return false;
        uint64_t now = sv_clock_ns();
        if (begin == 0) begin = now;
        if (now - begin >= limit_ns) return false;
    }
}

sv_status sv_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *argument)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int failed = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed) {
        char text[SV_ERRNO_TEXT];
        return sv_error(SV_CODE_RESOURCE_EXHAUSTED, "thread %s: cannot start: %s", name,
                        sv_errno_text(failed, text));
    }
    char cut[16];
    snprintf(cut, sizeof cut, "%s", name);
    pthread_setname_np(*thread, cut);
    return SV_OK;
}

static _Thread_local bool gives_way;

void sv_thread_yield_to_others(void)
{
    gives_way = true;
    /* On Linux a thread has a niceness of its own. Where it may not be changed, work goes on. */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
}

bool sv_thread_gives_way(void)
{
    return gives_way;
}

/* What a member's word says. A member goes IDLE -> ASLEEP by itself; the caller sets the rest. */
enum { MEMBER_IDLE, MEMBER_ASLEEP, MEMBER_WORK, MEMBER_STOP };

/* A member's moves from one core to another. */
typedef struct {
    uint64_t next, pause; /* ns: when it may move again, and how long it waited for that */
    uint64_t watched; /* ns: until when the last one may turn out to be a bad one; 0: it is known */
    int64_t switches; /* that others forced on it until then */
} team_moves;

typedef struct {
    _Alignas(64) _Atomic uint32_t state;
    team_seat seat;
    uint32_t index;
    team_moves moves;
    sv_team *team;
    pthread_t thread;
} team_member;

/* In `pending`: the caller sleeps and wants to be woken by the last member. */
#define CALLER_ASLEEP 0x80000000u

struct sv_team {
    uint32_t size, started;
    uint64_t spin_ns, let_run_ns;
    const sv_allocator *allocator;
    size_t bytes;
    /* The region. Members read these after their state became WORK, before they leave `pending`. */
    sv_team_run run;
    void *argument;
    uint32_t threads;
    uint32_t seated; /* members whose rounds are equal between regions */
    _Alignas(64) atomic_bool taken;
    _Atomic uint32_t running; /* threads in regions, those of callers without members too */
    _Alignas(64) _Atomic uint32_t pending; /* members still running */
    team_member member[];                  /* [size]; 0 is the caller: only its seat is used */
};

/* Says where the calling thread is, for those who will wait for it. */
static void be_seen(team_seat *seat)
{
    uint32_t core = sv_core_here();
    if (atomic_load_explicit(&seat->core, memory_order_relaxed) != core)
        atomic_store_explicit(&seat->core, core, memory_order_relaxed);
}

static int64_t forced_switches(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_nivcsw;
}

/* The last move led to a core that others want, or nowhere. */
static void regret_move(team_moves *moves, uint64_t now)
{
    moves->pause = 2 * moves->pause + MOVE_PAUSE_NS;
    if (moves->pause > MOVE_PAUSE_MOST_NS) moves->pause = MOVE_PAUSE_MOST_NS;
    moves->next = now + moves->pause;
    moves->watched = 0;
}

/* Whether one of the members [first, end) was seen on the calling thread's core. */
static bool any_seen_here(sv_team *team, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        if (is_seen_here(&team->member[i].seat)) return true;
    }
    return false;
}

static bool meets_one_before(const team_member *member)
{
    return any_seen_here(member->team, 0, member->index);
}

/* Behind a region: how good was the last move? */
static void judge_move(team_member *member)
{
    team_moves *moves = &member->moves;
    if (!moves->watched) return;
    const uint64_t now = sv_clock_ns();
    if (meets_one_before(member)) {
        moves->watched = 0; /* it was followed: others may not want that core at all */
    } else if (forced_switches() > moves->switches + MOVE_SWITCHES) {
        regret_move(moves, now);
    } else if (now >= moves->watched) {
        moves->pause = moves->watched = 0;
    }
}

/* Moves a member to a core that none of the region's threads before it was seen on. The system may
 * put a thread on the core of the one that woke it though others are idle, and leave both there for
 * long: virtual machines' idle cores look busy to it. After a move to a core that others want the
 * next one is put off, twice as long each time. */
static bool leave_core(team_member *member)
{
    sv_team *team = member->team;
    team_moves *moves = &member->moves;
    uint32_t taken[MOVE_TEAM_MOST], n = 0;
    const uint64_t start = sv_clock_ns();
    if (start < moves->next || member->index > MOVE_TEAM_MOST) return false;
    for (; n < member->index; n++)
        taken[n] = atomic_load_explicit(&team->member[n].seat.core, memory_order_relaxed);
    const bool moved = sv_core_leave(taken, n);
    const uint64_t end = sv_clock_ns();
    be_seen(&member->seat);
    if (!moved || end - start > MOVE_QUICK_NS) {
        regret_move(moves, end);
        return moved;
    }
    moves->next = end + MOVE_PAUSE_NS;
    moves->watched = end + MOVE_WATCH_NS;
    moves->switches = forced_switches();
    return true;
}

static uint32_t member_wait(team_member *member)
{
    uint32_t state = MEMBER_IDLE;
    sv_team *team = member->team;
    if (!spin_while(&member->state, UINT32_MAX, MEMBER_IDLE, team->spin_ns,
                    &team->member[0].seat) &&
        atomic_compare_exchange_strong_explicit(&member->state, &state, MEMBER_ASLEEP,
                                                memory_order_acquire, memory_order_acquire)) {
        member->moves.watched = 0; /* where it wakes up is another matter */
        do
            sv_futex_wait(&member->state, MEMBER_ASLEEP);
        while (atomic_load_explicit(&member->state, memory_order_acquire) == MEMBER_ASLEEP);
    }
    return atomic_load_explicit(&member->state, memory_order_acquire);
}

static void *member_main(void *argument)
{
    team_member *member = argument;
    sv_team *team = member->team;
    while (member_wait(member) != MEMBER_STOP) {
        atomic_store_explicit(&member->state, MEMBER_IDLE, memory_order_relaxed);
        be_seen(&member->seat);
        if (meets_one_before(member)) leave_core(member);
        team->run(team->argument, member->index, team->threads);
        judge_move(member);
        uint32_t before = atomic_fetch_sub_explicit(&team->pending, 1, memory_order_acq_rel);
        if (before == (CALLER_ASLEEP | 1)) sv_futex_wake(&team->pending, 1);
    }
    return NULL;
}

static void member_post(team_member *member, uint32_t state)
{
    uint32_t before = atomic_exchange_explicit(&member->state, state, memory_order_acq_rel);
    if (before == MEMBER_ASLEEP) sv_futex_wake(&member->state, 1);
}

sv_status sv_team_create(uint32_t threads, const sv_allocator *allocator, sv_team **out)
{
    if (threads < 1 || threads > TEAM_LIMIT)
        return sv_error_invalid("threads: expected 1 to %d, found %u", TEAM_LIMIT, threads);
    size_t bytes = sizeof(sv_team) + threads * sizeof(team_member);
    sv_team *team = sv_alloc_aligned(allocator, bytes, 64);
    if (!team) return sv_error_memory("thread team", bytes);
    memset(team, 0, bytes);
    team->size = threads;
    team->started = 1;
    team->spin_ns = is_crowd(threads) ? SPIN_CROWDED_NS : SPIN_NS;
    team->let_run_ns = is_crowd(threads) ? 0 : LET_RUN_NS;
    team->allocator = allocator;
    team->bytes = bytes;
    team->member[0].team = team;
    for (uint32_t i = 1; i < threads; i++) {
        team->member[i].index = i;
        team->member[i].team = team;
        sv_status status =
            sv_thread_start(&team->member[i].thread, "sv-team", member_main, &team->member[i]);
        if (status) {
            sv_team_destroy(team);
            return status;
        }
        team->started++;
    }
    *out = team;
    return SV_OK;
}

void sv_team_destroy(sv_team *team)
{
    if (!team) return;
    for (uint32_t i = 1; i < team->started; i++)
        member_post(&team->member[i], MEMBER_STOP);
    for (uint32_t i = 1; i < team->started; i++)
        pthread_join(team->member[i].thread, NULL);
    sv_free_aligned(team->allocator, team, team->bytes, 64);
}

uint32_t sv_team_size(const sv_team *team)
{
    return team->size;
}

/* 0, or what is left of *pending when it takes too long. */
static uint32_t wait_for_members_awake(sv_team *team)
{
    const uint64_t begin = sv_clock_ns();
    uint64_t limit = team->spin_ns;
    uint32_t left;
    while ((left = atomic_load_explicit(&team->pending, memory_order_acquire)) != 0) {
        if (spin_while(&team->pending, UINT32_MAX, left, 1000, NULL)) continue;
        if (any_seen_here(team, 1, team->threads)) {
            limit = team->spin_ns + team->let_run_ns;
            sched_yield();
        }
        if (sv_clock_ns() - begin >= limit) break;
    }
    return left;
}

/* Until no member of the region runs any more; then *pending is 0, or CALLER_ASLEEP alone. */
static void wait_for_members(sv_team *team)
{
    uint32_t left = wait_for_members_awake(team);
    if (left == 0) return;
    left = atomic_fetch_or_explicit(&team->pending, CALLER_ASLEEP, memory_order_acquire) |
           CALLER_ASLEEP;
    while (left != CALLER_ASLEEP) {
        sv_futex_wait(&team->pending, left);
        left = atomic_load_explicit(&team->pending, memory_order_acquire);
    }
}

/* Barriers count rounds, so that all members must have come to as many. */
static void take_seats(sv_team *team, uint32_t threads)
{
    be_seen(&team->member[0].seat);
    if (team->seated == threads) return;
    for (uint32_t i = 0; i < threads; i++)
        atomic_store_explicit(&team->member[i].seat.round, 0, memory_order_relaxed);
    team->seated = threads;
}

/* The members get the region, and the caller takes part in it. */
static void run_together(sv_team *team, uint32_t threads, sv_team_run run, void *argument)
{
    team->run = run;
    team->argument = argument;
    team->threads = threads;
    take_seats(team, threads);
    atomic_store_explicit(&team->pending, threads - 1, memory_order_relaxed);
    for (uint32_t i = 1; i < threads; i++)
        member_post(&team->member[i], MEMBER_WORK);
    run(argument, 0, threads);
    wait_for_members(team);
}

void sv_team_region(sv_team *team, uint32_t threads, sv_team_run run, void *argument)
{
    /* What others run with is theirs: two callers that both took all cores would mostly wait, at
     * each barrier, for threads that do not get to run. */
    uint32_t others = atomic_fetch_add_explicit(&team->running, 1, memory_order_relaxed);
    uint32_t left = others < team->size ? team->size - others : 1, extra = 0;
    if (threads > left) threads = left;
    if (threads > 1 && !atomic_exchange_explicit(&team->taken, true, memory_order_acquire)) {
        extra = threads - 1;
        atomic_fetch_add_explicit(&team->running, extra, memory_order_relaxed);
        run_together(team, threads, run, argument);
        atomic_store_explicit(&team->taken, false, memory_order_release);
    } else {
        run(argument, 0, 1);
    }
    atomic_fetch_sub_explicit(&team->running, 1 + extra, memory_order_relaxed);
}

/* Whether a member whose word is `seen` has yet to come to `round`; it may be one ahead. */
static bool is_behind(uint32_t seen, uint32_t round)
{
    return (int32_t)((seen & ~SLEEPER) - round) < 0;
}

/* False: it takes long, or `seat` is that of a thread of this core. */
static bool wait_awake(team_seat *seat, uint32_t round, uint64_t limit_ns)
{
    uint32_t seen = atomic_load_explicit(&seat->round, memory_order_acquire);
    return !is_behind(seen, round) ||
           spin_while(&seat->round, ~SLEEPER, seen & ~SLEEPER, limit_ns, seat);
}

/* Until the thread of `seat` has come, or has left this core; or takes long. */
static void let_run(team_seat *seat, uint32_t round, uint64_t limit_ns)
{
    const uint64_t begin = sv_clock_ns();
    while (is_seen_here(seat) && sv_clock_ns() - begin < limit_ns &&
           is_behind(atomic_load_explicit(&seat->round, memory_order_acquire), round))
        sched_yield();
}

static void wait_for_seat(team_member *own, team_member *other, uint32_t round)
{
    team_seat *seat = &other->seat;
    const sv_team *team = own->team;
    if (wait_awake(seat, round, team->spin_ns)) return;
    if (is_seen_here(seat)) {
        if (own->index > other->index)
            leave_core(own);
        else
            let_run(seat, round, team->let_run_ns);
        if (wait_awake(seat, round, team->spin_ns)) return;
    }
    uint32_t seen;
    while (is_behind(seen = atomic_load_explicit(&seat->round, memory_order_acquire), round)) {
        if (seen & SLEEPER ||
            atomic_compare_exchange_strong_explicit(&seat->round, &seen, seen | SLEEPER,
                                                    memory_order_acquire, memory_order_acquire))
            sv_futex_wait(&seat->round, seen | SLEEPER);
    }
}

/* Everybody says that he has come, and looks at all others: nobody waits for a word that another
 * one is about to change as well. */
void sv_team_barrier(sv_team *team, uint32_t thread, uint32_t threads)
{
    if (threads <= 1) return;
    team_seat *own = &team->member[thread].seat;
    uint32_t round = (atomic_load_explicit(&own->round, memory_order_relaxed) & ~SLEEPER) + 2;
    uint32_t before = atomic_exchange_explicit(&own->round, round, memory_order_acq_rel);
    if (before & SLEEPER) sv_futex_wake(&own->round, INT_MAX);
    for (uint32_t i = 0; i < threads; i++) {
        if (i != thread) wait_for_seat(&team->member[thread], &team->member[i], round);
    }
    be_seen(own);
}
