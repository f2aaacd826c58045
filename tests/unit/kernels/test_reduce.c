/* Reductions: values by hand, sums computed anew in the test, vector rows against the reference. */
#include "kernels/nn.h"
#include "trial.h"

#include <math.h>

#define D(...) ((const double[]){__VA_ARGS__})

static void reduce_case(sv_reduce_kind kind, sv_dtype from, sv_dtype to, int64_t n, const double *x,
                        double expected, double rtol)
{
    trial_tensor tx = trial_make(from, TRIAL_DENSE, TRIAL_DIMS(n));
    trial_tensor ty = trial_make(to, TRIAL_DENSE, TRIAL_DIMS(1));
    if (n) trial_put(&tx, x);
    sv_reduce_param p = {(uint8_t)kind, 1, false};
    trial t;
    trial_init(&t, SV_FAMILY_reduce, &p, sizeof p, 2, TRIAL_TENSORS(&tx, &ty));
    trial_compare(&t, 1e-6, 0);
    trial_equal_values(&ty, &expected, rtol, 0);
    trial_free(&tx);
    trial_free(&ty);
}

static void test_floats(void **state)
{
    (void)state;
    const sv_dtype dtypes[] = {SV_F32, SV_F64, SV_F16, SV_BF16};
    const double x[] = {3, -1, 4, 0.5};
    for (int i = 0; i < 4; i++) {
        sv_dtype t = dtypes[i];
        double rtol = t == SV_F64 ? 1e-12 : t == SV_F32 ? 1e-6 : 4e-3;
        reduce_case(SV_REDUCE_SUM, t, t, 4, x, 6.5, rtol);
        reduce_case(SV_REDUCE_MEAN, t, t, 4, x, 1.625, rtol);
        reduce_case(SV_REDUCE_MAX, t, t, 4, x, 4, rtol);
        reduce_case(SV_REDUCE_MIN, t, t, 4, x, -1, rtol);
        reduce_case(SV_REDUCE_PROD, t, t, 4, x, -6, rtol);
        reduce_case(SV_REDUCE_L1, t, t, 4, x, 8.5, rtol);
        reduce_case(SV_REDUCE_L2, t, t, 4, x, sqrt(26.25), rtol);
        reduce_case(SV_REDUCE_LOG_SUM, t, t, 4, x, log(6.5), rtol);
        reduce_case(SV_REDUCE_LOG_SUM_EXP, t, t, 4, x, log(exp(3) + exp(-1) + exp(4) + exp(0.5)),
                    rtol);
        reduce_case(SV_REDUCE_SUM_SQUARE, t, t, 4, x, 26.25, rtol);
        reduce_case(SV_REDUCE_ARGMAX, t, SV_I64, 4, x, 2, 0);
        reduce_case(SV_REDUCE_ARGMIN, t, SV_I64, 4, x, 1, 0);
    }
    reduce_case(SV_REDUCE_LOG_SUM_EXP, SV_F32, SV_F32, 2, D(1000, 1000), 1000 + log(2), 1e-6);
    reduce_case(SV_REDUCE_LOG_SUM_EXP, SV_F32, SV_F32, 2, D(-INFINITY, -INFINITY), -INFINITY, 0);
    reduce_case(SV_REDUCE_MAX, SV_F32, SV_F32, 3, D(1, NAN, 2), NAN, 0);
    reduce_case(SV_REDUCE_MIN, SV_F32, SV_F32, 3, D(NAN, 1, 2), NAN, 0);
    reduce_case(SV_REDUCE_ARGMAX, SV_F32, SV_I64, 4, D(1, NAN, 2, NAN), 1, 0);
}

static void test_integers(void **state)
{
    (void)state;
    reduce_case(SV_REDUCE_SUM, SV_I32, SV_I32, 2, D(0x7fffffff, 1), -0x1p31, 0);
    reduce_case(SV_REDUCE_MEAN, SV_I64, SV_I64, 2, D(-3, -4), -3, 0);
    reduce_case(SV_REDUCE_MAX, SV_I8, SV_I8, 3, D(-5, -3, -4), -3, 0);
    reduce_case(SV_REDUCE_MIN, SV_U8, SV_U8, 3, D(5, 3, 200), 3, 0);
    reduce_case(SV_REDUCE_MAX, SV_U64, SV_U64, 2, D(0x1p63, 5), 0x1p63, 0);
    reduce_case(SV_REDUCE_MIN, SV_U64, SV_U64, 2, D(0x1p63, 5), 5, 0);
    reduce_case(SV_REDUCE_L1, SV_I32, SV_I32, 2, D(-3, 4), 7, 0);
    reduce_case(SV_REDUCE_L2, SV_I32, SV_I32, 2, D(-3, 4), 5, 0);
    reduce_case(SV_REDUCE_PROD, SV_I64, SV_I64, 3, D(-3, 4, 5), -60, 0);
    reduce_case(SV_REDUCE_SUM_SQUARE, SV_U32, SV_U32, 2, D(3, 4), 25, 0);
    reduce_case(SV_REDUCE_MAX, SV_BOOL, SV_BOOL, 3, D(0, 1, 0), 1, 0);
    reduce_case(SV_REDUCE_MIN, SV_BOOL, SV_BOOL, 3, D(1, 1, 0), 0, 0);
    reduce_case(SV_REDUCE_ARGMAX, SV_U64, SV_I64, 3, D(1, 0x1p63, 2), 1, 0);
    reduce_case(SV_REDUCE_ARGMIN, SV_I16, SV_I64, 3, D(1, -7, -7), 1, 0);
}

static void test_empty(void **state)
{
    (void)state;
    const struct {
        sv_reduce_kind kind;
        sv_dtype dtype;
        double y;
    } cases[] = {
        {SV_REDUCE_SUM, SV_F32, 0},
        {SV_REDUCE_PROD, SV_F32, 1},
        {SV_REDUCE_MAX, SV_F32, -INFINITY},
        {SV_REDUCE_MIN, SV_F32, INFINITY},
        {SV_REDUCE_MEAN, SV_F32, NAN},
        {SV_REDUCE_LOG_SUM, SV_F32, -INFINITY},
        {SV_REDUCE_LOG_SUM_EXP, SV_F32, -INFINITY},
        {SV_REDUCE_L2, SV_F32, 0},
        {SV_REDUCE_MAX, SV_I8, -128},
        {SV_REDUCE_MIN, SV_I8, 127},
        {SV_REDUCE_MAX, SV_U16, 0},
        {SV_REDUCE_MIN, SV_U64, 0x1p64},
        {SV_REDUCE_MIN, SV_I64, 0x1p63},
        {SV_REDUCE_MAX, SV_BOOL, 0},
        {SV_REDUCE_MIN, SV_BOOL, 1},
        {SV_REDUCE_SUM, SV_I32, 0},
        {SV_REDUCE_PROD, SV_I64, 1},
        {SV_REDUCE_MEAN, SV_I32, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        reduce_case(cases[i].kind, cases[i].dtype, cases[i].dtype, 0, NULL, cases[i].y, 0);
    }
}

static void test_last_index(void **state)
{
    (void)state;
    trial_tensor x = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(2, 4));
    trial_tensor y = trial_make(SV_I64, TRIAL_DENSE, TRIAL_DIMS(2, 1));
    TRIAL_PUT(&x, 1, 3, 3, 0, 2, 2, 2, 2);
    sv_reduce_param p = {SV_REDUCE_ARGMAX, 2, true};
    trial t;
    trial_init(&t, SV_FAMILY_reduce, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
    trial_reference(&t);
    TRIAL_EQUAL(&y, 0, 0, 2, 3);
    p.last_index = false;
    trial_reference(&t);
    TRIAL_EQUAL(&y, 0, 0, 1, 0);
    trial_free(&x);
    trial_free(&y);
}

static void compare(uint8_t kind, uint32_t axes, trial_layout layout, const int64_t *dims,
                    bool spoil)
{
    int64_t kept[SV_MAX_RANK + 1];
    int32_t rank = 0;
    for (; dims[rank] >= 0; rank++)
        kept[rank] = axes >> rank & 1 ? 1 : dims[rank];
    kept[rank] = -1;
    trial_tensor x = trial_make(SV_F32, layout, dims);
    trial_tensor y = trial_make(SV_F32, layout, kept);
    trial_fill(&x, 17 + axes, -2, 3);
    if (spoil) trial_spoil(&x, 5);
    sv_reduce_param p = {kind, axes, false};
    trial t;
    trial_init(&t, SV_FAMILY_reduce, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
    /* Sums of up to 10,000 values around one, of both signs: the error is in their magnitude's last
     * place. */
    double atol = spoil ? 1e30 : 2e-7 * (double)trial_count(&x) / (double)trial_count(&y);
    if (kind == SV_REDUCE_MAX || kind == SV_REDUCE_MIN) atol = 0;
    trial_compare(&t, kind == SV_REDUCE_MAX || kind == SV_REDUCE_MIN ? 0 : 2e-6, atol);
    trial_free(&x);
    trial_free(&y);
}

static void test_rows(void **state)
{
    (void)state;
    const uint8_t kinds[] = {SV_REDUCE_SUM, SV_REDUCE_MEAN, SV_REDUCE_MAX,       SV_REDUCE_MIN,
                             SV_REDUCE_L1,  SV_REDUCE_L2,   SV_REDUCE_SUM_SQUARE};
    const int64_t shapes[][5] = {{2, 5, 7, 9, -1}, {1, 70, 7, 7, -1}, {3, 133, -1}, {1, 5000, -1}};
    for (size_t k = 0; k < sizeof kinds; k++) {
        for (size_t s = 0; s < 4; s++) {
            uint32_t all = s < 2 ? 15 : 3;
            for (uint32_t axes = 1; axes <= all; axes++) {
                for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
                    compare(kinds[k], axes, layout, shapes[s], false);
                }
                bool extreme = kinds[k] == SV_REDUCE_MAX || kinds[k] == SV_REDUCE_MIN;
                if (extreme) compare(kinds[k], axes, TRIAL_DENSE, shapes[s], true);
            }
        }
    }
}

/* Rows for a kind of its own: products, logarithms of sums of powers, positions. Values are taken
 * from `low` to `high`; of a few whole ones many are equal. */
static void compare_kind(const sv_reduce_param *param, trial_layout layout, const int64_t *dims,
                         double low, double high, bool whole, bool spoil)
{
    int64_t kept[SV_MAX_RANK + 1];
    int32_t rank = 0;
    const bool position = param->kind == SV_REDUCE_ARGMAX || param->kind == SV_REDUCE_ARGMIN;
    for (; dims[rank] >= 0; rank++)
        kept[rank] = param->axes >> rank & 1 ? 1 : dims[rank];
    kept[rank] = -1;
    trial_tensor x = trial_make(SV_F32, layout, dims);
    trial_tensor y = trial_make(position ? SV_I64 : SV_F32, layout, kept);
    trial_fill(&x, 17 + param->axes, low, high);
    for (int64_t i = 0; whole && i < trial_count(&x); i++)
        trial_set(&x, i, rint(trial_get(&x, i)));
    if (spoil) trial_spoil(&x, 5);
    trial t;
    sv_reduce_param p = *param;
    trial_init(&t, SV_FAMILY_reduce, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
    trial_compare(&t, position ? 0 : 1e-6, position ? 0 : 1e-6);
    trial_free(&x);
    trial_free(&y);
}

static void test_wide_rows(void **state)
{
    (void)state;
    const int64_t shapes[][5] = {{2, 5, 7, 9, -1}, {1, 70, 7, 7, -1}, {3, 133, -1}, {1, 5000, -1}};
    for (size_t s = 0; s < 4; s++) {
        for (uint32_t axes = 1; axes <= (s < 2 ? 15u : 3u); axes++) {
            for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
                const sv_reduce_param product = {SV_REDUCE_PROD, axes, false};
                const sv_reduce_param powers = {SV_REDUCE_LOG_SUM_EXP, axes, false};
                compare_kind(&product, layout, shapes[s], 0.9, 1.1, false, false);
                compare_kind(&product, layout, shapes[s], -2, 2, false, true);
                compare_kind(&powers, layout, shapes[s], -20, 60, false, false);
                compare_kind(&powers, layout, shapes[s], -200, -100, false, false);
                compare_kind(&powers, layout, shapes[s], -2, 2, false, true);
            }
        }
    }
}

static void test_position_rows(void **state)
{
    (void)state;
    const int64_t shapes[][5] = {{2, 5, 7, 90, -1}, {1, 70, 7, 7, -1}, {3, 133, -1}, {2, 5000, -1}};
    for (size_t s = 0; s < 4; s++) {
        for (uint32_t axis = 0; axis < (s < 2 ? 4u : 2u); axis++) {
            for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
                for (int kind = 0; kind < 4; kind++) {
                    const sv_reduce_param p = {kind & 1 ? SV_REDUCE_ARGMAX : SV_REDUCE_ARGMIN,
                                               1u << axis, kind & 2};
                    compare_kind(&p, layout, shapes[s], -9, 9, true, false);
                    compare_kind(&p, layout, shapes[s], -9, 9, false, false);
                    compare_kind(&p, layout, shapes[s], -9, 9, false, true);
                }
            }
        }
    }
}

/* A million equal values: plain f32 summing would be off by percents. */
static void test_sums_are_accurate(void **state)
{
    (void)state;
    trial_tensor x = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(500000, 2));
    trial_tensor y = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(1, 2));
    trial_tensor one = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(1, 1));
    for (int64_t i = 0; i < 1000000; i++)
        ((float *)x.data)[i] = 0.1f;
    sv_reduce_param p = {SV_REDUCE_SUM, 1, false};
    trial t;
    trial_init(&t, SV_FAMILY_reduce, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
    assert_int_equal(trial_compare(&t, 2e-5, 0), trial_levels());
    TRIAL_EQUAL(&y, 1e-7, 0, 500000 * (double)0.1f, 500000 * (double)0.1f);
    sv_reduce_param both = {SV_REDUCE_SUM, 3, false};
    trial_init(&t, SV_FAMILY_reduce, &both, sizeof both, 2, TRIAL_TENSORS(&x, &one));
    /* Equal values are the worst case: every addition within a block rounds the same way. */
    assert_int_equal(trial_compare(&t, 3e-6, 0), trial_levels());
    TRIAL_EQUAL(&one, 1e-7, 0, 1000000 * (double)0.1f);
    trial_free(&x);
    trial_free(&y);
    trial_free(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats),        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_empty),         cmocka_unit_test(test_last_index),
        cmocka_unit_test(test_rows),          cmocka_unit_test(test_wide_rows),
        cmocka_unit_test(test_position_rows), cmocka_unit_test(test_sums_are_accurate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
