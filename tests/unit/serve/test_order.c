/* Answers in the order of requests: calls that are done, fail or are given up in any order, on one
 * loop and on several. Runs are played by tasks; exchanges only note what they are answered. */
#include "base/status.h"
#include "base/thread.h"
#include "serve/call.h"
#include "serve/lane.h"
#include "serve/order.h"
#include "serve/queue.h"

#include "support/check.h"

#define CALLS 600
#define LOOPS 3

typedef enum deed { ENTER, FINISH, FAIL, CANCEL, REFUSE, STOP } deed;

/* What is done to a call on its loop's thread. */
typedef struct order_step {
    sv_task task;
    deed deed;
    struct order_call *of;
} order_step;

typedef struct order_call {
    sv_exchange x;
    sv_call call;
    sv_request request;
    order_step enter, second, third;
    uint32_t lane, place; /* in the line */
} order_call;

static sv_served version;
static sv_service *service;
static sv_loop *loop[LOOPS];
static pthread_t thread[LOOPS];
static order_call calls[CALLS];

/* Who was answered, in order; and how many came. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t answered[CALLS], answers, entered, gone;
static bool failed[CALLS];

static order_call *call_of(sv_exchange *x)
{
    return (order_call *)((char *)x - offsetof(order_call, x));
}

static void note(sv_exchange *x, bool good)
{
    uint32_t index = (uint32_t)(call_of(x) - calls);
    x->replied = true;
    pthread_mutex_lock(&lock);
    failed[index] = !good;
    answered[answers++] = index;
    pthread_mutex_unlock(&lock);
}

static void on_reply(sv_exchange *x, int http, const char *type, sv_text *body)
{
    (void)http;
    (void)type;
    (void)body;
    note(x, true);
}

static void on_fail(sv_exchange *x, int http, sv_status status)
{
    (void)http;
    assert_true(status != SV_OK);
    sv_status_free(status);
    if (!x->replied) note(x, false);
}

static const sv_xops ops = {.reply = on_reply, .fail = on_fail};

static void on_gone(sv_task *task)
{
    order_call *c = (order_call *)((char *)task - offsetof(order_call, x.task));
    sv_arena_release(&c->x.arena);
    pthread_mutex_lock(&lock);
    gone++;
    pthread_mutex_unlock(&lock);
}

/* The place in the line is taken and noted at once: threads come in any order. */
static void enter(order_call *c)
{
    pthread_mutex_lock(&lock);
    CHECK_OK(sv_order_enter(&c->call));
    c->place = entered++;
    pthread_mutex_unlock(&lock);
    sv_exchange_hold(&c->x);
    c->call.open++;
}

static void act(order_call *c, deed what)
{
    sv_status status = sv_error(SV_CODE_INVALID_ARGUMENT, "bad");
    if (what == CANCEL) {
        /* The client goes; what ran for it ends later. */
        c->x.lost = true;
        sv_call_cancel(&c->call);
    } else if (what == REFUSE || (what == FAIL && !sv_order_keep(&c->call, status))) {
        sv_call_fail(&c->call, 0, status);
        status = SV_OK;
    }
    if (what != FAIL) sv_status_free(status);
    if (what != CANCEL) sv_call_settle(&c->call);
}

static void run_step(sv_task *task)
{
    order_step *step = (order_step *)task;
    if (step->deed == ENTER)
        enter(step->of);
    else
        act(step->of, step->deed);
}

static void *run_loop(void *argument)
{
    CHECK_OK(sv_loop_run(argument));
    return NULL;
}

static void start(void)
{
    sv_service_options options = {.loops = LOOPS, .workers = 1};
    version = (sv_served){.name = "m", .tuning.preserve_ordering = true};
    answers = entered = gone = 0;
    memset(calls, 0, sizeof calls);
    CHECK_OK(sv_service_create(&options, &service));
    const sv_handler *handler = sv_service_handler(service);
    for (uint32_t i = 0; i < LOOPS; i++) {
        CHECK_OK(sv_loop_create(i, NULL, &loop[i]));
        CHECK_OK(handler->loop_open(service, loop[i]));
    }
}

static void make_call(uint32_t index, uint32_t lane)
{
    order_call *c = &calls[index];
    c->lane = lane;
    c->x = (sv_exchange){.loop = loop[lane], .ops = &ops, .task.run = on_gone};
    sv_arena_init(&c->x.arena, NULL);
    c->request = (sv_request){.version = &version, .state = SV_REQUEST_DONE};
    c->call = (sv_call){.x = &c->x,
                        .arena = &c->x.arena,
                        .service = service,
                        .lane = sv_loop_user(loop[lane]),
                        .request = &c->request};
}

static void post(uint32_t index, order_step *step, deed what)
{
    *step = (order_step){.task.run = run_step, .deed = what, .of = &calls[index]};
    sv_loop_post(loop[calls[index].lane], &step->task);
}

static void run_loops(void)
{
    for (uint32_t i = 0; i < LOOPS; i++)
        CHECK_OK(sv_thread_start(&thread[i], "loop", run_loop, loop[i]));
}

static uint32_t read_count(const uint32_t *value)
{
    pthread_mutex_lock(&lock);
    uint32_t read = *value;
    pthread_mutex_unlock(&lock);
    return read;
}

static void wait_for(const uint32_t *value, uint32_t wanted)
{
    while (read_count(value) < wanted)
        sched_yield();
}

static void stop(uint32_t calls_made)
{
    wait_for(&gone, calls_made);
    for (uint32_t i = 0; i < LOOPS; i++)
        sv_loop_stop(loop[i]);
    for (uint32_t i = 0; i < LOOPS; i++) {
        pthread_join(thread[i], NULL);
        sv_service_handler(service)->loop_close(service, loop[i]);
        sv_loop_destroy(loop[i]);
    }
    sv_service_destroy(service);
}

static void enter_all(uint32_t count, const uint32_t *lane)
{
    for (uint32_t i = 0; i < count; i++) {
        make_call(i, lane[i]);
        post(i, &calls[i].enter, ENTER);
        wait_for(&entered, i + 1);
    }
}

static void check_answers(const uint32_t *expected, uint32_t count)
{
    assert_int_equal(answers, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(answered[i], expected[i]);
}

static void test_the_first_come_is_answered_first(void **state)
{
    (void)state;
    start();
    run_loops();
    enter_all(4, (uint32_t[]){0, 0, 0, 0});
    post(3, &calls[3].second, FINISH);
    post(1, &calls[1].second, FINISH);
    post(2, &calls[2].second, FINISH);
    post(0, &calls[0].second, FINISH);
    stop(4);
    check_answers((uint32_t[]){0, 1, 2, 3}, 4);
}

static void test_loops_wait_for_each_other(void **state)
{
    (void)state;
    start();
    run_loops();
    enter_all(5, (uint32_t[]){0, 1, 2, 1, 0});
    for (uint32_t i = 5; i-- > 1;)
        post(i, &calls[i].second, FINISH);
    assert_int_equal(read_count(&answers), 0);
    post(0, &calls[0].second, FINISH);
    stop(5);
    check_answers((uint32_t[]){0, 1, 2, 3, 4}, 5);
}

static void test_nobody_waits_for_what_is_given_up(void **state)
{
    (void)state;
    start();
    run_loops();
    enter_all(5, (uint32_t[]){0, 1, 1, 0, 2});
    post(4, &calls[4].second, FINISH);
    post(1, &calls[1].second, CANCEL);
    post(2, &calls[2].second, FINISH);
    post(0, &calls[0].second, CANCEL);
    /* Runs of what was given up go on: nobody waits for them. */
    wait_for(&answers, 1);
    post(3, &calls[3].second, FINISH);
    wait_for(&answers, 3);
    post(0, &calls[0].third, FINISH);
    post(1, &calls[1].third, FINISH);
    stop(5);
    check_answers((uint32_t[]){2, 3, 4}, 3);
}

static void test_failures_have_their_turn_refusals_do_not(void **state)
{
    (void)state;
    start();
    run_loops();
    enter_all(4, (uint32_t[]){0, 0, 1, 1});
    post(1, &calls[1].second, FAIL);
    post(3, &calls[3].second, FINISH);
    post(2, &calls[2].second, REFUSE);
    wait_for(&answers, 1);
    post(0, &calls[0].second, FINISH);
    stop(4);
    check_answers((uint32_t[]){2, 0, 1, 3}, 4);
    assert_true(failed[1] && failed[2]);
    assert_false(failed[0] || failed[3]);
}

static void test_others_have_no_turn(void **state)
{
    (void)state;
    start();
    run_loops();
    version.tuning.preserve_ordering = false;
    enter_all(3, (uint32_t[]){0, 1, 0});
    post(2, &calls[2].second, FINISH);
    wait_for(&answers, 1);
    post(1, &calls[1].second, FINISH);
    wait_for(&answers, 2);
    post(0, &calls[0].second, FINISH);
    stop(3);
    check_answers((uint32_t[]){2, 1, 0}, 3);
}

/* xorshift64 (Marsaglia 2003). */
static uint32_t below(uint64_t *state, uint32_t bound)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state % bound);
}

/* Everything at once: calls enter and end in any order on all loops. */
static void test_a_crowd(void **state)
{
    (void)state;
    uint64_t random = 7;
    uint32_t order[CALLS], last = 0, kept = 0;
    start();
    run_loops();
    for (uint32_t i = 0; i < CALLS; i++) {
        make_call(i, below(&random, LOOPS));
        post(i, &calls[i].enter, ENTER);
        order[i] = i;
    }
    for (uint32_t i = CALLS; i-- > 1;) {
        uint32_t other = below(&random, i + 1), swapped = order[i];
        order[i] = order[other];
        order[other] = swapped;
    }
    for (uint32_t n = 0; n < CALLS; n++) {
        uint32_t i = order[n];
        bool cancel = i % 7 == 0;
        kept += !cancel;
        post(i, &calls[i].second, cancel ? CANCEL : i % 5 == 0 ? FAIL : FINISH);
        if (cancel) post(i, &calls[i].third, FINISH);
    }
    stop(CALLS);
    assert_int_equal(answers, kept);
    for (uint32_t i = 0; i < answers; i++) {
        if (i) assert_true(calls[answered[i]].place > last);
        last = calls[answered[i]].place;
        assert_int_equal(failed[answered[i]], answered[i] % 5 == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_come_is_answered_first),
        cmocka_unit_test(test_loops_wait_for_each_other),
        cmocka_unit_test(test_nobody_waits_for_what_is_given_up),
        cmocka_unit_test(test_failures_have_their_turn_refusals_do_not),
        cmocka_unit_test(test_others_have_no_turn),
        cmocka_unit_test(test_a_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
