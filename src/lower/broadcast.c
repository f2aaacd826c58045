/* Broadcasting before opset 7: one-directional, on request, and from any axis on. */
#include "lower/adapt.h"

static int32_t needed_rank(const sv_adapt *x, const sv_node *node, uint32_t input)
{
    return sv_adapt_has_input(node, input) ? sv_adapt_rank(x, node->in[input]) : -1;
}

/* Dimension 0 of input 1 stands beside dimension `axis` of input 0: dimensions of size 1 behind it
 * make the same of today's broadcasting, which aligns the last ones. */
static sv_status align_at(sv_adapt *x, sv_node *node, int64_t axis)
{
    int32_t a = needed_rank(x, node, 0), b = needed_rank(x, node, 1);
    if (a < 0 || b < 0)
        return sv_adapt_error(node, SV_CODE_UNIMPLEMENTED,
                              "it broadcasts from axis %lld, but the "
                              "ranks of its inputs are not known",
                              (long long)axis);
    if (axis < 0) axis += a;
    if (axis < 0 || axis + b > a)
        return sv_adapt_error(node, SV_CODE_INVALID_ARGUMENT,
                              "axis %lld: rank %d does not fit into "
                              "rank %d there",
                              (long long)axis, b, a);
    int64_t axes[SV_MAX_RANK];
    uint32_t count = 0;
    for (int32_t i = b; i < a - axis; i++)
        axes[count++] = i;
    if (count == 0) return SV_OK;
    sv_value_id in[2] = {node->in[1], SV_NO_VALUE};
    SV_TRY(sv_graph_constant_i64(x->graph, axes, count, false, &in[1]));
    return sv_adapt_add(x, node, SV_OP_Unsqueeze, 2, in, NULL, &node->in[1]);
}

sv_status sv_adapt_legacy_broadcast(sv_adapt *x, sv_node *node)
{
    bool aligned = sv_node_int(node, "broadcast", 0) && sv_node_attr(node, "axis");
    int64_t axis = sv_node_int(node, "axis", 0);
    sv_adapt_drop_attr(node, "broadcast");
    sv_adapt_drop_attr(node, "axis");
    return aligned ? align_at(x, node, axis) : SV_OK;
}

sv_status sv_adapt_drop_broadcast(sv_adapt *x, sv_node *node)
{
    (void)x;
    sv_adapt_drop_attr(node, "broadcast");
    return SV_OK;
}

/* One slope a channel lay in a vector. */
sv_status sv_adapt_prelu_slope(sv_adapt *x, sv_node *node)
{
    if (needed_rank(x, node, 1) != 1) return SV_OK;
    if (x->graph->value[node->in[1]].type.tensor.shape.dim[0] == 1) return SV_OK;
    return align_at(x, node, 1);
}

/* One axis at a time: with a constant axis and a known rank that is a list of repeats. */
sv_status sv_adapt_tile(sv_adapt *x, sv_node *node)
{
    if (node->n_in != 3) return SV_OK; /* some exporters already wrote the later form */
    const sv_tensor *tiles = sv_adapt_has_input(node, 1) ? sv_adapt_known(x, node->in[1]) : NULL;
    const sv_tensor *axis = sv_adapt_has_input(node, 2) ? sv_adapt_known(x, node->in[2]) : NULL;
    int32_t rank = needed_rank(x, node, 0), at;
    if (!tiles || !axis || rank < 0 || sv_tensor_count(tiles) != 1 || sv_tensor_count(axis) != 1)
        return sv_adapt_error(node, SV_CODE_UNIMPLEMENTED,
                              "tiles and axis must be constant, and the input's rank known");
    sv_shape shape = {.rank = rank};
    if (!sv_shape_axis(&shape, (int64_t)sv_tensor_get_f64(axis, 0), &at))
        return sv_adapt_error(node, SV_CODE_INVALID_ARGUMENT, "axis beyond rank %d", rank);
    int64_t repeats[SV_MAX_RANK];
    for (int32_t i = 0; i < rank; i++)
        repeats[i] = 1;
    repeats[at] = (int64_t)sv_tensor_get_f64(tiles, 0);
    node->n_in = 2;
    return sv_graph_constant_i64(x->graph, repeats, rank, false, &node->in[1]);
}
