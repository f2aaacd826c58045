/* What follows from constants is computed once; what is random, large or derived is not. */
#include "graph_case.h"

static const int64_t dim[2] = {2, 3};

static void test_a_tree_of_constants_becomes_one(void **state)
{
    (void)state;
    graph_case c;
    graph_case_init(&c);
    sv_value_id x = graph_case_input(&c, SV_F32, 2, dim, 0);
    sv_value_id a = graph_case_constant(&c, SV_F32, 2, dim, NULL);
    sv_value_id b = graph_case_constant(&c, SV_F32, 1, dim + 1, NULL);
    sv_value_id sum = graph_case_unary(&c, SV_OP_Exp, graph_case_binary(&c, SV_OP_Add, a, b));
    sv_value_id y = graph_case_binary(&c, SV_OP_Sub, x, sum);
    graph_case_check(&c, 2, (sv_value_id[]){y, sum});
    assert_int_equal(c.graph->n_node, 1);
    graph_case_release(&c);
}

static void test_random_values_stay(void **state)
{
    (void)state;
    graph_case c;
    graph_case_init(&c);
    sv_node *node;
    sv_value_id y = graph_case_node(&c, SV_OP_RandomNormal, 0, NULL, &node);
    CHECK_OK(sv_node_set_ints(c.module, node, "shape", dim, 2));
    CHECK_OK(sv_node_set_float(c.module, node, "seed", 3));
    y = graph_case_unary(&c, SV_OP_Neg, y);
    graph_case_check(&c, 1, &y);
    assert_int_equal(graph_case_count(&c, SV_OP_RandomNormal), 1);
    graph_case_release(&c);
}

/* A few bytes of model may not become gigabytes. */
static void test_large_values_stay(void **state)
{
    (void)state;
    graph_case c;
    graph_case_init(&c);
    sv_value_id shape = graph_case_constant(&c, SV_I64, 1, (int64_t[]){1}, (int64_t[]){1 << 30});
    sv_value_id y = graph_case_unary(&c, SV_OP_ConstantOfShape, shape);
    CHECK_OK(sv_graph_add_output(c.graph, y));
    CHECK_OK(sv_graph_normalize(c.graph));
    CHECK_OK(sv_graph_infer(c.graph));
    CHECK_OK(sv_optimize(c.module));
    assert_int_equal(c.graph->n_node, 1);
    graph_case_release(&c);
}

static void test_scaled_constants_stay(void **state)
{
    (void)state;
    graph_case c;
    graph_case_init(&c);
    sv_value_id x = graph_case_input(&c, SV_F32, 2, dim, 0);
    sv_value_id a = graph_case_constant(&c, SV_F32, 2, dim, NULL);
    sv_constant *constant = &c.module->constant[c.graph->value[a].constant];
    constant->scale = (const float[]){2, 3, 4};
    constant->axis = 1;
    sv_value_id y = graph_case_binary(&c, SV_OP_Add, x, graph_case_unary(&c, SV_OP_Neg, a));
    graph_case_check(&c, 1, &y);
    assert_int_equal(graph_case_count(&c, SV_OP_Neg), 1);
    graph_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tree_of_constants_becomes_one),
        cmocka_unit_test(test_random_values_stay),
        cmocka_unit_test(test_large_values_stay),
        cmocka_unit_test(test_scaled_constants_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
