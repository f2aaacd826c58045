/* Scan of opset 8 ran over a batch of sequences: a scan over the batch whose body scans one
 * sequence says the same. */
#include "lower/adapt.h"

#include <string.h>

typedef struct old_scan {
    const sv_node *node;
    sv_graph *body;   /* of one step */
    uint32_t n_state; /* N */
    uint32_t n_scan;  /* M */
} old_scan;

static sv_status survey(const sv_node *node, old_scan *out)
{
    int64_t n_scan = sv_node_int(node, "num_scan_inputs", 0);
    out->node = node;
    out->body = sv_node_graph(node, "body");
    if (!out->body || node->n_in < 2 || n_scan < 1 || n_scan > node->n_in - 1 ||
        out->body->n_in != node->n_in - 1)
        return sv_adapt_error(node, SV_CODE_INVALID_ARGUMENT,
                              "its inputs, num_scan_inputs and the "
                              "inputs of its body do not fit one another");
    out->n_scan = (uint32_t)n_scan;
    out->n_state = node->n_in - 1 - out->n_scan;
    if (sv_adapt_has_input(node, 0))
        return sv_adapt_error(node, SV_CODE_UNIMPLEMENTED, "sequence_lens");
    for (uint32_t i = 1; i < node->n_in; i++)
        if (node->in[i] == SV_NO_VALUE)
            return sv_adapt_error(node, SV_CODE_INVALID_ARGUMENT, "input %u is missing", i);
    return SV_OK;
}

/* What the body captured from around the node it now captures through the graph between. */
static sv_status adopt(sv_graph *body, sv_graph *between)
{
    for (uint32_t v = 0; v < body->n_value; v++) {
        if (body->value[v].outer == SV_NO_VALUE) continue;
        sv_value_id id;
        SV_TRY(sv_graph_add_value(between, "", &id));
        between->value[id].outer = body->value[v].outer;
        between->value[id].type = body->value[v].type;
        body->value[v].outer = id;
    }
    body->parent = between;
    return SV_OK;
}

/* The graph between: each of its inputs is one batch entry; its only node is the scan over time. */
static sv_status build_between(sv_adapt *x, const old_scan *s, sv_graph **out)
{
    sv_graph *between;
    sv_node *scan;
    const sv_node *old = s->node;
    SV_TRY(sv_graph_create(x->module, x->graph, "batch", &between));
    SV_TRY(sv_graph_add_node(between, SV_OP_Scan, old->name, old->n_in - 1, old->n_out, &scan));
    for (uint32_t i = 0; i + 1 < old->n_in; i++) {
        SV_TRY(sv_graph_add_value(between, "", &scan->in[i]));
        SV_TRY(sv_graph_add_input(between, scan->in[i]));
    }
    for (uint32_t i = 0; i < old->n_out; i++)
        SV_TRY(sv_graph_add_output(between, scan->out[i]));
    SV_TRY(adopt(s->body, between));
    SV_TRY(sv_node_add_attr(x->module, scan, sv_node_attr(old, "body")));
    SV_TRY(sv_node_set_int(x->module, scan, "num_scan_inputs", s->n_scan));
    uint32_t count;
    const int64_t *directions = sv_node_ints(old, "directions", &count);
    if (directions)
        SV_TRY(sv_node_set_ints(x->module, scan, "scan_input_directions", directions, count));
    *out = between;
    return SV_OK;
}

sv_status sv_adapt_scan_8(sv_adapt *x, sv_node *node)
{
    old_scan s;
    sv_graph **body;
    SV_TRY(survey(node, &s));
    body = sv_arena_array(&x->module->arena, 1, sizeof(sv_graph *));
    if (!body) return sv_error_memory("a graph", sizeof(sv_graph *));
    SV_TRY(build_between(x, &s, &body[0]));
    node->n_attr = 0;
    SV_TRY(sv_node_add_attr(x->module, node,
                            &(sv_attr){.name = "body", .kind = SV_ATTR_GRAPH, .u.graphs = body}));
    memmove(node->in, node->in + 1, (node->n_in - 1) * sizeof *node->in);
    node->n_in--;
    return sv_node_set_int(x->module, node, "num_scan_inputs", node->n_in);
}
