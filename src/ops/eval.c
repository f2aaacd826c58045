/* Evaluation of one node with the reference rows: what folding, shape arithmetic and tests use.
 * It plans nothing: every slot is dense and lies in the caller's arena. */
#include "base/alloc.h"
#include "base/status.h"
#include "ops/emit.h"

#include <string.h>

typedef struct sv_eval {
    sv_emit emit;
    sv_arena *arena;
    sv_view *view; /* [n_slot]: where each slot's elements are; data NULL until it has any */
} sv_eval;

sv_status sv_fault_status(const sv_fault *fault, const char *node, const char *op)
{
    return sv_error(SV_CODE_INVALID_ARGUMENT,
                    "node '%s' (%s): %s: expected a value in [%lld, %lld), found %lld", node, op,
                    fault->what, (long long)fault->low, (long long)fault->high,
                    (long long)fault->found);
}

static sv_view desc_view(const sv_desc *desc, void *data)
{
    sv_view view = {.data = data, .dtype = desc->dtype, .rank = desc->rank};
    memcpy(view.dim, desc->dim, sizeof(view.dim));
    memcpy(view.stride, desc->stride, sizeof(view.stride));
    return view;
}

static sv_desc view_desc(const sv_view *view)
{
    sv_desc desc = {.dtype = view->dtype, .rank = view->rank};
    memcpy(desc.dim, view->dim, sizeof(desc.dim));
    memcpy(desc.stride, view->stride, sizeof(desc.stride));
    return desc;
}

static sv_status dense_slot(sv_eval *x, sv_slot slot)
{
    if (x->view[slot].data) return SV_OK;
    sv_tensor tensor;
    const sv_type *type = &x->emit.slot[slot];
    SV_TRY(sv_tensor_create(x->arena, type->dtype, &type->shape, &tensor));
    x->view[slot] = sv_tensor_view(&tensor);
    return SV_OK;
}

static sv_view seen(const sv_eval *x, const sv_item *item)
{
    const sv_view *from = &x->view[item->from];
    sv_view view = *from;
    const sv_shape *to = &x->emit.slot[item->to].shape;
    if (item->view == SV_VIEW_PERMUTE) {
        for (int32_t i = 0; i < from->rank; i++) {
            view.dim[i] = from->dim[item->perm[i]];
            view.stride[i] = from->stride[item->perm[i]];
        }
    } else if (item->view == SV_VIEW_EXPAND) {
        sv_desc desc = view_desc(from);
        desc = sv_desc_expand(&desc, to);
        view = desc_view(&desc, from->data);
    } else if (item->view == SV_VIEW_WINDOW) {
        size_t size = sv_dtype_get(from->dtype)->size;
        for (int32_t i = 0; i < from->rank; i++) {
            view.dim[i] = to->dim[i];
            view.stride[i] = from->stride[i] * item->step[i];
            if (to->dim[i] > 0)
                view.data = (char *)view.data + item->start[i] * from->stride[i] * (int64_t)size;
        }
    }
    return view;
}

static sv_status run_view(sv_eval *x, const sv_item *item)
{
    if (item->view == SV_VIEW_RESHAPE) {
        sv_tensor same = {.dtype = x->emit.slot[item->to].dtype,
                          .shape = x->emit.slot[item->to].shape,
                          .data = x->view[item->from].data};
        x->view[item->to] = sv_tensor_view(&same);
        return SV_OK;
    }
    SV_TRY(dense_slot(x, item->to));
    sv_view from = seen(x, item);
    sv_view_copy(&x->view[item->to], &from);
    return SV_OK;
}

static sv_status run_copy(sv_eval *x, const sv_item *item)
{
    SV_TRY(dense_slot(x, item->to));
    sv_view window = x->view[item->to];
    const sv_view *from = &x->view[item->from];
    window.data = sv_view_at(&window, item->start);
    memcpy(window.dim, from->dim, sizeof(window.dim));
    sv_view_copy(&window, from);
    return SV_OK;
}

static sv_status run_kernel(sv_eval *x, const sv_kernel *kernel, sv_problem *problem,
                            void *const *ptr)
{
    size_t scratch = kernel->scratch ? kernel->scratch(problem) : 0;
    size_t shared = kernel->shared ? kernel->shared(problem) : 0;
    char *memory = sv_arena_alloc(x->arena, scratch + shared + 128);
    if (!memory) return sv_error_memory(kernel->name, scratch + shared);
    memory = (char *)sv_size_align((size_t)memory, 64);
    sv_fault fault = {.step = UINT32_MAX};
    sv_call call = {.param = problem->param,
                    .desc = problem->desc,
                    .ptr = ptr,
                    .epilogue = &problem->epilogue,
                    .scratch = memory,
                    .shared = memory + sv_size_align(scratch, 64),
                    .arena = x->arena,
                    .fault = &fault};
    for (call.phase = 0; call.phase < sv_kernel_phases(kernel); call.phase++) {
        const uint32_t rounds = sv_kernel_rounds(kernel, problem, call.phase);
        const uint32_t units = kernel->units ? kernel->units(problem, call.phase) : 1;
        for (call.round = 0; call.round < rounds; call.round++)
            kernel->run(&call, 0, units);
    }
    if (fault.step == UINT32_MAX) return SV_OK;
    return sv_fault_status(&fault, x->emit.node->name, x->emit.node->op_name);
}

static sv_status run_problem(sv_eval *x, const sv_item *item)
{
    sv_problem problem = item->problem;
    sv_desc desc[SV_OPERAND_MAX];
    void *ptr[SV_OPERAND_MAX];
    for (uint32_t i = 0; i < problem.n_operand; i++) {
        const sv_ref *ref = &item->ref[i];
        desc[i] = (sv_desc){.dtype = SV_DTYPE_NONE};
        ptr[i] = NULL;
        if (ref->slot == SV_NO_SLOT) continue;
        SV_TRY(dense_slot(x, ref->slot));
        sv_desc slot = view_desc(&x->view[ref->slot]);
        desc[i] = sv_ref_bind(ref, &slot);
        ptr[i] = x->view[ref->slot].data;
    }
    problem.desc = desc;
    const sv_kernel *kernel = item->kernel;
    if (!kernel) kernel = sv_kernel_choose(&problem, SV_CPU_BASELINE);
    if (!kernel) {
        return sv_node_error(x->emit.node, SV_CODE_UNIMPLEMENTED, "no kernel takes %s of %s",
                             sv_family_name(problem.family), sv_dtype_name(desc[0].dtype));
    }
    return run_kernel(x, kernel, &problem, ptr);
}

static sv_status run_items(sv_eval *x, const sv_tensor *const *in)
{
    sv_emit *e = &x->emit;
    x->view = sv_arena_array(x->arena, e->n_slot, sizeof(*x->view));
    if (!x->view) return sv_error_memory(e->node->op_name, e->n_slot * sizeof(*x->view));
    for (uint32_t i = 0; i < e->n_slot; i++) {
        const sv_tensor *value = i < e->n_in ? in[i] : e->constant[i];
        if (value) x->view[i] = sv_tensor_view(value);
    }
    for (uint32_t i = 0; i < e->n_item; i++) {
        const sv_item *item = &e->item[i];
        if (item->kind == SV_ITEM_VIEW) {
            SV_TRY(run_view(x, item));
        } else if (item->kind == SV_ITEM_COPY) {
            SV_TRY(run_copy(x, item));
        } else {
            SV_TRY(run_problem(x, item));
        }
    }
    return SV_OK;
}

static sv_status eval_outputs(sv_eval *x, sv_tensor *out)
{
    for (uint32_t i = 0; i < x->emit.n_out; i++) {
        sv_slot slot = x->emit.n_in + i;
        const sv_type *type = &x->emit.slot[slot];
        if (type->dtype == SV_DTYPE_NONE) {
            out[i] = (sv_tensor){.dtype = SV_DTYPE_NONE};
            continue;
        }
        SV_TRY(dense_slot(x, slot));
        out[i] =
            (sv_tensor){.dtype = type->dtype, .shape = type->shape, .data = x->view[slot].data};
    }
    return SV_OK;
}

sv_status sv_measure_types(const sv_type *out, uint32_t n, sv_type *dims)
{
    for (uint32_t i = 0; i < n; i++) {
        dims[i] = (sv_type){.dtype = SV_DTYPE_NONE, .shape = sv_shape_unknown()};
        if (out[i].dtype == SV_DTYPE_NONE) continue;
        if (out[i].shape.rank < 0) return sv_error_internal("output %u to measure has no rank", i);
        dims[i].dtype = SV_I64;
        dims[i].shape = sv_shape_make(1, (int64_t[]){out[i].shape.rank});
    }
    return SV_OK;
}

/* Finds the sizes that only running tells. */
static sv_status measure(sv_eval *x, const sv_op_desc *desc, const sv_tensor *const *in,
                         const sv_type *in_type, sv_type *out_type)
{
    const sv_node *node = x->emit.node;
    sv_type dims[16];
    sv_tensor found[16];
    if (!desc->measure || node->n_out > 16)
        return sv_node_error(node, SV_CODE_UNIMPLEMENTED, "its size cannot be told before it runs");
    SV_TRY(sv_measure_types(out_type, node->n_out, dims));
    SV_TRY(sv_emit_init(&x->emit, x->emit.module, node, in_type, dims, in, x->arena));
    SV_TRY(desc->measure(&x->emit));
    SV_TRY(run_items(x, in));
    SV_TRY(eval_outputs(x, found));
    for (uint32_t i = 0; i < node->n_out; i++) {
        for (int32_t d = 0; dims[i].dtype && d < out_type[i].shape.rank; d++)
            out_type[i].shape.dim[d] = sv_tensor_get_i64(&found[i], d);
    }
    return SV_OK;
}

bool sv_op_by_type(const sv_node *node, const sv_type *type, sv_tensor *store, const sv_tensor **in)
{
    const sv_op_desc *desc = sv_op_desc_get(node->op);
    if (!desc || !(desc->traits & SV_TRAIT_TYPE_ONLY)) return false;
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (type[i].dtype == SV_DTYPE_NONE || !sv_shape_known(&type[i].shape)) return false;
        store[i] = (sv_tensor){.dtype = type[i].dtype, .shape = type[i].shape};
        in[i] = &store[i];
    }
    return true;
}

sv_status sv_op_eval(const sv_module *module, const sv_node *node, const sv_tensor *const *in,
                     sv_tensor *out, sv_arena *arena)
{
    const sv_op_desc *desc = sv_op_desc_get(node->op);
    SV_TRY(sv_op_check(node));
    if (!desc->emit)
        return sv_node_error(node, SV_CODE_UNIMPLEMENTED, "it has no loops of its own");
    sv_type *type = sv_arena_array(arena, node->n_in + node->n_out, sizeof(*type));
    if (!type) return sv_error_memory(node->op_name, sizeof(*type));
    for (uint32_t i = 0; i < node->n_in; i++) {
        type[i].shape = sv_shape_unknown();
        if (!in[i]) continue;
        type[i] = (sv_type){in[i]->dtype, in[i]->shape};
        SV_TRY(sv_tensor_load(in[i]));
    }
    sv_eval x = {.emit = {.module = module, .node = node}, .arena = arena};
    sv_type *out_type = type + node->n_in;
    int64_t symbol = -1;
    sv_infer infer = {.module = module,
                      .node = node,
                      .n_in = node->n_in,
                      .n_out = node->n_out,
                      .in = type,
                      .known = in,
                      .out = out_type,
                      .next_symbol = &symbol};
    SV_TRY(sv_op_infer(&infer));
    if (infer.dynamic) SV_TRY(measure(&x, desc, in, type, out_type));
    SV_TRY(sv_emit_init(&x.emit, module, node, type, out_type, in, arena));
    SV_TRY(sv_op_emit(&x.emit));
    SV_TRY(run_items(&x, in));
    return eval_outputs(&x, out);
}
