/* Drops operators that hand on their input: Identity, Dropout when nobody trains, Cast to the same
 * dtype. */
#include "base/status.h"
#include "optimize/pass.h"

static bool is_identity(const sv_graph *graph, const sv_node *node)
{
    switch (node->op) {
    case SV_OP_Identity: return true;
    case SV_OP_Dropout: {
        bool mask = node->n_out > 1 && node->out[1] != SV_NO_VALUE && graph->value[node->out[1]].uses > 0;
        return !mask && (node->n_in < 3 || node->in[2] == SV_NO_VALUE);
    }
    case SV_OP_Cast: {
        sv_dtype dtype = graph->value[node->in[0]].type.tensor.dtype;
        return dtype != SV_DTYPE_NONE && sv_node_int(node, "to", 0) == (int64_t)dtype;
    }
    default: return false;
    }
}

/* A graph's output keeps its name: it may not become an input or a constant. */
static bool is_output(const sv_graph *graph, sv_value_id value)
{
    for (uint32_t i = 0; i < graph->n_out; i++) {
        if (graph->out[i] == value) return true;
    }
    return false;
}

sv_status sv_pass_drop_identities(sv_graph *graph)
{
    for (uint32_t i = 0; i < graph->n_node; i++) {
        sv_node *node = graph->node[i];
        if (!is_identity(graph, node) || node->out[0] == SV_NO_VALUE || is_output(graph, node->out[0]))
            continue;
        if (graph->value[node->in[0]].type.kind != SV_KIND_TENSOR) continue;
        sv_graph_replace_uses(graph, node->out[0], node->in[0]);
        node->dead = true;
    }
    return SV_OK;
}
