/* Operators that hand on their input go, unless somebody could tell. */
#include "graph_case.h"

static const int64_t dim[2] = {2, 3};

static void test_chains_of_identities_go(void **state)
{
    (void)state;
    graph_case c;
    graph_case_init(&c);
    sv_value_id x = graph_case_input(&c, SV_F32, 2, dim, 0), y = x;
    for (int i = 0; i < 5; i++)
        y = graph_case_unary(&c, SV_OP_Identity, y);
    sv_node *cast;
    y = graph_case_node(&c, SV_OP_Cast, 1, &y, &cast);
    CHECK_OK(sv_node_set_int(c.module, cast, "to", SV_F32));
    y = graph_case_unary(&c, SV_OP_Dropout, y);
    y = graph_case_binary(&c, SV_OP_Sub, graph_case_unary(&c, SV_OP_Exp, y), y);
    graph_case_check(&c, 1, &y);
    assert_int_equal(c.graph->n_node, 2);
    graph_case_release(&c);
}

static void test_an_output_keeps_its_name(void **state)
{
    (void)state;
    graph_case c;
    graph_case_init(&c);
    sv_value_id x = graph_case_input(&c, SV_F32, 2, dim, 0);
    sv_value_id y = graph_case_unary(&c, SV_OP_Identity, x);
    graph_case_check(&c, 2, (sv_value_id[]){y, graph_case_unary(&c, SV_OP_Neg, y)});
    assert_int_equal(graph_case_count(&c, SV_OP_Identity), 1);
    assert_int_equal(c.graph->out[0], y);
    graph_case_release(&c);
}

static void test_casts_to_other_types_stay(void **state)
{
    (void)state;
    graph_case c;
    graph_case_init(&c);
    sv_value_id x = graph_case_input(&c, SV_F32, 2, dim, 0), y;
    sv_node *cast;
    y = graph_case_node(&c, SV_OP_Cast, 1, &x, &cast);
    CHECK_OK(sv_node_set_int(c.module, cast, "to", SV_I32));
    y = graph_case_unary(&c, SV_OP_Neg, y);
    graph_case_check(&c, 1, &y);
    assert_int_equal(graph_case_count(&c, SV_OP_Cast), 1);
    graph_case_release(&c);
}

static void test_a_dropout_whose_mask_is_read_stays(void **state)
{
    (void)state;
    graph_case c;
    graph_case_init(&c);
    sv_value_id x = graph_case_input(&c, SV_F32, 2, dim, 0);
    sv_node *dropout;
    CHECK_OK(sv_graph_add_node(c.graph, SV_OP_Dropout, "dropout", 1, 2, &dropout));
    dropout->in[0] = x;
    sv_value_id a = graph_case_unary(&c, SV_OP_Neg, dropout->out[0]);
    sv_value_id b = graph_case_unary(&c, SV_OP_Not, dropout->out[1]);
    graph_case_check(&c, 2, (sv_value_id[]){a, b});
    assert_int_equal(graph_case_count(&c, SV_OP_Dropout), 1);
    graph_case_release(&c);
}

/* Readers in nested graphs see the value behind the identity. */
static void test_captures_follow(void **state)
{
    (void)state;
    graph_case c;
    graph_case_init(&c);
    sv_value_id x = graph_case_input(&c, SV_F32, 2, dim, 0);
    sv_value_id which = graph_case_input(&c, SV_BOOL, 0, NULL, 0);
    sv_value_id same = graph_case_unary(&c, SV_OP_Identity, x);
    sv_node *node;
    sv_value_id y = graph_case_node(&c, SV_OP_If, 1, &which, &node);
    static const char *const name[2] = {"then_branch", "else_branch"};
    sv_graph *body[2];
    for (int i = 0; i < 2; i++) {
        sv_value_id captured;
        sv_node *inner;
        CHECK_OK(sv_graph_create(c.module, c.graph, name[i], &body[i]));
        CHECK_OK(sv_graph_add_value(body[i], "captured", &captured));
        body[i]->value[captured].outer = same;
        CHECK_OK(sv_graph_add_node(body[i], i ? SV_OP_Neg : SV_OP_Abs, "inner", 1, 1, &inner));
        inner->in[0] = captured;
        CHECK_OK(sv_graph_add_output(body[i], inner->out[0]));
        sv_graph **graphs = sv_arena_alloc(&c.module->arena, sizeof(*graphs));
        *graphs = body[i];
        sv_attr attr = {.name = name[i], .kind = SV_ATTR_GRAPH, .count = 1, .u.graphs = graphs};
        CHECK_OK(sv_node_add_attr(c.module, node, &attr));
    }
    CHECK_OK(sv_graph_add_output(c.graph, y));
    CHECK_OK(sv_graph_normalize(c.graph));
    CHECK_OK(sv_graph_infer(c.graph));
    CHECK_OK(sv_optimize(c.module));
    CHECK_OK(sv_module_verify(c.module));
    assert_int_equal(graph_case_count(&c, SV_OP_Identity), 0);
    assert_int_equal(body[0]->value[body[0]->node[0]->in[0]].outer, x);
    graph_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains_of_identities_go),
        cmocka_unit_test(test_an_output_keeps_its_name),
        cmocka_unit_test(test_casts_to_other_types_stay),
        cmocka_unit_test(test_a_dropout_whose_mask_is_read_stays),
        cmocka_unit_test(test_captures_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
