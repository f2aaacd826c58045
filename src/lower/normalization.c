/* Old forms of batch and group normalisation. */
#include "lower/adapt.h"

static sv_status binary(sv_adapt *x, const sv_node *node, sv_op op, sv_value_id a, sv_value_id b,
                        sv_value_id *out)
{
    return sv_adapt_add(x, node, op, 2, (sv_value_id[]){a, b}, NULL, out);
}

/* Statistics of training were outputs 1 to 4. */
sv_status sv_adapt_batch_norm_outputs(sv_adapt *x, sv_node *node)
{
    for (uint32_t i = 1; i < node->n_out; i++)
        if (node->out[i] != SV_NO_VALUE && x->graph->value[node->out[i]].uses)
            return sv_adapt_error(node, SV_CODE_UNIMPLEMENTED, "training mode (output %u is used)",
                                  i);
    if (node->n_out > 1) node->n_out = 1;
    sv_adapt_drop_attr(node, "is_test");
    sv_adapt_drop_attr(node, "spatial");
    return SV_OK;
}

/* spatial = 0: statistics for every place instead of every channel, so plain arithmetic:
 * (x - mean) / sqrt(var + epsilon) * scale + bias. */
sv_status sv_adapt_spatial(sv_adapt *x, sv_node *node)
{
    if (sv_node_int(node, "spatial", 1) != 0) return SV_OK;
    for (uint32_t i = 0; i < 5; i++)
        if (!sv_adapt_has_input(node, i))
            return sv_adapt_error(node, SV_CODE_INVALID_ARGUMENT, "expected five inputs");
    SV_TRY(sv_adapt_batch_norm_outputs(x, node));
    const sv_value_id *in = node->in;
    sv_value_id epsilon, centred, sum, root, quotient, scaled;
    SV_TRY(sv_adapt_scalar_like(x, node, sv_node_float(node, "epsilon", 1e-5f), in[4], &epsilon));
    SV_TRY(binary(x, node, SV_OP_Sub, in[0], in[3], &centred));
    SV_TRY(binary(x, node, SV_OP_Add, in[4], epsilon, &sum));
    SV_TRY(sv_adapt_add(x, node, SV_OP_Sqrt, 1, &sum, NULL, &root));
    SV_TRY(binary(x, node, SV_OP_Div, centred, root, &quotient));
    SV_TRY(binary(x, node, SV_OP_Mul, quotient, in[1], &scaled));
    return sv_adapt_replace(x, node, SV_OP_Add, 2, (sv_value_id[]){scaled, in[2]}, NULL);
}

/* [G] -> [G, 1] -> [G, C / G] -> [C] */
static sv_status repeat_groups(sv_adapt *x, const sv_node *node, sv_value_id shape,
                               sv_value_id *value)
{
    const int64_t one = 1, all = -1;
    sv_value_id axis, columns[2], flat[2], target;
    SV_TRY(sv_graph_constant_i64(x->graph, &one, 1, false, &axis));
    SV_TRY(binary(x, node, SV_OP_Unsqueeze, *value, axis, &columns[0]));
    columns[1] = shape;
    SV_TRY(sv_adapt_add(x, node, SV_OP_Expand, 2, columns, NULL, &flat[0]));
    SV_TRY(sv_graph_constant_i64(x->graph, &all, 1, false, &target));
    flat[1] = target;
    return sv_adapt_add(x, node, SV_OP_Reshape, 2, flat, NULL, value);
}

/* Before 21 scale and bias were given for each group instead of each channel. */
sv_status sv_adapt_group_norm(sv_adapt *x, sv_node *node)
{
    int64_t groups = sv_node_int(node, "num_groups", 0);
    if (groups < 1 || !sv_adapt_has_input(node, 0) || !sv_adapt_has_input(node, 1) ||
        !sv_adapt_has_input(node, 2))
        return sv_adapt_error(node, SV_CODE_INVALID_ARGUMENT,
                              "expected three inputs and num_groups above 0");
    sv_value_id channels, count, each, shape;
    sv_node *shape_node, *concat;
    SV_TRY(sv_adapt_add(x, node, SV_OP_Shape, 1, node->in, &shape_node, &channels));
    SV_TRY(sv_node_set_int(x->module, shape_node, "start", 1));
    SV_TRY(sv_node_set_int(x->module, shape_node, "end", 2));
    SV_TRY(sv_graph_constant_i64(x->graph, &groups, 1, false, &count));
    SV_TRY(binary(x, node, SV_OP_Div, channels, count, &each));
    SV_TRY(sv_adapt_add(x, node, SV_OP_Concat, 2, (sv_value_id[]){count, each}, &concat, &shape));
    SV_TRY(sv_node_set_int(x->module, concat, "axis", 0));
    SV_TRY(repeat_groups(x, node, shape, &node->in[1]));
    return repeat_groups(x, node, shape, &node->in[2]);
}
