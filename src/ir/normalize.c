/* Restoring what rewriting breaks: dead nodes leave, nodes stand in topological order, producers
 * and use counts are right. Linear in nodes and edges, and without recursion except over nested
 * graphs. */
#include "base/alloc.h"
#include "base/status.h"
#include "ir/module.h"
#include "ir/nested.h"

#include <string.h>

enum { NODE_DEAD, NODE_LIVE, NODE_OPEN, NODE_DONE };

/* The graph's nodes as numbers: `edge[first[n]] .. edge[first[n + 1])` are the nodes that
 * n needs. */
typedef struct order {
    sv_graph *graph;
    uint32_t n_node; /* before anything is dropped */
    size_t n_edge;
    size_t *first;   /* [n_node + 1] */
    uint32_t *edge;  /* [n_edge] */
    uint8_t *state;  /* [n_node] */
    uint32_t *stack; /* [n_node] */
    size_t *cursor;  /* [n_node]: the next edge of a node on the stack */
    sv_node **sorted;
} order;

static const sv_allocator *allocator_of(const sv_graph *graph)
{
    return graph->module->arena.allocator;
}

static const char *node_name(const sv_node *node)
{
    return *node->name ? node->name : node->op_name;
}

static sv_status check_id(const sv_graph *graph, const sv_node *node, sv_value_id id)
{
    if (id < graph->n_value) return SV_OK;
    return sv_error_internal("graph '%s', node '%s': value %u is beyond the %u of the graph",
                             graph->name, node_name(node), id, graph->n_value);
}

static sv_status check_outputs(const sv_graph *graph)
{
    for (uint32_t i = 0; i < graph->n_out; i++)
        if (graph->out[i] >= graph->n_value)
            return sv_error_internal("graph '%s': output %u is beyond its values", graph->name, i);
    return SV_OK;
}

static sv_status set_producers(sv_graph *graph)
{
    for (uint32_t v = 0; v < graph->n_value; v++)
        graph->value[v].producer = SV_NO_INDEX;
    for (uint32_t n = 0; n < graph->n_node; n++) {
        const sv_node *node = graph->node[n];
        if (node->dead) continue;
        for (uint32_t o = 0; o < node->n_out; o++) {
            if (node->out[o] == SV_NO_VALUE) continue;
            SV_TRY(check_id(graph, node, node->out[o]));
            sv_value *value = &graph->value[node->out[o]];
            if (value->producer != SV_NO_INDEX)
                return sv_error_invalid("graph '%s': value '%s' is defined by node '%s' and again "
                                        "by node '%s'",
                                        graph->name, value->name,
                                        node_name(graph->node[value->producer]), node_name(node));
            value->producer = n;
            value->output = o;
        }
    }
    return SV_OK;
}

/* Calls `visit` with every value of the graph that the node reads, itself or in its
 * nested graphs. */
static sv_status visit_reads(sv_graph *graph, const sv_node *node,
                             void (*visit)(void *self, uint32_t n, sv_value *value), void *self,
                             uint32_t n)
{
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (node->in[i] == SV_NO_VALUE) continue;
        SV_TRY(check_id(graph, node, node->in[i]));
        visit(self, n, &graph->value[node->in[i]]);
    }
    sv_nested walk = sv_nested_of(node);
    for (sv_graph *inner; (inner = sv_nested_next(&walk)) != NULL;) {
        for (uint32_t v = 0; v < inner->n_value; v++) {
            if (inner->value[v].outer == SV_NO_VALUE || inner->value[v].uses == 0) continue;
            SV_TRY(check_id(graph, node, inner->value[v].outer));
            visit(self, n, &graph->value[inner->value[v].outer]);
        }
    }
    return SV_OK;
}

static void count_edge(void *self, uint32_t n, sv_value *value)
{
    (void)n;
    order *o = self;
    if (value->producer != SV_NO_INDEX) o->n_edge++;
}

static void put_edge(void *self, uint32_t n, sv_value *value)
{
    (void)n;
    order *o = self;
    if (value->producer != SV_NO_INDEX) o->edge[o->n_edge++] = value->producer;
}

static void count_use(void *self, uint32_t n, sv_value *value)
{
    (void)self;
    (void)n;
    value->uses++;
}

static void order_release(order *o)
{
    const sv_allocator *a = allocator_of(o->graph);
    size_t n = o->n_node;
    sv_free(a, o->edge, (o->first ? o->first[n] : 0) * sizeof *o->edge);
    sv_free(a, o->first, (n + 1) * sizeof *o->first);
    sv_free(a, o->state, n * sizeof *o->state);
    sv_free(a, o->stack, n * sizeof *o->stack);
    sv_free(a, o->cursor, n * sizeof *o->cursor);
    sv_free(a, o->sorted, n * sizeof(sv_node *));
}

/* Allocates for a graph with at least one node; what was allocated is released by the caller. */
static sv_status order_init(order *o)
{
    sv_graph *graph = o->graph;
    const sv_allocator *a = allocator_of(graph);
    size_t n = o->n_node;
    o->first = sv_alloc_zero(a, (n + 1) * sizeof *o->first);
    o->state = sv_alloc_zero(a, n * sizeof *o->state);
    o->stack = sv_alloc(a, n * sizeof *o->stack);
    o->cursor = sv_alloc(a, n * sizeof *o->cursor);
    o->sorted = sv_alloc(a, n * sizeof(sv_node *));
    if (!o->first || !o->state || !o->stack || !o->cursor || !o->sorted)
        return sv_error_memory("sorting a graph", n * sizeof *o->first);
    for (uint32_t i = 0; i < n; i++)
        if (!graph->node[i]->dead) SV_TRY(visit_reads(graph, graph->node[i], count_edge, o, i));
    if (o->n_edge) {
        o->edge = sv_alloc(a, o->n_edge * sizeof *o->edge);
        if (!o->edge) return sv_error_memory("sorting a graph", o->n_edge * sizeof *o->edge);
    }
    size_t edges = o->n_edge;
    o->first[n] = edges;
    o->n_edge = 0;
    for (uint32_t i = 0; i < n; i++) {
        o->first[i] = o->n_edge;
        if (!graph->node[i]->dead) SV_TRY(visit_reads(graph, graph->node[i], put_edge, o, i));
    }
    return SV_OK;
}

/* Marks what the graph's outputs need. */
static void mark_live(order *o)
{
    sv_graph *graph = o->graph;
    uint32_t top = 0;
    for (uint32_t i = 0; i < graph->n_out; i++) {
        uint32_t producer = graph->value[graph->out[i]].producer;
        if (producer == SV_NO_INDEX || o->state[producer] == NODE_LIVE) continue;
        o->state[producer] = NODE_LIVE;
        o->stack[top++] = producer;
    }
    while (top > 0) {
        uint32_t n = o->stack[--top];
        for (size_t e = o->first[n]; e < o->first[n + 1]; e++) {
            if (o->state[o->edge[e]] == NODE_LIVE) continue;
            o->state[o->edge[e]] = NODE_LIVE;
            o->stack[top++] = o->edge[e];
        }
    }
}

/* Appends `root` to the sorted nodes, after everything that it needs. */
static sv_status sort_from(order *o, uint32_t root, uint32_t *n_sorted)
{
    uint32_t top = 0;
    o->state[root] = NODE_OPEN;
    o->cursor[root] = o->first[root];
    o->stack[top++] = root;
    while (top > 0) {
        uint32_t n = o->stack[top - 1];
        if (o->cursor[n] == o->first[n + 1]) {
            o->state[n] = NODE_DONE;
            o->sorted[(*n_sorted)++] = o->graph->node[n];
            top--;
            continue;
        }
        uint32_t needed = o->edge[o->cursor[n]++];
        if (o->state[needed] == NODE_OPEN)
            return sv_error_invalid("graph '%s': node '%s' (%s) needs its own result: the graph "
                                    "has a cycle",
                                    o->graph->name, o->graph->node[needed]->name,
                                    o->graph->node[needed]->op_name);
        if (o->state[needed] == NODE_DONE) continue;
        o->state[needed] = NODE_OPEN;
        o->cursor[needed] = o->first[needed];
        o->stack[top++] = needed;
    }
    return SV_OK;
}

/* Nodes in their new order; producers and use counts from it. */
static sv_status settle(sv_graph *graph, sv_node **sorted, uint32_t count)
{
    if (count) memcpy(graph->node, sorted, count * sizeof(sv_node *));
    graph->n_node = count;
    SV_TRY(set_producers(graph));
    for (uint32_t v = 0; v < graph->n_value; v++)
        graph->value[v].uses = 0;
    for (uint32_t i = 0; i < graph->n_out; i++)
        graph->value[graph->out[i]].uses++;
    for (uint32_t n = 0; n < count; n++)
        SV_TRY(visit_reads(graph, graph->node[n], count_use, NULL, n));
    return SV_OK;
}

static sv_status sort_graph(sv_graph *graph)
{
    sv_status status = SV_OK;
    order o = {.graph = graph, .n_node = graph->n_node};
    uint32_t n_sorted = 0;
    SV_TRY(set_producers(graph));
    SV_TRY(check_outputs(graph));
    if (o.n_node == 0) return settle(graph, NULL, 0);
    SV_TRY_OUT(order_init(&o));
    mark_live(&o);
    for (uint32_t i = 0; i < o.n_node; i++)
        if (o.state[i] == NODE_LIVE) SV_TRY_OUT(sort_from(&o, i, &n_sorted));
    status = settle(graph, o.sorted, n_sorted);
out:
    order_release(&o);
    return status;
}

/* Inner graphs first: only captures that are still used there count as uses here. */
static sv_status normalize_at(sv_graph *graph, uint32_t depth)
{
    if (depth > SV_MAX_NESTING)
        return sv_error_invalid("graph '%s': graphs are nested more than %d deep", graph->name,
                                SV_MAX_NESTING);
    for (uint32_t n = 0; n < graph->n_node; n++) {
        if (graph->node[n]->dead) continue;
        sv_nested walk = sv_nested_of(graph->node[n]);
        for (sv_graph *inner; (inner = sv_nested_next(&walk)) != NULL;)
            SV_TRY(normalize_at(inner, depth + 1));
    }
    return sort_graph(graph);
}

sv_status sv_graph_normalize(sv_graph *graph)
{
    return normalize_at(graph, 0);
}
