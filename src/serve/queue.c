/* Turns among the flows, admission to them, and the workers. Knows batches only as something to run
 * and to give away. */
#include "serve/queue.h"

#include "base/clock.h"
#include "base/status.h"
#include "base/thread.h"
#include <stdio.h>
#include <stdlib.h>

#define UNKNOWN_COST_NS 1000

typedef struct sv_worker {
    sv_queue *queue;
    pthread_t thread;
    sv_halt halt;
} sv_worker;

struct sv_queue {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    sv_queue_options options;
    sv_flow *active; /* flows where something waits */
    uint32_t active_count;
    uint32_t parts;      /* of all flows */
    uint64_t time;       /* virtual: what the run that was last begun has cost its flow */
    uint64_t waiting_ns; /* of runs that have not begun, estimated */
    uint64_t running_ns; /* of runs that have */
    uint64_t alarm_ns;   /* what some worker sleeps for; UINT64_MAX: none does */
    bool stop;
    bool closed;
    uint32_t workers; /* started */
    _Atomic(sv_flow *) flow[SV_QUEUE_FLOWS];
    sv_worker worker[];
};

/* ---- flows ---------------------------------------------------------------------------------- */

sv_flow *sv_queue_flow_at(sv_queue *queue, uint32_t index)
{
    return index < SV_QUEUE_FLOWS ? atomic_load_explicit(&queue->flow[index], memory_order_acquire)
                                  : NULL;
}

static void free_flow(sv_flow *flow)
{
    if (flow) sv_order_release(&flow->order);
    free(flow);
}

sv_flow *sv_queue_flow(sv_queue *queue, const sv_served *version)
{
    /* So many models that they share flows are served right all the same. */
    _Atomic(sv_flow *) *place = &queue->flow[version->slot % SV_QUEUE_FLOWS];
    sv_flow *flow = atomic_load_explicit(place, memory_order_acquire), *none = NULL;
    if (flow) return flow;
    flow = calloc(1, sizeof *flow);
    if (!flow) return NULL;
    flow->slot = version->slot;
    snprintf(flow->name, sizeof flow->name, "%s", version->name);
    sv_order_init(&flow->order);
    if (atomic_compare_exchange_strong(place, &none, flow)) return flow;
    free_flow(flow);
    return none;
}

static void activate(sv_queue *queue, sv_flow *flow)
{
    if (flow->tag < queue->time) flow->tag = queue->time;
    flow->previous = NULL;
    flow->next = queue->active;
    if (flow->next) flow->next->previous = flow;
    queue->active = flow;
    queue->active_count++;
}

static void deactivate(sv_queue *queue, sv_flow *flow)
{
    *(flow->previous ? &flow->previous->next : &queue->active) = flow->next;
    if (flow->next) flow->next->previous = flow->previous;
    flow->next = flow->previous = NULL;
    queue->active_count--;
}

/* ---- turns ---------------------------------------------------------------------------------- */

static bool is_bounded(const sv_flow *flow, const sv_batch *first)
{
    uint32_t most = first->version->tuning.instances;
    return most && atomic_load(&flow->running) >= most;
}

/* The flow whose next run would end first in virtual time; NULL when none may run now: *wake is
 * when that may change by itself. */
static sv_flow *choose(const sv_queue *queue, uint64_t now, uint64_t *wake)
{
    sv_flow *best = NULL;
    uint64_t least = UINT64_MAX;
    *wake = UINT64_MAX;
    for (sv_flow *flow = queue->active; flow; flow = flow->next) {
        const sv_batch *first = sv_flow_first(flow);
        if (is_bounded(flow, first)) continue;
        uint64_t ready = queue->closed ? 0 : sv_flow_ready(flow);
        uint64_t end = flow->tag + first->cost_ns;
        if (ready > now) {
            if (ready < *wake) *wake = ready;
        } else if (end < least) {
            least = end;
            best = flow;
        }
    }
    return best;
}

static uint64_t cost_of(const sv_batch *batch)
{
    uint64_t cost = 0;
    for (const sv_batch *part = batch; part; part = part->mate)
        cost += part->cost_ns;
    return cost;
}

/* Whether a part can no longer be in time, and others are there to be run in its place. */
static bool is_hopeless(const sv_flow *flow, const sv_batch *first)
{
    return flow->parts > 1 && !first->forced && first->deadline_ns &&
           sv_clock_ns() + first->cost_ns > first->deadline_ns;
}

static sv_batch *give_up(sv_queue *queue, sv_flow *flow, sv_batch *first)
{
    sv_flow_remove(flow, first);
    queue->parts--;
    queue->waiting_ns -= first->cost_ns;
    first->hopeless = true;
    return first;
}

/* Says of all parts who runs them. */
static void begin_run(sv_halt *halt, sv_batch *batch)
{
    uint32_t parts = 0;
    for (const sv_batch *part = batch; part; part = part->mate)
        parts++;
    uint64_t run = sv_halt_begin(halt, parts);
    for (sv_batch *part = batch; part; part = part->mate) {
        part->halt = halt;
        part->run = run;
    }
}

/* Takes the next run out, or a batch that is hopeless; NULL: there is none before *wake. */
static sv_batch *take(sv_queue *queue, sv_halt *halt, uint64_t *wake)
{
    sv_flow *flow;
    /* Loops begin runs of small models without our lock: what could run may have come to its bound
     * meanwhile. */
    do {
        flow = choose(queue, sv_clock_ns(), wake);
        if (flow && is_hopeless(flow, sv_flow_first(flow)))
            return give_up(queue, flow, sv_flow_first(flow));
    } while (flow && !sv_flow_enter(flow, sv_flow_first(flow)->version));
    if (!flow) return NULL;
    uint32_t before = flow->parts;
    sv_batch *batch = sv_flow_take(flow);
    uint64_t cost = cost_of(batch);
    begin_run(halt, batch);
    queue->parts -= before - flow->parts;
    queue->waiting_ns -= cost;
    queue->running_ns += cost;
    flow->queued_runs++;
    flow->tag += cost;
    queue->time = flow->tag;
    if (!flow->parts) deactivate(queue, flow);
    return batch;
}

/* ---- workers -------------------------------------------------------------------------------- */

/* What must be known of a run when its batches are given away. */
typedef struct run_note {
    sv_flow *flow;
    bool bounded;
    uint64_t cost_ns;
    sv_pace_run pace;
} run_note;

static run_note note_run(const sv_batch *batch)
{
    run_note note = {.flow = batch->flow,
                     .bounded = batch->version->tuning.instances,
                     .cost_ns = cost_of(batch)};
    note.pace.target_ns = batch->version->tuning.latency_target_us * 1000;
    note.pace.now_ns = batch->finished_ns;
    note.pace.run_ns = batch->finished_ns - batch->started_ns;
    uint64_t limit = sv_pace_limit(note.pace.target_ns);
    for (const sv_batch *part = batch; part && limit; part = part->mate) {
        note.pace.requests += part->count;
        for (const sv_request *r = part->members; r; r = r->next)
            note.pace.late += batch->finished_ns - r->submitted_ns > limit;
    }
    return note;
}

static void end_run(sv_queue *queue, const run_note *note)
{
    sv_flow *flow = note->flow;
    queue->running_ns -= note->cost_ns;
    flow->queued_runs--;
    if (note->bounded) atomic_fetch_sub(&flow->running, 1);
    if (!note->pace.target_ns) return;
    sv_pace_note(&flow->pace, &note->pace);
    atomic_store_explicit(&flow->delay_ns, flow->pace.delay_ns, memory_order_relaxed);
}

/* Runs a batch; the lock is held before and after. */
static void work(sv_queue *queue, sv_batch *batch, bool pressed)
{
    if (batch->hopeless) {
        pthread_mutex_unlock(&queue->lock);
        queue->options.give(batch);
        pthread_mutex_lock(&queue->lock);
        return;
    }
    /* Whoever sleeps may have waited for what we watched until now. */
    if (queue->active) pthread_cond_signal(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
    queue->options.run(batch);
    run_note note = note_run(batch);
    note.pace.pressed = pressed;
    queue->options.give(batch);
    pthread_mutex_lock(&queue->lock);
    end_run(queue, &note);
}

/* Sleeps until something is pushed, or until `wake` if nobody else looks after that. */
static void sleep_until(sv_queue *queue, uint64_t wake)
{
    if (wake >= queue->alarm_ns) {
        pthread_cond_wait(&queue->wake, &queue->lock);
        return;
    }
    struct timespec at = {(time_t)(wake / 1000000000), (long)(wake % 1000000000)};
    queue->alarm_ns = wake;
    (void)pthread_cond_timedwait(&queue->wake, &queue->lock, &at);
    if (queue->alarm_ns == wake) queue->alarm_ns = UINT64_MAX;
}

static void *worker_run(void *argument)
{
    sv_worker *worker = argument;
    sv_queue *queue = worker->queue;
    uint64_t wake;
    bool rested = true;
    pthread_mutex_lock(&queue->lock);
    while (!queue->stop) {
        sv_batch *batch = take(queue, &worker->halt, &wake);
        if (batch)
            work(queue, batch, !rested);
        else
            sleep_until(queue, wake);
        rested = !batch;
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

static void init_wake(pthread_cond_t *wake)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

static sv_status start_worker(sv_queue *queue)
{
    sv_worker *worker = &queue->worker[queue->workers];
    char name[16];
    snprintf(name, sizeof name, "worker-%u", (unsigned)queue->workers % 100000);
    worker->queue = queue;
    sv_halt_init(&worker->halt);
    sv_status status = sv_thread_start(&worker->thread, name, worker_run, worker);
    if (status == SV_OK)
        queue->workers++;
    else
        sv_halt_release(&worker->halt);
    return status;
}

sv_status sv_queue_create(const sv_queue_options *options, sv_queue **out)
{
    size_t size = sizeof(sv_queue) + options->workers * sizeof(sv_worker);
    sv_queue *queue = calloc(1, size);
    if (!queue) return sv_error_memory("the queue", size);
    queue->options = *options;
    queue->alarm_ns = UINT64_MAX;
    pthread_mutex_init(&queue->lock, NULL);
    init_wake(&queue->wake);
    sv_status status = SV_OK;
    while (status == SV_OK && queue->workers < options->workers)
        status = start_worker(queue);
    if (status != SV_OK) {
        sv_queue_destroy(queue);
        return status;
    }
    *out = queue;
    return SV_OK;
}

void sv_queue_destroy(sv_queue *queue)
{
    if (!queue) return;
    pthread_mutex_lock(&queue->lock);
    queue->stop = true;
    pthread_cond_broadcast(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
    for (uint32_t i = 0; i < queue->workers; i++)
        pthread_join(queue->worker[i].thread, NULL);
    for (uint32_t i = 0; i < queue->workers; i++)
        sv_halt_release(&queue->worker[i].halt);
    pthread_cond_destroy(&queue->wake);
    pthread_mutex_destroy(&queue->lock);
    for (uint32_t i = 0; i < SV_QUEUE_FLOWS; i++)
        free_flow(sv_queue_flow_at(queue, i));
    free(queue);
}

/* ---- admission ------------------------------------------------------------------------------ */

static bool is_full(const sv_queue *queue, const sv_flow *flow, const sv_batch *batch)
{
    const sv_queue_policy *policy = sv_tuning_policy(&batch->version->tuning, batch->level);
    uint32_t i = batch->level - 1;
    if (policy->max_size) return flow->due[i].requests + flow->late[i].requests >= policy->max_size;
    return atomic_load_explicit(&flow->waiting, memory_order_relaxed) >= queue->options.max_waiting;
}

/* How long a new part will wait, by what runs have taken so far. Flows that have work take turns,
 * so others delay it by no more than what is before it in its own. */
static uint64_t expected_wait(const sv_queue *queue, const sv_flow *flow, const sv_batch *batch)
{
    uint32_t workers = queue->workers ? queue->workers : 1;
    uint32_t instances = batch->version->tuning.instances;
    uint64_t own = sv_flow_ahead_ns(flow, batch->level), turns;
    uint32_t flows = queue->active_count + (flow->parts == 0);
    if (__builtin_mul_overflow(own + batch->cost_ns, (uint64_t)flows, &turns) ||
        turns > queue->waiting_ns) {
        turns = queue->waiting_ns;
    }
    /* Of what runs now about half is still to come. */
    uint64_t wait = (turns + queue->running_ns / 2) / workers;
    uint64_t alone = instances && instances < workers ? own / instances : 0;
    return wait > alone ? wait : alone;
}

/* A run that would come too late takes the time of those that would not. What waits is taken to
 * last twice as long as expected, since a queue that is just as long as the deadlines allow ends
 * with runs that are all a little late. */
static bool is_late(const sv_flow *flow, const sv_batch *batch, uint64_t now, uint64_t wait)
{
    uint64_t begin = now + 2 * wait;
    /* With nothing before it, it runs: or else a wrong estimate would never be mended. */
    if (!flow->parts && !flow->queued_runs) return false;
    if (batch->begin_ns && begin > batch->begin_ns) return true;
    return batch->deadline_ns && begin + batch->cost_ns > batch->deadline_ns;
}

static sv_refusal admit(const sv_queue *queue, const sv_flow *flow, const sv_batch *batch,
                        uint64_t now, uint64_t *wait)
{
    *wait = 0;
    if (batch->forced) return SV_REFUSED_NOT;
    bool full = is_full(queue, flow, batch);
    if (!full && !batch->deadline_ns && !batch->begin_ns) return SV_REFUSED_NOT;
    *wait = expected_wait(queue, flow, batch);
    if (full) return SV_REFUSED_FULL;
    return is_late(flow, batch, now, *wait) ? SV_REFUSED_DEADLINE : SV_REFUSED_NOT;
}

static void add(sv_queue *queue, sv_flow *flow, sv_batch *batch, uint64_t now)
{
    if (!flow->parts) activate(queue, flow);
    batch->queued_ns = now;
    sv_flow_add(flow, batch);
    queue->parts++;
    queue->waiting_ns += batch->cost_ns;
    uint64_t ready = sv_flow_ready(flow);
    if (ready <= now || ready < queue->alarm_ns) pthread_cond_signal(&queue->wake);
}

sv_refusal sv_queue_push(sv_queue *queue, sv_batch *batch, uint64_t *wait_ns)
{
    sv_flow *flow = batch->flow;
    uint64_t now = sv_clock_ns();
    if (!batch->cost_ns) batch->cost_ns = UNKNOWN_COST_NS;
    pthread_mutex_lock(&queue->lock);
    sv_refusal why = admit(queue, flow, batch, now, wait_ns);
    if (why == SV_REFUSED_NOT) add(queue, flow, batch, now);
    pthread_mutex_unlock(&queue->lock);
    return why;
}

bool sv_queue_unlink(sv_queue *queue, sv_batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    bool found = batch->queued;
    if (found) {
        sv_flow_remove(batch->flow, batch);
        queue->parts--;
        queue->waiting_ns -= batch->cost_ns;
        if (!batch->flow->parts) deactivate(queue, batch->flow);
    }
    pthread_mutex_unlock(&queue->lock);
    return found;
}

void sv_queue_forgo(sv_queue *queue, sv_batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    if (batch->halt) sv_halt_forgo(batch->halt, batch->run);
    pthread_mutex_unlock(&queue->lock);
}

void sv_queue_close(sv_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    for (uint32_t i = 0; i < queue->workers; i++)
        sv_halt_close(&queue->worker[i].halt);
    pthread_cond_broadcast(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
}

void sv_queue_put_off(sv_queue *queue, sv_batch *batch)
{
    pthread_mutex_lock(&queue->lock);
    if (batch->queued) sv_flow_put_off(batch->flow, batch);
    pthread_mutex_unlock(&queue->lock);
}

void sv_queue_leave(sv_queue *queue, sv_flow *flow)
{
    atomic_fetch_sub(&flow->running, 1);
    if (!atomic_load(&flow->waiting)) return;
    pthread_mutex_lock(&queue->lock);
    pthread_cond_signal(&queue->wake);
    pthread_mutex_unlock(&queue->lock);
}

uint32_t sv_queue_length(sv_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    uint32_t length = queue->parts;
    pthread_mutex_unlock(&queue->lock);
    return length;
}
