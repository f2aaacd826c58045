/* Running the passes, and what they share. */
#include "optimize/pass.h"

#include "base/status.h"
#include "ops/op.h"
#include "optimize/optimize.h"

sv_node *sv_pass_producer(const sv_graph *graph, sv_value_id value)
{
    if (value == SV_NO_VALUE || graph->value[value].producer == SV_NO_INDEX) return NULL;
    return graph->node[graph->value[value].producer];
}

sv_node *sv_pass_producer_of(const sv_graph *graph, sv_value_id value, sv_op op)
{
    sv_node *node = sv_pass_producer(graph, value);
    return node && !node->dead && node->op == op && node->n_fused == 0 ? node : NULL;
}

bool sv_pass_read_once(const sv_graph *graph, sv_value_id value)
{
    return graph->value[value].uses == 1;
}

sv_constant *sv_pass_constant(const sv_graph *graph, sv_value_id value)
{
    if (value == SV_NO_VALUE || graph->value[value].constant == SV_NO_INDEX) return NULL;
    sv_constant *constant = &graph->module->constant[graph->value[value].constant];
    return constant->datum ? NULL : constant;
}

bool sv_pass_scalar(const sv_graph *graph, sv_value_id value, float *out)
{
    const sv_constant *constant = sv_pass_constant(graph, value);
    if (!constant || sv_constant_derived(constant) || constant->source.dtype != SV_F32)
        return false;
    if (sv_tensor_count(&constant->source) != 1) return false;
    *out = (float)sv_tensor_get_f64(&constant->source, 0);
    return true;
}

bool sv_pass_other(const sv_node *node, sv_value_id value, sv_value_id *other)
{
    if (node->n_in != 2 || (node->in[0] != value && node->in[1] != value)) return false;
    *other = node->in[0] == value ? node->in[1] : node->in[0];
    return true;
}

void sv_pass_take_over(sv_graph *graph, sv_node *node, sv_node *other)
{
    sv_value *old = &graph->value[node->out[0]], *made = &graph->value[other->out[0]];
    made->producer = old->producer;
    made->output = 0;
    old->producer = SV_NO_INDEX;
    old->uses = 0;
    node->out[0] = other->out[0];
    other->dead = true;
}

bool sv_pass_broadcasts_to(const sv_graph *graph, sv_value_id operand, sv_value_id result)
{
    const sv_shape *from = &graph->value[operand].type.tensor.shape;
    const sv_shape *to = &graph->value[result].type.tensor.shape;
    if (from->rank < 0 || to->rank < 0 || from->rank > to->rank) return false;
    for (int32_t i = 0; i < from->rank; i++) {
        int64_t a = from->dim[i], b = to->dim[to->rank - from->rank + i];
        if (a != b && a != 1) return false;
    }
    return true;
}

static sv_status optimize_graph(sv_graph *graph);

static sv_status optimize_nested(const sv_graph *graph)
{
    for (uint32_t i = 0; i < graph->n_node; i++) {
        const sv_node *node = graph->node[i];
        for (uint32_t a = 0; a < node->n_attr; a++) {
            bool one = node->attr[a].kind == SV_ATTR_GRAPH;
            if (!one && node->attr[a].kind != SV_ATTR_GRAPHS) continue;
            for (uint32_t g = 0; g < (one ? 1 : node->attr[a].count); g++)
                SV_TRY(optimize_graph(node->attr[a].u.graphs[g]));
        }
    }
    return SV_OK;
}

static sv_status optimize_graph(sv_graph *graph)
{
    SV_TRY(optimize_nested(graph));
    SV_TRY(sv_graph_normalize(graph));
#define PASS(name)                                                                                 \
    SV_TRY(sv_pass_##name(graph));                                                                 \
    SV_TRY(sv_graph_normalize(graph));
#include "optimize/passes.inc"
#undef PASS
    return SV_OK;
}

sv_status sv_optimize(sv_module *module)
{
    for (uint32_t i = 0; i < module->n_entry; i++) {
        SV_TRY(optimize_graph(module->entry[i].graph));
        SV_TRY(sv_graph_infer(module->entry[i].graph));
    }
    return SV_OK;
}
