/* Inlining the functions that a model brings along. Expansion is bounded, because functions that
 * call functions double as often as a file likes. */
#include "base/status.h"
#include "ir/names.h"
#include "ir/nested.h"
#include "lower/lower.h"

#include <string.h>

/* Nodes and values that inlining may create. */
#define MAX_CREATED (1u << 22)
/* How deep functions may call one another. */
#define MAX_CALLS 128

typedef struct inliner {
    sv_module *module;
    sv_names functions; /* "domain\nname\noverload" to index */
    sv_arena keys;
    uint8_t *state; /* [n_function], for the check of recursion */
    size_t created;
} inliner;

/* One call: what the body's values are in the graph of the call. */
typedef struct call {
    inliner *x;
    const sv_function *function;
    const sv_node *node;
    sv_graph *graph;
    sv_value_id *map; /* [body->n_value] */
    bool *named;      /* [body->n_value]: the value is an output of the call itself */
} call;

/* ---- finding functions --------------------------------------------------------------------- */

static const char *key_of(sv_arena *arena, const char *domain, const char *name,
                          const char *overload)
{
    return sv_arena_printf(arena, "%s\n%s\n%s", *domain ? domain : "ai.onnx", name, overload);
}

static sv_status index_functions(inliner *x)
{
    for (uint32_t i = 0; i < x->module->n_function; i++) {
        const sv_function *f = &x->module->function[i];
        const char *key = key_of(&x->keys, f->domain, f->name, f->overload);
        if (!key) return sv_error_memory("a function's name", 1);
        SV_TRY(sv_names_put(&x->functions, key, strlen(key), i));
    }
    return SV_OK;
}

static sv_status find_function(inliner *x, sv_arena *scratch, const sv_node *node, uint32_t *out)
{
    const char *key = key_of(scratch, node->domain, node->op_name, node->overload);
    if (!key) return sv_error_memory("a function's name", 1);
    *out = sv_names_find(&x->functions, key, strlen(key), SV_NO_INDEX);
    sv_arena_reset(scratch);
    return SV_OK;
}

/* ---- recursion ----------------------------------------------------------------------------- */

enum { NOT_SEEN, OPEN, DONE };

static sv_status check_function(inliner *x, sv_arena *scratch, uint32_t index, uint32_t depth);

static sv_status check_calls(inliner *x, sv_arena *scratch, const sv_graph *graph, uint32_t depth)
{
    for (uint32_t i = 0; i < graph->n_node; i++) {
        uint32_t called;
        SV_TRY(find_function(x, scratch, graph->node[i], &called));
        if (called != SV_NO_INDEX) SV_TRY(check_function(x, scratch, called, depth));
        sv_nested walk = sv_nested_of(graph->node[i]);
        for (sv_graph *inner; (inner = sv_nested_next(&walk)) != NULL;)
            SV_TRY(check_calls(x, scratch, inner, depth));
    }
    return SV_OK;
}

static sv_status check_function(inliner *x, sv_arena *scratch, uint32_t index, uint32_t depth)
{
    const sv_function *function = &x->module->function[index];
    if (x->state[index] == DONE) return SV_OK;
    if (x->state[index] == OPEN)
        return sv_error_invalid("%s: function '%s.%s' calls itself", x->module->origin,
                                function->domain, function->name);
    if (depth == MAX_CALLS)
        return sv_error_invalid("%s: functions call one another more than %d deep",
                                x->module->origin, MAX_CALLS);
    x->state[index] = OPEN;
    SV_TRY(check_calls(x, scratch, function->body, depth + 1));
    x->state[index] = DONE;
    return SV_OK;
}

/* ---- copying a body ------------------------------------------------------------------------ */

static sv_status charge(inliner *x, size_t count)
{
    x->created += count;
    if (x->created <= MAX_CREATED) return SV_OK;
    return sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                    "%s: its functions expand to more than %u nodes and "
                    "values",
                    x->module->origin, MAX_CREATED);
}

static sv_value_id mapped(const sv_value_id *map, sv_value_id id)
{
    return id == SV_NO_VALUE ? SV_NO_VALUE : map[id];
}

/* The attribute with a reference replaced by the call's attribute, or the default;
 * false: neither. */
static bool resolve_attr(const call *c, const sv_attr *from, sv_attr *out)
{
    *out = *from;
    if (!from->reference) return true;
    const sv_attr *given = sv_node_attr(c->node, from->reference);
    for (uint32_t i = 0; i < c->function->n_default && !given; i++)
        if (strcmp(c->function->defaults[i].name, from->reference) == 0)
            given = &c->function->defaults[i];
    if (!given) return false;
    *out = *given;
    out->name = from->name;
    return true;
}

static sv_status copy_graph(call *c, const sv_graph *from, sv_graph *parent,
                            const sv_value_id *parent_map, sv_graph **out);

static sv_status copy_attrs(call *c, const sv_node *from, sv_graph *graph, const sv_value_id *map,
                            sv_node *to)
{
    sv_arena *arena = &c->x->module->arena;
    to->attr = sv_arena_array(arena, from->n_attr, sizeof *to->attr);
    if (!to->attr) return sv_error_memory("attributes", from->n_attr * sizeof *to->attr);
    for (uint32_t i = 0; i < from->n_attr; i++) {
        sv_attr attr;
        if (!resolve_attr(c, &from->attr[i], &attr)) continue;
        bool graphs = attr.kind == SV_ATTR_GRAPH || attr.kind == SV_ATTR_GRAPHS;
        /* A graph that the call gave already lies in the call's graph. */
        if (graphs && !from->attr[i].reference) {
            uint32_t count = attr.kind == SV_ATTR_GRAPH ? 1 : attr.count;
            sv_graph **copies = sv_arena_array(arena, count, sizeof(sv_graph *));
            if (!copies) return sv_error_memory("graphs", count * sizeof(sv_graph *));
            for (uint32_t g = 0; g < count; g++)
                SV_TRY(copy_graph(c, attr.u.graphs[g], graph, map, &copies[g]));
            attr.u.graphs = copies;
        } else if (graphs) {
            return sv_error_unsupported("node '%s' (%s): a graph as an argument of a function",
                                        c->node->name, c->node->op_name);
        }
        to->attr[to->n_attr++] = attr;
    }
    return SV_OK;
}

static sv_status copy_node(call *c, const sv_node *from, sv_graph *graph, const sv_value_id *map)
{
    sv_node *to;
    SV_TRY(charge(c->x, 1));
    SV_TRY(sv_graph_add_node(graph, from->op, from->name, from->n_in, 0, &to));
    to->domain = from->domain;
    to->op_name = from->op_name;
    to->overload = from->overload;
    to->version = from->version;
    for (uint32_t i = 0; i < from->n_in; i++)
        to->in[i] = mapped(map, from->in[i]);
    to->n_out = from->n_out;
    to->out = sv_arena_array(&graph->module->arena, from->n_out, sizeof *to->out);
    if (!to->out) return sv_error_memory("a node", from->n_out * sizeof *to->out);
    for (uint32_t i = 0; i < from->n_out; i++)
        to->out[i] = mapped(map, from->out[i]);
    return copy_attrs(c, from, graph, map, to);
}

/* A value of a nested graph of the body: the same, captured from the copied parent. */
static sv_status copy_value(sv_graph *to, const sv_value *from, const sv_value_id *parent_map,
                            sv_value_id *out)
{
    if (from->outer != SV_NO_VALUE && parent_map[from->outer] == SV_NO_VALUE) {
        *out = SV_NO_VALUE; /* an input that the call leaves out */
        return SV_OK;
    }
    SV_TRY(sv_graph_add_value(to, from->name, out));
    sv_value *value = &to->value[*out];
    value->type = from->type;
    value->constant = from->constant;
    if (from->outer != SV_NO_VALUE) value->outer = parent_map[from->outer];
    return SV_OK;
}

static sv_status copy_graph(call *c, const sv_graph *from, sv_graph *parent,
                            const sv_value_id *parent_map, sv_graph **out)
{
    sv_graph *to;
    SV_TRY(charge(c->x, from->n_value));
    sv_value_id *map = sv_arena_array(&c->x->module->arena, from->n_value, sizeof *map);
    if (!map) return sv_error_memory("a graph", from->n_value * sizeof *map);
    SV_TRY(sv_graph_create(c->x->module, parent, from->name, &to));
    for (uint32_t v = 0; v < from->n_value; v++)
        SV_TRY(copy_value(to, &from->value[v], parent_map, &map[v]));
    for (uint32_t i = 0; i < from->n_in; i++)
        SV_TRY(sv_graph_add_input(to, map[from->in[i]]));
    for (uint32_t n = 0; n < from->n_node; n++)
        SV_TRY(copy_node(c, from->node[n], to, map));
    for (uint32_t i = 0; i < from->n_out; i++) {
        if (map[from->out[i]] == SV_NO_VALUE)
            return sv_error_invalid("node '%s' (%s): a nested graph returns an input that the call "
                                    "leaves out",
                                    c->node->name, c->node->op_name);
        SV_TRY(sv_graph_add_output(to, map[from->out[i]]));
    }
    *out = to;
    return SV_OK;
}

/* ---- one call ------------------------------------------------------------------------------ */

static sv_status check_call(const call *c)
{
    const sv_graph *body = c->function->body;
    if (c->node->n_in <= body->n_in && c->node->n_out <= body->n_out) return SV_OK;
    return sv_error_invalid("node '%s' (%s): function with %u inputs and %u outputs is called with "
                            "%u and %u",
                            c->node->name, c->node->op_name, body->n_in, body->n_out, c->node->n_in,
                            c->node->n_out);
}

/* Inputs are the call's; results of the body's nodes that are outputs become the call's results. */
static sv_status map_values(call *c)
{
    const sv_graph *body = c->function->body;
    for (uint32_t v = 0; v < body->n_value; v++)
        c->map[v] = SV_NO_VALUE;
    for (uint32_t i = 0; i < body->n_in; i++) {
        c->map[body->in[i]] = i < c->node->n_in ? c->node->in[i] : SV_NO_VALUE;
        c->named[body->in[i]] = true;
    }
    for (uint32_t i = 0; i < c->node->n_out; i++) {
        sv_value_id v = body->out[i];
        if (c->named[v] || body->value[v].producer == SV_NO_INDEX || c->node->out[i] == SV_NO_VALUE)
            continue;
        c->map[v] = c->node->out[i];
        c->named[v] = true;
    }
    for (uint32_t v = 0; v < body->n_value; v++) {
        if (c->named[v] || (body->value[v].uses == 0 && body->value[v].producer == SV_NO_INDEX))
            continue;
        SV_TRY(sv_graph_add_value(c->graph, "", &c->map[v]));
        c->graph->value[c->map[v]].constant = body->value[v].constant;
    }
    return SV_OK;
}

/* Outputs that are inputs, or returned twice, pass through an Identity. */
static sv_status pass_through(call *c)
{
    const sv_graph *body = c->function->body;
    for (uint32_t i = 0; i < c->node->n_out; i++) {
        sv_value_id out = c->node->out[i], from = c->map[body->out[i]];
        if (out == SV_NO_VALUE || from == out) continue;
        if (from == SV_NO_VALUE)
            return sv_error_invalid(
                "node '%s' (%s): output %u is an input that the call leaves out", c->node->name,
                c->node->op_name, i);
        sv_node *identity;
        SV_TRY(sv_graph_add_node(c->graph, SV_OP_Identity, c->node->name, 1, 1, &identity));
        identity->in[0] = from;
        identity->out[0] = out;
    }
    return SV_OK;
}

static sv_status inline_call(inliner *x, sv_graph *graph, sv_node *node, uint32_t index)
{
    call c = {.x = x, .function = &x->module->function[index], .node = node, .graph = graph};
    const sv_graph *body = c.function->body;
    SV_TRY(check_call(&c));
    SV_TRY(charge(x, (size_t)body->n_value + 1));
    c.map = sv_arena_array(&x->module->arena, body->n_value, sizeof *c.map);
    c.named = sv_arena_array(&x->module->arena, body->n_value, sizeof *c.named);
    if (!c.map || !c.named) return sv_error_memory("a function", body->n_value * sizeof *c.map);
    SV_TRY(map_values(&c));
    for (uint32_t n = 0; n < body->n_node; n++)
        SV_TRY(copy_node(&c, body->node[n], graph, c.map));
    node->dead = true;
    return pass_through(&c);
}

/* ---- all calls ----------------------------------------------------------------------------- */

/* Copied nodes are appended, so that this walk meets calls of functions by functions too. */
static sv_status inline_graph(inliner *x, sv_arena *scratch, sv_graph *graph, uint32_t depth)
{
    if (depth > SV_MAX_NESTING)
        return sv_error_invalid("graph '%s': graphs are nested more than %d deep", graph->name,
                                SV_MAX_NESTING);
    for (uint32_t i = 0; i < graph->n_node; i++) {
        sv_node *node = graph->node[i];
        uint32_t index;
        if (node->dead) continue;
        SV_TRY(find_function(x, scratch, node, &index));
        if (index != SV_NO_INDEX) {
            SV_TRY(inline_call(x, graph, node, index));
            continue;
        }
        sv_nested walk = sv_nested_of(node);
        for (sv_graph *inner; (inner = sv_nested_next(&walk)) != NULL;)
            SV_TRY(inline_graph(x, scratch, inner, depth + 1));
    }
    return SV_OK;
}

static sv_status inline_all(inliner *x, sv_arena *scratch)
{
    sv_module *module = x->module;
    x->state = sv_arena_array(&x->keys, module->n_function, sizeof *x->state);
    if (!x->state) return sv_error_memory("functions", module->n_function);
    SV_TRY(index_functions(x));
    for (uint32_t i = 0; i < module->n_function; i++)
        SV_TRY(check_function(x, scratch, i, 0));
    for (uint32_t i = 0; i < module->n_entry; i++) {
        SV_TRY(inline_graph(x, scratch, module->entry[i].graph, 0));
        SV_TRY(sv_graph_normalize(module->entry[i].graph));
    }
    return SV_OK;
}

sv_status sv_lower_functions(sv_module *module)
{
    if (module->n_function == 0) return SV_OK;
    inliner x = {.module = module};
    sv_arena scratch;
    sv_names_init(&x.functions, module->arena.allocator);
    sv_arena_init(&x.keys, module->arena.allocator);
    sv_arena_init(&scratch, module->arena.allocator);
    sv_status status = inline_all(&x, &scratch);
    sv_arena_release(&scratch);
    sv_arena_release(&x.keys);
    sv_names_release(&x.functions);
    return status;
}
