/* Shadow traffic. The copy of a request, with the outputs that are expected of it, lives in the
 * arena of the request to the shadow. */
#include "serve/shadow.h"

#include "base/clock.h"
#include "base/status.h"
#include "serve/lane.h"
#include "tensor/agree.h"
#include "tensor/dtype.h"
#include <string.h>

#define MAX_SHADOWS 64 /* of a lane that are under way: a slow shadow costs no more than this */
#define MAX_BYTES ((size_t)4 << 20) /* of inputs and outputs that are copied */
/* Other weights of the same kind differ by more, other kernels by less. */
#define TOLERANCE 1e-3

typedef struct expected_output {
    const char *name; /* of the model's, which `primary` keeps */
    sv_buffer buffer;
} expected_output;

typedef struct shadow_pair {
    sv_exchange *x;
    sv_served *primary; /* a reference */
    expected_output *output;
    size_t count;
} shadow_pair;

/* Elements with all that they point to. */
static bool copy_elements(sv_arena *arena, const sv_buffer *from, void *to)
{
    memcpy(to, from->data, from->size);
    if (from->dtype != SV_STRING) return true;
    sv_string *text = to;
    for (size_t i = 0; i < from->size / sizeof *text; i++) {
        text[i].data = sv_arena_copy_text(arena, text[i].data ? text[i].data : "", text[i].size);
        if (!text[i].data) return false;
    }
    return true;
}

static sv_status copy_input(sv_request *copy, const char *name, const sv_buffer *from)
{
    size_t index;
    void *to;
    SV_TRY(sv_request_find_input(copy, (sv_string){name, strlen(name)}, &index));
    SV_TRY(sv_request_grow_input(copy, index, from->size, &to));
    if (from->size && !copy_elements(&copy->arena, from, to)) {
        return sv_error_memory("a shadow's input", from->size);
    }
    return sv_request_seal_input(copy, index, from->dtype, from->rank, from->dim);
}

static sv_status copy_inputs(sv_request *copy, const sv_request *request)
{
    for (size_t i = 0; i < request->input_count; i++) {
        if (!request->input[i].given) continue;
        SV_TRY(copy_input(copy, sv_model_input(request->version->model, i)->name,
                          &request->input[i].buffer));
    }
    return SV_OK;
}

static bool is_compared(const sv_request *request, size_t index)
{
    return request->wanted[index] &&
           sv_model_output(request->version->model, index)->kind == SV_KIND_TENSOR;
}

static sv_status copy_outputs(shadow_pair *pair, sv_arena *arena, const sv_request *request)
{
    pair->output = sv_arena_array(arena, request->output_count, sizeof *pair->output);
    if (!pair->output) return sv_error_memory("a shadow's outputs", request->output_count);
    for (size_t i = 0; i < request->output_count; i++) {
        if (!is_compared(request, i)) continue;
        expected_output *out = &pair->output[pair->count++];
        out->name = sv_model_output(request->version->model, i)->name;
        out->buffer = request->output[i];
        out->buffer.data = sv_arena_alloc(arena, out->buffer.size);
        if (!out->buffer.data ||
            (out->buffer.size && !copy_elements(arena, &request->output[i], out->buffer.data))) {
            return sv_error_memory("a shadow's output", out->buffer.size);
        }
    }
    return SV_OK;
}

static size_t bytes_of(const sv_request *request)
{
    size_t bytes = 0;
    for (size_t i = 0; i < request->input_count; i++)
        bytes += request->input[i].given ? request->input[i].buffer.size : 0;
    for (size_t i = 0; i < request->output_count; i++)
        bytes += is_compared(request, i) ? request->output[i].size : 0;
    return bytes;
}

static bool same_shape(const sv_buffer *a, const sv_buffer *b)
{
    return a->dtype == b->dtype && a->rank == b->rank && a->size == b->size &&
           memcmp(a->dim, b->dim, (size_t)a->rank * sizeof a->dim[0]) == 0;
}

static bool output_agrees(const sv_request *request, const expected_output *expected)
{
    size_t index;
    sv_status status = sv_request_find_output(
        request, (sv_string){expected->name, strlen(expected->name)}, &index);
    if (status != SV_OK) {
        sv_status_free(status);
        return false;
    }
    const sv_buffer *found = &request->output[index];
    return is_compared(request, index) && same_shape(found, &expected->buffer) &&
           (!found->size || sv_values_agree(found->dtype, found->data, expected->buffer.data,
                                            found->size, TOLERANCE));
}

static sv_shadow_verdict judge(const sv_request *request, const shadow_pair *pair)
{
    if (request->refused) return SV_SHADOW_SKIPPED;
    if (request->status != SV_OK) return SV_SHADOW_FAILS;
    for (size_t i = 0; i < pair->count; i++) {
        if (!output_agrees(request, &pair->output[i])) return SV_SHADOW_DIFFERS;
    }
    return SV_SHADOW_AGREES;
}

static void shadow_done(sv_request *request)
{
    shadow_pair pair = *(const shadow_pair *)request->user;
    sv_served_count_shadow(request->version, judge(request, &pair));
    request->lane->shadows--;
    sv_request_release(request);
    sv_served_unref(pair.primary);
    sv_exchange_release(pair.x);
}

/* The request's version is held by the copy's pair from here on. */
static sv_status submit(sv_call *call, const sv_request *request, sv_request *copy)
{
    shadow_pair *pair = sv_arena_alloc_zero(&copy->arena, sizeof *pair);
    if (!pair) return sv_error_memory("a shadow", sizeof *pair);
    SV_TRY(copy_inputs(copy, request));
    SV_TRY(copy_outputs(pair, &copy->arena, request));
    copy->user = pair;
    copy->on_done = shadow_done;
    pair->x = call->x;
    SV_TRY(sv_request_submit(copy, sv_clock_ns()));
    pair->primary = sv_served_ref(request->version);
    call->lane->shadows++;
    sv_exchange_hold(call->x);
    return SV_OK;
}

/* Takes the reference to `shadow`. */
static sv_status ask(sv_call *call, const sv_request *request, sv_served *shadow)
{
    sv_request *copy;
    sv_status status = sv_request_begin(call->lane, shadow, &copy);
    if (status != SV_OK) {
        sv_served_unref(shadow);
        return status;
    }
    status = submit(call, request, copy);
    if (status != SV_OK) sv_request_release(copy);
    return status;
}

void sv_shadow_ask(sv_call *call, const sv_request *request)
{
    if (call->version || call->label.size) return;
    sv_served *shadow = sv_store_acquire_shadow(sv_service_store(call->service), request->version);
    if (!shadow) return;
    if (call->lane->shadows >= MAX_SHADOWS || bytes_of(request) > MAX_BYTES) {
        sv_served_count_shadow(shadow, SV_SHADOW_SKIPPED);
        sv_served_unref(shadow);
        return;
    }
    sv_served *counted = sv_served_ref(shadow);
    sv_status status = ask(call, request, shadow);
    bool busy = sv_status_code(status) == SV_CODE_RESOURCE_EXHAUSTED;
    if (status != SV_OK)
        sv_served_count_shadow(counted, busy ? SV_SHADOW_SKIPPED : SV_SHADOW_FAILS);
    sv_status_free(status);
    sv_served_unref(counted);
}
