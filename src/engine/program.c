/* Flattening a graph and its nested graphs into the program. */
#include "engine/program.h"

#include "base/status.h"
#include "ops/op.h"

#include <string.h>

typedef struct sv_flatten {
    sv_program *program;
    sv_arena *arena;
} sv_flatten;

/* Values of one graph as program values; the parent's map resolves captures. */
typedef struct sv_scope {
    const sv_graph *graph;
    const struct sv_scope *parent;
    uint32_t *map;
} sv_scope;

static sv_status no_memory(size_t size)
{
    return sv_error_memory("program", size);
}

static void hold(sv_program *p, uint32_t value)
{
    if (value != SV_NO_VALUE && p->value[value].held == SV_NO_INDEX)
        p->value[value].held = p->n_held++;
}

static sv_status add_value(sv_flatten *x, const sv_value *from, uint32_t constant, uint32_t *out)
{
    sv_program *p = x->program;
    void *array = p->value;
    if (!sv_arena_grow(x->arena, &array, &p->value_capacity, p->n_value, p->n_value + 1,
                       sizeof(*p->value)))
        return no_memory(sizeof(*p->value));
    p->value = array;
    p->value[p->n_value] = (sv_program_value){.name = from->name,
                                              .type = from->type,
                                              .constant = constant,
                                              .input = SV_NO_INDEX,
                                              .held = SV_NO_INDEX};
    if (from->type.kind != SV_KIND_TENSOR) hold(p, p->n_value);
    *out = p->n_value++;
    return SV_OK;
}

static sv_status add_node(sv_flatten *x, sv_program_kind kind, const sv_node *from, uint32_t n_in,
                          uint32_t n_out, uint32_t *out)
{
    sv_program *p = x->program;
    void *array = p->node;
    if (!sv_arena_grow(x->arena, &array, &p->node_capacity, p->n_node, p->n_node + 1,
                       sizeof(*p->node)))
        return no_memory(sizeof(*p->node));
    p->node = array;
    uint32_t *ids = sv_arena_array(x->arena, 2 * (size_t)n_in + n_out + 1, sizeof(*ids));
    char title[128];
    sv_node_title(from, title, sizeof(title));
    const char *kept = sv_arena_copy_text(x->arena, title, strlen(title));
    if (!ids || !kept) return no_memory(n_in * sizeof(*ids));
    for (uint32_t i = 0; i < n_in; i++)
        ids[i] = SV_NO_INDEX;
    sv_program_node *node = &p->node[p->n_node];
    *node = (sv_program_node){.kind = (uint8_t)kind,
                              .node = from,
                              .title = kept,
                              .n_in = n_in,
                              .n_out = n_out,
                              .body = SV_NO_INDEX,
                              .table = SV_NO_INDEX,
                              .weight = ids,
                              .in = ids + n_in,
                              .out = ids + 2 * n_in};
    *out = p->n_node++;
    return SV_OK;
}

/* The constant that a value is, perhaps by way of captures from the graphs around. */
static uint32_t constant_behind(const sv_graph *graph, sv_value_id v)
{
    while (graph->value[v].outer != SV_NO_VALUE && graph->parent) {
        v = graph->value[v].outer;
        graph = graph->parent;
    }
    return graph->value[v].constant;
}

static sv_status open_scope(sv_flatten *x, const sv_graph *graph, const sv_scope *parent,
                            sv_scope *scope)
{
    *scope = (sv_scope){.graph = graph, .parent = parent};
    scope->map = sv_arena_array(x->arena, graph->n_value, sizeof(*scope->map));
    if (!scope->map) return no_memory(graph->n_value * sizeof(*scope->map));
    for (sv_value_id v = 0; v < graph->n_value; v++) {
        if (graph->value[v].outer != SV_NO_VALUE && parent) {
            scope->map[v] = parent->map[graph->value[v].outer];
        } else {
            uint32_t constant = constant_behind(graph, v);
            SV_TRY(add_value(x, &graph->value[v], constant, &scope->map[v]));
        }
    }
    return SV_OK;
}

static uint32_t mapped(const sv_scope *scope, sv_value_id value)
{
    return value == SV_NO_VALUE ? SV_NO_VALUE : scope->map[value];
}

static sv_status flatten_graph(sv_flatten *x, const sv_scope *scope);
static sv_status make_program(const sv_module *module, const sv_graph *graph, sv_arena *arena,
                              sv_program **out);

/* One branch's nodes, then its results moved to the If's outputs. */
static sv_status flatten_branch(sv_flatten *x, const sv_scope *scope, const sv_node *node,
                                const char *attribute)
{
    const sv_graph *body = sv_node_graph(node, attribute);
    if (!body || body->n_out != node->n_out) {
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT, "%s: expected a graph of %u outputs",
                             attribute, node->n_out);
    }
    sv_scope inner;
    SV_TRY(open_scope(x, body, scope, &inner));
    SV_TRY(flatten_graph(x, &inner));
    for (uint32_t i = 0; i < node->n_out; i++) {
        if (node->out[i] == SV_NO_VALUE) continue;
        uint32_t move;
        SV_TRY(add_node(x, SV_PROGRAM_MOVE, node, 1, 1, &move));
        x->program->node[move].in[0] = mapped(&inner, body->out[i]);
        x->program->node[move].out[0] = mapped(scope, node->out[i]);
    }
    return SV_OK;
}

static sv_status flatten_if(sv_flatten *x, const sv_scope *scope, const sv_node *node)
{
    uint32_t branch, jump, join;
    SV_TRY(add_node(x, SV_PROGRAM_BRANCH, node, 1, 0, &branch));
    x->program->node[branch].in[0] = mapped(scope, node->in[0]);
    SV_TRY(flatten_branch(x, scope, node, "then_branch"));
    SV_TRY(add_node(x, SV_PROGRAM_JUMP, node, 0, 0, &jump));
    x->program->node[branch].target = x->program->n_node;
    SV_TRY(flatten_branch(x, scope, node, "else_branch"));
    SV_TRY(add_node(x, SV_PROGRAM_JOIN, node, 0, 0, &join));
    x->program->node[jump].target = join;
    x->program->node[branch].join = join;
    return SV_OK;
}

/* A node with its operands, and room for `n_more` inputs behind them. */
static sv_status add_mapped(sv_flatten *x, const sv_scope *scope, sv_program_kind kind,
                            const sv_node *node, uint32_t n_more, uint32_t *at)
{
    SV_TRY(add_node(x, kind, node, node->n_in + n_more, node->n_out, at));
    sv_program_node *flat = &x->program->node[*at];
    for (uint32_t i = 0; i < node->n_in; i++)
        flat->in[i] = mapped(scope, node->in[i]);
    for (uint32_t i = 0; i < node->n_out; i++)
        flat->out[i] = mapped(scope, node->out[i]);
    return SV_OK;
}

static sv_status add_body(sv_flatten *x, const sv_node *node, uint32_t *out)
{
    sv_program *p = x->program;
    const sv_graph *graph = sv_node_graph(node, "body");
    if (!graph)
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                             "attribute 'body': expected a graph, found none");
    void *array = p->body;
    if (!sv_arena_grow(x->arena, &array, &p->body_capacity, p->n_body, p->n_body + 1,
                       sizeof(sv_program *)))
        return no_memory(sizeof(sv_program *));
    p->body = array;
    SV_TRY(make_program(p->module, graph, x->arena, &p->body[p->n_body]));
    *out = p->n_body++;
    return SV_OK;
}

static sv_status flatten_call(sv_flatten *x, const sv_scope *scope, const sv_node *node)
{
    sv_program *p = x->program;
    uint32_t at, body = SV_NO_INDEX;
    if (sv_op_desc_get(node->op)->control) SV_TRY(add_body(x, node, &body));
    const sv_program *inner = body == SV_NO_INDEX ? NULL : p->body[body];
    SV_TRY(add_mapped(x, scope, SV_PROGRAM_CALL, node, inner ? inner->n_capture : 0, &at));
    p->node[at].body = body;
    for (uint32_t i = 0; inner && i < inner->n_capture; i++)
        p->node[at].in[node->n_in + i] = mapped(scope, inner->capture[i]);
    for (uint32_t i = 0; i < node->n_out; i++)
        hold(p, p->node[at].out[i]);
    return SV_OK;
}

/* Whether all that the node reads and makes is tensors. */
static bool on_tensors(const sv_graph *graph, const sv_node *node)
{
    for (uint32_t i = 0; i < node->n_in; i++) {
        if (node->in[i] != SV_NO_VALUE && graph->value[node->in[i]].type.kind != SV_KIND_TENSOR)
            return false;
    }
    return true;
}

static sv_status flatten_node(sv_flatten *x, const sv_scope *scope, const sv_node *node)
{
    const sv_op_desc *desc = sv_op_desc_get(node->op);
    uint32_t at;
    if (desc->control == SV_CONTROL_IF) return flatten_if(x, scope, node);
    if (desc->control || (desc->apply && (!desc->emit || !on_tensors(scope->graph, node))))
        return flatten_call(x, scope, node);
    return add_mapped(x, scope, SV_PROGRAM_NODE, node, 0, &at);
}

static sv_status flatten_graph(sv_flatten *x, const sv_scope *scope)
{
    for (uint32_t i = 0; i < scope->graph->n_node; i++)
        SV_TRY(flatten_node(x, scope, scope->graph->node[i]));
    return SV_OK;
}

static void set_last_uses(sv_program *program)
{
    for (uint32_t i = 0; i < program->n_node; i++) {
        for (uint32_t j = 0; j < program->node[i].n_in; j++) {
            if (program->node[i].in[j] != SV_NO_VALUE)
                program->value[program->node[i].in[j]].last_use = i;
        }
    }
    for (uint32_t i = 0; i < program->n_out; i++)
        program->value[program->out[i]].last_use = SV_NO_INDEX;
}

static void add_input(sv_program *program, uint32_t value, uint32_t fallback)
{
    program->value[value].input = program->n_in;
    program->fallback[program->n_in] = fallback;
    program->in[program->n_in++] = value;
}

/* Inputs and outputs of the graph; behind them what a body captures from the graph around. */
static sv_status set_ends(sv_flatten *x, const sv_scope *scope)
{
    sv_program *program = x->program;
    const sv_graph *graph = scope->graph;
    program->in =
        sv_arena_array(x->arena, (size_t)graph->n_in + graph->n_value, sizeof(*program->in));
    program->out = sv_arena_array(x->arena, graph->n_out, sizeof(*program->out));
    program->fallback =
        sv_arena_array(x->arena, (size_t)graph->n_in + graph->n_value, sizeof(*program->fallback));
    program->capture = sv_arena_array(x->arena, graph->n_value, sizeof(*program->capture));
    if (!program->in || !program->out || !program->fallback || !program->capture)
        return no_memory(graph->n_value * sizeof(*program->in));
    for (uint32_t i = 0; i < graph->n_in; i++)
        add_input(program, scope->map[graph->in[i]], graph->value[graph->in[i]].fallback);
    for (sv_value_id v = 0; v < graph->n_value; v++) {
        uint32_t value = scope->map[v];
        if (graph->value[v].outer == SV_NO_VALUE || !graph->parent) continue;
        if (program->value[value].constant != SV_NO_INDEX) continue;
        add_input(program, value, SV_NO_INDEX);
        program->capture[program->n_capture++] = graph->value[v].outer;
    }
    for (uint32_t i = 0; i < graph->n_out; i++)
        program->out[program->n_out++] = scope->map[graph->out[i]];
    return SV_OK;
}

static sv_status make_program(const sv_module *module, const sv_graph *graph, sv_arena *arena,
                              sv_program **out)
{
    sv_program *program = sv_arena_alloc_zero(arena, sizeof(*program));
    if (!program) return no_memory(sizeof(*program));
    program->module = module;
    sv_flatten x = {.program = program, .arena = arena};
    sv_scope scope;
    SV_TRY(open_scope(&x, graph, NULL, &scope));
    SV_TRY(flatten_graph(&x, &scope));
    SV_TRY(set_ends(&x, &scope));
    set_last_uses(program);
    *out = program;
    return SV_OK;
}

sv_status sv_program_create(const sv_module *module, const sv_graph *graph, sv_arena *arena,
                            sv_program **out)
{
    SV_TRY(sv_module_check(module));
    return make_program(module, graph, arena, out);
}

bool sv_program_is_open_ended(const sv_program *program)
{
    for (uint32_t i = 0; i < program->n_node; i++) {
        const sv_program_node *node = &program->node[i];
        if (node->kind != SV_PROGRAM_CALL || node->body == SV_NO_INDEX) continue;
        uint32_t count = node->in[0];
        if (node->node->op == SV_OP_Loop &&
            (count == SV_NO_VALUE || program->value[count].constant == SV_NO_INDEX))
            return true;
        if (sv_program_is_open_ended(program->body[node->body])) return true;
    }
    return false;
}
