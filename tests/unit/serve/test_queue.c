/* The queue with its workers: fairness between models, bounds, deadlines, and threads that push,
 * take back and run at once. Runs are played by counters. */
#include "base/clock.h"
#include "base/thread.h"
#include "serve/queue.h"

#include "support/check.h"

#define MS UINT64_C(1000000)
#define BATCHES 64

static sv_queue *queue;
static sv_served model[3];
static sv_batch batch[BATCHES];
static size_t batches;

/* Workers stop at the gate until it is opened, then note whose turn it was. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static bool open_gate;
static int inside, most_inside, done;
static const sv_served *order[BATCHES];

static void play(sv_batch *first)
{
    pthread_mutex_lock(&gate);
    if (++inside > most_inside) most_inside = inside;
    pthread_cond_broadcast(&moved);
    while (!open_gate)
        pthread_cond_wait(&moved, &gate);
    for (sv_batch *part = first; part; part = part->mate)
        order[done++] = part->version;
    inside--;
    pthread_cond_broadcast(&moved);
    pthread_mutex_unlock(&gate);
}

static void drop(sv_batch *first)
{
    (void)first;
}

static void wait_until(const int *value, int wanted)
{
    pthread_mutex_lock(&gate);
    while (*value != wanted)
        pthread_cond_wait(&moved, &gate);
    pthread_mutex_unlock(&gate);
}

static void let_run(int count)
{
    pthread_mutex_lock(&gate);
    open_gate = true;
    pthread_cond_broadcast(&moved);
    pthread_mutex_unlock(&gate);
    wait_until(&done, count);
}

static void start(uint32_t workers, uint32_t max_waiting)
{
    sv_queue_options options = {
        .workers = workers, .max_waiting = max_waiting, .run = play, .give = drop};
    for (uint32_t i = 0; i < 3; i++)
        model[i] = (sv_served){.name = "m", .slot = i};
    open_gate = false;
    inside = most_inside = done = 0;
    batches = 0;
    CHECK_OK(sv_queue_create(&options, &queue));
}

static sv_batch *make(sv_served *version, uint64_t cost_ns)
{
    sv_batch *made = &batch[batches++];
    *made = (sv_batch){.version = version,
                       .flow = sv_queue_flow(queue, version),
                       .level = 1,
                       .count = 1,
                       .extent.rows = 1,
                       .cost_ns = cost_ns};
    return made;
}

static sv_refusal push(sv_batch *made)
{
    uint64_t wait;
    return sv_queue_push(queue, made, &wait);
}

static void push_some(sv_served *version, int count, uint64_t cost_ns)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(push(make(version, cost_ns)), SV_REFUSED_NOT);
}

static void test_a_flood_does_not_starve_others(void **state)
{
    (void)state;
    start(1, 100);
    push_some(&model[0], 1, MS);
    wait_until(&inside, 1);
    push_some(&model[0], 20, MS);
    push_some(&model[1], 3, MS);
    let_run(24);
    /* Taking turns, the three are among the first six after the one that ran already. */
    for (int i = 0, seen = 0; i < 24; i++) {
        seen += order[i] == &model[1];
        if (i == 6) assert_int_equal(seen, 3);
    }
    sv_queue_destroy(queue);
}

static void test_turns_are_by_time_not_by_number(void **state)
{
    (void)state;
    start(1, 100);
    push_some(&model[0], 1, MS);
    wait_until(&inside, 1);
    push_some(&model[0], 3, 10 * MS);
    push_some(&model[1], 25, MS);
    let_run(29);
    int before_first = 0, at = 1;
    while (order[at] != &model[0]) {
        before_first++;
        at++;
    }
    assert_in_range(before_first, 9, 11);
    sv_queue_destroy(queue);
}

static void test_bounds(void **state)
{
    (void)state;
    start(1, 2);
    push_some(&model[0], 1, MS);
    wait_until(&inside, 1);
    push_some(&model[0], 2, MS);
    assert_int_equal(push(make(&model[0], MS)), SV_REFUSED_FULL);
    /* The bound is the model's own. */
    push_some(&model[1], 2, MS);
    model[2].tuning.policy.max_size = 1;
    push_some(&model[2], 1, MS);
    assert_int_equal(push(make(&model[2], MS)), SV_REFUSED_FULL);
    sv_batch *again = make(&model[2], MS);
    again->forced = true;
    assert_int_equal(push(again), SV_REFUSED_NOT);
    assert_int_equal(sv_queue_length(queue), 6);
    let_run(7);
    assert_int_equal(sv_queue_length(queue), 0);
    sv_queue_destroy(queue);
}

static void test_what_would_be_late_is_refused(void **state)
{
    (void)state;
    uint64_t now = sv_clock_ns(), wait = 0, hour = UINT64_C(3600000000000);
    start(1, 100);
    /* Alone it runs, whatever is thought of it. */
    sv_batch *first = make(&model[0], hour);
    first->deadline_ns = now + MS;
    assert_int_equal(push(first), SV_REFUSED_NOT);
    wait_until(&inside, 1);
    sv_batch *late = make(&model[0], MS);
    late->deadline_ns = now + hour / 4;
    assert_int_equal(sv_queue_push(queue, late, &wait), SV_REFUSED_DEADLINE);
    assert_true(wait > hour / 4);
    late->deadline_ns = 0;
    late->begin_ns = now + hour / 4;
    assert_int_equal(push(late), SV_REFUSED_DEADLINE);
    sv_batch *patient = make(&model[0], MS);
    patient->deadline_ns = now + 2 * hour;
    assert_int_equal(push(patient), SV_REFUSED_NOT);
    let_run(2);
    sv_queue_destroy(queue);
}

static void test_what_has_become_late_is_given_up(void **state)
{
    (void)state;
    start(1, 100);
    push_some(&model[0], 1, MS);
    wait_until(&inside, 1);
    for (int i = 0; i < 3; i++) {
        sv_batch *made = make(&model[0], MS);
        assert_int_equal(push(made), SV_REFUSED_NOT);
        /* The only worker is at the gate: nobody looks at it meanwhile. */
        made->deadline_ns = 1;
    }
    /* The last runs, or a wrong estimate would never be mended. */
    let_run(2);
    sv_queue_destroy(queue);
    assert_true(batch[1].hopeless && batch[2].hopeless);
    assert_false(batch[0].hopeless || batch[3].hopeless);
}

static void test_instances_bound_runs(void **state)
{
    (void)state;
    start(3, 100);
    model[0].tuning.instances = 2;
    push_some(&model[0], 6, MS);
    wait_until(&inside, 2);
    /* The third worker is there for others. */
    push_some(&model[1], 1, MS);
    wait_until(&inside, 3);
    assert_int_equal(sv_queue_length(queue), 4);
    let_run(7);
    sv_queue_destroy(queue);
}

static void test_a_run_on_a_loop_counts_as_an_instance(void **state)
{
    (void)state;
    start(1, 100);
    model[0].tuning.instances = 1;
    sv_flow *flow = sv_queue_flow(queue, &model[0]);
    assert_true(sv_flow_enter(flow, &model[0]));
    push_some(&model[0], 1, MS);
    assert_int_equal(sv_queue_length(queue), 1);
    sv_queue_leave(queue, flow);
    let_run(1);
    sv_queue_destroy(queue);
}

static void test_unlink(void **state)
{
    (void)state;
    start(1, 100);
    push_some(&model[0], 1, MS);
    wait_until(&inside, 1);
    assert_false(sv_queue_unlink(queue, &batch[0]));
    push_some(&model[0], 2, MS);
    assert_true(sv_queue_unlink(queue, &batch[1]));
    assert_false(sv_queue_unlink(queue, &batch[1]));
    sv_queue_put_off(queue, &batch[2]);
    assert_true(batch[2].late);
    let_run(2);
    sv_queue_destroy(queue);
}

static void test_a_delay_ends(void **state)
{
    (void)state;
    start(2, 100);
    model[0].batches = true;
    model[0].tuning.max_queue_delay_us = 2000;
    sv_batch *made = make(&model[0], MS);
    made->joins = true;
    uint64_t before = sv_clock_ns();
    assert_int_equal(push(made), SV_REFUSED_NOT);
    let_run(1);
    assert_true(sv_clock_ns() - before >= 2 * MS);
    sv_queue_destroy(queue);
}

static bool is_off(sv_halt *halt)
{
    pthread_mutex_lock(&halt->lock);
    bool off = halt->off;
    pthread_mutex_unlock(&halt->lock);
    return off;
}

static void test_runs_that_nobody_wants_are_broken_off(void **state)
{
    (void)state;
    start(1, 100);
    model[0].batches = true;
    push_some(&model[1], 1, MS);
    wait_until(&inside, 1);
    for (int i = 0; i < 2; i++) {
        sv_batch *made = make(&model[0], MS);
        made->joins = true;
        assert_int_equal(push(made), SV_REFUSED_NOT);
    }
    let_run(3);
    /* The two were one run: of another number than the first. */
    assert_ptr_equal(batch[1].halt, batch[2].halt);
    assert_true(batch[1].run == batch[2].run && batch[0].run < batch[1].run);
    sv_queue_forgo(queue, &batch[0]);
    sv_queue_forgo(queue, &batch[1]);
    assert_false(is_off(batch[1].halt));
    sv_queue_forgo(queue, &batch[2]);
    assert_true(is_off(batch[1].halt));
    sv_queue_destroy(queue);
}

static void test_a_close_lets_nothing_wait(void **state)
{
    (void)state;
    start(1, 100);
    model[0].batches = true;
    model[0].tuning.max_queue_delay_us = UINT64_C(3600000000);
    sv_batch *made = make(&model[0], MS);
    made->joins = true;
    assert_int_equal(push(made), SV_REFUSED_NOT);
    sv_queue_close(queue);
    let_run(1);
    assert_true(is_off(made->halt));
    sv_queue_destroy(queue);
}

/* ---- threads -------------------------------------------------------------------------------- */

#define TURNS 400

static _Atomic int run_batches, taken_back;

static void count(sv_batch *first)
{
    for (const sv_batch *part = first; part; part = part->mate)
        atomic_fetch_add(&run_batches, 1);
}

/* What is given away may be gone at once. */
static void free_all(sv_batch *first)
{
    sv_batch *next;
    for (sv_batch *part = first; part; part = next) {
        next = part->mate;
        free(part);
    }
}

static void *push_and_unlink(void *argument)
{
    sv_served *version = argument;
    sv_flow *flow = sv_queue_flow(queue, version);
    uint64_t wait;
    for (int i = 0; i < TURNS; i++) {
        sv_batch *made = calloc(1, sizeof *made);
        *made = (sv_batch){.version = version,
                           .flow = flow,
                           .level = 1 + (uint32_t)i % 3,
                           .count = 1,
                           .extent.rows = 1,
                           .cost_ns = 1000,
                           .joins = true};
        if (sv_queue_push(queue, made, &wait) != SV_REFUSED_NOT) {
            free(made);
            atomic_fetch_add(&taken_back, 1);
        }
        if (i % 7 == 0 && sv_flow_enter(flow, version) && version->tuning.instances)
            sv_queue_leave(queue, flow);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    pthread_t thread[3];
    sv_queue_options options = {.workers = 3, .max_waiting = 50, .run = count, .give = free_all};
    for (uint32_t i = 0; i < 3; i++)
        model[i] = (sv_served){.name = "m", .slot = i % 2, .batches = true};
    model[0].tuning.max_queue_delay_us = 100;
    model[1].tuning.instances = 1;
    model[2].tuning.latency_target_us = 1000;
    CHECK_OK(sv_queue_create(&options, &queue));
    for (int i = 0; i < 3; i++)
        CHECK_OK(sv_thread_start(&thread[i], "pusher", push_and_unlink, &model[i]));
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    while (atomic_load(&run_batches) + atomic_load(&taken_back) < 3 * TURNS)
        sv_clock_sleep(MS);
    sv_queue_destroy(queue);
    assert_int_equal(atomic_load(&run_batches) + atomic_load(&taken_back), 3 * TURNS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_flood_does_not_starve_others),
        cmocka_unit_test(test_turns_are_by_time_not_by_number),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_what_would_be_late_is_refused),
        cmocka_unit_test(test_what_has_become_late_is_given_up),
        cmocka_unit_test(test_instances_bound_runs),
        cmocka_unit_test(test_a_run_on_a_loop_counts_as_an_instance),
        cmocka_unit_test(test_unlink),
        cmocka_unit_test(test_a_delay_ends),
        cmocka_unit_test(test_runs_that_nobody_wants_are_broken_off),
        cmocka_unit_test(test_a_close_lets_nothing_wait),
        cmocka_unit_test(test_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
