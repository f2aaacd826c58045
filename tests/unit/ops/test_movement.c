/* Operators that move, cut and reduce: inference on symbols, errors by name, and values that ONNX's
 * node cases do not touch (those run in tests/conformance). */
#include "node_case.h"
#include "support/check.h"

#define DIMS(...) ((int64_t[]){__VA_ARGS__})
#define F32(...) ((float[]){__VA_ARGS__})

static void reshape_cancels_symbols(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Reshape, 2, 1);
    node_case_type(&c, 0, SV_F32, 3, DIMS(-1, -2, 768));
    node_case_i64(&c, 1, 4, DIMS(0, 0, 12, 64));
    CHECK_OK(node_case_infer(&c));
    assert_int_equal(c.out[0].shape.dim[0], -1);
    assert_int_equal(c.out[0].shape.dim[1], -2);
    node_case_i64(&c, 1, 3, DIMS(0, -1, 768));
    CHECK_OK(node_case_infer(&c));
    assert_int_equal(c.out[0].shape.dim[1], -2); /* what is left over is exactly this symbol */
    node_case_i64(&c, 1, 2, DIMS(-1, 768));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 2, DIMS(-1, 768));
    assert_true(c.out[0].shape.dim[0] < -1000); /* a product of two symbols is a fresh one */
    node_case_release(&c);
}

static void reshape_without_its_shape_knows_the_rank(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Reshape, 2, 1);
    node_case_type(&c, 0, SV_F32, 2, DIMS(4, 6));
    node_case_type(&c, 1, SV_I64, 1, DIMS(3));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 3, DIMS(-1, -1, -1));
    assert_int_equal(c.asked, 2);
    node_case_type(&c, 1, SV_I64, 1, DIMS(9));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "at most 8 dimensions, found 9");
    node_case_type(&c, 1, SV_I64, 1, DIMS(-5));
    CHECK_OK(node_case_infer(&c));
    assert_int_equal(c.out[0].shape.rank, -1);
    node_case_release(&c);
}

static void reshape_refuses(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Reshape, 2, 1);
    node_case_type(&c, 0, SV_F32, 2, DIMS(4, 6));
    node_case_i64(&c, 1, 2, DIMS(5, 5));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT,
                "node 'n' (Reshape): input 1: expected a shape with as many elements as [4,6]");
    node_case_i64(&c, 1, 2, DIMS(5, -1));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "as many elements");
    node_case_i64(&c, 1, 2, DIMS(-1, -1));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "at most one -1");
    node_case_i64(&c, 1, 3, DIMS(4, 6, 0));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "beyond rank 2");
    node_case_i64(&c, 1, 2, DIMS(INT64_MAX, 4));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "as many elements");
    node_case_release(&c);
}

static void empty_tensors_are_reshaped_by_copied_sizes(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Reshape, 2, 1);
    node_case_type(&c, 0, SV_F32, 2, DIMS(0, 6));
    node_case_i64(&c, 1, 2, DIMS(0, -1));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 2, DIMS(0, 6));
    node_case_int(&c, "allowzero", 1);
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "as many elements");
    node_case_release(&c);
}

static void squeeze_and_unsqueeze_need_their_axes(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Squeeze, 2, 1);
    node_case_type(&c, 0, SV_F32, 3, DIMS(1, -7, 1));
    node_case_i64(&c, 1, 1, DIMS(-1));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 2, DIMS(1, -7));
    node_case_omit(&c, 1);
    CHECK_OK(node_case_infer(&c));
    assert_int_equal(c.out[0].shape.rank, -1); /* the symbol may be 1 */
    node_case_type(&c, 0, SV_F32, 3, DIMS(1, 5, 1));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 1, DIMS(5));
    node_case_release(&c);
    node_case_init(&c, SV_OP_Squeeze, 2, 1);
    node_case_type(&c, 0, SV_F32, 3, DIMS(1, 5, 1));
    node_case_i64(&c, 1, 1, DIMS(1));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "expected a size of 1 at axis 1");
    node_case_release(&c);
    node_case_init(&c, SV_OP_Unsqueeze, 2, 1);
    node_case_type(&c, 0, SV_F32, 2, DIMS(-7, 5));
    node_case_i64(&c, 1, 2, DIMS(0, -1));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 4, DIMS(1, -7, 5, 1));
    node_case_i64(&c, 1, 2, DIMS(0, 0));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "found 0 again");
    node_case_i64(&c, 1, 1, DIMS(3));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "[-3, 3), found 3");
    node_case_release(&c);
}

static void slice_keeps_symbols_that_it_takes_whole(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Slice, 5, 1);
    node_case_type(&c, 0, SV_F32, 3, DIMS(-3, -4, 10));
    node_case_i64(&c, 1, 3, DIMS(0, 1, -3));
    node_case_i64(&c, 2, 3, DIMS(INT64_MAX, INT64_MAX, INT64_MIN));
    node_case_i64(&c, 3, 3, DIMS(0, 1, -1));
    node_case_i64(&c, 4, 3, DIMS(1, 1, -2));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 3, DIMS(-3, -1, 4)); /* 7, 5, 3, 1 */
    assert_int_equal(c.out[0].shape.dim[0], -3);
    assert_true(c.out[0].shape.dim[1] != -4);
    c.value[1] = NULL;
    CHECK_OK(node_case_infer(&c));
    assert_int_equal(c.asked, 2);
    node_case_check_shape(&c, 0, 3, DIMS(-1, -1, -1));
    node_case_i64(&c, 1, 3, DIMS(0, 1, -3));
    node_case_i64(&c, 4, 3, DIMS(1, 0, 1));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "a step that is not 0");
    node_case_i64(&c, 4, 2, DIMS(1, 1));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "as many elements as starts (3)");
    node_case_release(&c);
}

static void slice_clamps_extreme_steps(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Slice, 5, 1);
    node_case_f32(&c, 0, 1, DIMS(4), F32(0, 1, 2, 3));
    node_case_i64(&c, 1, 1, DIMS(INT64_MAX));
    node_case_i64(&c, 2, 1, DIMS(INT64_MIN));
    node_case_i64(&c, 3, 1, DIMS(0));
    node_case_i64(&c, 4, 1, DIMS(INT64_MIN));
    CHECK_OK(node_case_eval(&c));
    node_case_check_f32(&c, 0, 1, F32(3));
    node_case_i64(&c, 4, 1, DIMS(-1));
    CHECK_OK(node_case_eval(&c));
    node_case_check_f32(&c, 0, 4, F32(3, 2, 1, 0));
    node_case_release(&c);
}

static void concat_and_split_agree_on_sizes(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Concat, 3, 1);
    node_case_int(&c, "axis", -1);
    node_case_type(&c, 0, SV_F32, 2, DIMS(-3, 4));
    node_case_type(&c, 1, SV_F32, 2, DIMS(7, 5));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 2, DIMS(7, -1)); /* input 2 is not known at all */
    node_case_type(&c, 2, SV_F32, 2, DIMS(7, 0));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 2, DIMS(7, 9));
    node_case_type(&c, 2, SV_F32, 2, DIMS(8, 1));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT,
                "input 2: expected 7 in dimension 0");
    node_case_type(&c, 2, SV_I64, 2, DIMS(7, 1));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "expected float32 as input 0");
    node_case_release(&c);
    node_case_init(&c, SV_OP_Split, 2, 2);
    node_case_type(&c, 0, SV_F32, 2, DIMS(-3, 9));
    node_case_int(&c, "axis", 1);
    node_case_i64(&c, 1, 2, DIMS(4, 5));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 1, 2, DIMS(-3, 5));
    node_case_i64(&c, 1, 2, DIMS(4, 6));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "add up to 9, found 10");
    node_case_i64(&c, 1, 3, DIMS(4, 4, 1));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "each of 2 outputs, found 3");
    node_case_release(&c);
}

static void pads_may_take_away(void **state)
{
    (void)state;
    static const char *const mode[] = {"constant", "edge", "reflect", "wrap"};
    static const float want[4][5] = {
        {2, 3, 0, 0, 0}, {2, 3, 3, 3, 3}, {2, 3, 2, 3, 2}, {2, 3, 2, 3, 2}};
    for (int i = 0; i < 4; i++) {
        node_case c;
        node_case_init(&c, SV_OP_Pad, 2, 1);
        node_case_text(&c, "mode", mode[i]);
        node_case_f32(&c, 0, 1, DIMS(3), F32(1, 2, 3));
        node_case_i64(&c, 1, 2, DIMS(-1, 3));
        CHECK_OK(node_case_eval(&c));
        node_case_check_f32(&c, 0, 5, want[i]);
        node_case_i64(&c, 1, 2, DIMS(-3, -1));
        CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT,
                    "expected a size in dimension 0");
        node_case_i64(&c, 1, 1, DIMS(1));
        CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "expected 2 numbers");
        node_case_release(&c);
    }
}

static void borders_are_filled_once(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Pad, 3, 1);
    node_case_f32(&c, 0, 2, DIMS(1, 2), F32(1, 2));
    node_case_i64(&c, 1, 4, DIMS(1, 2, 1, 1));
    node_case_f32(&c, 2, 0, NULL, F32(9));
    CHECK_OK(node_case_eval(&c));
    node_case_check_f32(&c, 0, 15, F32(9, 9, 9, 9, 9, 9, 9, 1, 2, 9, 9, 9, 9, 9, 9));
    node_case_release(&c);
}

static void where_and_expand_broadcast(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Expand, 2, 1);
    node_case_type(&c, 0, SV_F32, 2, DIMS(3, -8));
    node_case_type(&c, 1, SV_I64, 1, DIMS(3));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 3, DIMS(-1, 3, -1));
    node_case_i64(&c, 1, 3, DIMS(2, 1, 5));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 3, DIMS(2, 3, 5));
    node_case_i64(&c, 1, 2, DIMS(4, 5));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "broadcasts with [3,?]");
    node_case_i64(&c, 1, 2, DIMS(3, -1));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "expected sizes, found -1");
    node_case_release(&c);
    node_case_init(&c, SV_OP_Where, 3, 1);
    node_case_type(&c, 0, SV_F32, 1, DIMS(3));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "input 0: expected bool");
    node_case_release(&c);
}

static void tile_counts(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Tile, 2, 1);
    node_case_f32(&c, 0, 2, DIMS(2, 2), F32(1, 2, 3, 4));
    node_case_i64(&c, 1, 2, DIMS(2, 2));
    CHECK_OK(node_case_eval(&c));
    node_case_check_f32(&c, 0, 16, F32(1, 2, 1, 2, 3, 4, 3, 4, 1, 2, 1, 2, 3, 4, 3, 4));
    node_case_i64(&c, 1, 2, DIMS(INT64_MAX, 2));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "fewer repeats");
    node_case_i64(&c, 1, 2, DIMS(0, 2));
    CHECK_OK(node_case_eval(&c));
    node_case_check_f32(&c, 0, 0, NULL);
    node_case_release(&c);
}

static void reductions_tell_ranks(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_ReduceSum, 2, 1);
    node_case_type(&c, 0, SV_F32, 3, DIMS(-3, 4, 5));
    node_case_type(&c, 1, SV_I64, 1, DIMS(2));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 3, DIMS(-1, -1, -1));
    node_case_int(&c, "keepdims", 0);
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 1, DIMS(-1));
    node_case_i64(&c, 1, 2, DIMS(-1, 1));
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 1, DIMS(-3));
    node_case_i64(&c, 1, 1, DIMS(3));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "[-3, 3), found 3");
    node_case_omit(&c, 1);
    c.value[1] = NULL;
    CHECK_OK(node_case_infer(&c));
    assert_int_equal(c.out[0].shape.rank, 0);
    node_case_int(&c, "noop_with_empty_axes", 1);
    CHECK_OK(node_case_infer(&c));
    node_case_check_shape(&c, 0, 3, DIMS(-3, 4, 5));
    node_case_release(&c);
}

static void shape_arithmetic_evaluates(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Shape, 1, 1);
    node_case_int(&c, "start", -2);
    node_case_f32(&c, 0, 3, DIMS(1, 2, 1), F32(0, 0));
    CHECK_OK(node_case_eval(&c));
    assert_int_equal(sv_tensor_count(&c.result[0]), 2);
    assert_int_equal(sv_tensor_get_i64(&c.result[0], 0), 2);
    node_case_release(&c);
    node_case_init(&c, SV_OP_Range, 3, 1);
    for (uint32_t i = 0; i < 3; i++)
        node_case_i64(&c, i, 1, DIMS(i == 0 ? 7 : i == 1 ? 0 : -3));
    CHECK_OK(node_case_eval(&c));
    assert_int_equal(sv_tensor_count(&c.result[0]), 3);
    assert_int_equal(sv_tensor_get_i64(&c.result[0], 2), 1);
    node_case_i64(&c, 2, 1, DIMS(0));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "a step that is not 0");
    c.value[2] = NULL;
    CHECK_OK(node_case_infer(&c));
    assert_int_equal(c.asked, 4);
    node_case_check_shape(&c, 0, 1, DIMS(-1));
    node_case_release(&c);
}

static void casts_check_their_types(void **state)
{
    (void)state;
    node_case c;
    node_case_init(&c, SV_OP_Cast, 1, 1);
    node_case_f32(&c, 0, 1, DIMS(2), F32(1.5f, -2.5f));
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "attribute 'to'");
    node_case_int(&c, "to", 999);
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "found 999");
    node_case_int(&c, "to", SV_C64);
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "not complex");
    node_case_int(&c, "to", SV_I32);
    CHECK_OK(node_case_eval(&c));
    assert_int_equal(sv_tensor_get_i64(&c.result[0], 1), -2);
    node_case_release(&c);
    node_case_init(&c, SV_OP_BitCast, 1, 1);
    node_case_type(&c, 0, SV_F32, 1, DIMS(2));
    node_case_int(&c, "to", SV_I64);
    CHECK_FAILS(node_case_infer(&c), SV_CODE_INVALID_ARGUMENT, "expected a type of 32 bits");
    node_case_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reshape_cancels_symbols),
        cmocka_unit_test(reshape_without_its_shape_knows_the_rank),
        cmocka_unit_test(reshape_refuses),
        cmocka_unit_test(empty_tensors_are_reshaped_by_copied_sizes),
        cmocka_unit_test(squeeze_and_unsqueeze_need_their_axes),
        cmocka_unit_test(slice_keeps_symbols_that_it_takes_whole),
        cmocka_unit_test(slice_clamps_extreme_steps),
        cmocka_unit_test(concat_and_split_agree_on_sizes),
        cmocka_unit_test(pads_may_take_away),
        cmocka_unit_test(borders_are_filled_once),
        cmocka_unit_test(where_and_expand_broadcast),
        cmocka_unit_test(tile_counts),
        cmocka_unit_test(reductions_tell_ranks),
        cmocka_unit_test(shape_arithmetic_evaluates),
        cmocka_unit_test(casts_check_their_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
