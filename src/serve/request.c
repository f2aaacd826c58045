/* Requests: their memory, their inputs, and their way into the lane. */
#include "serve/request.h"

#include "base/alloc.h"
#include "base/status.h"
#include "serve/lane.h"
#include "serve/wait.h"
#include "store/terms.h"
#include "tensor/tensor.h"
#include <stdio.h>
#include <string.h>

#define KEEP_INPUT_BYTES ((size_t)64 << 10)
#define KEEP_ARENA_BYTES ((size_t)64 << 10)
#define KEEP_REQUESTS 256
#define MIN_INPUT_BYTES 1024
#define POOLED_INPUTS 64 /* bits of `given` */

static const sv_allocator *allocator_of(const sv_request *request)
{
    return sv_loop_allocator(request->lane->loop);
}

static void free_memory(sv_request *request, sv_request_input *input)
{
    sv_free_aligned(allocator_of(request), input->memory, input->memory_size, SV_REQUEST_ALIGNMENT);
}

static void free_inputs(sv_request *request)
{
    for (size_t i = 0; i < request->input_room; i++)
        free_memory(request, &request->input[i]);
    sv_free(allocator_of(request), request->input, request->input_room * sizeof *request->input);
    request->input = NULL;
    request->input_room = 0;
}

static void free_outputs(sv_request *request)
{
    const sv_allocator *allocator = allocator_of(request);
    sv_free(allocator, request->output, request->output_room * sizeof *request->output);
    sv_free(allocator, request->value, request->output_room * sizeof *request->value);
    sv_free(allocator, request->wanted, request->output_room * sizeof *request->wanted);
    request->output = NULL;
    request->value = NULL;
    request->wanted = NULL;
    request->output_room = 0;
}

static void destroy_request(sv_request *request)
{
    free_inputs(request);
    free_outputs(request);
    sv_arena_release(&request->arena);
    sv_free(allocator_of(request), request, sizeof *request);
}

/* Room for a version's inputs and outputs; what an earlier request left is used where it fits. */
static sv_status make_room(sv_request *request, size_t inputs, size_t outputs)
{
    const sv_allocator *allocator = allocator_of(request);
    if (inputs > request->input_room) {
        free_inputs(request);
        request->input = sv_alloc_zero(allocator, inputs * sizeof *request->input);
        if (!request->input) return sv_error_memory("inputs", inputs * sizeof *request->input);
        request->input_room = inputs;
    }
    if (outputs > request->output_room) {
        free_outputs(request);
        request->output_room = outputs;
        request->output = sv_alloc_zero(allocator, outputs * sizeof *request->output);
        request->value = sv_alloc_zero(allocator, outputs * sizeof *request->value);
        request->wanted = sv_alloc_zero(allocator, outputs * sizeof *request->wanted);
        if (!request->output || !request->value || !request->wanted) {
            return sv_error_memory("outputs", outputs * sizeof *request->output);
        }
    }
    return SV_OK;
}

static sv_request *take_free(sv_lane *lane)
{
    sv_request *request = lane->free_requests;
    if (request) {
        lane->free_requests = request->next;
        lane->free_request_count--;
        request->next = NULL;
        return request;
    }
    request = sv_alloc_zero(sv_loop_allocator(lane->loop), sizeof *request);
    if (!request) return NULL;
    request->lane = lane;
    sv_arena_init(&request->arena, sv_loop_allocator(lane->loop));
    return request;
}

sv_status sv_request_begin(sv_lane *lane, sv_served *version, sv_request **out)
{
    sv_request *request = take_free(lane);
    if (!request) return sv_error_memory("a request", sizeof *request);
    size_t inputs = sv_model_input_count(version->model);
    size_t outputs = sv_model_output_count(version->model);
    sv_status status = make_room(request, inputs, outputs);
    if (status != SV_OK) {
        destroy_request(request);
        return status;
    }
    request->state = SV_REQUEST_NEW;
    request->version = version;
    request->input_count = inputs;
    request->output_count = outputs;
    for (size_t i = 0; i < inputs; i++) {
        sv_request_input *input = &request->input[i];
        input->given = false;
        input->buffer.dtype = SV_DTYPE_NONE;
        input->buffer.data = input->memory;
        input->capacity = input->memory_size;
    }
    memset(request->output, 0, outputs * sizeof *request->output);
    memset(request->value, 0, outputs * sizeof *request->value);
    memset(request->wanted, true, outputs * sizeof *request->wanted);
    *out = request;
    return SV_OK;
}

void sv_request_release(sv_request *request)
{
    sv_lane *lane = request->lane;
    sv_status_free(request->status);
    sv_served_unref(request->version);
    request->version = NULL;
    request->status = SV_OK;
    request->cancelled = false;
    request->on_done = NULL;
    request->user = NULL;
    request->sibling = NULL;
    request->submitted_ns = request->started_ns = request->finished_ns = 0;
    request->priority = request->timeout_us = request->deadline_ns = 0;
    request->as_declared = false;
    request->refused = false;
    request->retry_after_s = 0;
    if (lane->free_request_count >= KEEP_REQUESTS || request->arena.bytes > KEEP_ARENA_BYTES) {
        destroy_request(request);
        return;
    }
    for (size_t i = 0; i < request->input_room; i++) {
        sv_request_input *input = &request->input[i];
        if (input->memory_size <= KEEP_INPUT_BYTES) continue;
        free_memory(request, input);
        *input = (sv_request_input){.capacity = 0};
    }
    sv_arena_reset(&request->arena);
    request->next = lane->free_requests;
    lane->free_requests = request;
    lane->free_request_count++;
}

void sv_lane_free_requests(sv_lane *lane)
{
    while (lane->free_requests) {
        sv_request *request = lane->free_requests;
        lane->free_requests = request->next;
        destroy_request(request);
    }
    lane->free_request_count = 0;
}

sv_status sv_request_grow_input(sv_request *request, size_t index, size_t bytes, void **out)
{
    sv_request_input *input = &request->input[index];
    if (bytes > input->capacity || !input->buffer.data) {
        size_t grown = input->capacity * 2 > bytes ? input->capacity * 2 : bytes;
        size_t room =
            sv_size_align(grown > MIN_INPUT_BYTES ? grown : MIN_INPUT_BYTES, SV_REQUEST_ALIGNMENT);
        void *data = room < bytes
                         ? NULL
                         : sv_alloc_aligned(allocator_of(request), room, SV_REQUEST_ALIGNMENT);
        if (!data) {
            return sv_error(SV_CODE_UNAVAILABLE, "input '%s': cannot allocate %zu bytes",
                            sv_model_input(request->version->model, index)->name, bytes);
        }
        if (input->capacity) memcpy(data, input->buffer.data, input->capacity);
        free_memory(request, input);
        input->buffer.data = input->memory = data;
        input->capacity = input->memory_size = room;
    }
    *out = input->buffer.data;
    return SV_OK;
}

void sv_request_borrow_input(sv_request *request, size_t index, void *data, size_t bytes)
{
    request->input[index].buffer.data = data;
    request->input[index].capacity = bytes;
}

/* "float32[?,1,8,8]" of a port. */
static void describe_port(const sv_port *port, char *out, size_t size)
{
    char shape[SV_SHAPE_TEXT];
    sv_shape s = port->rank < 0 ? sv_shape_unknown() : sv_shape_make(port->rank, port->dim);
    snprintf(out, size, "%s%s", sv_dtype_name(port->dtype),
             port->rank < 0 ? "" : sv_shape_text(&s, shape));
}

/* An input as the client of a request sees it. */
static const sv_port *port_of(const sv_request *request, size_t index, sv_port *room)
{
    if (request->as_declared) return sv_terms_port(request->version, true, index, room);
    return sv_model_input(request->version->model, index);
}

static bool shape_fits(const sv_port *port, int32_t rank, const int64_t *dim)
{
    if (port->rank < 0) return true;
    if (port->rank != rank) return false;
    for (int32_t i = 0; i < rank; i++) {
        if (port->dim[i] >= 0 && port->dim[i] != dim[i]) return false;
    }
    return true;
}

static sv_status misfit(const sv_port *port, const sv_type *found)
{
    char expected[256], shape[SV_SHAPE_TEXT];
    describe_port(port, expected, sizeof expected);
    return sv_error_invalid("input '%s': expected %s%s, found %s%s", port->name,
                            port->kind == SV_KIND_TENSOR ? "" : "no tensor but a value of ",
                            expected, sv_dtype_name(found->dtype),
                            sv_shape_text(&found->shape, shape));
}

/* Checks a type against what clients see, then makes its shape the model's. */
static sv_status take_type(const sv_request *request, size_t index, sv_type *type)
{
    const sv_port *own = sv_model_input(request->version->model, index);
    sv_port room;
    const sv_port *port = port_of(request, index, &room);
    sv_shape *shape = &type->shape;
    if (type->dtype != port->dtype || port->kind != SV_KIND_TENSOR ||
        !shape_fits(port, shape->rank, shape->dim)) {
        return misfit(port, type);
    }
    if (port == own) return SV_OK;
    (void)sv_terms_take_shape(request->version, index, &shape->rank, shape->dim);
    return shape_fits(own, shape->rank, shape->dim) ? SV_OK : misfit(own, type);
}

sv_status sv_request_seal_input(sv_request *request, size_t index, sv_dtype dtype, int32_t rank,
                                const int64_t *dim)
{
    const char *name = sv_model_input(request->version->model, index)->name;
    sv_request_input *input = &request->input[index];
    sv_type type = {dtype, sv_shape_make(rank, dim)};
    size_t bytes;
    SV_TRY(take_type(request, index, &type));
    SV_TRY(sv_type_bytes(&type, name, &bytes));
    if (bytes > input->capacity || (bytes && !input->buffer.data)) {
        return sv_error_internal("input '%s': expected %zu bytes, found %zu", name, bytes,
                                 input->capacity);
    }
    if (!input->buffer.data) {
        void *empty;
        SV_TRY(sv_request_grow_input(request, index, 0, &empty));
    }
    input->buffer.dtype = dtype;
    input->buffer.rank = type.shape.rank;
    memcpy(input->buffer.dim, type.shape.dim, sizeof input->buffer.dim);
    input->buffer.size = bytes;
    input->given = true;
    return SV_OK;
}

/* The names of all ports, for a message. */
static void list_names(const sv_model *model, bool inputs, char *out, size_t size)
{
    size_t count = inputs ? sv_model_input_count(model) : sv_model_output_count(model);
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count && at < size; i++) {
        const sv_port *port = inputs ? sv_model_input(model, i) : sv_model_output(model, i);
        int n = snprintf(out + at, size - at, "%s'%s'", i ? ", " : "", port->name);
        at += n > 0 ? (size_t)n : 0;
    }
}

static sv_status find_port(const sv_model *model, bool inputs, sv_string name, size_t *out)
{
    size_t count = inputs ? sv_model_input_count(model) : sv_model_output_count(model);
    for (size_t i = 0; i < count; i++) {
        const sv_port *port = inputs ? sv_model_input(model, i) : sv_model_output(model, i);
        if (strlen(port->name) == name.size && memcmp(port->name, name.data, name.size) == 0) {
            *out = i;
            return SV_OK;
        }
    }
    char names[1024];
    list_names(model, inputs, names, sizeof names);
    return sv_error_invalid("%s: expected one of %s, found '%.*s'", inputs ? "input" : "output",
                            names, (int)(name.size < 256 ? name.size : 256), name.data);
}

sv_status sv_request_find_input(const sv_request *request, sv_string name, size_t *out)
{
    return find_port(request->version->model, true, name, out);
}

sv_status sv_request_find_output(const sv_request *request, sv_string name, size_t *out)
{
    return find_port(request->version->model, false, name, out);
}

sv_status sv_request_check(const sv_request *request)
{
    for (size_t i = 0; i < request->input_count; i++) {
        sv_port room;
        const sv_port *port = port_of(request, i, &room);
        if (request->input[i].given || port->optional) continue;
        char expected[256];
        describe_port(port, expected, sizeof expected);
        return sv_error_invalid("input '%s': expected %s, found nothing", port->name, expected);
    }
    return SV_OK;
}

/* Which inputs are bound, and whether that fits into the bits that sessions are kept by. */
static void note_given(sv_request *request)
{
    request->given = 0;
    request->bytes = 0;
    request->poolable = true;
    for (size_t i = 0; i < request->input_count; i++) {
        const sv_request_input *input = &request->input[i];
        if (input->given) request->bytes += input->buffer.size;
        if (i < POOLED_INPUTS) {
            request->given |= (uint64_t)input->given << i;
        } else if (!input->given) {
            request->poolable = false;
        }
    }
}

sv_status sv_request_submit(sv_request *request, uint64_t now)
{
    sv_lane *lane = request->lane;
    SV_TRY(sv_request_check(request));
    SV_TRY(sv_wait_count(request));
    note_given(request);
    request->state = SV_REQUEST_SUBMITTED;
    request->submitted_ns = now;
    request->next = NULL;
    if (lane->submitted) {
        lane->submitted_last->next = request;
    } else {
        lane->submitted = request;
    }
    lane->submitted_last = request;
    if (!lane->work_planned) {
        lane->work_planned = true;
        sv_loop_defer(lane->loop, SV_PHASE_WORK, &lane->work);
    }
    return SV_OK;
}

void sv_request_cancel(sv_request *request)
{
    if (request->cancelled || request->state == SV_REQUEST_DONE) return;
    request->cancelled = true;
    sv_batch *batch = request->batch;
    if (request->state != SV_REQUEST_QUEUED) return;
    for (const sv_request *r = batch->members; r; r = r->next) {
        if (!r->cancelled) return;
    }
    /* Nobody wants the batch: what no worker has begun comes back at once. */
    struct sv_queue *queue = sv_service_queue(request->lane->service);
    if (sv_queue_unlink(queue, batch))
        sv_loop_defer(batch->lane->loop, SV_PHASE_DONE, &batch->task);
    else
        sv_queue_forgo(queue, batch);
}
