/* Order, dead nodes, use counts, captures, rewiring. */
#include "graphs.h"
#include "base/alloc.h"
#include "base/status.h"
#include "support/check.h"

#include <string.h>

static void swap(sv_graph *graph, uint32_t a, uint32_t b)
{
    sv_node *node = graph->node[a];
    graph->node[a] = graph->node[b];
    graph->node[b] = node;
}

static void order_is_restored(void **state)
{
    (void)state;
    sv_value_id x;
    sv_module *module = make_module(&x);
    sv_graph *graph = main_graph(module);
    sv_value_id a = add(graph, SV_OP_Relu, "a", x, SV_NO_VALUE);
    sv_value_id b = add(graph, SV_OP_Exp, "b", a, SV_NO_VALUE);
    sv_value_id c = add(graph, SV_OP_Add, "c", a, b);
    add(graph, SV_OP_Neg, "unused", c, SV_NO_VALUE);
    CHECK_OK(sv_graph_add_output(graph, c));
    swap(graph, 0, 2);
    CHECK_OK(sv_graph_normalize(graph));
    assert_int_equal(graph->n_node, 3);
    assert_string_equal(graph->node[0]->name, "a");
    assert_string_equal(graph->node[1]->name, "b");
    assert_string_equal(graph->node[2]->name, "c");
    assert_int_equal(graph->value[a].uses, 2);
    assert_int_equal(graph->value[b].producer, 1);
    assert_int_equal(graph->value[c].uses, 1);
    assert_int_equal(graph->value[x].producer, SV_NO_INDEX);
    CHECK_OK(sv_module_verify(module));
    sv_module_destroy(module);
}

static void sorted_graphs_stay_as_they_are(void **state)
{
    (void)state;
    sv_value_id x;
    sv_module *module = make_module(&x);
    sv_graph *graph = main_graph(module);
    sv_value_id right = add(graph, SV_OP_Relu, "1", x, SV_NO_VALUE);
    sv_value_id left = add(graph, SV_OP_Exp, "2", x, SV_NO_VALUE);
    sv_value_id sum = add(graph, SV_OP_Add, "3", left, right);
    CHECK_OK(sv_graph_add_output(graph, sum));
    CHECK_OK(sv_graph_normalize(graph));
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(graph->node[i]->name[0], '1' + (int)i);
    sv_module_destroy(module);
}

static void cycles_are_refused(void **state)
{
    (void)state;
    sv_value_id x;
    sv_module *module = make_module(&x);
    sv_graph *graph = main_graph(module);
    sv_value_id a = add(graph, SV_OP_Add, "left", x, x);
    sv_value_id b = add(graph, SV_OP_Add, "right", a, x);
    graph->node[0]->in[1] = b;
    CHECK_OK(sv_graph_add_output(graph, b));
    CHECK_FAILS(sv_graph_normalize(graph), SV_CODE_INVALID_ARGUMENT, "cycle");
    sv_module_destroy(module);
}

static void two_producers_are_refused(void **state)
{
    (void)state;
    sv_value_id x;
    sv_module *module = make_module(&x);
    sv_graph *graph = main_graph(module);
    sv_value_id a = add(graph, SV_OP_Relu, "one", x, SV_NO_VALUE);
    add(graph, SV_OP_Relu, "two", x, SV_NO_VALUE);
    graph->node[1]->out[0] = a;
    CHECK_OK(sv_graph_add_output(graph, a));
    CHECK_FAILS(sv_graph_normalize(graph), SV_CODE_INVALID_ARGUMENT, "defined by node 'one'");
    sv_module_destroy(module);
}

/* x -> Relu (a); If(x) { then: Exp(capture a) }: returns the body. */
static sv_graph *add_if(sv_graph *graph, sv_value_id condition, sv_value_id captured,
                        sv_value_id *out)
{
    sv_module *module = graph->module;
    sv_graph **body = sv_arena_array(&module->arena, 1, sizeof(sv_graph *));
    assert_non_null(body);
    CHECK_OK(sv_graph_create(module, graph, "then", &body[0]));
    sv_value_id inner;
    CHECK_OK(sv_graph_add_value(body[0], "capture", &inner));
    body[0]->value[inner].outer = captured;
    sv_value_id result = add(body[0], SV_OP_Exp, "e", inner, SV_NO_VALUE);
    CHECK_OK(sv_graph_add_output(body[0], result));
    sv_node *node;
    CHECK_OK(sv_graph_add_node(graph, SV_OP_If, "if", 1, 1, &node));
    node->in[0] = condition;
    sv_attr attr = {.name = "then_branch", .kind = SV_ATTR_GRAPH, .u.graphs = body};
    CHECK_OK(sv_node_add_attr(module, node, &attr));
    *out = node->out[0];
    return body[0];
}

static void captures_count_as_reads(void **state)
{
    (void)state;
    sv_value_id x, result;
    sv_module *module = make_module(&x);
    sv_graph *graph = main_graph(module);
    sv_value_id a = add(graph, SV_OP_Relu, "a", x, SV_NO_VALUE);
    sv_value_id b = add(graph, SV_OP_Neg, "b", x, SV_NO_VALUE);
    sv_graph *body = add_if(graph, x, a, &result);
    CHECK_OK(sv_graph_add_output(graph, result));
    swap(graph, 0, 2);
    CHECK_OK(sv_graph_normalize(graph));
    assert_int_equal(graph->n_node, 2);
    assert_string_equal(graph->node[0]->name, "a");
    assert_int_equal(graph->value[a].uses, 1);
    CHECK_OK(sv_module_verify(module));

    sv_graph_replace_uses(graph, a, x);
    assert_int_equal(body->value[0].outer, x);
    CHECK_OK(sv_graph_normalize(graph));
    assert_int_equal(graph->n_node, 1);
    assert_int_equal(graph->value[x].uses, 2);
    (void)b;
    CHECK_OK(sv_module_verify(module));
    sv_module_destroy(module);
}

static void dead_captures_keep_nothing_alive(void **state)
{
    (void)state;
    sv_value_id x, result;
    sv_module *module = make_module(&x);
    sv_graph *graph = main_graph(module);
    sv_value_id a = add(graph, SV_OP_Relu, "a", x, SV_NO_VALUE);
    sv_graph *body = add_if(graph, x, a, &result);
    sv_value_id one;
    CHECK_OK(sv_graph_constant_i64(body, (int64_t[]){1}, 1, true, &one));
    body->out[0] = one;
    CHECK_OK(sv_graph_add_output(graph, result));
    CHECK_OK(sv_graph_normalize(graph));
    assert_int_equal(body->n_node, 0);
    assert_int_equal(graph->n_node, 1);
    CHECK_OK(sv_module_verify(module));
    sv_module_destroy(module);
}

static void uses_move_with_replacement(void **state)
{
    (void)state;
    sv_value_id x;
    sv_module *module = make_module(&x);
    sv_graph *graph = main_graph(module);
    sv_value_id a = add(graph, SV_OP_Relu, "a", x, SV_NO_VALUE);
    sv_value_id b = add(graph, SV_OP_Add, "b", a, a);
    CHECK_OK(sv_graph_add_output(graph, b));
    CHECK_OK(sv_graph_add_output(graph, a));
    CHECK_OK(sv_graph_normalize(graph));
    sv_graph_replace_uses(graph, a, x);
    assert_int_equal(graph->node[1]->in[0], x);
    assert_int_equal(graph->node[1]->in[1], x);
    assert_int_equal(graph->out[1], x);
    assert_int_equal(graph->value[a].uses, 0);
    assert_int_equal(graph->value[x].uses, 4);
    graph->node[1]->dead = true;
    graph->out[0] = x;
    CHECK_OK(sv_graph_normalize(graph));
    assert_int_equal(graph->n_node, 0);
    sv_module_destroy(module);
}

/* A chain written backwards: the worst case for depth; recursion would overflow the stack. */
static void long_chains_are_sorted_without_recursion(void **state)
{
    (void)state;
    enum { LENGTH = 300000 };
    sv_value_id x;
    sv_module *module = make_module(&x);
    sv_graph *graph = main_graph(module);
    sv_value_id at = x;
    for (int i = 0; i < LENGTH; i++)
        at = add(graph, SV_OP_Relu, "", at, SV_NO_VALUE);
    CHECK_OK(sv_graph_add_output(graph, at));
    for (uint32_t i = 0; i < LENGTH / 2; i++)
        swap(graph, i, LENGTH - 1 - i);
    CHECK_OK(sv_graph_normalize(graph));
    assert_int_equal(graph->n_node, LENGTH);
    assert_int_equal(graph->node[0]->in[0], x);
    CHECK_OK(sv_module_verify(module));
    sv_module_destroy(module);
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    sv_value_id x;
    sv_module *module = make_module(&x);
    sv_graph *graph = main_graph(module);
    for (int depth = 0; depth < 70; depth++) {
        sv_value_id result;
        sv_graph *body = add_if(graph, 0, 0, &result);
        CHECK_OK(sv_graph_add_output(graph, result));
        graph = body;
    }
    CHECK_FAILS(sv_graph_normalize(main_graph(module)), SV_CODE_INVALID_ARGUMENT, "nested");
    CHECK_FAILS(sv_module_verify(module), SV_CODE_INVALID_ARGUMENT, "nested");
    sv_module_destroy(module);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_restored),
        cmocka_unit_test(sorted_graphs_stay_as_they_are),
        cmocka_unit_test(cycles_are_refused),
        cmocka_unit_test(two_producers_are_refused),
        cmocka_unit_test(captures_count_as_reads),
        cmocka_unit_test(dead_captures_keep_nothing_alive),
        cmocka_unit_test(uses_move_with_replacement),
        cmocka_unit_test(long_chains_are_sorted_without_recursion),
        cmocka_unit_test(deep_nesting_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
