/* The team, its barrier, and several callers of one team.  ctest: labels=threads */
#define _GNU_SOURCE /* sched_setaffinity */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/core.h"
#include "base/thread.h"
#include "support/check.h"

#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4 };

typedef struct {
    _Atomic uint32_t ran[THREADS];
    _Atomic uint32_t threads;
} tally;

static void count_run(void *argument, uint32_t thread, uint32_t threads)
{
    tally *t = argument;
    t->ran[thread]++;
    t->threads = threads;
}

static void test_region_runs_each_once(void **state)
{
    (void)state;
    sv_team *team;
    CHECK_OK(sv_team_create(THREADS, NULL, &team));
    assert_int_equal(sv_team_size(team), THREADS);
    for (uint32_t round = 0; round < 500; round++) {
        uint32_t n = 1 + round % (THREADS + 2), used = n < THREADS ? n : THREADS;
        tally t = {0};
        sv_team_region(team, n, count_run, &t);
        assert_int_equal(t.threads, used);
        for (uint32_t i = 0; i < THREADS; i++)
            assert_int_equal(t.ran[i], i < used);
    }
    sv_team_destroy(team);
}

static void test_members_wake_from_sleep(void **state)
{
    (void)state;
    sv_team *team;
    CHECK_OK(sv_team_create(THREADS, NULL, &team));
    for (int round = 0; round < 5; round++) {
        struct timespec pause = {.tv_nsec = 3000000};
        nanosleep(&pause, NULL);
        tally t = {0};
        sv_team_region(team, THREADS, count_run, &t);
        for (uint32_t i = 0; i < THREADS; i++)
            assert_int_equal(t.ran[i], 1);
    }
    sv_team_destroy(team);
}

static void slow_member(void *argument, uint32_t thread, uint32_t threads)
{
    (void)threads;
    struct timespec pause = {.tv_nsec = 2000000};
    if (thread == 1) nanosleep(&pause, NULL);
    ((uint32_t *)argument)[thread] = thread + 1;
}

static void test_caller_sleeps_until_the_slowest_is_done(void **state)
{
    (void)state;
    sv_team *team;
    CHECK_OK(sv_team_create(THREADS, NULL, &team));
    for (int round = 0; round < 10; round++) {
        uint32_t value[THREADS] = {0};
        sv_team_region(team, THREADS, slow_member, value);
        for (uint32_t i = 0; i < THREADS; i++)
            assert_int_equal(value[i], i + 1);
    }
    sv_team_destroy(team);
}

typedef struct {
    sv_team *team;
    uint32_t value[THREADS]; /* plain on purpose: the barrier must order them */
    uint32_t wrong[THREADS];
    bool slow;
} phases;

static void run_phases(void *argument, uint32_t thread, uint32_t threads)
{
    phases *p = argument;
    for (uint32_t phase = 1; phase <= 200; phase++) {
        struct timespec pause = {.tv_nsec = 500000};
        if (p->slow && thread == phase % threads && phase % 20 == 0) nanosleep(&pause, NULL);
        p->value[thread] = phase;
        sv_team_barrier(p->team, thread, threads);
        for (uint32_t i = 0; i < threads; i++)
            p->wrong[thread] += p->value[i] != phase;
        sv_team_barrier(p->team, thread, threads);
    }
}

static void check_phases(void)
{
    sv_team *team;
    CHECK_OK(sv_team_create(THREADS, NULL, &team));
    for (int slow = 0; slow < 2; slow++) {
        for (uint32_t n = 1; n <= THREADS; n++) {
            phases p = {.team = team, .slow = slow};
            sv_team_region(team, n, run_phases, &p);
            for (uint32_t i = 0; i < THREADS; i++)
                assert_int_equal(p.wrong[i], 0);
        }
    }
    sv_team_destroy(team);
}

static void test_barrier_orders_phases(void **state)
{
    (void)state;
    check_phases();
}

/* Nobody who is waited for can run: threads sleep in turns. */
static void test_barrier_on_one_core(void **state)
{
    (void)state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    int core = 0;
    while (!CPU_ISSET(core, &all))
        core++;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    check_phases();
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
}

typedef struct {
    sv_team *team;
    _Atomic uint32_t done, alone;
} shared_team;

typedef struct {
    _Atomic uint32_t mask;
    uint32_t threads;
} coverage;

static void cover(void *argument, uint32_t thread, uint32_t threads)
{
    coverage *c = argument;
    if (thread == 0) c->threads = threads;
    c->mask |= 1u << thread;
}

static void *call_often(void *argument)
{
    shared_team *shared = argument;
    for (int i = 0; i < 500; i++) {
        coverage c = {0};
        sv_team_region(shared->team, THREADS, cover, &c);
        if (c.mask == (1u << c.threads) - 1) shared->done++;
        if (c.threads == 1) shared->alone++;
    }
    return NULL;
}

static void test_callers_share_a_team(void **state)
{
    (void)state;
    shared_team shared = {0};
    CHECK_OK(sv_team_create(THREADS, NULL, &shared.team));
    pthread_t caller[3];
    for (int i = 0; i < 3; i++)
        CHECK_OK(sv_thread_start(&caller[i], "a name that is too long", call_often, &shared));
    for (int i = 0; i < 3; i++)
        pthread_join(caller[i], NULL);
    assert_int_equal(shared.done, 1500);
    sv_team_destroy(shared.team);
}

/* Callers whose regions last until they are told to end. */
typedef struct {
    sv_team *team;
    _Atomic uint32_t threads; /* 0: has not begun */
    atomic_bool end;
    pthread_t thread;
} holder;

static void hold(void *argument, uint32_t thread, uint32_t threads)
{
    holder *h = argument;
    if (thread == 0) h->threads = threads;
    while (!h->end)
        sched_yield();
}

static void *hold_region(void *argument)
{
    holder *h = argument;
    sv_team_region(h->team, THREADS, hold, h);
    return NULL;
}

static uint32_t begin_holding(holder *h, sv_team *team)
{
    *h = (holder){.team = team};
    CHECK_OK(sv_thread_start(&h->thread, "holder", hold_region, h));
    while (!h->threads)
        sched_yield();
    return h->threads;
}

static void end_holding(holder *h)
{
    h->end = true;
    pthread_join(h->thread, NULL);
}

static void test_a_region_leaves_others_their_threads(void **state)
{
    holder a, b, c;
    sv_team *team;
    (void)state;
    CHECK_OK(sv_team_create(THREADS, NULL, &team));
    assert_int_equal(begin_holding(&a, team), THREADS);
    assert_int_equal(begin_holding(&b, team), 1);
    end_holding(&a);
    assert_int_equal(begin_holding(&a, team), THREADS - 1);
    assert_int_equal(begin_holding(&c, team), 1);
    end_holding(&a);
    assert_int_equal(begin_holding(&a, team), THREADS - 2);
    end_holding(&b);
    end_holding(&c);
    end_holding(&a);
    assert_int_equal(begin_holding(&a, team), THREADS);
    end_holding(&a);
    sv_team_destroy(team);
}

static double process_cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void test_an_idle_team_uses_no_processor(void **state)
{
    (void)state;
    sv_team *team;
    CHECK_OK(sv_team_create(THREADS, NULL, &team));
    tally t = {0};
    sv_team_region(team, THREADS, count_run, &t);
    struct timespec settle = {.tv_nsec = 50000000}, idle = {.tv_nsec = 300000000};
    nanosleep(&settle, NULL);
    double before = process_cpu_seconds();
    nanosleep(&idle, NULL);
    /* Spinning members would take most of the 0.3 s; sleeping ones take nothing. */
    assert_true(process_cpu_seconds() - before < 0.1);
    sv_team_destroy(team);
}

static void test_leaving_a_core(void **state)
{
    (void)state;
    cpu_set_t allowed, after;
    uint32_t taken[CPU_SETSIZE], n = 0;
    assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
    for (uint32_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &allowed)) taken[n++] = i + 1;
    }
    assert_false(sv_core_leave(taken, n));
    /* All but one: that is where it goes, whichever it is. */
    const uint32_t last = taken[n - 1];
    assert_true(sv_core_leave(taken, n - 1));
    if (n > 1) assert_int_not_equal(sv_core_here(), 0);
    taken[n - 1] = 0;
    assert_true(sv_core_leave(&taken[n - 1], 1));
    assert_true(sv_core_leave(NULL, 0));
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&allowed, &after) && CPU_ISSET(last - 1, &after));
}

static void test_creation_failures(void **state)
{
    (void)state;
    sv_counting_allocator counting;
    sv_counting_allocator_init(&counting, NULL);
    sv_team *team = NULL;
    CHECK_FAILS(sv_team_create(0, NULL, &team), SV_CODE_INVALID_ARGUMENT, "threads");
    CHECK_FAILS(sv_team_create(1000000, NULL, &team), SV_CODE_INVALID_ARGUMENT, "threads");
    counting.fail_at = 1;
    CHECK_FAILS(sv_team_create(2, &counting.allocator, &team), SV_CODE_RESOURCE_EXHAUSTED, "team");
    counting.fail_at = 0;
    CHECK_OK(sv_team_create(1, &counting.allocator, &team));
    tally t = {0};
    sv_team_region(team, 5, count_run, &t);
    assert_int_equal(t.threads, 1);
    sv_team_destroy(team);
    sv_team_destroy(NULL);
    assert_int_equal(counting.live_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_region_runs_each_once),
        cmocka_unit_test(test_members_wake_from_sleep),
        cmocka_unit_test(test_caller_sleeps_until_the_slowest_is_done),
        cmocka_unit_test(test_barrier_orders_phases),
        cmocka_unit_test(test_barrier_on_one_core),
        cmocka_unit_test(test_callers_share_a_team),
        cmocka_unit_test(test_a_region_leaves_others_their_threads),
        cmocka_unit_test(test_an_idle_team_uses_no_processor),
        cmocka_unit_test(test_leaving_a_core),
        cmocka_unit_test(test_creation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
