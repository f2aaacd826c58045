/* Functions of model files: inlined with their attributes, through one another, within bounds. */
#include "old.h"

#include "lower/lower.h"

#include <stdio.h>

/* A module with one call "n" of acme.`name` on input x; functions are added by the tests. */
static void make_call(old *o, const char *name)
{
    old_init(o, SV_OP_UNKNOWN, 1, 1);
    o->node->domain = "acme";
    o->node->op_name = name;
    old_input(o, 0, 1, (int64_t[]){3});
    o->module->function = sv_arena_array(&o->module->arena, 64, sizeof *o->module->function);
    assert_non_null(o->module->function);
}

/* Appends acme.`name`(a) -> its graph's output, whose body the caller fills. */
static sv_graph *add_function(old *o, const char *name, sv_value_id *in)
{
    sv_function *function = &o->module->function[o->module->n_function++];
    *function = (sv_function){.domain = "acme", .name = name, .overload = ""};
    CHECK_OK(sv_graph_create(o->module, NULL, name, &function->body));
    CHECK_OK(sv_graph_add_value(function->body, "a", in));
    CHECK_OK(sv_graph_add_input(function->body, *in));
    return function->body;
}

static sv_node *add_node(sv_graph *graph, sv_op op, sv_value_id a, sv_value_id b)
{
    sv_node *node;
    CHECK_OK(sv_graph_add_node(graph, op, "inner", b == SV_NO_VALUE ? 1 : 2, 1, &node));
    node->in[0] = a;
    if (b != SV_NO_VALUE) node->in[1] = b;
    return node;
}

static sv_node *add_call(sv_graph *graph, const char *name, sv_value_id a)
{
    sv_node *node = add_node(graph, SV_OP_UNKNOWN, a, SV_NO_VALUE);
    node->domain = "acme";
    node->op_name = name;
    return node;
}

static void finish(sv_graph *body, const sv_node *last)
{
    CHECK_OK(sv_graph_add_output(body, last->out[0]));
    CHECK_OK(sv_graph_normalize(body));
}

static void bodies_replace_calls(void **state)
{
    (void)state;
    old o;
    sv_value_id a;
    make_call(&o, "Outer");
    sv_graph *inner = add_function(&o, "Inner", &a);
    finish(inner, add_node(inner, SV_OP_Add, a, a));
    sv_graph *outer = add_function(&o, "Outer", &a);
    sv_node *first = add_call(outer, "Inner", a);
    sv_node *second = add_call(outer, "Inner", first->out[0]);
    finish(outer, add_node(outer, SV_OP_Neg, second->out[0], SV_NO_VALUE));
    CHECK_OK(sv_lower_functions(o.module));
    CHECK_OK(sv_module_verify(o.module));
    assert_int_equal(o.graph->n_node, 3);
    old_lower(&o);
    old_expect(&o, 0, 1, (int64_t[]){3}, (float[]){-4, -8, -12});
    old_release(&o);
}

/* factor: given by the call, else 2 by default; bias: without default, left out. */
static void attributes_are_substituted(void **state)
{
    (void)state;
    for (int given = 0; given < 2; given++) {
        old o;
        sv_value_id a;
        make_call(&o, "F");
        if (given) CHECK_OK(sv_node_set_float(o.module, o.node, "factor", 5));
        sv_graph *body = add_function(&o, "F", &a);
        sv_attr factor = {.name = "factor", .kind = SV_ATTR_FLOAT, .u.f = 2};
        o.module->function[0].defaults = &factor;
        o.module->function[0].n_default = 1;
        sv_node *elu = add_node(body, SV_OP_Elu, a, SV_NO_VALUE);
        sv_attr alpha = {.name = "alpha", .kind = SV_ATTR_FLOAT, .reference = "factor"};
        sv_attr other = {.name = "other", .kind = SV_ATTR_FLOAT, .reference = "bias"};
        CHECK_OK(sv_node_add_attr(o.module, elu, &alpha));
        CHECK_OK(sv_node_add_attr(o.module, elu, &other));
        finish(body, elu);
        CHECK_OK(sv_lower_functions(o.module));
        CHECK_OK(sv_module_verify(o.module));
        const sv_node *node = o.graph->node[0];
        assert_int_equal(node->op, SV_OP_Elu);
        assert_true(sv_node_float(node, "alpha", 0) == (given ? 5 : 2));
        assert_null(sv_node_attr(node, "other"));
        old_release(&o);
    }
}

/* The body's branch captures the function's input and refers to its attribute. */
static void nested_graphs_are_copied(void **state)
{
    (void)state;
    old o;
    sv_value_id a, captured;
    make_call(&o, "F");
    CHECK_OK(sv_node_set_float(o.module, o.node, "factor", 5));
    sv_graph *body = add_function(&o, "F", &a), **branch;
    branch = sv_arena_array(&o.module->arena, 1, sizeof(sv_graph *));
    CHECK_OK(sv_graph_create(o.module, body, "then", &branch[0]));
    CHECK_OK(sv_graph_add_value(branch[0], "a", &captured));
    branch[0]->value[captured].outer = a;
    sv_node *elu = add_node(branch[0], SV_OP_Elu, captured, SV_NO_VALUE);
    sv_attr alpha = {.name = "alpha", .kind = SV_ATTR_FLOAT, .reference = "factor"};
    CHECK_OK(sv_node_add_attr(o.module, elu, &alpha));
    CHECK_OK(sv_graph_add_output(branch[0], elu->out[0]));
    sv_node *node = add_node(body, SV_OP_If, a, SV_NO_VALUE);
    sv_attr attr = {.name = "then_branch", .kind = SV_ATTR_GRAPH, .u.graphs = branch};
    CHECK_OK(sv_node_add_attr(o.module, node, &attr));
    finish(body, node);
    CHECK_OK(sv_lower_functions(o.module));
    CHECK_OK(sv_module_verify(o.module));
    sv_graph *copy = sv_node_graph(o.graph->node[0], "then_branch");
    assert_ptr_not_equal(copy, branch[0]);
    assert_ptr_equal(copy->parent, o.graph);
    assert_int_equal(copy->value[copy->node[0]->in[0]].outer, o.graph->in[0]);
    assert_true(sv_node_float(copy->node[0], "alpha", 0) == 5);
    old_release(&o);
}

static void inputs_may_be_results(void **state)
{
    (void)state;
    old o;
    sv_value_id a;
    make_call(&o, "Same");
    sv_graph *body = add_function(&o, "Same", &a);
    CHECK_OK(sv_graph_add_output(body, a));
    CHECK_OK(sv_lower_functions(o.module));
    CHECK_OK(sv_module_verify(o.module));
    assert_int_equal(o.graph->node[0]->op, SV_OP_Identity);
    old_release(&o);
}

static void recursion_is_refused(void **state)
{
    (void)state;
    old o;
    sv_value_id a;
    make_call(&o, "F");
    sv_graph *f = add_function(&o, "F", &a);
    finish(f, add_call(f, "G", a));
    sv_graph *g = add_function(&o, "G", &a);
    finish(g, add_call(g, "F", a));
    CHECK_FAILS(sv_lower_functions(o.module), SV_CODE_INVALID_ARGUMENT, "calls itself");
    old_release(&o);
}

/* Each of 60 functions calls the one before it twice. */
static void doubling_is_bounded(void **state)
{
    (void)state;
    old o;
    sv_value_id a;
    make_call(&o, "F59");
    for (int i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof name, "F%d", i);
        sv_graph *body =
            add_function(&o, sv_arena_copy_text(&o.module->arena, name, strlen(name)), &a);
        snprintf(name, sizeof name, "F%d", i - 1);
        const char *before = sv_arena_copy_text(&o.module->arena, name, strlen(name));
        if (i == 0) {
            finish(body, add_node(body, SV_OP_Relu, a, SV_NO_VALUE));
            continue;
        }
        sv_node *left = add_call(body, before, a), *right = add_call(body, before, a);
        finish(body, add_node(body, SV_OP_Add, left->out[0], right->out[0]));
    }
    CHECK_FAILS(sv_lower_functions(o.module), SV_CODE_RESOURCE_EXHAUSTED, "expand to more than");
    old_release(&o);
}

static void calls_must_fit(void **state)
{
    (void)state;
    old o;
    sv_value_id a;
    make_call(&o, "F");
    sv_graph *body = add_function(&o, "F", &a);
    finish(body, add_node(body, SV_OP_Relu, a, SV_NO_VALUE));
    CHECK_OK(sv_node_add_input(o.module, o.node, o.node->in[0]));
    CHECK_FAILS(sv_lower_functions(o.module), SV_CODE_INVALID_ARGUMENT, "is called with 2 and 1");
    old_release(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_replace_calls),     cmocka_unit_test(attributes_are_substituted),
        cmocka_unit_test(nested_graphs_are_copied), cmocka_unit_test(inputs_may_be_results),
        cmocka_unit_test(recursion_is_refused),     cmocka_unit_test(doubling_is_bounded),
        cmocka_unit_test(calls_must_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
