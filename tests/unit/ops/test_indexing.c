/* Operators that index, sort, draw and multiply by names: faults and errors by name, sizes known
 * only by running, and values that ONNX's node cases do not touch (those run in tests/conformance).
 */
#include "node_case.h"
#include "support/check.h"

#define DIMS(...) ((int64_t[]){__VA_ARGS__})
#define F32(...) ((float[]){__VA_ARGS__})

static void check_i64(const node_case *c, uint32_t i, int64_t n, const int64_t *want)
{
    assert_int_equal(c->result[i].dtype, SV_I64);
    assert_int_equal(sv_tensor_count(&c->result[i]), n);
    for (int64_t e = 0; e < n; e++)
        assert_int_equal(sv_tensor_get_i64(&c->result[i], e), want[e]);
}

static void gather_puts_the_indices_in_place_of_the_axis(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Gather, 2, 1);
    node_case_int(&c, "axis", 1);
    node_case_type(&c, 0, SV_F32, 3, DIMS(-3, 4, 5));
    node_case_type(&c, 1, SV_I64, 2, DIMS(2, -6));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 4, DIMS(-3, 2, -6, 5));
    node_case_type(&c, 1, SV_F32, 1, DIMS(2));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "input 1: expected int32 or int64");
    node_case_type(&c, 1, SV_I64, 7, DIMS(1, 1, 1, 1, 1, 1, 1));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "rank 8 at most, found 9");
    node_case_release(&c);
}

static void indices_out_of_range_are_data_errors(void **state)
{
    (void)state;
    static const sv_op op[] = {SV_OP_Gather, SV_OP_GatherElements, SV_OP_GatherND};
    for (int i = 0; i < 3; i++) {
        node_case c;
        node_case_init(&c, op[i], 2, 1);
        node_case_f32(&c, 0, 1, DIMS(3), F32(1, 2, 3));
        node_case_i64(&c, 1, 2, DIMS(-3, 3));
        if (op[i] == SV_OP_GatherND) c.tensor[1].shape = sv_shape_make(2, DIMS(2, 1));
        CHECK_FAILS(node_case_eval(&c), SV_CODE_INVALID_ARGUMENT, "[-3, 3), found 3");
        node_case_i64(&c, 1, 1, DIMS(3)); /* one known index: a window */
        CHECK_FAILS(node_case_eval(&c), SV_CODE_INVALID_ARGUMENT, "found 3");
        node_case_i64(&c, 1, 1, DIMS(-1));
        CHECK_OK(node_case_eval(&c));
        node_case_check_f32(&c, 0, 1, F32(3));
        node_case_release(&c);
    }
}

static void scatter_writes_nothing_outside(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_ScatterElements, 3, 1);
    node_case_text(&c, "reduction", "add");
    node_case_f32(&c, 0, 1, DIMS(3), F32(1, 2, 3));
    node_case_i64(&c, 1, 3, DIMS(0, -1, 0));
    node_case_f32(&c, 2, 1, DIMS(3), F32(10, 20, 30));
    CHECK_OK(node_case_eval(&c));
    node_case_check_f32(&c, 0, 3, F32(41, 2, 23));
    node_case_i64(&c, 1, 3, DIMS(0, 7, -4));
    CHECK_FAILS(node_case_eval(&c), SV_CODE_INVALID_ARGUMENT, "index: expected a value in [-3, 3)");
    node_case_f32(&c, 2, 1, DIMS(2), F32(1, 2));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT,
                "input 2: expected 3 in dimension 0");
    node_case_text(&c, "reduction", "median");
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "found 'median'");
    node_case_release(&c);
}

static void top_k_breaks_ties_by_index(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_TopK, 2, 2);
    node_case_f32(&c, 0, 1, DIMS(6), F32(1, 3, 3, -0.0f, 0, 3));
    node_case_i64(&c, 1, 1, DIMS(4));
    CHECK_OK(node_case_eval(&c));
    node_case_check_f32(&c, 0, 4, F32(3, 3, 3, 1));
    check_i64(&c, 1, 4, DIMS(1, 2, 5, 0));
    node_case_int(&c, "largest", 0);
    CHECK_OK(node_case_eval(&c));
    check_i64(&c, 1, 4, DIMS(3, 4, 0, 1));
    node_case_i64(&c, 1, 1, DIMS(0));
    CHECK_OK(node_case_eval(&c));
    node_case_check_f32(&c, 0, 0, NULL);
    node_case_i64(&c, 1, 1, DIMS(7));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "at most 6, found 7");
    c.value[1] = NULL;
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 1, 1, DIMS(-1));
    assert_int_equal(c.asked, 2);
    node_case_release(&c);
}

static void sizes_that_running_tells(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_NonZero, 1, 1);
    node_case_f32(&c, 0, 2, DIMS(2, 2), F32(0, 5, -0.0f, 7));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 2, DIMS(2, -1));
    CHECK_OK(node_case_eval(&c));
    check_i64(&c, 0, 4, DIMS(0, 1, 1, 1));
    node_case_f32(&c, 0, 1, DIMS(2), F32(0, 0));
    CHECK_OK(node_case_eval(&c));
    check_i64(&c, 0, 0, NULL);
    node_case_release(&c);
    node_case_init(&c, SV_OP_Unique, 1, 4);
    node_case_f32(&c, 0, 1, DIMS(5), F32(2, 1, 2, 0, 1));
    CHECK_OK(node_case_eval(&c));
    node_case_check_f32(&c, 0, 3, F32(0, 1, 2));
    check_i64(&c, 1, 3, DIMS(3, 1, 0));
    check_i64(&c, 2, 5, DIMS(2, 1, 2, 0, 1));
    check_i64(&c, 3, 3, DIMS(1, 2, 2));
    node_case_f32(&c, 0, 1, DIMS(0), NULL);
    CHECK_OK(node_case_eval(&c));
    node_case_check_f32(&c, 0, 0, NULL);
    node_case_release(&c);
}

static void boxes_overlap_nobody_better(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_NonMaxSuppression, 5, 1);
    node_case_f32(&c, 0, 3, DIMS(1, 3, 4), F32(0, 0, 1, 1, 0, 0, 1, 0.9f, 5, 5, 6, 6));
    node_case_f32(&c, 1, 3, DIMS(1, 1, 3), F32(0.5f, 0.9f, 0.1f));
    node_case_i64(&c, 2, 1, DIMS(3));
    node_case_f32(&c, 3, 1, DIMS(1), F32(0.5f));
    node_case_omit(&c, 4);
    CHECK_OK(node_case_eval(&c));
    check_i64(&c, 0, 6, DIMS(0, 0, 1, 0, 0, 2));
    node_case_i64(&c, 2, 1, DIMS(-1));
    CHECK_OK(node_case_eval(&c));
    check_i64(&c, 0, 0, NULL);
    node_case_type(&c, 1, SV_F32, 3, DIMS(1, 1, 4));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "[batch, classes, boxes]");
    node_case_release(&c);
}

/* Numbers of numpy 1.26: RandomState(7).rand(3), RandomState(7).normal(size=4). */
static void seeds_draw_numpys_numbers(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_RandomUniform, 0, 1);
    node_case_ints(&c, "shape", 1, DIMS(3));
    CHECK_OK(sv_node_set_float(c.module, c.node, "seed", 7));
    CHECK_OK(node_case_eval(&c));
    node_case_check_f32(&c, 0, 3, F32(0.07630829f, 0.77991879f, 0.43840923f));
    node_case_release(&c);
    node_case_init(&c, SV_OP_RandomNormal, 0, 1);
    node_case_ints(&c, "shape", 1, DIMS(4));
    CHECK_OK(sv_node_set_float(c.module, c.node, "seed", 7));
    CHECK_OK(node_case_eval(&c));
    node_case_check_f32(&c, 0, 4, F32(1.6905257f, -0.46593737f, 0.03282016f, 0.4075163f));
    node_case_ints(&c, "shape", 1, DIMS(-4));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "attribute 'shape'");
    node_case_release(&c);
}

static sv_status einsum(node_case *c, const char *equation, uint32_t n)
{
    node_case_init(c, SV_OP_Einsum, n, 1);
    node_case_text(c, "equation", equation);
    node_case_f32(c, 0, 2, DIMS(2, 2), F32(1, 2, 3, 4));
    if (n > 1) node_case_f32(c, 1, 2, DIMS(2, 2), F32(5, 6, 7, 8));
    if (n > 2) node_case_f32(c, 2, 1, DIMS(2), F32(10, 100));
    return node_case_eval(c);
}

static void einsum_sums_by_names(void **state)
{
    (void)state;
    static const struct {
        const char *equation;
        uint32_t n_in, n;
        float want[4];
    } cases[] = {
        {"ij,jk", 2, 4, {19, 22, 43, 50}},     /* a product */
        {"ij,kj->ki", 2, 4, {17, 39, 23, 53}}, /* transposed sides and result */
        {"ij,ij->ij", 2, 4, {5, 12, 21, 32}},  /* batch alone */
        {"ii", 1, 1, {5}},                     /* trace */
        {"ii->i", 1, 2, {1, 4}},               /* diagonal */
        {"ji->ij", 1, 4, {1, 3, 2, 4}},
        {"ij->", 1, 1, {10}},
        {"ij,kl->il", 2, 4, {36, 42, 84, 98}}, /* j and k are summed in one side alone */
        {"ij,jk,k->i", 3, 2, {2390, 5430}},    /* three terms */
        {"...j, ...j -> ...", 2, 2, {17, 53}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        node_case c;
        CHECK_OK(einsum(&c, cases[i].equation, cases[i].n_in));
        node_case_check_f32(&c, 0, cases[i].n, cases[i].want);
        node_case_release(&c);
    }
}

static void einsum_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *equation, *text;
    } cases[] = {
        {"ij", "a term for each input"},   {"ij,jkl", "as many labels"},
        {"ij,jk->iz", "in the result"},    {"ij,jk->ii", "in the result"},
        {"ij,jk->i;", "terms of letters"}, {"......,ij", "one ellipsis"},
        {"ij,jk,kl", "terms of letters"},  {"abcdefghij,k", "at most 8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        node_case c;
        CHECK_FAILS(einsum(&c, cases[i].equation, 2), SV_CODE_INVALID_ARGUMENT, cases[i].text);
        node_case_release(&c);
    }
    node_case c;
    node_case_init(&c, SV_OP_Einsum, 2, 1);
    node_case_text(&c, "equation", "ij,jk->ik");
    node_case_type(&c, 0, SV_F32, 2, DIMS(-3, 4));
    node_case_type(&c, 1, SV_F32, 2, DIMS(4, -5));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 2, DIMS(-3, -5));
    node_case_type(&c, 1, SV_F32, 2, DIMS(5, -5));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "found 4 and 5");
    node_case_release(&c);
}

static void quantisation_by_axis_and_block(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_QuantizeLinear, 3, 1);
    node_case_int(&c, "axis", -1);
    node_case_int(&c, "output_dtype", SV_I8);
    node_case_f32(&c, 0, 2, DIMS(2, 2), F32(1, 1, -300, 2.5f));
    node_case_f32(&c, 1, 1, DIMS(2), F32(1, 0.5f));
    node_case_omit(&c, 2);
    CHECK_OK(node_case_eval(&c));
    const int8_t *y = c.result[0].data;
    assert_int_equal(y[0], 1);
    assert_int_equal(y[1], 2);
    assert_int_equal(y[2], -128);
    assert_int_equal(y[3], 5);
    node_case_f32(&c, 1, 1, DIMS(3), F32(1, 1, 1));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT,
                "expected 2 scales, one an index of axis 1");
    node_case_int(&c, "block_size", 2);
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "input 1: expected a rank of 2");
    node_case_f32(&c, 1, 2, DIMS(2, 1), F32(1, 10));
    CHECK_OK(node_case_eval(&c));
    assert_int_equal(((const int8_t *)c.result[0].data)[2], -30);
    node_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gather_puts_the_indices_in_place_of_the_axis),
        cmocka_unit_test(indices_out_of_range_are_data_errors),
        cmocka_unit_test(scatter_writes_nothing_outside),
        cmocka_unit_test(top_k_breaks_ties_by_index),
        cmocka_unit_test(sizes_that_running_tells),
        cmocka_unit_test(boxes_overlap_nobody_better),
        cmocka_unit_test(seeds_draw_numpys_numbers),
        cmocka_unit_test(einsum_sums_by_names),
        cmocka_unit_test(einsum_refuses),
        cmocka_unit_test(quantisation_by_axis_and_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
