/* The table of element types and every conversion of one value. */
#include "support/check.h"
#include "tensor/dtype.h"

#include <math.h>
#include <serval/serval.h>

static const struct {
    sv_dtype dtype;
    int count;
    uint32_t bits[256];
} table[] = {
#include "small_float_table.inc"
};
enum { FORMATS = sizeof table / sizeof *table };

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? 0x7FC00000 : bits;
}

static void test_every_row_is_complete(void **state)
{
    (void)state;
    for (int i = 0; i < SV_DTYPE_COUNT; i++) {
        const sv_dtype_info *row = sv_dtype_get((sv_dtype)i);
        assert_non_null(row->name);
        assert_non_null(row->onnx_name);
        if (i == SV_DTYPE_NONE) continue;
        assert_true(row->size > 0 && row->class_ != SV_CLASS_NONE);
        assert_true(row->bits == row->size * 8 || row->bits < 8);
        assert_int_equal(sv_dtype_find(row->name), i);
        assert_int_equal(sv_dtype_find(row->onnx_name), i);
        if (row->oip_name) assert_int_equal(sv_dtype_find(row->oip_name), i);
    }
    assert_int_equal(sv_dtype_find("FLOAT32"), SV_DTYPE_NONE);
    assert_int_equal(sv_dtype_find("none"), SV_DTYPE_NONE);
    assert_int_equal(sv_dtype_get((sv_dtype)-1)->class_, SV_CLASS_NONE);
    assert_int_equal(sv_dtype_get((sv_dtype)27)->size, 0);
    assert_string_equal(sv_dtype_name(SV_F64), "float64");
    assert_int_equal(sv_dtype_size(SV_STRING), 16);
    assert_int_equal(sv_dtype_size((sv_dtype)99), 0);
}

static void test_small_floats_decode(void **state)
{
    (void)state;
    for (int f = 0; f < FORMATS; f++)
        for (int code = 0; code < table[f].count; code++)
            assert_int_equal(bits_of(sv_small_float_to_f32(table[f].dtype, (uint8_t)code)),
                             table[f].bits[code]);
}

static float value_of(sv_dtype dtype, uint32_t code)
{
    if (dtype == SV_F16) return sv_f16_to_f32((uint16_t)code);
    if (dtype == SV_BF16) return sv_bf16_to_f32((uint16_t)code);
    return sv_small_float_to_f32(dtype, (uint8_t)code);
}

static uint32_t code_of(sv_dtype dtype, float value)
{
    if (dtype == SV_F16) return sv_f32_to_f16(value);
    if (dtype == SV_BF16) return sv_f32_to_bf16(value);
    return sv_f32_to_small_float(dtype, value, true);
}

/* Every finite value is kept; the middle of two goes to the even one, its neighbours to theirs. */
static void check_rounding(sv_dtype dtype, uint32_t sign, uint32_t largest)
{
    for (uint32_t code = 0; code <= largest; code++) {
        float value = value_of(dtype, code);
        assert_int_equal(code_of(dtype, value), code);
        if (sign && !(code == 0 && (dtype == SV_F8E4M3FNUZ || dtype == SV_F8E5M2FNUZ)))
            assert_int_equal(code_of(dtype, -value), code | sign);
        if (code == largest) break;
        float next = value_of(dtype, code + 1), middle = value + (next - value) / 2;
        /* Denormals of bfloat16 leave no room for a middle in float32's own. */
        if (middle == value || middle == next) continue;
        assert_int_equal(code_of(dtype, middle), (code & 1) ? code + 1 : code);
        assert_int_equal(code_of(dtype, nextafterf(middle, 0)), code);
        assert_int_equal(code_of(dtype, nextafterf(middle, INFINITY)), code + 1);
    }
}

static void test_rounding_to_nearest_even(void **state)
{
    (void)state;
    check_rounding(SV_F16, 0x8000, 0x7BFF);
    check_rounding(SV_BF16, 0x8000, 0x7F7F);
    check_rounding(SV_F8E4M3FN, 0x80, 0x7E);
    check_rounding(SV_F8E4M3FNUZ, 0x80, 0x7F);
    check_rounding(SV_F8E5M2, 0x80, 0x7B);
    check_rounding(SV_F8E5M2FNUZ, 0x80, 0x7F);
    check_rounding(SV_F4E2M1, 0x8, 0x7);
}

static void test_16_bit_specials(void **state)
{
    (void)state;
    assert_int_equal(sv_f32_to_f16(65504.0f), 0x7BFF);
    assert_int_equal(sv_f32_to_f16(65519.996f), 0x7BFF);
    assert_int_equal(sv_f32_to_f16(65520.0f), 0x7C00);
    assert_int_equal(sv_f32_to_f16(-INFINITY), 0xFC00);
    assert_int_equal(sv_f32_to_f16(0x1p-25f), 0);
    assert_int_equal(sv_f32_to_f16(0x1.000002p-25f), 1);
    assert_int_equal(sv_f32_to_f16(1e-45f), 0);
    assert_int_equal(sv_f32_to_bf16(3.4028235e38f), 0x7F80);
    assert_int_equal(sv_f32_to_bf16(-INFINITY), 0xFF80);
    for (uint32_t code = 0; code < 0x10000; code++) {
        float half = sv_f16_to_f32((uint16_t)code), brain = sv_bf16_to_f32((uint16_t)code);
        /* Quiet NaNs come back whole, signalling ones become quiet. */
        assert_int_equal(sv_f32_to_f16(half), isnan(half) ? code | 0x200 : code);
        assert_int_equal(sv_f32_to_bf16(brain), isnan(brain) ? code | 0x40 : code);
        assert_int_equal(isnan(half) != 0, (code & 0x7FFF) > 0x7C00);
    }
}

/* The two tables of ONNX's Cast, "Float 8 types". */
static void test_8_bit_overflow_and_nan(void **state)
{
    (void)state;
    const struct {
        sv_dtype dtype;
        uint8_t largest, overflow, negative_overflow, nan;
    } rows[] = {
        {SV_F8E4M3FN, 0x7E, 0x7F, 0xFF, 0x7F},
        {SV_F8E4M3FNUZ, 0x7F, 0x80, 0x80, 0x80},
        {SV_F8E5M2, 0x7B, 0x7C, 0xFC, 0x7E},
        {SV_F8E5M2FNUZ, 0x7F, 0x80, 0x80, 0x80},
    };
    for (int i = 0; i < 4; i++) {
        sv_dtype t = rows[i].dtype;
        float beyond[] = {INFINITY, 1e9f, 3.4e38f};
        for (int k = 0; k < 3; k++) {
            assert_int_equal(sv_f32_to_small_float(t, beyond[k], true), rows[i].largest);
            assert_int_equal(sv_f32_to_small_float(t, -beyond[k], true), rows[i].largest | 0x80);
            assert_int_equal(sv_f32_to_small_float(t, beyond[k], false), rows[i].overflow);
            assert_int_equal(sv_f32_to_small_float(t, -beyond[k], false),
                             rows[i].negative_overflow);
        }
        assert_int_equal(sv_f32_to_small_float(t, NAN, true), rows[i].nan);
        assert_int_equal(sv_f32_to_small_float(t, NAN, false), rows[i].nan);
    }
    assert_int_equal(sv_f32_to_small_float(SV_F8E4M3FNUZ, -0.0f, true), 0);
    assert_int_equal(sv_f32_to_small_float(SV_F8E4M3FN, -0.0f, true), 0x80);
    /* Rounded first: 464 is the middle between 448 and the first value beyond. */
    assert_int_equal(sv_f32_to_small_float(SV_F8E4M3FN, 464.0f, false), 0x7E);
    assert_int_equal(sv_f32_to_small_float(SV_F8E4M3FN, 465.0f, false), 0x7F);
    assert_int_equal(sv_f32_to_small_float(SV_F4E2M1, INFINITY, false), 7);
    assert_int_equal(sv_f32_to_small_float(SV_F4E2M1, -1000.0f, true), 15);
    assert_int_equal(sv_f32_to_small_float(SV_F4E2M1, NAN, true), 8);
}

static void test_e8m0(void **state)
{
    (void)state;
    const struct {
        float value;
        int nearest, up, down, strict; /* strict: nearest without saturation */
    } rows[] = {
        {1.0f, 127, 127, 127, 127},     {1.1f, 127, 128, 127, 127},
        {1.5f, 128, 128, 127, 128},     {-2.0f, 128, 128, 128, 128},
        {0.124f, 124, 124, 123, 124},   {0.0f, 0, 0, 0, 255},
        {1e-45f, 0, 0, 0, 255},         {0x1p-127f, 0, 0, 0, 0},
        {0x1.4p-127f, 0, 1, 0, 0},      {0x1.8p-127f, 1, 1, 0, 1},
        {0x1p127f, 254, 254, 254, 254}, {3.4e38f, 254, 254, 254, 255},
        {INFINITY, 254, 254, 254, 255}, {NAN, 255, 255, 255, 255},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(sv_f32_to_e8m0(rows[i].value, SV_ROUND_NEAREST, true), rows[i].nearest);
        assert_int_equal(sv_f32_to_e8m0(rows[i].value, SV_ROUND_UP, true), rows[i].up);
        assert_int_equal(sv_f32_to_e8m0(rows[i].value, SV_ROUND_DOWN, true), rows[i].down);
        assert_int_equal(sv_f32_to_e8m0(rows[i].value, SV_ROUND_NEAREST, false), rows[i].strict);
    }
    for (int code = 0; code < 255; code++)
        assert_int_equal(
            sv_f32_to_small_float(SV_F8E8M0, sv_small_float_to_f32(SV_F8E8M0, (uint8_t)code), true),
            code);
}

static void test_scalars_round_trip_in_every_type(void **state)
{
    (void)state;
    for (int t = 1; t < SV_DTYPE_COUNT; t++) {
        sv_dtype dtype = (sv_dtype)t;
        if (dtype == SV_STRING) continue;
        uint8_t at[17];
        memset(at, 0xA5, sizeof at);
        sv_scalar_set_i64(dtype, at + 1, 1);
        assert_int_equal(sv_scalar_get_i64(dtype, at + 1), 1);
        assert_true(sv_scalar_get_f64(dtype, at + 1) == 1.0);
        assert_int_equal(sv_scalar_get_u64(dtype, at + 1), 1);
        sv_scalar_set_u64(dtype, at + 1, 1);
        assert_true(sv_scalar_get_f64(dtype, at + 1) == 1.0);
        sv_scalar_set_f64(dtype, at + 1, 1.0);
        assert_int_equal(sv_scalar_get_i64(dtype, at + 1), 1);
        assert_int_equal(at[0], 0xA5);
        size_t size = sv_dtype_get(dtype)->size;
        if (size < 16) assert_int_equal(at[1 + size], 0xA5);
    }
}

static void check_set_f64(sv_dtype dtype, double value, int64_t expected)
{
    uint8_t at[16];
    sv_scalar_set_f64(dtype, at, value);
    assert_int_equal(sv_scalar_get_i64(dtype, at), expected);
}

static void check_set_i64(sv_dtype dtype, int64_t value, int64_t expected)
{
    uint8_t at[16];
    sv_scalar_set_i64(dtype, at, value);
    assert_int_equal(sv_scalar_get_i64(dtype, at), expected);
    sv_scalar_set_u64(dtype, at, (uint64_t)value);
    if (sv_dtype_is_integer(dtype)) assert_int_equal(sv_scalar_get_i64(dtype, at), expected);
}

static void test_scalar_ranges(void **state)
{
    (void)state;
    check_set_f64(SV_I8, 1e9, 127);
    check_set_f64(SV_I8, -1e9, -128);
    check_set_f64(SV_I8, -3.9, -3);
    check_set_f64(SV_U8, -3, 0);
    check_set_f64(SV_U8, 300, 255);
    check_set_f64(SV_I4, 100, 7);
    check_set_f64(SV_I4, -100, -8);
    check_set_f64(SV_U4, 100, 15);
    check_set_f64(SV_U2, 100, 3);
    check_set_f64(SV_I2, -100, -2);
    check_set_f64(SV_I64, INFINITY, INT64_MAX);
    check_set_f64(SV_I64, -INFINITY, INT64_MIN);
    check_set_f64(SV_U64, 0x1p64, -1);
    check_set_f64(SV_I32, NAN, 0);
    check_set_f64(SV_U32, NAN, 0);
    check_set_f64(SV_BOOL, NAN, 1);
    check_set_f64(SV_BOOL, 0.25, 1);
    check_set_f64(SV_BOOL, -0.0, 0);
    check_set_i64(SV_I8, 200, -56);
    check_set_i64(SV_U8, -1, 255);
    check_set_i64(SV_I4, 9, -7);
    check_set_i64(SV_U4, 18, 2);
    check_set_i64(SV_I2, 2, -2);
    check_set_i64(SV_U2, 7, 3);
    check_set_i64(SV_U16, 65537, 1);
    check_set_i64(SV_I32, INT64_MIN, 0);
    check_set_i64(SV_F32, -5, -5);
    check_set_i64(SV_BOOL, 256, 1);
}

static void test_scalars_round_once(void **state)
{
    (void)state;
    uint16_t code;
    /* A little above the middle of 1 and the next float16: float32 would round onto the middle. */
    sv_scalar_set_f64(SV_F16, &code, 1.0 + 0x1p-11 + 0x1p-40);
    assert_int_equal(code, 0x3C01);
    sv_scalar_set_f64(SV_F16, &code, 1.0 + 0x1p-11);
    assert_int_equal(code, 0x3C00);
    sv_scalar_set_f64(SV_F16, &code, -(1.0 + 0x1p-10 + 0x1p-11 - 0x1p-40));
    assert_int_equal(code, 0xBC01);
    sv_scalar_set_f64(SV_BF16, &code, 1e300);
    assert_int_equal(code, 0x7F80);
    sv_scalar_set_i64(SV_BF16, &code, ((int64_t)1 << 60) + ((int64_t)1 << 52) + 1);
    assert_int_equal(code, 0x5D81);
    sv_scalar_set_i64(SV_BF16, &code, ((int64_t)1 << 60) + ((int64_t)1 << 52));
    assert_int_equal(code, 0x5D80);
    float single;
    sv_scalar_set_i64(SV_F32, &single, ((int64_t)1 << 60) + ((int64_t)1 << 36) + 1);
    assert_true(single == 0x1.000002p60f);
    sv_scalar_set_u64(SV_F32, &single, UINT64_MAX);
    assert_true(single == 0x1p64f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_complete),
        cmocka_unit_test(test_small_floats_decode),
        cmocka_unit_test(test_rounding_to_nearest_even),
        cmocka_unit_test(test_16_bit_specials),
        cmocka_unit_test(test_8_bit_overflow_and_nan),
        cmocka_unit_test(test_e8m0),
        cmocka_unit_test(test_scalars_round_trip_in_every_type),
        cmocka_unit_test(test_scalar_ranges),
        cmocka_unit_test(test_scalars_round_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
