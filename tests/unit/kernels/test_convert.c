/* Conversions: all pairs of dtypes, the corners of ONNX's Cast, strings; fast pairs against the
 * reference. */
#include "kernels/elementwise.h"
#include "trial.h"

#include <limits.h>
#include <math.h>
#include <string.h>

static bool numeric(int dtype)
{
    return dtype != SV_STRING && dtype != SV_C64 && dtype != SV_C128 && dtype != SV_DTYPE_NONE;
}

static void convert_case(sv_dtype from, sv_dtype to, bool saturate, int64_t n, const double *x,
                         const double *expected)
{
    trial_tensor tx = trial_make(from, TRIAL_DENSE, TRIAL_DIMS(n));
    trial_tensor ty = trial_make(to, TRIAL_DENSE, TRIAL_DIMS(n));
    trial_put(&tx, x);
    sv_convert_param p = {saturate};
    trial t;
    trial_init(&t, SV_FAMILY_convert, &p, sizeof p, 2, TRIAL_TENSORS(&tx, &ty));
    trial_reference(&t);
    trial_equal_values(&ty, expected, 0, 0);
    trial_free(&tx);
    trial_free(&ty);
}
#define D(...) ((const double[]){__VA_ARGS__})

/* Zero and one are values of every dtype but float8e8m0, which has no zero. */
static void test_all_pairs(void **state)
{
    (void)state;
    for (int from = 1; from < SV_DTYPE_COUNT; from++) {
        for (int to = 1; to < SV_DTYPE_COUNT; to++) {
            if (!numeric(from) || !numeric(to)) continue;
            bool no_zero = from == SV_F8E8M0 || to == SV_F8E8M0;
            convert_case(from, to, true, 2, no_zero ? D(1, 1) : D(0, 1),
                         no_zero ? D(1, 1) : D(0, 1));
        }
    }
}

static void test_integers(void **state)
{
    (void)state;
    convert_case(SV_I16, SV_I8, true, 2, D(200, -129), D(-56, 127));
    convert_case(SV_I64, SV_U8, true, 2, D(-1, 256), D(255, 0));
    convert_case(SV_I32, SV_U64, true, 1, D(-1), D(0x1p64));
    convert_case(SV_U64, SV_F32, true, 1, D(0x1p63), D(0x1p63));
    convert_case(SV_U64, SV_I32, true, 1, D(0x100000001p0), D(1));
    convert_case(SV_I8, SV_I4, true, 3, D(7, 8, -9), D(7, -8, 7));
    convert_case(SV_I8, SV_U4, true, 2, D(17, -1), D(1, 15));
    convert_case(SV_I8, SV_I2, true, 3, D(1, 2, -3), D(1, -2, 1));
    convert_case(SV_I32, SV_BOOL, true, 3, D(256, 0, -1), D(1, 0, 1));
    convert_case(SV_I32, SV_F16, true, 2, D(100000, -2049), D(INFINITY, -2048));
}

static void test_floats_to_integers(void **state)
{
    (void)state;
    const double x[] = {1.9, -1.9, 300, -300, NAN, INFINITY, -INFINITY};
    convert_case(SV_F32, SV_I8, true, 7, x, D(1, -1, 127, -128, 0, 127, -128));
    convert_case(SV_F32, SV_U8, true, 7, x, D(1, 0, 255, 0, 0, 255, 0));
    convert_case(SV_F64, SV_I32, true, 7, x, D(1, -1, 300, -300, 0, INT_MAX, INT_MIN));
    convert_case(SV_F16, SV_I64, true, 7, x, D(1, -1, 300, -300, 0, 0x1p63, -0x1p63));
    convert_case(SV_F32, SV_U64, true, 7, x, D(1, 0, 300, 0, 0, 0x1p64, 0));
    convert_case(SV_F32, SV_BOOL, true, 7, D(0.1, -0.0, 0, 2, NAN, -INFINITY, 1e-40),
                 D(1, 0, 0, 1, 1, 1, 1));
    convert_case(SV_F32, SV_I4, true, 4, D(-9, 8, 7.9, -8.5), D(7, -8, 7, -8));
    convert_case(SV_F32, SV_U2, true, 4, D(-3, -1, 3, 4), D(1, 3, 3, 0));
}

static void test_floats(void **state)
{
    (void)state;
    convert_case(SV_F32, SV_F16, true, 4, D(65519, 65520, 1e-8, -1e-8),
                 D(65504, INFINITY, 0, -0.0));
    convert_case(SV_F64, SV_F32, true, 2, D(1e39, -1e39), D(INFINITY, -INFINITY));
    /* Half a unit of f16 and a little: rounding by way of f32 would lose the little. */
    convert_case(SV_F64, SV_F16, true, 2, D(1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-11), D(1 + 0x1p-10, 1));
    convert_case(SV_F64, SV_BF16, true, 1, D(1 + 0x1p-8 + 0x1p-40), D(1 + 0x1p-7));
    convert_case(SV_BF16, SV_F64, true, 2, D(1.5, -3), D(1.5, -3));
    const double x[] = {500, -500, INFINITY, NAN, 0.3};
    convert_case(SV_F32, SV_F8E4M3FN, true, 5, x, D(448, -448, 448, NAN, 0.3125));
    convert_case(SV_F32, SV_F8E4M3FN, false, 5, x, D(NAN, NAN, NAN, NAN, 0.3125));
    convert_case(SV_F32, SV_F8E4M3FNUZ, true, 5, x, D(240, -240, 240, NAN, 0.3125));
    convert_case(SV_F32, SV_F8E5M2, false, 4, D(1e6, -1e6, INFINITY, 0.3),
                 D(INFINITY, -INFINITY, INFINITY, 0.3125));
    convert_case(SV_F32, SV_F8E5M2, true, 2, D(1e6, -1e6), D(57344, -57344));
    convert_case(SV_F64, SV_F4E2M1, true, 4, D(0.6, -2.4, 5.1, 100), D(0.5, -2, 6, 6));
    convert_case(SV_F32, SV_F8E8M0, true, 3, D(1.1, 2, 0.124), D(2, 2, 0.125));
}

/* ---- strings ------------------------------------------------------------------------------- */

static void test_numbers_to_text(void **state)
{
    (void)state;
    const struct {
        sv_dtype dtype;
        double x;
        const char *text;
    } cases[] = {
        {SV_F32, 0.1f, "0.1"},
        {SV_F32, 1, "1.0"},
        {SV_F32, -0.0, "-0.0"},
        {SV_F32, 1e-7f, "1e-07"},
        {SV_F32, 0.47892547f, "0.47892547"},
        {SV_F32, 16777216, "16777216.0"},
        {SV_F32, 1e20f, "1e+20"},
        {SV_F32, NAN, "nan"},
        {SV_F32, -INFINITY, "-inf"},
        {SV_F64, 0.1, "0.1"},
        {SV_F64, 314.15926, "314.15926"},
        {SV_F64, 1.7976931348623157e308, "1.7976931348623157e+308"},
        {SV_I64, -0x1p63, "-9223372036854775808"},
        {SV_U64, 0x1p63, "9223372036854775808"},
        {SV_I4, -3, "-3"},
        {SV_BOOL, 1, "True"},
    };
    sv_arena arena;
    sv_arena_init(&arena, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        trial_tensor x = trial_make(cases[i].dtype, TRIAL_DENSE, TRIAL_DIMS(1));
        trial_tensor y = trial_make(SV_STRING, TRIAL_DENSE, TRIAL_DIMS(1));
        trial_set(&x, 0, cases[i].x);
        sv_convert_param p = {true};
        trial t;
        trial_init(&t, SV_FAMILY_convert, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
        t.arena = &arena;
        trial_reference(&t);
        const sv_string *text = y.data;
        assert_int_equal(text->size, strlen(cases[i].text));
        assert_memory_equal(text->data, cases[i].text, text->size);
        trial_free(&x);
        trial_free(&y);
    }
    sv_arena_release(&arena);
}

static void text_case(const char *text, sv_dtype to, bool good, double expected)
{
    trial_tensor x = trial_make(SV_STRING, TRIAL_DENSE, TRIAL_DIMS(1));
    trial_tensor y = trial_make(to, TRIAL_DENSE, TRIAL_DIMS(1));
    *(sv_string *)x.data = (sv_string){text, strlen(text)};
    sv_convert_param p = {true};
    trial t;
    trial_init(&t, SV_FAMILY_convert, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
    trial_reference(&t);
    if (good != (t.fault.step == UINT32_MAX))
        fail_msg("\"%s\": %s expected", text, good ? "no fault" : "a fault");
    trial_equal_values(&y, &expected, 0, 0);
    trial_free(&x);
    trial_free(&y);
}

static void test_text_to_numbers(void **state)
{
    (void)state;
    text_case("3.14", SV_F64, true, 3.14);
    text_case("1e-5", SV_F32, true, 1e-5f);
    text_case(" -1E8 ", SV_F64, true, -1e8);
    text_case("+inf", SV_F32, true, INFINITY);
    text_case("-INF", SV_F16, true, -INFINITY);
    text_case("NaN", SV_F32, true, NAN);
    text_case("1000", SV_I32, true, 1000);
    text_case("100.5", SV_I64, true, 100);
    text_case("-9223372036854775808", SV_I64, true, -0x1p63);
    text_case("18446744073709551615", SV_U64, true, 0x1p64);
    text_case("2", SV_BOOL, true, 1);
    text_case("Hello", SV_F32, false, 0);
    text_case("", SV_F32, false, 0);
    text_case("0x10", SV_I32, false, 0);
    text_case("1 2", SV_F64, false, 0);
    text_case("--1", SV_I64, false, 0);
    text_case("99999999999999999999", SV_I64, false, 0);
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* Every f16 and bf16, against the scalar conversions. */
static void test_all_halves(void **state)
{
    (void)state;
    const sv_dtype dtypes[] = {SV_F16, SV_BF16};
    for (int d = 0; d < 2; d++) {
        trial_tensor x = trial_make(dtypes[d], TRIAL_DENSE, TRIAL_DIMS(65536));
        trial_tensor y = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(65536));
        for (int i = 0; i < 65536; i++)
            ((uint16_t *)x.data)[i] = (uint16_t)i;
        sv_convert_param p = {true};
        trial t;
        trial_init(&t, SV_FAMILY_convert, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
        assert_int_equal(trial_compare(&t, 0, 0), trial_levels() - 1);
        trial back;
        trial_init(&back, SV_FAMILY_convert, &p, sizeof p, 2, TRIAL_TENSORS(&y, &x));
        assert_int_equal(trial_compare(&back, 0, 0), trial_levels() - 1);
        for (int i = 0; i < 65536; i++) {
            double value = trial_get(&y, i);
            assert_true(value != value || trial_get(&x, i) == value);
        }
        trial_free(&x);
        trial_free(&y);
    }
}

static void compare_pair(sv_dtype from, sv_dtype to, trial_layout layout)
{
    trial_tensor x = trial_make(from, layout, TRIAL_DIMS(3, 2111));
    trial_tensor y = trial_make(to, TRIAL_SHIFTED, TRIAL_DIMS(3, 2111));
    trial_fill(&x, 11, from == SV_BOOL || from == SV_U8 ? 0 : -500, from == SV_BOOL ? 1 : 255);
    if (from == SV_F32 || from == SV_F64) trial_spoil(&x, 3);
    sv_convert_param p = {true};
    trial t;
    trial_init(&t, SV_FAMILY_convert, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
    trial_compare(&t, 0, 0);
    trial_free(&x);
    trial_free(&y);
}

static void test_pairs(void **state)
{
    (void)state;
    const sv_dtype common[] = {SV_F32, SV_F16, SV_BF16, SV_BOOL, SV_I32,
                               SV_I64, SV_U8,  SV_I8,   SV_F64};
    for (int i = 0; i < 9; i++) {
        for (int k = 0; k < 9; k++) {
            for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
                compare_pair(common[i], common[k], layout);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_pairs),          cmocka_unit_test(test_integers),
        cmocka_unit_test(test_floats_to_integers), cmocka_unit_test(test_floats),
        cmocka_unit_test(test_numbers_to_text),    cmocka_unit_test(test_text_to_numbers),
        cmocka_unit_test(test_all_halves),         cmocka_unit_test(test_pairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
