/* Drops operators that hand on their input: Identity, Dropout when nobody trains, Cast to the same
 * dtype. */
#include "base/status.h"
#include "optimize/pass.h"

static bool is_identity(const sv_graph *graph, const sv_node *node)
{
    switch (node->op) {
    case SV_OP_Identity:
        return true;
    case SV_OP_Dropout: {
        bool mask =
            node->n_out > 1 && node->out[1] != SV_NO_VALUE && graph->value[node->out[1]].uses > 0;
        return !mask && (node->n_in < 3 || node->in[2] == SV_NO_VALUE);
    }
    case SV_OP_Cast: {
        sv_dtype dtype = graph->value[node->in[0]].type.tensor.dtype;
        return dtype != SV_DTYPE_NONE && sv_node_int(node, "to", 0) == (int64_t)dtype;
    }
    default:
        return false;
    }
}

/* Maps the results of identities to what they hand on. A graph's output keeps its name: it may not
 * become an input or a constant. */
static void find(sv_graph *graph, sv_value_id *to, const bool *is_output)
{
    for (sv_value_id v = 0; v < graph->n_value; v++)
        to[v] = v;
    for (uint32_t i = 0; i < graph->n_node; i++) {
        sv_node *node = graph->node[i];
        if (node->n_in == 0 || node->in[0] == SV_NO_VALUE || node->out[0] == SV_NO_VALUE) continue;
        if (!is_identity(graph, node) || is_output[node->out[0]]) continue;
        if (graph->value[node->in[0]].type.kind != SV_KIND_TENSOR) continue;
        to[node->out[0]] = to[node->in[0]]; /* nodes stand in topological order */
        node->dead = true;
    }
}

sv_status sv_pass_drop_identities(sv_graph *graph)
{
    sv_arena arena;
    sv_arena_init(&arena, graph->module->arena.allocator);
    sv_value_id *to = sv_arena_array(&arena, graph->n_value, sizeof(*to));
    bool *is_output = sv_arena_array(&arena, graph->n_value, sizeof(*is_output));
    sv_status status = SV_OK;
    if (to && is_output) {
        for (uint32_t i = 0; i < graph->n_out; i++)
            is_output[graph->out[i]] = true;
        find(graph, to, is_output);
        sv_graph_replace_all(graph, to);
    } else {
        status = sv_error_memory("optimisation", graph->n_value * sizeof(*to));
    }
    sv_arena_release(&arena);
    return status;
}
