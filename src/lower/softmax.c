/* Softmax, LogSoftmax and Hardmax before opset 13 saw their input as a matrix: everything from
 * `axis` on was one row. */
#include "lower/adapt.h"

/* Flatten, the operator along the last axis, and back to the input's shape. */
static sv_status by_matrix(sv_adapt *x, sv_node *node, int64_t axis)
{
    sv_value_id input = node->in[0], flat, result, back[2];
    sv_node *flatten, *softmax;
    SV_TRY(sv_adapt_add(x, node, SV_OP_Flatten, 1, &input, &flatten, &flat));
    SV_TRY(sv_node_set_int(x->module, flatten, "axis", axis));
    SV_TRY(sv_adapt_add(x, node, node->op, 1, &flat, &softmax, &result));
    SV_TRY(sv_node_set_int(x->module, softmax, "axis", -1));
    back[0] = result;
    SV_TRY(sv_adapt_add(x, node, SV_OP_Shape, 1, &input, NULL, &back[1]));
    return sv_adapt_replace(x, node, SV_OP_Reshape, 2, back, NULL);
}

sv_status sv_adapt_softmax(sv_adapt *x, sv_node *node)
{
    if (!sv_adapt_has_input(node, 0) || node->n_out != 1)
        return sv_adapt_error(node, SV_CODE_INVALID_ARGUMENT, "expected one input and one output");
    int64_t axis = sv_node_int(node, "axis", 1);
    int32_t rank = sv_adapt_rank(x, node->in[0]);
    bool last = axis == -1 || (rank >= 0 && axis == rank - 1);
    /* Trailing dimensions of size 1 do not make rows longer. */
    const sv_shape *shape = &x->graph->value[node->in[0]].type.tensor.shape;
    int64_t behind = 1;
    int32_t first;
    if (!last && rank >= 0 && sv_shape_axis(shape, axis, &first)) {
        last = sv_shape_count_range(shape, first + 1, rank, &behind) && behind == 1;
        if (last) return sv_node_set_int(x->module, node, "axis", first);
    }
    return last ? sv_node_set_int(x->module, node, "axis", -1) : by_matrix(x, node, axis);
}
