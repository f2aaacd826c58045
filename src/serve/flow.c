/* A model's queue. The rules for batches are Triton's (https://github.com/triton-inference-server/
 * server/blob/main/docs/user_guide/batcher.md): the largest preferred size that can be made goes at
 * once; else what there is waits for more, up to the largest batch or the longest delay. */
#include "serve/flow.h"

#include "base/clock.h"

#define PLAIN_MAX_ROWS 64
#define PLAIN_MAX_BYTES ((size_t)256 << 10)
/* Where batching was asked for. */
#define ASKED_MAX_ROWS 4096
#define ASKED_MAX_BYTES ((size_t)64 << 20)

int64_t sv_flow_max_rows(const sv_served *version)
{
    int64_t most = version->tuning.max_batch_rows;
    int64_t bound = version->tuning.batching && most > 0 ? ASKED_MAX_ROWS : PLAIN_MAX_ROWS;
    return most > 0 && most < bound ? most : bound;
}

size_t sv_flow_max_bytes(const sv_served *version)
{
    return version->tuning.batching ? ASKED_MAX_BYTES : PLAIN_MAX_BYTES;
}

bool sv_flow_waits(const sv_served *version)
{
    const sv_tuning *t = &version->tuning;
    return t->max_queue_delay_us || t->latency_target_us || t->priority_levels > 1;
}

bool sv_flow_fits(const sv_batch *a, const sv_batch *b)
{
    return a->joins && b->joins && a->version == b->version && a->given == b->given;
}

/* ---- lists ---------------------------------------------------------------------------------- */

static sv_flow_list *list_of(sv_flow *flow, const sv_batch *batch)
{
    return &(batch->late ? flow->late : flow->due)[batch->level - 1];
}

static void link_part(sv_flow *flow, sv_batch *batch)
{
    sv_flow_list *list = list_of(flow, batch);
    batch->newer = NULL;
    batch->older = list->newest;
    *(list->newest ? &list->newest->newer : &list->oldest) = batch;
    list->newest = batch;
    list->requests += batch->count;
    list->cost_ns += batch->cost_ns;
}

static void unlink_part(sv_flow *flow, sv_batch *batch)
{
    sv_flow_list *list = list_of(flow, batch);
    *(batch->older ? &batch->older->newer : &list->oldest) = batch->newer;
    *(batch->newer ? &batch->newer->older : &list->newest) = batch->older;
    batch->newer = batch->older = NULL;
    list->requests -= batch->count;
    list->cost_ns -= batch->cost_ns;
}

void sv_flow_add(sv_flow *flow, sv_batch *batch)
{
    link_part(flow, batch);
    batch->queued = true;
    flow->parts++;
    /* In one order with `running` for all threads: whoever ends a run sees who waits for that. */
    atomic_fetch_add(&flow->waiting, batch->count);
}

void sv_flow_remove(sv_flow *flow, sv_batch *batch)
{
    unlink_part(flow, batch);
    batch->queued = false;
    flow->parts--;
    atomic_fetch_sub(&flow->waiting, batch->count);
}

void sv_flow_put_off(sv_flow *flow, sv_batch *batch)
{
    unlink_part(flow, batch);
    batch->late = true;
    link_part(flow, batch);
}

/* ---- order: levels one after the other, in each what was put off behind the others ---------- */

typedef struct flow_cursor {
    const sv_flow *flow;
    uint32_t list; /* two for each level */
    sv_batch *next;
} flow_cursor;

static sv_batch *step(flow_cursor *c)
{
    sv_batch *found = c->next;
    while (!found && c->list < 2 * SV_TUNING_LEVELS) {
        const sv_flow_list *lists = c->list % 2 ? c->flow->late : c->flow->due;
        found = lists[c->list / 2].oldest;
        c->list++;
    }
    c->next = found ? found->newer : NULL;
    return found;
}

sv_batch *sv_flow_first(const sv_flow *flow)
{
    flow_cursor c = {.flow = flow};
    return flow->parts ? step(&c) : NULL;
}

uint64_t sv_flow_ahead_ns(const sv_flow *flow, uint32_t level)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < level && i < SV_TUNING_LEVELS; i++)
        sum += flow->due[i].cost_ns + (i + 1 < level ? flow->late[i].cost_ns : 0);
    return sum;
}

/* ---- batches -------------------------------------------------------------------------------- */

/* What could run with the first part. */
typedef struct flow_offer {
    sv_batch *first;
    sv_extent extent; /* with the first part's; at most `most` rows */
    int64_t most;
    uint64_t oldest_ns;
    bool full; /* there is more than fits */
} flow_offer;

static bool has_room(const flow_offer *offer, const sv_extent *sum)
{
    const sv_served *version = offer->first->version;
    return sum->rows <= offer->most && sv_extent_bytes(version, sum) <= sv_flow_max_bytes(version);
}

/* Whether a part may go with those that come to `extent`, and what they come to then. */
static bool goes_with(const flow_offer *offer, const sv_extent *extent, const sv_batch *part,
                      sv_extent *sum)
{
    if (!sv_flow_fits(offer->first, part)) return false;
    *sum = *extent;
    sv_extent_add(part->version, sum, &part->extent);
    return !sv_extent_wastes(part->version, sum);
}

static flow_offer look(const sv_flow *flow)
{
    flow_cursor c = {.flow = flow};
    sv_batch *first = step(&c), *part;
    flow_offer offer = {.first = first,
                        .extent = first->extent,
                        .most = sv_flow_max_rows(first->version),
                        .oldest_ns = first->queued_ns};
    sv_extent sum;
    while (first->joins && offer.extent.rows < offer.most && (part = step(&c))) {
        if (!goes_with(&offer, &offer.extent, part, &sum)) continue;
        offer.full = !has_room(&offer, &sum);
        if (offer.full) break;
        offer.extent = sum;
        if (part->queued_ns < offer.oldest_ns) offer.oldest_ns = part->queued_ns;
    }
    return offer;
}

/* The largest preferred size of at most `rows`; 0 when there is none. */
static int64_t preferred(const sv_tuning *tuning, int64_t rows)
{
    int64_t best = 0;
    for (uint32_t i = 0; i < tuning->preferred_count; i++) {
        if (tuning->preferred[i] <= rows && tuning->preferred[i] > best)
            best = tuning->preferred[i];
    }
    return best;
}

static uint64_t delay_of(const sv_flow *flow, const sv_batch *first)
{
    const sv_tuning *t = &first->version->tuning;
    return t->latency_target_us ? flow->pace.delay_ns : t->max_queue_delay_us * 1000;
}

uint64_t sv_flow_ready(const sv_flow *flow)
{
    if (!flow->parts) return UINT64_MAX;
    const sv_batch *first = sv_flow_first(flow);
    uint64_t delay = delay_of(flow, first);
    if (!delay || !first->joins) return 0;
    flow_offer offer = look(flow);
    bool enough = offer.full || offer.extent.rows >= offer.most ||
                  preferred(&first->version->tuning, offer.extent.rows) > 0;
    return enough ? 0 : offer.oldest_ns + delay;
}

sv_batch *sv_flow_take(sv_flow *flow)
{
    if (!flow->parts) return NULL;
    flow_offer offer = look(flow);
    int64_t wanted = preferred(&offer.first->version->tuning, offer.extent.rows);
    sv_batch *first = offer.first, *last = first, *next;
    sv_extent extent = first->extent, sum;
    if (wanted) offer.most = wanted;
    flow_cursor c = {.flow = flow};
    (void)step(&c);
    /* The cursor has read on before its last part is taken out of the list. */
    while (first->joins && extent.rows < offer.most && (next = step(&c))) {
        if (!goes_with(&offer, &extent, next, &sum)) continue;
        if (!has_room(&offer, &sum)) break;
        extent = sum;
        sv_flow_remove(flow, next);
        last->mate = next;
        last = next;
    }
    last->mate = NULL;
    sv_flow_remove(flow, first);
    return first;
}

/* ---- figures -------------------------------------------------------------------------------- */

bool sv_flow_enter(sv_flow *flow, const sv_served *version)
{
    uint32_t most = version->tuning.instances;
    if (!most || atomic_fetch_add(&flow->running, 1) < most) return true;
    atomic_fetch_sub(&flow->running, 1);
    return false;
}

void sv_flow_count_run(sv_flow *flow, int64_t rows)
{
    uint64_t value = rows > 0 ? (uint64_t)rows : 1;
    unsigned bucket = value > 1 ? 64 - (unsigned)__builtin_clzll(value - 1) : 0;
    if (bucket >= SV_FLOW_BUCKETS) bucket = SV_FLOW_BUCKETS - 1;
    atomic_fetch_add_explicit(&flow->rows[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&flow->row_sum, value, memory_order_relaxed);
}

void sv_flow_count_refused(sv_flow *flow, sv_refusal why, uint32_t requests)
{
    atomic_fetch_add_explicit(&flow->refused[why], requests, memory_order_relaxed);
}
