/* Layer and RMS normalisation: against the formula computed anew, rows against the reference. */
#include "kernels/nn.h"
#include "trial.h"

#include <math.h>

enum { X, SCALE, SHIFT, Y, MEAN, INV_STD, OPERANDS };

typedef struct norm_trial {
    sv_norm_param param;
    trial_tensor operand[OPERANDS];
    trial_tensor owned[2]; /* scale and shift before they were expanded */
    trial t;
} norm_trial;

/* Scale and shift of dims `parameters` (NULL: absent), broadcast over dims. */
static void make(norm_trial *n, sv_dtype dtype, trial_layout layout, const int64_t *dims,
                 int32_t axis, bool rms, const int64_t *parameters, bool statistics)
{
    int64_t kept[SV_MAX_RANK + 1];
    int32_t rank = 0;
    for (; dims[rank] >= 0; rank++)
        kept[rank] = rank < axis ? dims[rank] : 1;
    kept[rank] = -1;
    *n = (norm_trial){.param = {axis, 1e-5f, rms}};
    trial_tensor *o = n->operand;
    for (int i = 0; i < OPERANDS; i++)
        o[i] = trial_absent();
    n->owned[0] = n->owned[1] = trial_absent();
    o[X] = trial_make(dtype, layout, dims);
    o[Y] = trial_make(dtype, layout, dims);
    trial_fill(&o[X], 3, -1, 5);
    for (int i = 0; parameters && i < 2; i++) {
        n->owned[i] = trial_make(dtype, TRIAL_DENSE, parameters);
        trial_fill(&n->owned[i], 5 + (uint32_t)i, -1, 2);
        o[SCALE + i] = trial_expand(&n->owned[i], dims);
    }
    if (statistics) {
        o[MEAN] = trial_make(SV_F32, TRIAL_DENSE, kept);
        o[INV_STD] = trial_make(SV_F32, TRIAL_DENSE, kept);
    }
    trial_init(&n->t, SV_FAMILY_norm, &n->param, sizeof n->param, 1 << Y | 1 << MEAN | 1 << INV_STD,
               TRIAL_TENSORS(&o[X], &o[SCALE], &o[SHIFT], &o[Y], &o[MEAN], &o[INV_STD]));
}

static void release(norm_trial *n)
{
    for (int i = 0; i < OPERANDS; i++)
        trial_free(&n->operand[i]);
    trial_free(&n->owned[0]);
    trial_free(&n->owned[1]);
}

/* The formula, in f64, set by set. */
static void check(const norm_trial *n, double rtol, double atol)
{
    const trial_tensor *o = n->operand;
    int64_t set = 1, count = trial_count(&o[X]);
    for (int32_t i = n->param.axis; i < o[X].desc.rank; i++)
        set *= o[X].desc.dim[i];
    for (int64_t s = 0; s < count / set; s++) {
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < set && !n->param.rms; i++)
            mean += trial_get(&o[X], s * set + i) / (double)set;
        for (int64_t i = 0; i < set; i++)
            variance += pow(trial_get(&o[X], s * set + i) - mean, 2) / (double)set;
        double inv_std = 1 / sqrt(variance + (double)n->param.epsilon);
        for (int64_t i = s * set; i < (s + 1) * set; i++) {
            double y = (trial_get(&o[X], i) - mean) * inv_std;
            if (o[SCALE].data) y = y * trial_get(&o[SCALE], i) + trial_get(&o[SHIFT], i);
            if (!(fabs(trial_get(&o[Y], i) - y) <= atol + rtol * fabs(y))) {
                fail_msg("element %lld: %g, expected %g", (long long)i, trial_get(&o[Y], i), y);
            }
        }
        if (!o[MEAN].data) continue;
        assert_true(fabs(trial_get(&o[MEAN], s) - mean) < 1e-5);
        assert_true(fabs(trial_get(&o[INV_STD], s) - inv_std) < 1e-5 * inv_std);
    }
}

static void compare(sv_dtype dtype, trial_layout layout, const int64_t *dims, int32_t axis,
                    bool rms, const int64_t *parameters, bool statistics)
{
    norm_trial n;
    make(&n, dtype, layout, dims, axis, rms, parameters, statistics);
    double rtol = dtype == SV_F32 ? 3e-6 : dtype == SV_F64 ? 1e-6 : dtype == SV_F16 ? 2e-3 : 1.6e-2;
    int rows = trial_compare(&n.t, rtol, rtol);
    if (dtype == SV_F32 && (layout == TRIAL_DENSE || layout == TRIAL_SHIFTED)) {
        assert_int_equal(rows, trial_levels());
    }
    check(&n, rtol, rtol);
    release(&n);
}

static void test_shapes(void **state)
{
    (void)state;
    const sv_dtype dtypes[] = {SV_F32, SV_F64, SV_F16, SV_BF16};
    for (int d = 0; d < 4; d++) {
        for (int layout = 0; layout < TRIAL_LAYOUTS; layout++) {
            for (int rms = 0; rms < 2; rms++) {
                compare(dtypes[d], layout, TRIAL_DIMS(3, 5, 37), 2, rms, TRIAL_DIMS(37), !rms);
                compare(dtypes[d], layout, TRIAL_DIMS(2, 3, 4, 33), 2, rms, TRIAL_DIMS(4, 33),
                        false);
                compare(dtypes[d], layout, TRIAL_DIMS(2, 3, 4, 33), 2, rms, TRIAL_DIMS(3, 1, 1),
                        true);
                compare(dtypes[d], layout, TRIAL_DIMS(40, 768), 1, rms, NULL, false);
                compare(dtypes[d], layout, TRIAL_DIMS(4, 1), 1, rms, TRIAL_DIMS(1), true);
            }
        }
    }
    compare(SV_F32, TRIAL_DENSE, TRIAL_DIMS(2, 9001), 1, false, TRIAL_DIMS(1), true);
}

/* A large mean must not drown a small spread: the second pass subtracts it first. */
static void test_large_mean(void **state)
{
    (void)state;
    norm_trial n;
    make(&n, SV_F32, TRIAL_DENSE, TRIAL_DIMS(1, 64), 1, false, NULL, false);
    for (int64_t i = 0; i < 64; i++)
        trial_set(&n.operand[X], i, 10000 + (double)(i % 2));
    assert_int_equal(trial_compare(&n.t, 1e-6, 1e-6), trial_levels());
    check(&n, 1e-5, 1e-5);
    release(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_large_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
