/* Into the queue, and out of it without a run. */
#include "serve/wait.h"

#include "base/clock.h"
#include "base/status.h"

#define MAX_RETRY_S 60

/* ---- what a request says -------------------------------------------------------------------- */

/* A priority that the model does not have counts as none, as Triton has it. */
static uint32_t level_of(const sv_request *request)
{
    const sv_tuning *t = &request->version->tuning;
    if (t->priority_levels < 2) return 1;
    bool has = request->priority && request->priority <= t->priority_levels;
    return has ? (uint32_t)request->priority : t->default_priority;
}

/* How long it may wait; 0: for any time. */
static uint64_t patience_us(const sv_request *request, const sv_queue_policy *policy)
{
    uint64_t own = policy->fixed ? 0 : request->timeout_us;
    if (!own || !policy->timeout_us) return own ? own : policy->timeout_us;
    return own < policy->timeout_us ? own : policy->timeout_us;
}

bool sv_wait_is_special(const sv_request *request)
{
    const sv_tuning *t = &request->version->tuning;
    return request->timeout_us || t->policy.timeout_us || t->level_policies ||
           t->priority_levels > 1;
}

sv_status sv_wait_count(sv_request *request)
{
    uint32_t most = request->version->tuning.max_requests;
    if (!most || request->bounded) return SV_OK;
    sv_flow *flow = sv_queue_flow(sv_service_queue(request->lane->service), request->version);
    if (!flow) return sv_error_memory("a model's queue", sizeof *flow);
    if (atomic_fetch_add(&flow->open, 1) < most) {
        request->bounded = flow;
        return SV_OK;
    }
    atomic_fetch_sub(&flow->open, 1);
    sv_flow_count_refused(flow, SV_REFUSED_LIMIT, 1);
    return sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                    "model '%s': expected fewer than %u requests of it, found that many: try again "
                    "later",
                    request->version->name, (unsigned)most);
}

static void set_expiry(sv_request *request, uint64_t expires_ns)
{
    sv_lane *lane = request->lane;
    sv_due_insert(&lane->expiries, &request->expiry, expires_ns);
    if (lane->expiries.first == &request->expiry) sv_timer_set(lane->queue_timer, expires_ns);
}

void sv_wait_forget(sv_request *request)
{
    sv_due_remove(&request->lane->expiries, &request->expiry);
}

/* ---- refusals ------------------------------------------------------------------------------- */

static sv_status refusal_status(const sv_batch *batch, sv_refusal why)
{
    const char *name = batch->version->name;
    if (why == SV_REFUSED_TIMEOUT) {
        return sv_error(SV_CODE_UNAVAILABLE,
                        "model '%s': expected to run the request within its time in the queue, "
                        "found that passed",
                        name);
    }
    if (why == SV_REFUSED_DEADLINE) {
        return sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                        "model '%s': expected to answer before the request's deadline, found too "
                        "much waiting before it: try again later",
                        name);
    }
    return sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                    "model '%s': expected room in its queue, found it full: try again later", name);
}

/* Ends the batch's one member. */
static void refuse(sv_batch *batch, sv_refusal why, uint64_t wait_ns)
{
    sv_request *request = batch->members;
    uint64_t seconds = wait_ns / 1000000000 + 1;
    request->refused = true;
    request->retry_after_s = seconds < MAX_RETRY_S ? (uint32_t)seconds : MAX_RETRY_S;
    sv_flow_count_refused(batch->flow, why, 1);
    batch->members = NULL;
    sv_lane_end(request, refusal_status(batch, why));
    sv_lane_free_batch(batch->lane, batch);
}

/* ---- the queue ------------------------------------------------------------------------------ */

static uint64_t sooner_of(uint64_t a, uint64_t b)
{
    return !a || (b && b < a) ? b : a;
}

/* What the queue must know; the first member stands for all where they could differ. */
static void prepare(sv_batch *batch)
{
    sv_request *first = batch->members;
    batch->level = level_of(first);
    batch->deadline_ns = batch->begin_ns = 0;
    for (sv_request *r = first; r; r = r->next) {
        r->state = SV_REQUEST_QUEUED;
        batch->deadline_ns = sooner_of(batch->deadline_ns, r->deadline_ns);
    }
    if (!batch->apart || batch->forced) return;
    const sv_queue_policy *policy = sv_tuning_policy(&batch->version->tuning, batch->level);
    uint64_t patience = patience_us(first, policy);
    if (!patience) return;
    set_expiry(first, first->submitted_ns + patience * 1000);
    if (!policy->delays) batch->begin_ns = first->expiry.at;
}

static void push(sv_batch *batch);

/* Some may fit where all do not. */
static void push_members(sv_batch *batch)
{
    sv_lane *lane = batch->lane;
    sv_request *next;
    for (sv_request *r = batch->members; r; r = next) {
        next = r->next;
        sv_batch *one = sv_lane_make_batch(lane, r);
        if (!one) {
            sv_lane_end(r, sv_error(SV_CODE_UNAVAILABLE, "batch: cannot allocate its memory"));
            continue;
        }
        one->cost_ns = batch->cost_ns / batch->count;
        push(one);
    }
    batch->members = NULL;
    sv_lane_free_batch(lane, batch);
}

static void push(sv_batch *batch)
{
    uint64_t wait;
    bool alone = batch->count == 1;
    prepare(batch);
    sv_refusal why = sv_queue_push(sv_service_queue(batch->lane->service), batch, &wait);
    if (why == SV_REFUSED_NOT) return;
    if (alone)
        refuse(batch, why, wait);
    else
        push_members(batch);
}

void sv_wait_enqueue(sv_batch *batch)
{
    if (batch->apart && batch->count > 1)
        push_members(batch);
    else
        push(batch);
}

void sv_wait_give_up(sv_batch *batch)
{
    batch->hopeless = false;
    if (batch->count > 1)
        push_members(batch);
    else
        refuse(batch, SV_REFUSED_DEADLINE, 0);
}

/* ---- the timer ------------------------------------------------------------------------------ */

static void time_out(sv_request *request)
{
    sv_batch *batch = request->batch;
    sv_queue *queue = sv_service_queue(request->lane->service);
    sv_wait_forget(request);
    if (sv_tuning_policy(&batch->version->tuning, batch->level)->delays)
        sv_queue_put_off(queue, batch);
    else if (sv_queue_unlink(queue, batch))
        refuse(batch, SV_REFUSED_TIMEOUT, 0);
}

void sv_wait_time_out(sv_timer *timer, void *user)
{
    sv_lane *lane = user;
    uint64_t now = sv_clock_ns();
    const sv_due *first;
    while ((first = lane->expiries.first) && first->at <= now)
        time_out((sv_request *)((char *)first - offsetof(sv_request, expiry)));
    if (first) sv_timer_set(timer, first->at);
}
