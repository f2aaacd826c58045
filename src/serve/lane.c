/* The round's work: batches of what was submitted, run here while they are small, else by workers.
 */
#include "serve/lane.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "serve/order.h"
#include "serve/wait.h"
#include <sys/random.h>

#define KEEP_BATCHES 64
#define KEEP_BATCH_BYTES ((size_t)1 << 20)
#define OPEN_BATCHES 8 /* versions that are joined at once in one round */

static void batch_task(sv_task *task)
{
    sv_batch_finish((sv_batch *)((char *)task - offsetof(sv_batch, task)));
}

static void destroy_batch(sv_batch *batch)
{
    const sv_allocator *allocator = sv_loop_allocator(batch->lane->loop);
    sv_free_aligned(allocator, batch->memory, batch->memory_size, 64);
    sv_free(allocator, batch, sizeof *batch);
}

void sv_lane_free_batch(sv_lane *lane, sv_batch *batch)
{
    sv_served_unref(batch->version);
    batch->version = NULL;
    if (lane->free_batch_count >= KEEP_BATCHES || batch->memory_size > KEEP_BATCH_BYTES) {
        destroy_batch(batch);
        return;
    }
    batch->newer = lane->free_batches;
    lane->free_batches = batch;
    lane->free_batch_count++;
}

static sv_batch *take_batch(sv_lane *lane)
{
    sv_batch *batch = lane->free_batches;
    if (batch) {
        lane->free_batches = batch->newer;
        lane->free_batch_count--;
    } else {
        batch = sv_alloc_zero(sv_loop_allocator(lane->loop), sizeof *batch);
        if (!batch) return NULL;
    }
    *batch = (sv_batch){.lane = lane,
                        .task.run = batch_task,
                        .threads = sv_service_run_threads(lane->service),
                        .memory = batch->memory,
                        .memory_size = batch->memory_size};
    return batch;
}

static int64_t rows_of(const sv_request *request)
{
    const sv_buffer *first = &request->input[0].buffer;
    return request->input_count && first->rank > 0 ? first->dim[0] : 0;
}

/* All inputs have the same positive number of rows. */
static bool rows_agree(const sv_request *request)
{
    int64_t rows = rows_of(request);
    for (size_t i = 0; i < request->input_count; i++) {
        const sv_buffer *buffer = &request->input[i].buffer;
        if (!request->input[i].given || buffer->rank < 1 || buffer->dim[0] != rows) return false;
    }
    return rows > 0;
}

/* Whether others may be joined with it, and what it comes to then. */
static bool may_share(const sv_lane *lane, const sv_request *request, sv_extent *out)
{
    const sv_served *version = request->version;
    *out = (sv_extent){.rows = rows_of(request), .bytes = request->bytes};
    return version->batches && sv_service_batches(lane->service) && request->poolable &&
           rows_agree(request) && (!version->padding || sv_pad_lengths(request, &out->most)) &&
           out->rows <= sv_flow_max_rows(version) &&
           sv_extent_bytes(version, out) <= sv_flow_max_bytes(version);
}

/* Whether it is joined with others of the round before it waits for anything. */
static bool may_join(const sv_lane *lane, const sv_request *request, sv_extent *out)
{
    const sv_served *version = request->version;
    return !sv_flow_waits(version) && may_share(lane, request, out) &&
           out->rows <= sv_flow_max_rows(version) / 2 &&
           sv_extent_bytes(version, out) <= sv_flow_max_bytes(version) / 2;
}

static bool has_room(const sv_batch *batch, const sv_request *request, const sv_extent *more)
{
    if (batch->version != request->version || batch->given != request->given) return false;
    sv_extent sum = batch->extent;
    sv_extent_add(batch->version, &sum, more);
    return sum.rows <= sv_flow_max_rows(batch->version) &&
           sv_extent_bytes(batch->version, &sum) <= sv_flow_max_bytes(batch->version) &&
           !sv_extent_wastes(batch->version, &sum);
}

static void add_member(sv_batch *batch, sv_request *request, const sv_extent *more)
{
    request->next = NULL;
    request->batch = batch;
    if (batch->last) {
        batch->last->next = request;
    } else {
        batch->members = request;
        batch->version = sv_served_ref(request->version);
        batch->given = request->given;
        batch->poolable = request->poolable;
    }
    batch->last = request;
    batch->apart |= sv_wait_is_special(request);
    batch->count++;
    sv_extent_add(batch->version, &batch->extent, more);
}

void sv_lane_end(sv_request *request, sv_status status)
{
    sv_wait_forget(request);
    if (request->bounded) atomic_fetch_sub(&request->bounded->open, 1);
    request->bounded = NULL;
    request->batch = NULL;
    request->status = status;
    request->state = SV_REQUEST_DONE;
    request->on_done(request);
}

/* Small work runs here and now, as far as the round and the model allow. */
static bool may_run_here(const sv_batch *batch)
{
    /* Nothing breaks off a run on the loop. */
    if (!batch->cost_ns || batch->version->open_ended || sv_flow_waits(batch->version))
        return false;
    if (!sv_flow_enter(batch->flow, batch->version)) return false;
    if (sv_loop_take_inline(batch->lane->loop, batch->cost_ns)) return true;
    if (batch->version->tuning.instances)
        sv_queue_leave(sv_service_queue(batch->lane->service), batch->flow);
    return false;
}

static void run_here(sv_batch *batch)
{
    batch->threads = 1;
    sv_batch_run(batch);
    if (batch->version->tuning.instances)
        sv_queue_leave(sv_service_queue(batch->lane->service), batch->flow);
    sv_batch_finish(batch);
}

static void dispatch(sv_batch *batch)
{
    const sv_extent *extent = &batch->extent;
    size_t bytes = batch->joins ? sv_extent_bytes(batch->version, extent) : extent->bytes;
    batch->cost_ns = sv_served_estimate_ns(batch->version, bytes);
    if (may_run_here(batch))
        run_here(batch);
    else
        sv_wait_enqueue(batch);
}

sv_batch *sv_lane_make_batch(sv_lane *lane, sv_request *request)
{
    sv_flow *flow = sv_queue_flow(sv_service_queue(lane->service), request->version);
    sv_batch *batch = flow ? take_batch(lane) : NULL;
    if (!batch) return NULL;
    batch->flow = flow;
    sv_extent extent;
    batch->joins = may_share(lane, request, &extent);
    add_member(batch, request, &extent);
    return batch;
}

static void run_alone(sv_lane *lane, sv_request *request, bool forced)
{
    sv_batch *batch = sv_lane_make_batch(lane, request);
    if (!batch) {
        sv_lane_end(request, sv_error(SV_CODE_UNAVAILABLE, "batch: cannot allocate its memory"));
        return;
    }
    batch->forced = forced;
    /* Together they have failed before. */
    if (forced) batch->joins = false;
    dispatch(batch);
}

void sv_lane_run_alone(sv_lane *lane, sv_request *list)
{
    sv_request *next;
    for (sv_request *r = list; r; r = next) {
        next = r->next;
        run_alone(lane, r, true);
    }
}

/* Puts a request into an open batch of its version, a new one if there is none with room; false
 * when it is to run alone. */
static bool join(sv_lane *lane, sv_request *request, sv_batch **open, size_t *count)
{
    sv_extent extent;
    if (!may_join(lane, request, &extent)) return false;
    for (size_t i = 0; i < *count; i++) {
        if (!has_room(open[i], request, &extent)) continue;
        add_member(open[i], request, &extent);
        return true;
    }
    sv_batch *batch = *count < OPEN_BATCHES ? sv_lane_make_batch(lane, request) : NULL;
    if (!batch) return false;
    open[(*count)++] = batch;
    return true;
}

static void lane_work(sv_task *task)
{
    sv_lane *lane = (sv_lane *)((char *)task - offsetof(sv_lane, work));
    sv_request *request = lane->submitted, *next;
    sv_batch *open[OPEN_BATCHES];
    size_t count = 0;
    lane->submitted = lane->submitted_last = NULL;
    lane->work_planned = false;
    for (; request; request = next) {
        next = request->next;
        if (request->cancelled) {
            sv_lane_end(request, sv_error(SV_CODE_CANCELLED,
                                          "request: expected an answer, found it cancelled"));
        } else if (!join(lane, request, open, &count)) {
            run_alone(lane, request, false);
        }
    }
    for (size_t i = 0; i < count; i++)
        dispatch(open[i]);
}

/* Ids must differ between processes too; without randomness clock and address must do. */
static void seed(uint64_t *state)
{
    if (getrandom(state, sizeof *state, GRND_NONBLOCK) == sizeof *state) return;
    *state = sv_clock_ns() ^ (uint64_t)(uintptr_t)state;
}

sv_lane *sv_lane_create(sv_service *service, sv_loop *loop, uint32_t index)
{
    sv_lane *lane = sv_alloc_zero(sv_loop_allocator(loop), sizeof *lane);
    if (!lane) return NULL;
    lane->service = service;
    lane->loop = loop;
    lane->index = index;
    lane->work.run = lane_work;
    lane->call_up.run = sv_order_call_up;
    seed(&lane->span);
    seed(&lane->name[0]);
    seed(&lane->name[1]);
    return lane;
}

/* splitmix64 (Steele, Lea, Flood 2014): consecutive states give unrelated numbers. */
static uint64_t next_number(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

uint64_t sv_lane_next_span(sv_lane *lane)
{
    return next_number(&lane->span);
}

void sv_lane_next_id(sv_lane *lane, uint64_t out[2])
{
    out[0] = next_number(&lane->name[0]);
    out[1] = next_number(&lane->name[1]);
}

void sv_lane_destroy(sv_lane *lane)
{
    if (!lane) return;
    while (lane->free_batches) {
        sv_batch *batch = lane->free_batches;
        lane->free_batches = batch->newer;
        destroy_batch(batch);
    }
    sv_lane_free_requests(lane);
    sv_timer_destroy(lane->timer);
    sv_timer_destroy(lane->queue_timer);
    sv_timer_destroy(lane->flush_timer);
    sv_timer_destroy(lane->watch_timer);
    sv_free(sv_loop_allocator(lane->loop), lane, sizeof *lane);
}
