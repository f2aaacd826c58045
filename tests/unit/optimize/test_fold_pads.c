/* Zeros around a picture go into the convolution; other borders, and other dimensions, stay. */
#include "graph_case.h"

static const int64_t dim[4] = {2, 3, 5, 6}, filter[4] = {4, 3, 3, 3};

static sv_value_id list(graph_case *c, const int64_t *v, int64_t n)
{
    return graph_case_constant(c, SV_I64, 1, &n, v);
}

static sv_value_id conv(graph_case *c, sv_value_id x, sv_node **out)
{
    sv_value_id w = graph_case_constant(c, SV_F32, 4, filter, NULL);
    return graph_case_node(c, SV_OP_Conv, 2, (sv_value_id[]){x, w}, out);
}

static void finish(graph_case *c, sv_value_id y, uint32_t pads)
{
    graph_case_check(c, 1, &y);
    assert_int_equal(graph_case_count(c, SV_OP_Pad), pads);
    graph_case_release(c);
}

static void test_zeros_go_in(void **state)
{
    (void)state;
    static const int64_t pads[8] = {0, 0, 1, 2, 0, 0, 2, 0}, own[4] = {1, 0, 1, 2};
    for (int form = 0; form < 4; form++) {
        graph_case c;
        graph_case_init(&c);
        sv_value_id x = graph_case_input(&c, SV_F32, 4, dim, 1), y;
        sv_value_id in[4] = {x, list(&c, pads, 8), SV_NO_VALUE, SV_NO_VALUE};
        if (form > 0) in[2] = graph_case_scalar(&c, 0);
        if (form == 3) {
            in[1] = list(&c, (int64_t[]){2, 1, 0, 2}, 4);
            in[3] = list(&c, (int64_t[]){-1, 2}, 2);
        }
        sv_node *node;
        y = conv(&c, graph_case_node(&c, SV_OP_Pad, form == 3 ? 4 : form ? 3 : 2, in, NULL), &node);
        if (form == 1) CHECK_OK(sv_node_set_ints(c.module, node, "pads", own, 4));
        if (form == 2) CHECK_OK(sv_node_set_text(c.module, node, "auto_pad", "VALID"));
        finish(&c, y, 0);
    }
}

static void test_two_readers(void **state)
{
    (void)state;
    graph_case c;
    graph_case_init(&c);
    sv_value_id x = graph_case_input(&c, SV_F32, 4, dim, 0);
    sv_value_id pads = list(&c, (int64_t[]){0, 0, 1, 1, 0, 0, 1, 1}, 8);
    sv_value_id padded = graph_case_binary(&c, SV_OP_Pad, x, pads);
    sv_value_id y[2] = {conv(&c, padded, NULL), graph_case_unary(&c, SV_OP_Neg, padded)};
    graph_case_check(&c, 2, y);
    assert_int_equal(graph_case_count(&c, SV_OP_Pad), 1);
    graph_case_release(&c);
}

static void test_others_stay(void **state)
{
    (void)state;
    static const int64_t pads[4][8] = {{0, 0, 1, 1, 0, 0, 1, 1},
                                       {0, 0, 1, 1, 0, 0, 1, 1},
                                       {0, 0, -1, 1, 0, 0, 1, 1},
                                       {1, 0, 1, 1, 0, 0, 1, 1}};
    for (int form = 0; form < 5; form++) {
        graph_case c;
        graph_case_init(&c);
        sv_value_id x = graph_case_input(&c, SV_F32, 4, dim, 0);
        sv_value_id in[3] = {x, list(&c, pads[form % 4], 8), SV_NO_VALUE};
        if (form == 0) in[2] = graph_case_scalar(&c, 1);
        sv_node *pad, *node;
        sv_value_id padded = graph_case_node(&c, SV_OP_Pad, form == 0 ? 3 : 2, in, &pad);
        if (form == 1) CHECK_OK(sv_node_set_text(c.module, pad, "mode", "edge"));
        sv_value_id y = conv(&c, padded, &node);
        if (form == 4) CHECK_OK(sv_node_set_text(c.module, node, "auto_pad", "SAME_UPPER"));
        finish(&c, y, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zeros_go_in),
        cmocka_unit_test(test_two_readers),
        cmocka_unit_test(test_others_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
