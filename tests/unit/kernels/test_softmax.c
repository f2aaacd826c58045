/* Softmax, LogSoftmax, Hardmax: values by hand, sums of one, rows against the reference. */
#include "kernels/nn.h"
#include "trial.h"

#include <math.h>

static void test_values(void **state)
{
    (void)state;
    const sv_dtype dtypes[] = {SV_F32, SV_F64, SV_F16, SV_BF16};
    const double x[] = {1, 2, 3, 0, 0, 1000};
    const double e = exp(1), sum = e + e * e + e * e * e;
    const double soft[] = {e / sum, e * e / sum, e * e * e / sum, 0, 0, 1};
    const double logs[] = {1 - log(sum), 2 - log(sum), 3 - log(sum), -1000, -1000, 0};
    const double hard[] = {0, 0, 1, 0, 0, 1};
    const double *const expected[] = {soft, logs, hard};
    for (int d = 0; d < 4; d++) {
        for (int kind = 0; kind < 3; kind++) {
            trial_tensor tx = trial_make(dtypes[d], TRIAL_DENSE, TRIAL_DIMS(2, 3));
            trial_tensor ty = trial_make(dtypes[d], TRIAL_DENSE, TRIAL_DIMS(2, 3));
            trial_put(&tx, x);
            sv_softmax_param p = {(uint8_t)kind, 1};
            trial t;
            trial_init(&t, SV_FAMILY_softmax, &p, sizeof p, 2, TRIAL_TENSORS(&tx, &ty));
            double rtol = d == 1 ? 1e-14 : d == 0 ? 1e-6 : d == 2 ? 1e-3 : 8e-3;
            int rows = trial_compare(&t, rtol, 1e-8);
            assert_int_equal(rows, dtypes[d] == SV_F64 || kind == SV_HARDMAX ? 0 : trial_levels());
            trial_equal_values(&ty, expected[kind], rtol, 0);
            trial_free(&tx);
            trial_free(&ty);
        }
    }
}

static void test_hardmax_takes_the_first(void **state)
{
    (void)state;
    trial_tensor x = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(4));
    trial_tensor y = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(4));
    TRIAL_PUT(&x, 1, 5, 5, 2);
    sv_softmax_param p = {SV_HARDMAX, 0};
    trial t;
    trial_init(&t, SV_FAMILY_softmax, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
    trial_reference(&t);
    TRIAL_EQUAL(&y, 0, 0, 0, 1, 0, 0);
    trial_free(&x);
    trial_free(&y);
}

static void compare(uint8_t kind, int32_t axis, trial_layout from, trial_layout to,
                    const int64_t *dims, bool special)
{
    trial_tensor x = trial_make(SV_F32, from, dims), y = trial_make(SV_F32, to, dims);
    trial_fill(&x, 9, -12, 12);
    if (special) {
        trial_spoil(&x, 9);
    } else if (trial_count(&x) > 3) {
        trial_set(&x, 1, -INFINITY); /* a masked score */
    }
    sv_softmax_param p = {kind, axis};
    trial t;
    trial_init(&t, SV_FAMILY_softmax, &p, sizeof p, 2, TRIAL_TENSORS(&x, &y));
    assert_int_equal(trial_compare(&t, 4e-6, kind == SV_LOG_SOFTMAX ? 4e-6 : 1e-12),
                     trial_levels());
    trial_free(&x);
    trial_free(&y);
}

static void test_rows(void **state)
{
    (void)state;
    const int64_t shapes[][5] = {
        {1, -1}, {7, 33, -1}, {2, 3, 5, 70, -1}, {2, 21, 9, 4, -1}, {2, 5003, -1}};
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        int32_t rank = 0;
        while (shapes[s][rank] >= 0)
            rank++;
        for (int32_t axis = 0; axis < rank; axis++) {
            for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
                for (int kind = SV_SOFTMAX; kind <= SV_LOG_SOFTMAX; kind++) {
                    compare((uint8_t)kind, axis, layout, layout, shapes[s], false);
                    compare((uint8_t)kind, axis, layout, TRIAL_DENSE, shapes[s], false);
                    compare((uint8_t)kind, axis, layout, TRIAL_SHIFTED, shapes[s], true);
                }
            }
        }
    }
}

static void test_in_place(void **state)
{
    (void)state;
    trial_tensor x = trial_make(SV_F32, TRIAL_DENSE, TRIAL_DIMS(5, 77));
    trial_fill(&x, 4, -3, 3);
    trial t;
    sv_softmax_param p = {SV_SOFTMAX, 1};
    trial_init(&t, SV_FAMILY_softmax, &p, sizeof p, 2, TRIAL_TENSORS(&x, &x));
    trial_run(&t, sv_kernel_find("softmax_f32_baseline"), 0, false);
    for (int64_t i = 0; i < 5; i++) {
        double sum = 0;
        for (int64_t j = 0; j < 77; j++)
            sum += trial_get(&x, i * 77 + j);
        assert_true(fabs(sum - 1) < 1e-6);
    }
    trial_free(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_hardmax_takes_the_first),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
