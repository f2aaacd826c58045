/* Shuffles of channels go into the weights of dense convolutions before or behind them, and stay
 * where others read or make what is shuffled. */
#include "graph_case.h"

enum { GROUPS = 3, EACH = 4, CHANNELS = GROUPS * EACH, SIDE = 5 };
static const int64_t dim[4] = {2, CHANNELS, SIDE, SIDE};

static sv_value_id list(graph_case *c, int64_t n, const int64_t *v)
{
    return graph_case_constant(c, SV_I64, 1, &n, v);
}

static sv_value_id conv(graph_case *c, sv_value_id x, int64_t out, int64_t groups, bool bias)
{
    const int64_t weight[4] = {out, CHANNELS / groups, 1, 1};
    sv_value_id in[3] = {x, graph_case_constant(c, SV_F32, 4, weight, NULL), SV_NO_VALUE};
    if (bias) in[2] = graph_case_constant(c, SV_F32, 1, &out, NULL);
    sv_node *node;
    sv_value_id y = graph_case_node(c, SV_OP_Conv, bias ? 3 : 2, in, &node);
    CHECK_OK(sv_node_set_int(c->module, node, "group", groups));
    return y;
}

/* `axis`: the dimension that changes its place with the next one; 1 is a shuffle. */
static sv_value_id shuffled(graph_case *c, sv_value_id x, int axis)
{
    /* 0: as many as before. */
    const int64_t split[5] = {0, GROUPS, EACH, SIDE, SIDE}, joined[4] = {0, CHANNELS, SIDE, SIDE};
    int64_t perm[5] = {0, 1, 2, 3, 4};
    perm[axis] = axis + 1;
    perm[axis + 1] = axis;
    sv_node *swap;
    x = graph_case_binary(c, SV_OP_Reshape, x, list(c, 5, split));
    x = graph_case_node(c, SV_OP_Transpose, 1, &x, &swap);
    CHECK_OK(sv_node_set_ints(c->module, swap, "perm", perm, 5));
    return graph_case_binary(c, SV_OP_Reshape, x, list(c, 4, joined));
}

static void finish(graph_case *c, uint32_t n, const sv_value_id *y, uint32_t shuffles)
{
    graph_case_check(c, n, y);
    assert_int_equal(graph_case_count(c, SV_OP_Transpose), shuffles);
    graph_case_release(c);
}

static void test_results_come_in_the_new_order(void **state)
{
    (void)state;
    for (int form = 0; form < 4; form++) {
        graph_case c;
        graph_case_init(&c);
        sv_value_id x = graph_case_input(&c, SV_F32, 4, dim, 1);
        sv_value_id y = conv(&c, x, CHANNELS, 1, form & 1);
        if (form & 2) y = graph_case_unary(&c, SV_OP_Relu, y);
        y = shuffled(&c, y, 1);
        finish(&c, 1, &y, 0);
    }
}

static void test_weights_take_the_old_order(void **state)
{
    (void)state;
    for (int readers = 1; readers <= 2; readers++) {
        graph_case c;
        graph_case_init(&c);
        sv_value_id x = graph_case_input(&c, SV_F32, 4, dim, 1);
        sv_value_id s = shuffled(&c, graph_case_unary(&c, SV_OP_Neg, x), 1), y[2];
        for (int i = 0; i < readers; i++)
            y[i] = conv(&c, s, 7 + i, 1, true);
        finish(&c, (uint32_t)readers, y, 0);
    }
}

static void test_two_shuffles_in_a_row(void **state)
{
    (void)state;
    graph_case c;
    graph_case_init(&c);
    sv_value_id x = graph_case_input(&c, SV_F32, 4, dim, 1);
    sv_value_id y = conv(&c, shuffled(&c, conv(&c, x, CHANNELS, 1, true), 1), CHANNELS, 1, true);
    y = shuffled(&c, shuffled(&c, y, 1), 1);
    finish(&c, 1, &y, 0);
}

static void test_others_stay(void **state)
{
    (void)state;
    for (int form = 0; form < 4; form++) {
        graph_case c;
        graph_case_init(&c);
        sv_value_id x = graph_case_input(&c, SV_F32, 4, dim, 0), y[2];
        uint32_t n = 1;
        if (form == 0) { /* between grouped ones */
            x = conv(&c, x, CHANNELS, GROUPS, true);
            y[0] = conv(&c, shuffled(&c, x, 1), CHANNELS, EACH, true);
        } else if (form == 1) { /* what goes in is read elsewhere, what comes out too */
            x = conv(&c, x, CHANNELS, 1, false);
            y[0] = conv(&c, shuffled(&c, x, 1), 5, 1, false);
            y[1] = graph_case_unary(&c, SV_OP_Neg, x);
            n = 2;
        } else if (form == 2) { /* a reader that is no convolution */
            x = shuffled(&c, graph_case_unary(&c, SV_OP_Neg, x), 1);
            y[0] = conv(&c, x, 5, 1, false);
            y[1] = graph_case_unary(&c, SV_OP_Neg, x);
            n = 2;
        } else { /* rows and columns of a picture */
            y[0] = conv(&c, shuffled(&c, graph_case_unary(&c, SV_OP_Neg, x), 3), 5, 1, false);
        }
        finish(&c, n, y, form != 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results_come_in_the_new_order),
        cmocka_unit_test(test_weights_take_the_old_order),
        cmocka_unit_test(test_two_shuffles_in_a_row),
        cmocka_unit_test(test_others_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
