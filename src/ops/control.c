/* Control flow as far as inference sees it; the engine runs it. If: one of two nested graphs gives
 * the outputs. */
#include "base/status.h"
#include "ops/support.h"

/* What both branches agree on; where they differ in size, only running tells. */
static sv_status merge_branch(sv_infer *x, uint32_t output, const sv_value_type *a,
                              const sv_value_type *b)
{
    if (a->kind != b->kind) {
        return sv_node_error(
            x->node, SV_CODE_INVALID_ARGUMENT,
            "output %u: expected one kind of value from both branches, found %s and %s", output,
            sv_kind_name(a->kind), sv_kind_name(b->kind));
    }
    if (a->kind != SV_KIND_TENSOR) {
        if (x->out_value) x->out_value[output] = *a;
        return SV_OK;
    }
    const sv_type *then = &a->tensor, *other = &b->tensor;
    sv_type *out = &x->out[output];
    if (then->dtype && other->dtype && then->dtype != other->dtype) {
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "output %u: expected one type from both branches, found %s and %s",
                             output, sv_dtype_name(then->dtype), sv_dtype_name(other->dtype));
    }
    out->dtype = then->dtype ? then->dtype : other->dtype;
    if (then->shape.rank < 0 || then->shape.rank != other->shape.rank) return SV_OK;
    out->shape = then->shape;
    for (int32_t i = 0; i < out->shape.rank; i++) {
        if (then->shape.dim[i] != other->shape.dim[i]) out->shape.dim[i] = sv_infer_symbol(x);
    }
    return SV_OK;
}

static sv_status if_infer(sv_infer *x)
{
    const sv_graph *branch[2] = {sv_node_graph(x->node, "then_branch"),
                                 sv_node_graph(x->node, "else_branch")};
    static const char *const name[2] = {"then_branch", "else_branch"};
    SV_TRY(sv_infer_scalar(x, 0, SV_BOOL));
    for (uint32_t i = 0; i < 2; i++) {
        if (branch[i] && branch[i]->n_out == x->n_out) continue;
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "attribute '%s': expected a graph with %u outputs, found %u", name[i],
                             x->n_out, branch[i] ? branch[i]->n_out : 0);
    }
    for (uint32_t i = 0; i < x->n_out; i++) {
        SV_TRY(merge_branch(x, i, &branch[0]->value[branch[0]->out[i]].type,
                            &branch[1]->value[branch[1]->out[i]].type));
    }
    return SV_OK;
}

const sv_op_desc sv_op_desc_If = {.op = SV_OP_If,
                                  .min_in = 1,
                                  .max_in = 1,
                                  .min_out = 1,
                                  .max_out = 255,
                                  .infer = if_infer,
                                  .control = SV_CONTROL_IF};
