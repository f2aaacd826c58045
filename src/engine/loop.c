/* Loops: a body's session run again and again. States pass from one iteration's outputs to the next
 * one's inputs by exchanging memory; items are slices of inputs, and stack up as outputs. Every
 * iteration runs planned segments like any model, so that it may change its shapes. */
#include "engine/exec_state.h"

#include "base/alloc.h"
#include "base/status.h"
#include "ops/control.h"

#include <string.h>

/* ---- bodies ------------------------------------------------------------------------------ */

/* The node that calls body `b`. */
static const sv_program_node *caller(const sv_program *program, uint32_t b)
{
    for (uint32_t i = 0; i < program->n_node; i++) {
        if (program->node[i].body == b) return &program->node[i];
    }
    return NULL;
}

/* What a body makes lives as long as the results of the whole run, and it ends with that. */
static void share(sv_exec *exec, const sv_exec *around)
{
    exec->arena = around->arena;
    exec->interrupted = around->interrupted;
    for (uint32_t b = 0; b < exec->compiled->program->n_body; b++)
        share(exec->body[b].exec, around);
}

static sv_status create_body(sv_exec *exec, uint32_t b)
{
    sv_exec_body *body = &exec->body[b];
    const sv_allocator *a = exec->allocator;
    sv_loop loop = sv_loop_of(caller(exec->compiled->program, b)->node);
    size_t n_in = (size_t)loop.n_state + loop.n_item_in + 1, n_out = (size_t)loop.n_item_out + 1;
    SV_TRY(sv_exec_create(exec->compiled->body[b], exec->team, exec->threads, &body->exec));
    share(body->exec, exec);
    body->value = sv_alloc_zero(a, n_in * sizeof(*body->value));
    body->memory = sv_alloc_zero(a, n_in * sizeof(*body->memory));
    body->stack = sv_alloc_zero(a, n_out * sizeof(*body->stack));
    if (body->value && body->memory && body->stack) return SV_OK;
    return sv_error_memory("session", n_in * sizeof(*body->value));
}

sv_status sv_exec_create_bodies(sv_exec *exec)
{
    uint32_t n = exec->compiled->program->n_body;
    if (n == 0) return SV_OK;
    exec->body = sv_alloc_zero(exec->allocator, n * sizeof(*exec->body));
    if (!exec->body) return sv_error_memory("session", n * sizeof(*exec->body));
    for (uint32_t b = 0; b < n; b++)
        SV_TRY(create_body(exec, b));
    return SV_OK;
}

static void destroy_body(sv_exec *exec, uint32_t b)
{
    sv_exec_body *body = &exec->body[b];
    const sv_allocator *a = exec->allocator;
    sv_loop loop = sv_loop_of(caller(exec->compiled->program, b)->node);
    size_t n_in = (size_t)loop.n_state + loop.n_item_in + 1, n_out = (size_t)loop.n_item_out + 1;
    for (size_t i = 0; body->memory && i < n_in; i++)
        sv_exec_release(exec, &body->memory[i]);
    for (size_t i = 0; body->stack && i < n_out; i++) {
        sv_exec_release(exec, &body->stack[i].memory);
        sv_exec_release(exec, &body->stack[i].moved);
    }
    sv_free(a, body->value, n_in * sizeof(*body->value));
    sv_free(a, body->memory, n_in * sizeof(*body->memory));
    sv_free(a, body->stack, n_out * sizeof(*body->stack));
    sv_exec_destroy(body->exec);
}

void sv_exec_destroy_bodies(sv_exec *exec)
{
    uint32_t n = exec->compiled->program->n_body;
    for (uint32_t b = 0; exec->body && b < n; b++)
        destroy_body(exec, b);
    sv_free(exec->allocator, exec->body, n * sizeof(*exec->body));
}

/* ---- one loop ---------------------------------------------------------------------------- */

typedef struct sv_round {
    sv_exec *exec;
    sv_exec_body *body;
    const sv_program_node *program_node;
    const sv_node *node;
    sv_loop loop;
    const sv_datum *const *in; /* [inputs of the node, then captures] */
    sv_datum *out;
    int64_t count; /* iterations made; for items: to be made */
} sv_round;

/* An input of the node itself; NULL: omitted. */
static const sv_datum *given(const sv_round *x, uint32_t input)
{
    return input < x->node->n_in ? x->in[input] : NULL;
}

static sv_status expect_one(const sv_round *x, uint32_t input, sv_dtype dtype)
{
    const sv_datum *value = given(x, input);
    if (value->kind == SV_KIND_TENSOR && value->tensor.dtype == dtype &&
        sv_tensor_count(&value->tensor) == 1)
        return SV_OK;
    return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                         "input %u: expected one %s, found a %s of %s", input, sv_dtype_name(dtype),
                         sv_kind_name(value->kind), sv_dtype_name(value->tensor.dtype));
}

static sv_datum scalar(sv_dtype dtype, void *data)
{
    return (sv_datum){.kind = SV_KIND_TENSOR,
                      .element_dtype = dtype,
                      .tensor = {.dtype = dtype, .shape = {.rank = 0}, .data = data}};
}

/* What every iteration reads alike. */
static sv_status bind_captures(const sv_round *x)
{
    uint32_t first = x->loop.first_state_in + x->loop.n_state + x->loop.n_item_in;
    uint32_t n = x->program_node->n_in - x->node->n_in;
    for (uint32_t i = 0; i < n; i++)
        sv_exec_bind_input(x->body->exec, first + i, x->in[x->node->n_in + i]);
    return SV_OK;
}

static sv_status take_states(const sv_round *x)
{
    for (uint32_t i = 0; i < x->loop.n_state; i++) {
        const sv_datum *initial = given(x, x->loop.first_state + i);
        if (!initial)
            return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                                 "input %u: expected a value, found none", x->loop.first_state + i);
        x->body->value[i] = *initial;
    }
    return SV_OK;
}

/* The results of an iteration become the next one's states: memory changes hands. */
static sv_status exchange_states(const sv_round *x)
{
    for (uint32_t i = 0; i < x->loop.n_state; i++) {
        uint32_t output = x->loop.first_state_out + i;
        SV_TRY(sv_exec_output(x->body->exec, output, &x->body->value[i]));
        if (x->body->value[i].kind != SV_KIND_TENSOR) continue;
        sv_memory *own = &x->body->exec->output[output].own, other = *own;
        *own = x->body->memory[i];
        x->body->memory[i] = other;
    }
    return SV_OK;
}

/* ---- items that come out --------------------------------------------------------------------- */

static sv_status push_tensor(const sv_round *x, uint32_t k, const sv_tensor *item)
{
    sv_stack *stack = &x->body->stack[k];
    sv_type type = {item->dtype, item->shape};
    size_t bytes;
    SV_TRY(sv_type_bytes(&type, "item", &bytes));
    if (stack->count == 0) stack->item = type;
    if (type.dtype != stack->item.dtype || !sv_shape_equal(&type.shape, &stack->item.shape)) {
        char first[SV_SHAPE_TEXT], found[SV_SHAPE_TEXT];
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "output %u: expected %s%s as in the first iteration, found %s%s",
                             x->loop.n_state + k, sv_dtype_name(stack->item.dtype),
                             sv_shape_text(&stack->item.shape, first), sv_dtype_name(type.dtype),
                             sv_shape_text(&type.shape, found));
    }
    size_t used = (size_t)stack->count * bytes;
    SV_TRY(sv_exec_extend(x->exec, &stack->memory, used, used + bytes + 1, "items"));
    if (bytes) memcpy((char *)stack->memory.data + used, item->data, bytes);
    stack->count++;
    return SV_OK;
}

static sv_status push_items(const sv_round *x)
{
    for (uint32_t k = 0; k < x->loop.n_item_out; k++) {
        sv_datum item;
        uint32_t output = x->loop.first_state_out + x->loop.n_state + k;
        SV_TRY(sv_exec_output(x->body->exec, output, &item));
        if (x->node->op == SV_OP_SequenceMap) {
            sv_datum copy, *to = &x->out[k];
            SV_TRY(sv_datum_copy(x->exec->arena, &item, &copy));
            SV_TRY(sv_datum_insert(x->exec->arena, to, to->count, &copy, to));
            to->element_dtype = item.element_dtype;
            continue;
        }
        if (item.kind != SV_KIND_TENSOR)
            return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                                 "output %u: expected tensors to stack, found a %s",
                                 x->loop.n_state + k, sv_kind_name(item.kind));
        SV_TRY(push_tensor(x, k, &item.tensor));
    }
    return SV_OK;
}

/* What an output without items is: as inference knows it, with nothing in the stacked dimension. */
static sv_type empty_type(const sv_round *x, uint32_t output)
{
    uint32_t value = x->program_node->out[output];
    sv_type type = {SV_F32, {.rank = 1}};
    if (value == SV_NO_VALUE) return type;
    const sv_type *known = &x->exec->compiled->program->value[value].type.tensor;
    if (known->dtype) type.dtype = known->dtype;
    if (known->shape.rank > 0) type.shape = known->shape;
    for (int32_t i = 0; i < type.shape.rank; i++) {
        if (type.shape.dim[i] < 0) type.shape.dim[i] = 0;
    }
    return type;
}

static int64_t attr_at(const sv_node *node, const char *name, uint32_t index)
{
    uint32_t n;
    const int64_t *v = sv_node_ints(node, name, &n);
    return index < n ? v[index] : 0;
}

/* The same elements with dimension `from` at position `to`, from `view` into new memory. */
static sv_status move_axis(const sv_round *x, const sv_tensor *tensor, int32_t from, int32_t to,
                           bool reverse, sv_memory *memory, sv_tensor *out)
{
    sv_view view = sv_tensor_view(tensor), source = view;
    sv_type type = {tensor->dtype, tensor->shape};
    size_t bytes;
    SV_TRY(sv_type_bytes(&type, "items", &bytes));
    SV_TRY(sv_exec_reserve(x->exec, memory, bytes + 1, "items"));
    for (int32_t i = 0, rest = 0; i < view.rank; i++) {
        if (rest == from) rest++;
        int32_t take = i == to ? from : rest++;
        source.dim[i] = view.dim[take];
        source.stride[i] = view.stride[take];
    }
    if (reverse && source.dim[to] > 0) {
        int64_t last[SV_MAX_RANK] = {0};
        last[to] = source.dim[to] - 1;
        source.data = sv_view_at(&source, last);
        source.stride[to] = -source.stride[to];
    }
    memcpy(type.shape.dim, source.dim, sizeof(type.shape.dim));
    *out = (sv_tensor){.dtype = type.dtype, .shape = type.shape, .data = memory->data};
    sv_view made = sv_tensor_view(out);
    sv_view_copy(&made, &source);
    return SV_OK;
}

static sv_status check_axis(const sv_round *x, const char *name, int64_t axis, int32_t rank,
                            int32_t *out)
{
    sv_shape shape = {.rank = rank};
    if (sv_shape_axis(&shape, axis, out)) return SV_OK;
    return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                         "%s: expected a value in [%d, %d), found %lld", name, -rank, rank,
                         (long long)axis);
}

static sv_status finish_stack(const sv_round *x, uint32_t k)
{
    sv_stack *stack = &x->body->stack[k];
    uint32_t output = x->loop.n_state + k;
    int32_t axis;
    if (stack->count == 0) {
        sv_type type = empty_type(x, output);
        SV_TRY(sv_exec_reserve(x->exec, &stack->memory, 1, "items"));
        x->out[output] = scalar(type.dtype, stack->memory.data);
        x->out[output].tensor.shape = type.shape;
        return SV_OK;
    }
    if (stack->item.shape.rank >= SV_MAX_RANK)
        return sv_node_error(x->node, SV_CODE_UNIMPLEMENTED,
                             "output %u: expected at most %d dimensions, found %d", output,
                             SV_MAX_RANK, stack->item.shape.rank + 1);
    sv_tensor tensor = {.dtype = stack->item.dtype, .data = stack->memory.data};
    tensor.shape.rank = stack->item.shape.rank + 1;
    tensor.shape.dim[0] = stack->count;
    for (int32_t i = 1; i < tensor.shape.rank; i++)
        tensor.shape.dim[i] = stack->item.shape.dim[i - 1];
    bool reverse = attr_at(x->node, "scan_output_directions", k) != 0;
    SV_TRY(check_axis(x, "scan_output_axes", attr_at(x->node, "scan_output_axes", k),
                      tensor.shape.rank, &axis));
    if (axis != 0 || reverse)
        SV_TRY(move_axis(x, &tensor, 0, axis, reverse, &stack->moved, &tensor));
    x->out[output] = scalar(tensor.dtype, NULL);
    x->out[output].tensor = tensor;
    return SV_OK;
}

/* ---- items that go in ------------------------------------------------------------------------ */

static sv_status agree_on_count(sv_round *x, uint32_t k, int64_t count)
{
    if (k == 0) x->count = count;
    if (x->count == count) return SV_OK;
    return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                         "input %u: expected %lld items as in the first, found %lld",
                         x->loop.n_state + k, (long long)x->count, (long long)count);
}

/* A tensor whose first dimension are the items, in the order in which they are read. */
static sv_status prepare_scanned(sv_round *x, uint32_t k)
{
    const sv_datum *value = given(x, x->loop.n_state + k);
    sv_datum *items = &x->body->value[x->loop.n_state + k];
    bool reverse = attr_at(x->node, "scan_input_directions", k) != 0;
    int32_t axis;
    if (!value || value->kind != SV_KIND_TENSOR)
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "input %u: expected a tensor, found %s", x->loop.n_state + k,
                             value ? sv_kind_name(value->kind) : "none");
    SV_TRY(check_axis(x, "scan_input_axes", attr_at(x->node, "scan_input_axes", k),
                      value->tensor.shape.rank, &axis));
    *items = *value;
    if (axis != 0 || reverse)
        SV_TRY(move_axis(x, &value->tensor, axis, 0, false, &x->body->memory[x->loop.n_state + k],
                         &items->tensor));
    return agree_on_count(x, k, items->tensor.shape.dim[0]);
}

/* The first input of SequenceMap is a sequence; others may be read whole. */
static sv_status prepare_mapped(sv_round *x, uint32_t k)
{
    const sv_datum *value = given(x, k);
    if (!value || (k == 0 && value->kind != SV_KIND_SEQUENCE))
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "input %u: expected a sequence, found %s", k,
                             value ? sv_kind_name(value->kind) : "none");
    x->body->value[k] = *value;
    if (value->kind != SV_KIND_SEQUENCE) return SV_OK;
    return agree_on_count(x, k, (int64_t)value->count);
}

static sv_status prepare_items(sv_round *x)
{
    for (uint32_t k = 0; k < x->loop.n_item_in; k++)
        SV_TRY(x->node->op == SV_OP_Scan ? prepare_scanned(x, k) : prepare_mapped(x, k));
    return SV_OK;
}

static sv_datum item_of(const sv_round *x, uint32_t k, int64_t iteration)
{
    sv_datum item = x->body->value[x->loop.n_state + k];
    if (item.kind == SV_KIND_SEQUENCE) return item.item[iteration];
    if (x->node->op != SV_OP_Scan) return item;
    sv_tensor *tensor = &item.tensor;
    int64_t at = iteration;
    if (attr_at(x->node, "scan_input_directions", k)) at = tensor->shape.dim[0] - 1 - iteration;
    tensor->shape.rank--;
    memmove(tensor->shape.dim, tensor->shape.dim + 1,
            (size_t)tensor->shape.rank * sizeof(tensor->shape.dim[0]));
    tensor->data = (char *)tensor->data +
                   (size_t)(at * sv_tensor_count(tensor)) * sv_dtype_get(tensor->dtype)->size;
    return item;
}

/* ---- iterations ------------------------------------------------------------------------------ */

static sv_status iterate(const sv_round *x, int64_t iteration)
{
    sv_exec *body = x->body->exec;
    uint32_t first = x->loop.first_state_in;
    for (uint32_t i = 0; i < x->loop.n_state; i++)
        sv_exec_bind_input(body, first + i, &x->body->value[i]);
    for (uint32_t k = 0; k < x->loop.n_item_in; k++) {
        sv_datum item = item_of(x, k, iteration);
        sv_exec_bind_input(body, first + x->loop.n_state + k, &item);
    }
    sv_status status = sv_exec_run(body);
    if (status != SV_OK)
        return sv_status_annotate(status, "node '%s' (%s): iteration %lld", x->node->name,
                                  x->node->op_name, (long long)iteration);
    SV_TRY(push_items(x));
    return exchange_states(x);
}

static sv_status read_condition(const sv_round *x, bool *go_on)
{
    sv_datum condition;
    SV_TRY(sv_exec_output(x->body->exec, 0, &condition));
    if (condition.kind != SV_KIND_TENSOR || condition.tensor.dtype != SV_BOOL ||
        sv_tensor_count(&condition.tensor) != 1)
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "body output 0: expected one bool, found %s",
                             sv_dtype_name(condition.tensor.dtype));
    *go_on = *(const bool *)condition.tensor.data;
    return SV_OK;
}

/* The iteration's number and condition are the body's first inputs. */
static sv_status run_loop(sv_round *x)
{
    sv_exec_body *body = x->body;
    int64_t most = INT64_MAX;
    body->go_on = true;
    if (given(x, 0)) {
        SV_TRY(expect_one(x, 0, SV_I64));
        most = sv_tensor_get_i64(&given(x, 0)->tensor, 0);
    }
    if (given(x, 1)) {
        SV_TRY(expect_one(x, 1, SV_BOOL));
        body->go_on = *(const bool *)given(x, 1)->tensor.data;
    }
    sv_datum number = scalar(SV_I64, &body->iteration), condition = scalar(SV_BOOL, &body->go_on);
    sv_exec_bind_input(body->exec, 0, &number);
    sv_exec_bind_input(body->exec, 1, &condition);
    for (body->iteration = 0; body->go_on && body->iteration < most; body->iteration++) {
        SV_TRY(iterate(x, body->iteration));
        SV_TRY(read_condition(x, &body->go_on));
    }
    return SV_OK;
}

static sv_status run_items(sv_round *x)
{
    for (uint32_t k = 0; x->node->op == SV_OP_SequenceMap && k < x->loop.n_item_out; k++)
        x->out[k] = (sv_datum){.kind = SV_KIND_SEQUENCE};
    SV_TRY(prepare_items(x));
    for (int64_t i = 0; i < x->count; i++)
        SV_TRY(iterate(x, i));
    return SV_OK;
}

sv_status sv_exec_loop(sv_exec *exec, const sv_program_node *node, const sv_datum *const *in,
                       sv_datum *out)
{
    sv_round x = {.exec = exec,
                  .body = &exec->body[node->body],
                  .program_node = node,
                  .node = node->node,
                  .loop = sv_loop_of(node->node),
                  .in = in,
                  .out = out};
    for (uint32_t k = 0; k < x.loop.n_item_out; k++)
        x.body->stack[k].count = 0;
    SV_TRY(bind_captures(&x));
    SV_TRY(take_states(&x));
    SV_TRY(node->node->op == SV_OP_Loop ? run_loop(&x) : run_items(&x));
    for (uint32_t i = 0; i < x.loop.n_state; i++)
        out[i] = x.body->value[i];
    for (uint32_t k = 0; node->node->op != SV_OP_SequenceMap && k < x.loop.n_item_out; k++)
        SV_TRY(finish_stack(&x, k));
    return SV_OK;
}
