/* Group normalisation in pieces becomes the operator; what only looks like it stays. */
#include "graph_case.h"

enum { N = 2, C = 6, GROUPS = 3, H = 4, W = 5 };

typedef enum form {
    PLAIN,
    SYMBOLIC,    /* the batch is a symbol, and the shape is read off the map */
    RANK_4,      /* scale and shift with four dimensions */
    OTHER_SCALE, /* the groups have a scale of their own */
    OTHER_SHAPE, /* what comes back is no map of the same shape */
    PER_PIXEL,   /* the shift differs along a row */
    FORMS
} form;

static sv_value_id shape_constant(graph_case *c, int64_t n, const int64_t *v)
{
    return graph_case_constant(c, SV_I64, 1, &n, v);
}

static sv_value_id group_scale(graph_case *c, float value, float last)
{
    const float v[GROUPS] = {value, value, last};
    return graph_case_constant(c, SV_F32, 1, (int64_t[]){GROUPS}, v);
}

static sv_value_id channel(graph_case *c, form f)
{
    if (f == RANK_4) return graph_case_constant(c, SV_F32, 4, (int64_t[]){1, C, 1, 1}, NULL);
    return graph_case_constant(c, SV_F32, 3, (int64_t[]){C, 1, 1}, NULL);
}

static void check(form f)
{
    const int64_t dim[4] = {N, C, H, W};
    graph_case c;
    graph_case_init(&c);
    sv_value_id x = graph_case_input(&c, SV_F32, 4, dim, f == SYMBOLIC);
    sv_value_id apart = shape_constant(&c, 3, (int64_t[]){0, GROUPS, -1});
    sv_value_id in[3] = {graph_case_binary(&c, SV_OP_Reshape, x, apart),
                         group_scale(&c, 1, f == OTHER_SCALE ? 2 : 1), group_scale(&c, 0, 0)};
    sv_value_id y = graph_case_node(&c, SV_OP_InstanceNormalization, 3, in, NULL), back;
    back = shape_constant(&c, 4, f == OTHER_SHAPE ? (int64_t[]){N, C, W, H} : dim);
    if (f == SYMBOLIC) back = graph_case_unary(&c, SV_OP_Shape, x);
    y = graph_case_binary(&c, SV_OP_Reshape, y, back);
    y = graph_case_binary(&c, SV_OP_Mul, channel(&c, f), y);
    sv_value_id shift = channel(&c, f);
    if (f == PER_PIXEL) shift = graph_case_constant(&c, SV_F32, 1, (int64_t[]){W}, NULL);
    y = graph_case_binary(&c, SV_OP_Add, y, shift);
    graph_case_check(&c, 1, &y);
    assert_int_equal(graph_case_count(&c, SV_OP_GroupNormalization), f <= RANK_4);
    if (f <= RANK_4) assert_int_equal(c.graph->n_node, 1);
    graph_case_release(&c);
}

static void test_forms(void **state)
{
    (void)state;
    for (form f = PLAIN; f < FORMS; f++)
        check(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
