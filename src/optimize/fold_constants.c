/* Computes operators whose inputs are all constant, once, with the reference kernels. */
#include "base/status.h"
#include "ops/op.h"
#include "optimize/pass.h"

#include <string.h>

/* A tiny file may ask for huge constants: what is folded has bounds. */
static const size_t one_value_bytes = (size_t)64 << 20, all_bytes = (size_t)512 << 20;

static bool foldable(const sv_graph *graph, const sv_node *node)
{
    const sv_op_desc *desc = sv_op_desc_get(node->op);
    if (!desc || !desc->emit || desc->traits & SV_TRAIT_RANDOM || node->n_fused) return false;
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (node->in[i] == SV_NO_VALUE) continue;
        const sv_constant *constant = sv_pass_constant(graph, node->in[i]);
        if (!constant || sv_constant_derived(constant)) return false;
    }
    for (uint32_t i = 0; i < node->n_out; i++) {
        if (node->out[i] == SV_NO_VALUE) continue;
        const sv_type *type = &graph->value[node->out[i]].type.tensor;
        int64_t count;
        if (type->dtype == SV_DTYPE_NONE || !sv_shape_count(&type->shape, &count)) return false;
        if ((size_t)count > one_value_bytes / sv_dtype_get(type->dtype)->size) return false;
    }
    return true;
}

static sv_status take(sv_graph *graph, sv_value_id value, const sv_tensor *from, size_t *spent)
{
    sv_tensor copy;
    uint32_t constant;
    SV_TRY(sv_tensor_copy(&graph->module->arena, from, &copy));
    SV_TRY(sv_module_add_constant(graph->module, graph->value[value].name, &copy, &constant));
    graph->value[value].constant = constant;
    graph->value[value].producer = SV_NO_INDEX;
    *spent += (size_t)sv_tensor_count(from) * sv_dtype_get(from->dtype)->size;
    return SV_OK;
}

static sv_status fold(sv_graph *graph, sv_node *node, sv_arena *arena, size_t *spent)
{
    const sv_tensor **in = sv_arena_array(arena, node->n_in, sizeof(*in));
    sv_tensor *out = sv_arena_array(arena, node->n_out, sizeof(*out));
    if (!in || !out) return sv_error_memory(node->op_name, node->n_in * sizeof(*in));
    for (uint32_t i = 0; i < node->n_in; i++) {
        const sv_constant *constant = sv_pass_constant(graph, node->in[i]);
        in[i] = constant ? &constant->source : NULL;
    }
    sv_status status = sv_op_eval(graph->module, node, in, out, arena);
    if (sv_status_code(status) == SV_CODE_INVALID_ARGUMENT) {
        /* It may stand in a branch that is never taken; who runs it is told. */
        sv_status_free(status);
        return SV_OK;
    }
    SV_TRY(status);
    for (uint32_t i = 0; i < node->n_out; i++) {
        if (node->out[i] != SV_NO_VALUE) SV_TRY(take(graph, node->out[i], &out[i], spent));
    }
    node->dead = true;
    return SV_OK;
}

sv_status sv_pass_fold_constants(sv_graph *graph)
{
    sv_arena arena;
    sv_arena_init(&arena, graph->module->arena.allocator);
    sv_status status = SV_OK;
    size_t spent = 0;
    uint32_t n = graph->n_node;
    for (uint32_t i = 0; i < n && status == SV_OK && spent < all_bytes; i++) {
        if (!foldable(graph, graph->node[i])) continue;
        status = fold(graph, graph->node[i], &arena, &spent);
        sv_arena_reset(&arena);
    }
    sv_arena_release(&arena);
    return status;
}
