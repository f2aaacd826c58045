/* Finds GroupNormalization as exporters wrote it before there was one: the map as [N, groups,
 * rest], InstanceNormalization whose own scale is 1 and shift 0, the map's shape again, then a
 * scale and a shift a channel. Others may read what lies between: then it is computed for them. */
#include "base/status.h"
#include "optimize/pass.h"

typedef struct group_norm {
    sv_value_id x;
    const sv_node *norm;
    int64_t channels, groups;
    int32_t rank;
} group_norm;

static const sv_shape *shape_of(const sv_graph *graph, sv_value_id value)
{
    return &graph->value[value].type.tensor.shape;
}

/* The elements of a plain constant of n f32; NULL: it is none. */
static const float *floats_of(const sv_graph *graph, sv_value_id value, int64_t n)
{
    const sv_constant *constant = sv_pass_constant(graph, value);
    if (!constant || sv_constant_derived(constant) || constant->source.dtype != SV_F32) return NULL;
    const sv_tensor *source = &constant->source;
    return sv_tensor_count(source) == n && sv_tensor_present(source) ? source->data : NULL;
}

static bool all_are(const sv_graph *graph, sv_value_id value, int64_t n, float number)
{
    const float *v = floats_of(graph, value, n);
    for (int64_t i = 0; v && i < n; i++) {
        if (v[i] != number) return false;
    }
    return v != NULL;
}

/* Whether `back` gives its input the shape of x, as types tell or because it reads it off x. */
static bool restores(const sv_graph *graph, const sv_node *back, sv_value_id x)
{
    const sv_node *shape = sv_pass_producer_of(graph, back->in[1], SV_OP_Shape);
    if (sv_shape_equal(shape_of(graph, x), shape_of(graph, back->out[0]))) return true;
    return shape && shape->in[0] == x && sv_node_int(shape, "start", 0) == 0 &&
           !sv_node_attr(shape, "end");
}

/* value = the map x, normalised by groups of channels. */
static bool is_grouped(const sv_graph *graph, sv_value_id value, group_norm *out)
{
    const sv_node *back = sv_pass_producer_of(graph, value, SV_OP_Reshape);
    if (!back) return false;
    out->norm = sv_pass_producer_of(graph, back->in[0], SV_OP_InstanceNormalization);
    const sv_node *apart =
        out->norm ? sv_pass_producer_of(graph, out->norm->in[0], SV_OP_Reshape) : NULL;
    if (!apart) return false;
    out->x = apart->in[0];
    const sv_shape *x = shape_of(graph, out->x), *grouped = shape_of(graph, apart->out[0]);
    if (x->rank < 3 || grouped->rank != 3 || graph->value[out->x].type.tensor.dtype != SV_F32 ||
        !restores(graph, back, out->x))
        return false;
    out->rank = x->rank;
    out->channels = x->dim[1];
    out->groups = grouped->dim[1];
    return out->channels > 0 && out->groups > 0 && out->channels % out->groups == 0 &&
           grouped->dim[0] == x->dim[0] && all_are(graph, out->norm->in[1], out->groups, 1) &&
           all_are(graph, out->norm->in[2], out->groups, 0);
}

/* A constant of one value a channel, as an operand of the map. */
static const float *channel_values(const sv_graph *graph, sv_value_id value, const group_norm *of)
{
    const sv_shape *shape = shape_of(graph, value);
    int32_t at = shape->rank - of->rank + 1;
    if (at < 0 || at > 1 || shape->dim[at] != of->channels) return NULL;
    return floats_of(graph, value, of->channels);
}

/* add = grouped * scale + shift. */
static bool is_group_norm(const sv_graph *graph, const sv_node *add, group_norm *out,
                          const float *value[2])
{
    for (uint32_t i = 0; i < 4; i++) {
        const sv_node *mul = sv_pass_producer_of(graph, add->in[i / 2], SV_OP_Mul);
        if (!mul || !is_grouped(graph, mul->in[i % 2], out)) continue;
        value[0] = channel_values(graph, mul->in[1 - i % 2], out);
        value[1] = channel_values(graph, add->in[1 - i / 2], out);
        if (value[0] && value[1]) return true;
    }
    return false;
}

static sv_status replace(sv_graph *graph, sv_node *last, const group_norm *found,
                         const float *const value[2])
{
    sv_node *node;
    SV_TRY(sv_graph_add_node(graph, SV_OP_GroupNormalization, last->name, 3, 1, &node));
    node->in[0] = found->x;
    for (int i = 0; i < 2; i++)
        SV_TRY(sv_graph_constant_f32(graph, value[i], found->channels, false, &node->in[1 + i]));
    SV_TRY(sv_node_set_int(graph->module, node, "num_groups", found->groups));
    SV_TRY(sv_node_set_float(graph->module, node, "epsilon",
                             sv_node_float(found->norm, "epsilon", 1e-5f)));
    sv_pass_take_over(graph, node, last);
    return SV_OK;
}

sv_status sv_pass_find_group_norms(sv_graph *graph)
{
    uint32_t n = graph->n_node;
    for (uint32_t i = 0; i < n; i++) {
        sv_node *node = graph->node[i];
        group_norm found;
        const float *value[2];
        if (node->dead || node->op != SV_OP_Add || node->n_fused || node->n_in != 2) continue;
        if (is_group_norm(graph, node, &found, value)) SV_TRY(replace(graph, node, &found, value));
    }
    return SV_OK;
}
