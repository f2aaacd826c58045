/* Running a batch: joining inputs, one session run, handing out the slices of its outputs. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "serve/wait.h"
#include "tensor/dtype.h"
#include <stdatomic.h>
#include <string.h>

#define JOIN_ALIGNMENT 64

static sv_status take_session(sv_batch *batch)
{
    if (batch->poolable) {
        return sv_served_take_session(batch->version, batch->threads, batch->given,
                                      &batch->session);
    }
    return sv_session_create(batch->version->model, batch->threads, &batch->session);
}

/* What parts of one run share: it goes with the last of them, on whatever loop that is. */
struct sv_joint {
    _Atomic uint32_t parts;
    sv_served *version; /* a reference */
    sv_session *session;
    uint64_t given;
    uint32_t threads;
    void *memory; /* joined inputs; outputs may lie in them */
    size_t memory_size;
};

static void release_joint(sv_joint *joint)
{
    if (atomic_fetch_sub_explicit(&joint->parts, 1, memory_order_acq_rel) > 1) return;
    if (joint->session)
        sv_served_give_session(joint->version, joint->threads, joint->given, joint->session);
    sv_served_unref(joint->version);
    sv_free_aligned(NULL, joint->memory, joint->memory_size, JOIN_ALIGNMENT);
    sv_free(NULL, joint, sizeof *joint);
}

static void give_session(sv_batch *batch)
{
    sv_session *session = batch->session;
    batch->session = NULL;
    if (batch->joint) {
        release_joint(batch->joint);
        batch->joint = NULL;
    } else if (session && batch->poolable) {
        sv_served_give_session(batch->version, batch->threads, batch->given, session);
    } else if (session) {
        sv_session_destroy(session);
    }
}

static sv_status bind_single(sv_batch *batch)
{
    const sv_request *r = batch->members;
    for (size_t i = 0; i < r->input_count; i++) {
        if (!r->input[i].given) continue;
        SV_TRY(sv_session_bind_input(batch->session, i, &r->input[i].buffer));
    }
    return SV_OK;
}

sv_extent sv_batch_run_extent(const sv_batch *batch)
{
    sv_extent sum = batch->extent;
    for (const sv_batch *part = batch->mate; part; part = part->mate)
        sv_extent_add(batch->version, &sum, &part->extent);
    return sum;
}

/* Of all inputs, as the run has them. */
static size_t bytes_of(const sv_batch *batch)
{
    sv_extent extent = sv_batch_run_extent(batch);
    return batch->assembled ? sv_extent_bytes(batch->version, &extent) : extent.bytes;
}

static size_t joined_bytes(const sv_batch *batch)
{
    return bytes_of(batch) + batch->members->input_count * JOIN_ALIGNMENT;
}

/* Memory for all joined inputs at once. */
static sv_status own_memory(sv_batch *batch, void **out)
{
    size_t need = joined_bytes(batch);
    *out = batch->memory;
    if (need <= batch->memory_size) return SV_OK;
    const sv_allocator *allocator = sv_loop_allocator(batch->lane->loop);
    sv_free_aligned(allocator, batch->memory, batch->memory_size, JOIN_ALIGNMENT);
    batch->memory_size = 0;
    batch->memory = sv_alloc_aligned(allocator, need, JOIN_ALIGNMENT);
    if (!batch->memory) return sv_error_memory("a batch", need);
    batch->memory_size = need;
    *out = batch->memory;
    return SV_OK;
}

static sv_status joint_memory(const sv_batch *batch, void **out)
{
    sv_joint *joint = batch->joint;
    size_t need = joined_bytes(batch);
    joint->memory = sv_alloc_aligned(NULL, need, JOIN_ALIGNMENT);
    if (!joint->memory) return sv_error_memory("a batch", need);
    joint->memory_size = need;
    *out = joint->memory;
    return SV_OK;
}

/* Appends the rows of input `index` of all members. */
static void join_input(const sv_batch *part, size_t index, sv_buffer *joined)
{
    const sv_padding *padding = part->version->padding;
    for (const sv_request *r = part->members; r; r = r->next) {
        const sv_buffer *from = &r->input[index].buffer;
        sv_buffer to = *from;
        to.data = (char *)joined->data + joined->size;
        if (padding && padding->input[index].any) {
            sv_pad_shape(&padding->input[index], &part->target, &to);
            sv_pad_fill(&padding->input[index], from, &to);
        } else {
            memcpy(to.data, from->data, from->size);
        }
        joined->size += to.size;
    }
}

/* The shape of an input of the run. */
static void shape_input(const sv_batch *batch, size_t index, sv_buffer *joined)
{
    const sv_padding *padding = batch->version->padding;
    size_t size = joined->size;
    joined->dim[0] = batch->run_rows;
    if (padding) sv_pad_shape(&padding->input[index], &batch->target, joined);
    joined->size = size;
}

static sv_status bind_joined(sv_batch *batch)
{
    void *memory;
    SV_TRY(batch->joint ? joint_memory(batch, &memory) : own_memory(batch, &memory));
    size_t at = 0;
    for (size_t i = 0; i < batch->members->input_count; i++) {
        if (!batch->members->input[i].given) continue;
        sv_buffer joined = batch->members->input[i].buffer;
        joined.data = (char *)memory + at;
        joined.size = 0;
        for (const sv_batch *part = batch; part; part = part->mate)
            join_input(part, i, &joined);
        shape_input(batch, i, &joined);
        at = sv_size_align(at + joined.size, JOIN_ALIGNMENT);
        SV_TRY(sv_session_bind_input(batch->session, i, &joined));
    }
    return SV_OK;
}

static void count_run(const sv_batch *batch)
{
    uint64_t rows = batch->version->batches ? (uint64_t)batch->run_rows : batch->run_count;
    if (!rows) rows = 1;
    sv_served_learn(batch->version, bytes_of(batch), batch->finished_ns - batch->started_ns);
    sv_served_count(batch->version,
                    (uint64_t[SV_SERVED_FIGURES]){[SV_SERVED_RUNS] = 1, [SV_SERVED_ROWS] = rows});
    sv_flow_count_run(batch->flow, (int64_t)rows);
}

static sv_status run(sv_batch *batch)
{
    SV_TRY(take_session(batch));
    if (batch->joint) batch->joint->session = batch->session;
    SV_TRY(batch->assembled ? bind_joined(batch) : bind_single(batch));
    sv_halt_enter(batch->halt, batch->session);
    batch->started_ns = sv_clock_ns();
    sv_status status = sv_session_run(batch->session);
    batch->finished_ns = sv_clock_ns();
    batch->halted = sv_halt_leave(batch->halt) && status != SV_OK;
    if (status == SV_OK) count_run(batch);
    return status;
}

/* Says how long members are in the run; whether they are copied to be joined or padded. */
static bool set_target(sv_batch *batch, uint32_t count)
{
    const sv_padding *padding = batch->version->padding;
    if (!padding) return count > 1;
    sv_extent extent = sv_batch_run_extent(batch);
    sv_lengths target = sv_extent_target(padding, &extent);
    for (sv_batch *part = batch; part; part = part->mate)
        part->target = target;
    bool longer = memcmp(&target, &batch->extent.most, sizeof target) != 0;
    return count > 1 || (batch->joins && longer);
}

/* Says of each part which rows of the run are its own, and how long they are. */
static uint32_t add_up(sv_batch *batch)
{
    uint32_t parts = 0, count = 0;
    int64_t rows = 0;
    for (sv_batch *part = batch; part; part = part->mate) {
        part->first_row = rows;
        rows += part->extent.rows;
        count += part->count;
        parts++;
    }
    bool assembled = set_target(batch, count);
    for (sv_batch *part = batch; part; part = part->mate) {
        part->run_rows = rows;
        part->run_count = count;
        part->assembled = assembled;
    }
    return parts;
}

static sv_status make_joint(sv_batch *batch, uint32_t parts)
{
    sv_joint *joint = sv_alloc_zero(NULL, sizeof *joint);
    if (!joint) return sv_error_memory("a run", sizeof *joint);
    atomic_init(&joint->parts, parts);
    joint->version = sv_served_ref(batch->version);
    joint->given = batch->given;
    joint->threads = batch->threads;
    for (sv_batch *part = batch; part; part = part->mate)
        part->joint = joint;
    return SV_OK;
}

/* What the first part knows of the run becomes all parts'. */
static void share(const sv_batch *batch)
{
    for (sv_batch *part = batch->mate; part; part = part->mate) {
        part->session = batch->session;
        part->started_ns = batch->started_ns;
        part->finished_ns = batch->finished_ns;
        part->halted = batch->halted;
        if (batch->status != SV_OK) {
            part->status =
                sv_error(sv_status_code(batch->status), "%s", sv_status_message(batch->status));
        }
    }
}

void sv_batch_run(sv_batch *batch)
{
    uint32_t parts = add_up(batch);
    sv_status status = parts > 1 ? make_joint(batch, parts) : SV_OK;
    batch->started_ns = batch->finished_ns = sv_clock_ns();
    batch->status = status == SV_OK ? run(batch) : status;
    share(batch);
}

void sv_batch_post(sv_batch *batch)
{
    sv_batch *next;
    for (sv_batch *part = batch; part; part = next) {
        /* Its loop may have freed it when the post returns. */
        next = part->mate;
        part->mate = NULL;
        sv_loop_post(part->lane->loop, &part->task);
    }
}

/* An output of a member that was padded, cut to its own lengths: a copy, since others may read the
 * same memory. */
static sv_status cut_output(const sv_batch *batch, sv_request *r, size_t index)
{
    const sv_padding *padding = batch->version->padding;
    sv_lengths own;
    if (!padding || !padding->output[index].any || !sv_pad_lengths(r, &own)) return SV_OK;
    const sv_padded_port *port = &padding->output[index];
    if (sv_pad_has(port, &own, &r->output[index])) return SV_OK;
    sv_buffer cut = r->output[index];
    sv_pad_shape(port, &own, &cut);
    cut.data = sv_arena_alloc(&r->arena, cut.size);
    if (!cut.data) return sv_error_memory("an output", cut.size);
    sv_pad_cut(port, &r->output[index], &cut);
    r->output[index] = cut;
    return SV_OK;
}

/* The rows [first, first + rows) of an output of the whole batch. */
static sv_status slice_output(const sv_batch *batch, const sv_port *port, int64_t first,
                              int64_t rows, sv_buffer *out)
{
    if (out->rank < 1 || out->dim[0] != batch->run_rows) {
        return sv_error_internal("output '%s': expected %lld rows of a batch, found another size",
                                 port->name, (long long)batch->run_rows);
    }
    size_t row = out->size / (size_t)batch->run_rows;
    out->data = (char *)out->data + row * (size_t)first;
    out->size = row * (size_t)rows;
    out->dim[0] = rows;
    return SV_OK;
}

static sv_status take_outputs(const sv_batch *batch, sv_request *r, int64_t first)
{
    for (size_t i = 0; i < r->output_count; i++) {
        if (!r->wanted[i]) continue;
        const sv_port *port = sv_model_output(batch->version->model, i);
        if (port->kind != SV_KIND_TENSOR) {
            /* Versions with such outputs are never batched, so the whole value is the member's. */
            SV_TRY(sv_session_output_datum(batch->session, i, &r->value[i]));
            continue;
        }
        SV_TRY(sv_session_output(batch->session, i, &r->output[i]));
        if (!batch->assembled) continue;
        SV_TRY(slice_output(batch, port, first, r->input[0].buffer.dim[0], &r->output[i]));
        SV_TRY(cut_output(batch, r, i));
    }
    return SV_OK;
}

static sv_status cancelled_status(void)
{
    return sv_error(SV_CODE_CANCELLED, "request: expected an answer, found it cancelled");
}

static void finish_request(const sv_batch *batch, sv_request *r, sv_status status)
{
    r->started_ns = batch->started_ns;
    r->finished_ns = batch->finished_ns;
    if (r->cancelled && status == SV_OK) status = cancelled_status();
    if (!batch->run_count) sv_flow_count_refused(batch->flow, SV_REFUSED_CANCELLED, 1);
    sv_lane_end(r, status);
}

/* A run whose members are still wanted is broken off for one reason only. */
static sv_status halted_status(const sv_request *r)
{
    if (r->cancelled) return cancelled_status();
    return sv_error(SV_CODE_UNAVAILABLE, "the server is shutting down");
}

/* The status of a batch of one goes to its member; it is asked for once. */
static sv_status member_status(sv_batch *batch, sv_request *r, int64_t first)
{
    sv_status status = batch->status;
    if (batch->halted) return halted_status(r);
    batch->status = SV_OK;
    if (status == SV_OK && !r->cancelled) status = take_outputs(batch, r, first);
    return status;
}

/* Whether the members of a batch that has failed, or whose outputs have no rows, must run one by
 * one. Without a session it was taken back from the queue, since nobody wants it any more. */
static bool splits(const sv_batch *batch)
{
    if (!batch->assembled || batch->halted) return false;
    if (batch->status != SV_OK) return true;
    if (!batch->session) return false;
    sv_buffer output;
    const sv_padding *padding = batch->version->padding;
    for (size_t i = 0; i < sv_model_output_count(batch->version->model); i++) {
        if (sv_model_output(batch->version->model, i)->kind != SV_KIND_TENSOR) return true;
        sv_status status = sv_session_output(batch->session, i, &output);
        bool good = status == SV_OK && output.rank > 0 && output.dim[0] == batch->run_rows;
        if (good && padding) good = sv_pad_has(&padding->output[i], &batch->target, &output);
        sv_status_free(status);
        if (!good) return true;
    }
    return false;
}

static void finish_members(sv_batch *batch)
{
    int64_t first = batch->first_row;
    sv_request *next;
    for (sv_request *r = batch->members; r; r = next) {
        /* on_done releases the member. */
        next = r->next;
        int64_t rows = batch->assembled ? r->input[0].buffer.dim[0] : 0;
        finish_request(batch, r, member_status(batch, r, first));
        first += rows;
    }
    sv_status_free(batch->status);
    batch->status = SV_OK;
}

void sv_batch_finish(sv_batch *batch)
{
    if (batch->hopeless) {
        sv_wait_give_up(batch);
        return;
    }
    if (splits(batch)) {
        /* One bad member must not fail the others: each runs alone. */
        sv_status_free(batch->status);
        batch->status = SV_OK;
        give_session(batch);
        sv_lane_run_alone(batch->lane, batch->members);
    } else {
        finish_members(batch);
        give_session(batch);
    }
    batch->members = NULL;
    sv_lane_free_batch(batch->lane, batch);
}
