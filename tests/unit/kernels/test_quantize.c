/* Quantising and back: the reference against closed forms, every other row against the reference,
 * to the bit. */
#include "kernels/elementwise.h"
#include "trial.h"

#include <math.h>

static void quantize_case(sv_dtype to, double scale, double zero, int64_t n, const double *x,
                          const double *expected)
{
    trial_tensor tx = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(n));
    trial_tensor ts = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(1));
    trial_tensor tz = trial_make(to, TRIAL_DENSE, TRIAL_DIMS(1));
    trial_tensor ty = trial_make(to, TRIAL_DENSE, TRIAL_DIMS(n));
    trial_put(&tx, x);
    trial_set(&ts, 0, scale);
    trial_set(&tz, 0, zero);
    trial_tensor es = trial_expand(&ts, TRIAL_DIMS(n)), ez = trial_expand(&tz, TRIAL_DIMS(n));
    sv_quantize_param p = {.precision = SV_F32, .saturate = true};
    trial t;
    trial_init(&t, SV_FAMILY_quantize, &p, sizeof p, 8, TRIAL_TENSORS(&tx, &es, &ez, &ty));
    assert_int_equal(trial_compare(&t, 0, 0), to == SV_I8 || to == SV_U8 ? trial_levels() : 0);
    trial_equal_values(&ty, expected, 0, 0);
    trial_free(&tx);
    trial_free(&ts);
    trial_free(&tz);
    trial_free(&ty);
}
#define D(...) ((const double[]){__VA_ARGS__})

static void test_values(void **state)
{
    (void)state;
    /* Halves to even, also where the zero point is odd. */
    quantize_case(SV_U8, 2, 128, 6, D(0, 3, 1000, -254, -1000, 1), D(128, 130, 255, 1, 0, 128));
    quantize_case(SV_U8, 1, 3, 4, D(0.5, 1.5, -0.5, -1.5), D(3, 5, 3, 1));
    quantize_case(SV_I8, 0.5, -10, 5, D(0, 1, 100, -100, 0.25), D(-10, -8, 127, -128, -10));
    quantize_case(SV_U8, 0.1f, 7, 4, D(NAN, INFINITY, -INFINITY, -0.0), D(0, 255, 0, 7));
    quantize_case(SV_I16, 1, 1, 3, D(40000, -40000, 2.5), D(32767, -32768, 3));
    quantize_case(SV_I4, 1, 1, 3, D(40, -40, 2), D(7, -8, 3));
}

/* Every layout; scales and zero points one for all, along a dimension, and each. */
static void compare_rows(bool inverse, sv_dtype whole, const int64_t *scale, trial_layout layout,
                         bool zeros, double by)
{
    const int64_t *dims = TRIAL_DIMS(2, 5, 7, 311);
    trial_tensor x = trial_make(inverse ? whole : SV_F32, layout, dims);
    trial_tensor y = trial_make(inverse ? SV_F32 : whole, layout, dims);
    trial_tensor s = trial_make(SV_F32, TRIAL_SHIFTED, scale);
    trial_tensor z = trial_make(whole, TRIAL_SHIFTED, scale);
    const bool is_signed = whole == SV_I8 || whole == SV_I16;
    trial_fill(&x, 1, inverse && !is_signed ? 0 : -100, 120);
    if (!inverse) trial_spoil(&x, 7);
    trial_fill(&s, 2, 0.05 * by, 1.5 * by);
    trial_fill(&z, 3, is_signed ? -100 : 0, 100);
    trial_tensor es = trial_expand(&s, dims), ez = trial_expand(&z, dims), none = trial_absent();
    sv_quantize_param p = {.inverse = inverse, .precision = SV_F32, .saturate = true};
    trial t;
    trial_init(&t, SV_FAMILY_quantize, &p, sizeof p, 8,
               TRIAL_TENSORS(&x, &es, zeros ? &ez : &none, &y));
    assert_int_equal(trial_compare(&t, 0, 0), trial_levels());
    trial_free(&x);
    trial_free(&y);
    trial_free(&s);
    trial_free(&z);
}

static void compare_scales(bool inverse, sv_dtype whole, trial_layout layout)
{
    compare_rows(inverse, whole, TRIAL_DIMS(1), layout, true, 1);
    compare_rows(inverse, whole, TRIAL_DIMS(1), layout, false, 1);
    compare_rows(inverse, whole, TRIAL_DIMS(5, 1, 1), layout, true, 1);
    compare_rows(inverse, whole, TRIAL_DIMS(311), layout, true, 1);
    compare_rows(inverse, whole, TRIAL_DIMS(2, 5, 7, 311), layout, true, 1);
    /* Scales whose reciprocal is nothing to rely on. */
    compare_rows(inverse, whole, TRIAL_DIMS(1), layout, true, 1e38);
    compare_rows(inverse, whole, TRIAL_DIMS(1), layout, true, 1e-39);
    compare_rows(inverse, whole, TRIAL_DIMS(1), layout, true, 0);
}

static void test_rows(void **state)
{
    (void)state;
    for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
        compare_scales(false, SV_U8, layout);
        compare_scales(false, SV_I8, layout);
        compare_scales(true, SV_U8, layout);
        compare_scales(true, SV_I8, layout);
        compare_scales(true, SV_I16, layout);
        compare_scales(true, SV_U16, layout);
    }
}

/* Quotients at and beside every half, where a product with the reciprocal alone would err. */
static void test_halves(void **state)
{
    (void)state;
    const float scales[] = {0.1f, 0.003f, 1.0f / 3, 7.7f, 0.0123f, 255.0f};
    for (int k = 0; k < 6; k++) {
        trial_tensor x = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(520, 5));
        trial_tensor y = trial_make(SV_U8, TRIAL_DENSE, TRIAL_DIMS(520, 5));
        trial_tensor s = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(1));
        trial_tensor z = trial_make(SV_U8, TRIAL_DENSE, TRIAL_DIMS(1));
        for (int i = 0; i < 520; i++) {
            float half = ((float)(i - 260) + 0.5f) * scales[k];
            float below = nextafterf(half, -INFINITY), above = nextafterf(half, INFINITY);
            trial_set(&x, i * 5, (double)half);
            trial_set(&x, i * 5 + 1, (double)below);
            trial_set(&x, i * 5 + 2, (double)above);
            trial_set(&x, i * 5 + 3, (double)nextafterf(below, -INFINITY));
            trial_set(&x, i * 5 + 4, (double)nextafterf(above, INFINITY));
        }
        trial_set(&s, 0, (double)scales[k]);
        trial_set(&z, 0, 100);
        trial_tensor es = trial_expand(&s, TRIAL_DIMS(520, 5));
        trial_tensor ez = trial_expand(&z, TRIAL_DIMS(520, 5));
        sv_quantize_param p = {.precision = SV_F32, .saturate = true};
        trial t;
        trial_init(&t, SV_FAMILY_quantize, &p, sizeof p, 8, TRIAL_TENSORS(&x, &es, &ez, &y));
        assert_int_equal(trial_compare(&t, 0, 0), trial_levels());
        trial_free(&x);
        trial_free(&y);
        trial_free(&s);
        trial_free(&z);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
