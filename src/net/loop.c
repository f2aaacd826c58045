/* The loop's rounds, its inbox and its timers, on libevent's poller. What is polled and what the
 * tasks do belongs to their owners. */
#include "net/loop.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A wait counts as at most so many times the spin: then a few short ones end a long one's memory.
 */
#define WAIT_MAX_SPINS 8
/* The weight of the latest wait among those before. */
#define WAIT_SHARE 4

typedef struct sv_task_queue {
    sv_task *head, **tail;
} sv_task_queue;

struct sv_loop {
    struct event_base *base;
    const sv_allocator *allocator;
    void *user;
    sv_task_queue queue[SV_PHASE_COUNT];
    uint64_t now, inline_left, round;
    uint64_t spin;       /* ns; 0: never */
    uint64_t usual_wait; /* ns until something came, of late */
    uint32_t index;
    struct event wake;
    int wake_fd;
    _Atomic(sv_task *) inbox; /* newest first */
    atomic_bool stopping;
};

struct sv_timer {
    sv_loop *loop;
    void (*run)(sv_timer *timer, void *user);
    void *user;
    uint64_t at;
    struct event event;
};

static _Thread_local const sv_loop *current_loop;

static void queue_init(sv_task_queue *queue)
{
    queue->head = NULL;
    queue->tail = &queue->head;
}

static void queue_push(sv_task_queue *queue, sv_task *task)
{
    task->next = NULL;
    *queue->tail = task;
    queue->tail = &task->next;
}

static void on_wake(evutil_socket_t fd, short what, void *user)
{
    uint64_t count;
    (void)what;
    (void)user;
    /* Only the wake-up counts; what was posted is found in the inbox. */
    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

static void wake(sv_loop *loop)
{
    uint64_t one = 1;
    while (write(loop->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static sv_status open_base(sv_loop *loop)
{
    struct event_config *config = event_config_new();
    if (!config) return sv_error_memory("loop", 0);
    /* A base is used by its own thread only: the inbox is the one way in from others. */
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    if (!loop->base) return sv_error_internal("loop: cannot create a poller: %s", strerror(errno));
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd < 0)
        return sv_error(SV_CODE_RESOURCE_EXHAUSTED, "loop: cannot create an eventfd: %s",
                        strerror(errno));
    event_assign(&loop->wake, loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    if (event_add(&loop->wake, NULL) < 0) return sv_error_internal("loop: cannot poll its eventfd");
    return SV_OK;
}

sv_status sv_loop_create(uint32_t index, const sv_allocator *allocator, sv_loop **out)
{
    sv_loop *loop = sv_alloc_zero(allocator, sizeof *loop);
    if (!loop) return sv_error_memory("loop", sizeof *loop);
    loop->allocator = allocator;
    loop->index = index;
    loop->wake_fd = -1;
    loop->inline_left = SV_LOOP_INLINE_NS;
    for (int i = 0; i < SV_PHASE_COUNT; i++)
        queue_init(&loop->queue[i]);
    sv_status status = open_base(loop);
    if (status) {
        sv_loop_destroy(loop);
        return status;
    }
    *out = loop;
    return SV_OK;
}

void sv_loop_destroy(sv_loop *loop)
{
    if (!loop) return;
    if (loop->base) {
        if (event_initialized(&loop->wake)) event_del(&loop->wake);
        event_base_free(loop->base);
    }
    if (loop->wake_fd >= 0) close(loop->wake_fd);
    sv_free(loop->allocator, loop, sizeof *loop);
}

void sv_loop_post(sv_loop *loop, sv_task *task)
{
    sv_task *old = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
    do
        task->next = old;
    while (!atomic_compare_exchange_weak_explicit(&loop->inbox, &old, task, memory_order_release,
                                                  memory_order_relaxed));
    /* Whoever made it non-empty has woken the loop already, or is about to. */
    if (!old) wake(loop);
}

/* The inbox is a stack: turned round it gives the order in which the tasks were posted. */
static void collect_inbox(sv_loop *loop)
{
    sv_task *newest, *oldest = NULL;
    if (!atomic_load_explicit(&loop->inbox, memory_order_relaxed)) return;
    newest = atomic_exchange_explicit(&loop->inbox, NULL, memory_order_acquire);
    while (newest) {
        sv_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        sv_task *next = oldest->next;
        queue_push(&loop->queue[SV_PHASE_DONE], oldest);
        oldest = next;
    }
}

void sv_loop_defer(sv_loop *loop, sv_phase phase, sv_task *task)
{
    queue_push(&loop->queue[phase], task);
}

static void run_phase(sv_loop *loop, sv_phase phase)
{
    sv_task *task = loop->queue[phase].head;
    /* The list is taken whole: what its tasks queue for this phase waits for the next round, so
     * that no phase can keep the others from their turn. */
    queue_init(&loop->queue[phase]);
    while (task) {
        sv_task *next = task->next;
        task->run(task);
        task = next;
    }
}

static bool has_queued(sv_loop *loop)
{
    for (int i = 0; i < SV_PHASE_COUNT; i++)
        if (loop->queue[i].head) return true;
    return atomic_load_explicit(&loop->inbox, memory_order_relaxed) != NULL;
}

static sv_status look(sv_loop *loop, int flags)
{
    loop->now = 0;
    if (event_base_loop(loop->base, EVLOOP_ONCE | flags) < 0)
        return sv_error_internal("loop %u: polling failed: %s", loop->index, strerror(errno));
    return SV_OK;
}

static sv_status poll_once(sv_loop *loop, int flags)
{
    loop->round++;
    return look(loop, flags);
}

/* The wake-up of who stops the loop may be gone by now: the flag is what counts. */
static bool is_wanted(sv_loop *loop)
{
    return has_queued(loop) || atomic_load_explicit(&loop->stopping, memory_order_relaxed);
}

static void learn_wait(sv_loop *loop, uint64_t waited)
{
    uint64_t most = loop->spin * WAIT_MAX_SPINS;
    if (waited > most) waited = most;
    loop->usual_wait = (loop->usual_wait * (WAIT_SHARE - 1) + waited) / WAIT_SHARE;
}

/* Polls until something is queued, for `spin` at most; threads that have work go first. */
static sv_status stay_awake(sv_loop *loop, uint64_t start)
{
    do {
        SV_TRY(poll_once(loop, EVLOOP_NONBLOCK));
        if (is_wanted(loop)) return SV_OK;
        sched_yield();
    } while (sv_clock_ns() - start < loop->spin);
    return SV_OK;
}

/* Waits for something to do. To be woken takes some microseconds, on both sides: where requests
 * mostly come sooner than that, the loop stays awake. */
static sv_status wait_for_events(sv_loop *loop)
{
    if (!loop->spin) return poll_once(loop, 0);
    uint64_t start = sv_clock_ns();
    if (loop->usual_wait < loop->spin) SV_TRY(stay_awake(loop, start));
    if (!is_wanted(loop)) SV_TRY(poll_once(loop, 0));
    learn_wait(loop, sv_clock_ns() - start);
    return SV_OK;
}

static sv_status run_round(sv_loop *loop)
{
    loop->inline_left = SV_LOOP_INLINE_NS;
    SV_TRY(has_queued(loop) ? poll_once(loop, EVLOOP_NONBLOCK) : wait_for_events(loop));
    /* What has come while these were read may join their batches. */
    if (loop->queue[SV_PHASE_WORK].head) SV_TRY(look(loop, EVLOOP_NONBLOCK));
    for (int phase = 0; phase < SV_PHASE_COUNT; phase++) {
        if (phase == SV_PHASE_DONE) collect_inbox(loop);
        run_phase(loop, (sv_phase)phase);
    }
    return SV_OK;
}

sv_status sv_loop_run(sv_loop *loop)
{
    const sv_loop *outer = current_loop;
    sv_status status = SV_OK;
    current_loop = loop;
    while (!status && !atomic_exchange(&loop->stopping, false))
        status = run_round(loop);
    current_loop = outer;
    return status;
}

void sv_loop_stop(sv_loop *loop)
{
    atomic_store(&loop->stopping, true);
    wake(loop);
}

void sv_loop_set_spin(sv_loop *loop, uint64_t ns)
{
    loop->spin = ns;
    loop->usual_wait = ns * WAIT_MAX_SPINS;
}

bool sv_loop_take_inline(sv_loop *loop, uint64_t cost_ns)
{
    if (cost_ns > loop->inline_left) return false;
    loop->inline_left -= cost_ns;
    return true;
}

uint64_t sv_loop_round(const sv_loop *loop)
{
    return loop->round;
}

uint64_t sv_loop_now(sv_loop *loop)
{
    if (!loop->now) loop->now = sv_clock_ns();
    return loop->now;
}

uint32_t sv_loop_index(const sv_loop *loop)
{
    return loop->index;
}

const sv_allocator *sv_loop_allocator(const sv_loop *loop)
{
    return loop->allocator;
}

bool sv_loop_is_current(const sv_loop *loop)
{
    return current_loop == loop;
}

void sv_loop_set_user(sv_loop *loop, void *user)
{
    loop->user = user;
}

void *sv_loop_user(const sv_loop *loop)
{
    return loop->user;
}

struct event_base *sv_loop_base(const sv_loop *loop)
{
    return loop->base;
}

static void wait_for(sv_timer *timer)
{
    uint64_t now = sv_clock_ns();
    uint64_t us = timer->at > now ? (timer->at - now + 999) / 1000 : 0;
    struct timeval tv = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
    event_add(&timer->event, &tv);
}

static void on_timer(evutil_socket_t fd, short what, void *user)
{
    sv_timer *timer = user;
    (void)fd;
    (void)what;
    /* The poller's clock is a coarse one and may be some milliseconds early. */
    if (sv_clock_ns() < timer->at)
        wait_for(timer);
    else
        timer->run(timer, timer->user);
}

sv_status sv_timer_create(sv_loop *loop, void (*run)(sv_timer *timer, void *user), void *user,
                          sv_timer **out)
{
    sv_timer *timer = sv_alloc_zero(loop->allocator, sizeof *timer);
    if (!timer) return sv_error_memory("timer", sizeof *timer);
    timer->loop = loop;
    timer->run = run;
    timer->user = user;
    evtimer_assign(&timer->event, loop->base, on_timer, timer);
    *out = timer;
    return SV_OK;
}

void sv_timer_destroy(sv_timer *timer)
{
    if (!timer) return;
    event_del(&timer->event);
    sv_free(timer->loop->allocator, timer, sizeof *timer);
}

void sv_timer_set(sv_timer *timer, uint64_t at_ns)
{
    timer->at = at_ns;
    wait_for(timer);
}

void sv_timer_clear(sv_timer *timer)
{
    event_del(&timer->event);
}
