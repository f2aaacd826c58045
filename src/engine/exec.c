/* A session's run: make the key, find or make the plan of each segment, have its memory ready, run
 * it, and make the call that it ends with. */
#include "engine/exec_state.h"

#include "base/alloc.h"
#include "base/status.h"

#include <string.h>

enum { ALIGNMENT = 64, ASKED_BYTES = 64 << 10 };

static const sv_program *program_of(const sv_exec *exec)
{
    return exec->compiled->program;
}

/* ---- memory ------------------------------------------------------------------------------ */

void sv_exec_release(const sv_exec *exec, sv_memory *memory)
{
    sv_free_aligned(exec->allocator, memory->data, memory->size, ALIGNMENT);
    *memory = (sv_memory){0};
}

sv_status sv_exec_reserve(sv_exec *exec, sv_memory *memory, size_t size, const char *what)
{
    if (memory->size >= size) return SV_OK;
    sv_exec_release(exec, memory);
    memory->data = sv_alloc_aligned(exec->allocator, size, ALIGNMENT);
    if (!memory->data) return sv_error_memory(what, size);
    memory->size = size;
    return SV_OK;
}

sv_status sv_exec_extend(sv_exec *exec, sv_memory *memory, size_t used, size_t size,
                         const char *what)
{
    if (memory->size >= size) return SV_OK;
    sv_memory grown = {0};
    SV_TRY(sv_exec_reserve(exec, &grown, size * 2, what));
    if (used) memcpy(grown.data, memory->data, used);
    sv_exec_release(exec, memory);
    *memory = grown;
    return SV_OK;
}

static sv_status allocate(sv_exec *exec)
{
    const sv_allocator *a = exec->allocator;
    const sv_program *program = program_of(exec);
    uint32_t n_in = program->n_in, n_out = program->n_out, n_held = program->n_held;
    exec->bound = sv_alloc_zero(a, (n_in + 1) * sizeof(*exec->bound));
    exec->input = sv_alloc_zero(a, (n_in + 1) * sizeof(*exec->input));
    exec->aligned = sv_alloc_zero(a, (n_in + 1) * sizeof(*exec->aligned));
    exec->input_type = sv_alloc_zero(a, (n_in + 1) * sizeof(*exec->input_type));
    exec->input_value = sv_alloc_zero(a, (n_in + 1) * sizeof(*exec->input_value));
    exec->output = sv_alloc_zero(a, (n_out + 1) * sizeof(*exec->output));
    exec->held = sv_alloc_zero(a, (n_held + 1) * sizeof(*exec->held));
    exec->fault = sv_alloc_zero(a, exec->threads * sizeof(*exec->fault));
    if (exec->bound && exec->input && exec->aligned && exec->input_type && exec->input_value &&
        exec->output && exec->held && exec->fault)
        return sv_exec_create_bodies(exec);
    return sv_error_memory("session", n_in * sizeof(*exec->input));
}

/* Constants that are no tensors are held from the beginning. */
static void hold_constants(sv_exec *exec)
{
    const sv_program *program = program_of(exec);
    for (uint32_t v = 0; program->n_held && v < program->n_value; v++) {
        const sv_program_value *value = &program->value[v];
        if (value->held == SV_NO_INDEX || value->constant == SV_NO_INDEX) continue;
        const sv_datum *datum = program->module->constant[value->constant].datum;
        if (datum) exec->held[value->held] = *datum;
    }
}

sv_status sv_exec_create(sv_compiled *compiled, sv_team *team, uint32_t threads, sv_exec **out)
{
    const sv_allocator *allocator = compiled->options.allocator;
    sv_exec *exec = sv_alloc_zero(allocator, sizeof(*exec));
    if (!exec) return sv_error_memory("session", sizeof(*exec));
    uint32_t most = team ? sv_team_size(team) : 1;
    exec->compiled = compiled;
    exec->allocator = allocator;
    exec->team = team;
    exec->threads = threads == 0 || threads > most ? most : threads;
    sv_arena_init(&exec->own_arena, allocator);
    exec->arena = &exec->own_arena;
    exec->interrupted = &exec->own_interrupted;
    sv_status status = allocate(exec);
    if (status != SV_OK) {
        sv_exec_destroy(exec);
        return status;
    }
    hold_constants(exec);
    *out = exec;
    return SV_OK;
}

void sv_exec_destroy(sv_exec *exec)
{
    if (!exec) return;
    const sv_allocator *a = exec->allocator;
    uint32_t n_in = program_of(exec)->n_in, n_out = program_of(exec)->n_out;
    for (uint32_t i = 0; i < exec->capacity; i++) {
        sv_plan_unref(exec->plan[i]);
        sv_exec_release(exec, &exec->slab[i]);
    }
    for (uint32_t i = 0; exec->output && i < n_out; i++)
        sv_exec_release(exec, &exec->output[i].own);
    for (uint32_t i = 0; exec->aligned && i < n_in; i++)
        sv_exec_release(exec, &exec->aligned[i]);
    sv_exec_release(exec, &exec->scratch);
    sv_exec_release(exec, &exec->shared);
    sv_exec_release(exec, &exec->key);
    sv_exec_release(exec, &exec->times);
    sv_exec_release(exec, &exec->operands);
    sv_exec_destroy_bodies(exec);
    sv_arena_release(&exec->own_arena);
    sv_free(a, exec->held, (program_of(exec)->n_held + 1) * sizeof(*exec->held));
    sv_free(a, exec->plan, exec->capacity * sizeof(*exec->plan));
    sv_free(a, exec->slab, exec->capacity * sizeof(*exec->slab));
    sv_free(a, exec->bound, (n_in + 1) * sizeof(*exec->bound));
    sv_free(a, exec->input, (n_in + 1) * sizeof(*exec->input));
    sv_free(a, exec->aligned, (n_in + 1) * sizeof(*exec->aligned));
    sv_free(a, exec->input_type, (n_in + 1) * sizeof(*exec->input_type));
    sv_free(a, exec->input_value, (n_in + 1) * sizeof(*exec->input_value));
    sv_free(a, exec->output, (n_out + 1) * sizeof(*exec->output));
    sv_free(a, exec->fault, exec->threads * sizeof(*exec->fault));
    sv_free(a, exec, sizeof(*exec));
}

void sv_exec_bind_input(sv_exec *exec, uint32_t index, const sv_datum *value)
{
    exec->bound[index] = *value;
    exec->done = false;
}

void sv_exec_bind_output(sv_exec *exec, uint32_t index, void *data, size_t size)
{
    exec->output[index].bound = data;
    exec->output[index].bound_size = size;
    exec->done = false;
}

/* Kernels read elements as C does: at multiples of their size, or of 8 for those that have parts.
 */
static bool is_aligned(const void *data, sv_dtype dtype)
{
    size_t size = sv_dtype_get(dtype)->size;
    return (uintptr_t)data % (size < 8 ? size : 8) == 0;
}

/* What the caller has bound, or the input's default. */
static sv_status bound_value(const sv_exec *exec, uint32_t index, sv_datum *out)
{
    const sv_program *program = program_of(exec);
    const sv_program_value *value = &program->value[program->in[index]];
    uint32_t fallback = program->fallback[index];
    *out = exec->bound[index];
    if (out->kind != SV_KIND_TENSOR || out->tensor.dtype != SV_DTYPE_NONE) return SV_OK;
    if (fallback == SV_NO_INDEX)
        return sv_error(SV_CODE_FAILED_PRECONDITION, "input '%s': expected a %s, found none",
                        value->name, sv_kind_name(value->type.kind));
    out->tensor = program->module->constant[fallback].source;
    out->element_dtype = out->tensor.dtype;
    return SV_OK;
}

/* What the run reads of a tensor: the caller's memory, or a copy that is aligned. */
static sv_status take_tensor(sv_exec *exec, uint32_t index, const sv_tensor *tensor,
                             const char *name)
{
    sv_tensor *input = &exec->input[index];
    size_t bytes;
    *input = *tensor;
    if (is_aligned(input->data, input->dtype)) return SV_OK;
    sv_type type = {input->dtype, input->shape};
    SV_TRY(sv_type_bytes(&type, name, &bytes));
    SV_TRY(sv_exec_reserve(exec, &exec->aligned[index], bytes, name));
    if (bytes) memcpy(exec->aligned[index].data, input->data, bytes);
    input->data = exec->aligned[index].data;
    return SV_OK;
}

static sv_status take_inputs(sv_exec *exec)
{
    const sv_program *program = program_of(exec);
    for (uint32_t i = 0; i < program->n_in; i++) {
        const sv_program_value *value = &program->value[program->in[i]];
        sv_datum bound;
        SV_TRY(bound_value(exec, i, &bound));
        if (value->held != SV_NO_INDEX) {
            exec->held[value->held] = bound;
            exec->input[i] = (sv_tensor){.dtype = SV_DTYPE_NONE};
        } else if (bound.kind == SV_KIND_TENSOR) {
            SV_TRY(take_tensor(exec, i, &bound.tensor, value->name));
        } else {
            return sv_error_invalid("input '%s': expected a tensor, found a %s", value->name,
                                    sv_kind_name(bound.kind));
        }
    }
    return SV_OK;
}

/* ---- keys -------------------------------------------------------------------------------- */

static sv_status key_append(sv_exec *exec, const void *data, size_t size)
{
    SV_TRY(sv_exec_extend(exec, &exec->key, exec->key_size, exec->key_size + size, "plan key"));
    if (size) memcpy((char *)exec->key.data + exec->key_size, data, size);
    exec->key_size += size;
    return SV_OK;
}

static sv_status key_type(sv_exec *exec, const sv_type *type)
{
    int32_t head[2] = {(int32_t)type->dtype, type->shape.rank};
    SV_TRY(key_append(exec, head, sizeof(head)));
    if (type->shape.rank <= 0) return SV_OK;
    return key_append(exec, type->shape.dim, (size_t)type->shape.rank * sizeof(int64_t));
}

/* The value itself: different values never share a plan. */
static sv_status key_value(sv_exec *exec, const sv_tensor *value, const char *name)
{
    size_t bytes;
    sv_type type = {value->dtype, value->shape};
    SV_TRY(sv_type_bytes(&type, name, &bytes));
    if (bytes > ASKED_BYTES || value->dtype == SV_STRING) {
        return sv_error_unsupported(
            "'%s': expected at most %d bytes for a value that shapes depend on, "
            "found %zu of %s",
            name, ASKED_BYTES, bytes, sv_dtype_name(value->dtype));
    }
    SV_TRY(key_type(exec, &type));
    return key_append(exec, value->data, bytes);
}

static sv_status input_key(sv_exec *exec)
{
    const sv_program *program = program_of(exec);
    exec->key_size = 0;
    for (uint32_t i = 0; i < program->n_in; i++) {
        const sv_tensor *tensor = &exec->input[i];
        uint8_t asked = atomic_load_explicit(&exec->compiled->asked[i], memory_order_relaxed);
        exec->input_type[i] = (sv_type){tensor->dtype, tensor->shape};
        exec->input_value[i] = asked ? tensor : NULL;
        SV_TRY(key_append(exec, &asked, sizeof(asked)));
        SV_TRY(key_type(exec, &exec->input_type[i]));
        if (asked) SV_TRY(key_value(exec, tensor, program->value[program->in[i]].name));
    }
    return SV_OK;
}

/* ---- plans ------------------------------------------------------------------------------- */

static sv_status room_for_segment(sv_exec *exec, uint32_t segment)
{
    if (segment < exec->capacity) return SV_OK;
    uint32_t more = exec->capacity ? exec->capacity * 2 : 4, old = exec->capacity;
    sv_plan **plan = sv_alloc_zero(exec->allocator, more * sizeof(*plan));
    sv_memory *slab = sv_alloc_zero(exec->allocator, more * sizeof(*slab));
    if (!plan || !slab) {
        sv_free(exec->allocator, plan, more * sizeof(*plan));
        sv_free(exec->allocator, slab, more * sizeof(*slab));
        return sv_error_memory("session", more * sizeof(*slab));
    }
    if (old) {
        memcpy(plan, exec->plan, old * sizeof(*plan));
        memcpy(slab, exec->slab, old * sizeof(*slab));
    }
    sv_free(exec->allocator, exec->plan, old * sizeof(*plan));
    sv_free(exec->allocator, exec->slab, old * sizeof(*slab));
    exec->plan = plan;
    exec->slab = slab;
    exec->capacity = more;
    return SV_OK;
}

static bool held(const sv_exec *exec, uint32_t segment, const sv_plan *parent)
{
    const sv_plan *plan = exec->plan[segment];
    return plan && plan->parent == parent && plan->key_size == exec->key_size &&
           memcmp(plan->key, exec->key.data, exec->key_size) == 0;
}

/* The plan for the key made; `retry` when an input's value has turned out to belong to it. */
static sv_status find_plan(sv_exec *exec, uint32_t segment, sv_plan_request *request, bool *retry)
{
    *retry = false;
    SV_TRY(room_for_segment(exec, segment));
    if (held(exec, segment, request->parent)) return SV_OK;
    request->input = exec->input_type;
    request->value = exec->input_value;
    request->key = exec->key.data;
    request->key_size = exec->key_size;
    request->hash = sv_hash_bytes(segment, exec->key.data, exec->key_size);
    sv_plan *plan;
    SV_TRY(sv_compiled_plan(exec->compiled, request, &plan, retry));
    if (*retry) return SV_OK;
    sv_plan_unref(exec->plan[segment]);
    exec->plan[segment] = plan;
    return SV_OK;
}

/* ---- segments ---------------------------------------------------------------------------- */

static sv_status prepare_outputs(sv_exec *exec, const sv_plan *plan)
{
    const sv_program *program = program_of(exec);
    for (uint32_t i = 0; i < program->n_out; i++) {
        if (plan->output[i].dtype == SV_DTYPE_NONE) continue;
        sv_exec_port *output = &exec->output[i];
        const char *name = program->value[program->out[i]].name;
        size_t bytes;
        output->type = plan->output[i];
        SV_TRY(sv_type_bytes(&output->type, name, &bytes));
        if (output->bound && output->bound_size < bytes) {
            return sv_error_invalid("output '%s': expected memory of at least %zu bytes, found %zu",
                                    name, bytes, output->bound_size);
        }
        output->aside = output->bound && !is_aligned(output->bound, output->type.dtype);
        if (!output->bound || output->aside)
            SV_TRY(sv_exec_reserve(exec, &output->own, bytes ? bytes : 1, name));
    }
    return SV_OK;
}

/* Results for memory that is not aligned. */
static sv_status move_outputs(sv_exec *exec)
{
    for (uint32_t i = 0; i < program_of(exec)->n_out; i++) {
        const sv_exec_port *output = &exec->output[i];
        size_t bytes;
        if (!output->aside) continue;
        SV_TRY(sv_type_bytes(&output->type, "output", &bytes));
        memcpy(output->bound, output->own.data, bytes);
    }
    return SV_OK;
}

static sv_status run_plan(sv_exec *exec, const sv_plan *plan)
{
    if (atomic_load_explicit(exec->interrupted, memory_order_relaxed))
        return sv_exec_interrupted_error();
    SV_TRY(sv_exec_reserve(exec, &exec->slab[plan->segment], plan->slab, "activations"));
    SV_TRY(prepare_outputs(exec, plan));
    if (exec->profile) {
        size_t used = exec->n_time * sizeof(sv_exec_time);
        SV_TRY(sv_exec_extend(exec, &exec->times, used, used + plan->n_step * sizeof(sv_exec_time),
                              "profile"));
    }
    return sv_exec_region(exec, plan);
}

/* The measured sizes, as types of the outputs of the node that comes next. */
static sv_status read_sizes(sv_exec *exec, const sv_plan *plan, sv_type *type)
{
    const sv_program_node *node = &program_of(exec)->node[plan->next];
    for (uint32_t i = 0; i < plan->n_size; i++) {
        type[i] = plan->size_type[i];
        if (plan->size_at[i].space == SV_SPACE_NONE) continue;
        const int64_t *dim = sv_exec_address(exec, &plan->size_at[i]);
        for (int32_t d = 0; d < type[i].shape.rank; d++) {
            if (dim[d] < 0)
                return sv_node_error(node->node, SV_CODE_INTERNAL, "measured a size of %lld",
                                     (long long)dim[d]);
            type[i].shape.dim[d] = dim[d];
        }
        SV_TRY(key_type(exec, &type[i]));
    }
    return SV_OK;
}

/* Makes the call that the segment ended with: the types of its results are the next one's key. */
static sv_status call(sv_exec *exec, const sv_plan *plan, sv_type *type)
{
    SV_TRY(sv_exec_call(exec, plan, type));
    for (uint32_t i = 0; i < program_of(exec)->node[plan->next].n_out; i++)
        SV_TRY(key_type(exec, &type[i]));
    return SV_OK;
}

enum { OUTPUTS_MAX = 256 };

/* Finds the plan of the segment that follows `plan`. */
static sv_status next_plan(sv_exec *exec, sv_plan *plan, bool *retry)
{
    sv_type size[OUTPUTS_MAX];
    sv_tensor value;
    sv_plan_request request = {.parent = plan};
    exec->key_size = 0;
    if (plan->break_kind != SV_BREAK_VALUE) {
        bool sizes = plan->break_kind == SV_BREAK_SIZE;
        if (program_of(exec)->node[plan->next].n_out > OUTPUTS_MAX)
            return sv_error_internal("more than %d outputs of one node", OUTPUTS_MAX);
        SV_TRY(sizes ? read_sizes(exec, plan, size) : call(exec, plan, size));
        request.size = size;
    } else {
        const sv_place *place = &plan->place[plan->break_value];
        value = (sv_tensor){.dtype = place->type.dtype,
                            .shape = place->type.shape,
                            .data = sv_exec_address(exec, &place->at)};
        SV_TRY(key_value(exec, &value, program_of(exec)->value[plan->break_value].name));
        request.break_value = &value;
    }
    return find_plan(exec, plan->segment + 1, &request, retry);
}

static sv_status first_plan(sv_exec *exec, bool *retry)
{
    sv_plan_request request = {0};
    SV_TRY(input_key(exec));
    return find_plan(exec, 0, &request, retry);
}

/* `retry` when a plan has asked for an input's value: it belongs to the key from now on. */
static sv_status run_segments(sv_exec *exec, bool *retry)
{
    double cost = 0;
    exec->n_time = 0;
    if (exec->arena == &exec->own_arena) sv_arena_reset(exec->arena);
    SV_TRY(first_plan(exec, retry));
    for (uint32_t segment = 0; !*retry; segment++) {
        sv_plan *plan = exec->plan[segment];
        SV_TRY(run_plan(exec, plan));
        cost += plan->cost_ns;
        if (plan->break_kind == SV_BREAK_END) break;
        SV_TRY(next_plan(exec, plan, retry));
    }
    atomic_store_explicit(&exec->compiled->cost_ns, (uint64_t)cost + 1, memory_order_relaxed);
    return SV_OK;
}

void sv_exec_interrupt(sv_exec *exec, bool on)
{
    atomic_store_explicit(&exec->own_interrupted, on, memory_order_relaxed);
}

sv_status sv_exec_interrupted_error(void)
{
    return sv_error(SV_CODE_CANCELLED, "run: expected its end, found it interrupted");
}

sv_status sv_exec_run(sv_exec *exec)
{
    exec->done = false;
    SV_TRY(take_inputs(exec));
    for (bool retry = true; retry;)
        SV_TRY(run_segments(exec, &retry));
    SV_TRY(move_outputs(exec));
    exec->done = true;
    return SV_OK;
}

sv_status sv_exec_output(const sv_exec *exec, uint32_t index, sv_datum *out)
{
    const sv_program *program = program_of(exec);
    const sv_program_value *value = &program->value[program->out[index]];
    const sv_exec_port *output = &exec->output[index];
    if (!exec->done)
        return sv_error(SV_CODE_FAILED_PRECONDITION,
                        "output: expected a successful run, found none");
    if (value->held != SV_NO_INDEX && exec->held[value->held].kind != SV_KIND_TENSOR) {
        *out = exec->held[value->held];
        return SV_OK;
    }
    *out = (sv_datum){.kind = SV_KIND_TENSOR, .element_dtype = output->type.dtype};
    out->tensor = (sv_tensor){.dtype = output->type.dtype,
                              .shape = output->type.shape,
                              .data = output->bound ? output->bound : output->own.data};
    return SV_OK;
}

/* ---- profile ----------------------------------------------------------------------------- */

void sv_exec_profile(sv_exec *exec, bool on)
{
    exec->profile = on;
    exec->n_time = 0;
}

bool sv_exec_step(const sv_exec *exec, size_t index, sv_exec_step_time *out)
{
    if (index >= exec->n_time) return false;
    const sv_exec_time *time = (const sv_exec_time *)exec->times.data + index;
    const sv_plan *plan = exec->plan[time->segment];
    const sv_step *step = &plan->step[time->step];
    const sv_step_detail *detail = &plan->detail[time->step];
    *out = (sv_exec_step_time){.node = &program_of(exec)->node[step->node],
                               .ns = time->ns,
                               .kernel = plan->kernel[step->run],
                               .flops = detail->flops,
                               .bytes = detail->bytes,
                               .result = &plan->desc[step->operand + detail->result]};
    return true;
}
