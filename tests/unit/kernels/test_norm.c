/* Layer and RMS normalisation: against the formula computed anew, rows against the reference. */
#include "kernels/elementwise.h"
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
    *n = (norm_trial){.param = {.axis = axis, .epsilon = 1e-5f, .rms = rms}};
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
    if (n->param.groups) set /= n->param.groups;
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

/* Maps whose channels are sets, and groups of channels (0: none), with more than one block of
 * pixels. */
static void compare_channels(trial_layout layout, const int64_t *dims, int64_t groups, double at)
{
    const int64_t column[] = {dims[1], 1, 1, -1};
    norm_trial n;
    make(&n, SV_F32, layout, dims, groups ? 1 : 2, false, column, false);
    n.param.groups = groups;
    for (int64_t i = 0; at != 0 && i < trial_count(&n.operand[X]); i++)
        trial_set(&n.operand[X], i, at + (double)(i % 7));
    assert_true(trial_compare(&n.t, 1e-5, 1e-5) >= trial_levels());
    check(&n, 1e-5, 1e-5);
    release(&n);
}

static void test_channels(void **state)
{
    (void)state;
    static const trial_layout layouts[] = {TRIAL_DENSE, TRIAL_SHIFTED, TRIAL_CHANNELS_LAST};
    for (int i = 0; i < 3; i++) {
        for (int at = 0; at < 2; at++) {
            double mean = at ? 100 : 0;
            compare_channels(layouts[i], TRIAL_DIMS(2, 32, 21, 23), 0, mean);
            compare_channels(layouts[i], TRIAL_DIMS(2, 32, 21, 23), 4, mean);
            compare_channels(layouts[i], TRIAL_DIMS(1, 130, 9, 33), 0, mean);
            compare_channels(layouts[i], TRIAL_DIMS(1, 150, 9, 33), 2, mean);
            compare_channels(layouts[i], TRIAL_DIMS(3, 6, 5, 3), 3, mean);
            compare_channels(layouts[i], TRIAL_DIMS(1, 600, 5, 5), 1, mean);
            compare_channels(layouts[i], TRIAL_DIMS(1, 5, 90, 50), 0, mean);
            compare_channels(layouts[i], TRIAL_DIMS(1, 3, 1, 17), 3, mean);
        }
    }
}

/* Rows of pixels that lie further apart than they are long. */
static void test_padded_pixels(void **state)
{
    (void)state;
    for (int64_t groups = 0; groups < 6; groups += 5) {
        norm_trial n;
        make(&n, SV_F32, TRIAL_CHANNELS_LAST, TRIAL_DIMS(2, 24, 6, 5), groups ? 1 : 2, false,
             TRIAL_DIMS(24, 1, 1), false);
        n.param.groups = groups;
        /* 20 of 24 channels: a window of the map. */
        n.t.desc[X].dim[1] = n.t.desc[SCALE].dim[1] = n.t.desc[SHIFT].dim[1] = 20;
        n.t.desc[Y].dim[1] = n.operand[X].desc.dim[1] = n.operand[Y].desc.dim[1] = 20;
        n.operand[SCALE].desc.dim[1] = n.operand[SHIFT].desc.dim[1] = 20;
        assert_true(trial_compare(&n.t, 1e-5, 1e-5) >= trial_levels());
        check(&n, 1e-5, 1e-5);
        release(&n);
    }
}

/* An activation and a residual map that lies as the result does. */
static void check_fused(trial_layout layout, int64_t groups, sv_unary unary)
{
    norm_trial n;
    const int64_t *dims = TRIAL_DIMS(2, 20, 13, 37);
    make(&n, SV_F32, layout, dims, groups ? 1 : 2, false, TRIAL_DIMS(20, 1, 1), false);
    n.param.groups = groups;
    trial_tensor residual = trial_make(SV_F32, layout, dims);
    trial_fill(&residual, 11, -1, 1);
    trial_reference(&n.t);
    size_t count;
    int tried = 0;
    const sv_kernel *const *table = sv_kernel_table(&count);
    trial_tensor plain = n.operand[Y], fused = trial_make(SV_F32, layout, dims);
    n.t.operand[Y] = &fused;
    n.t.operand[OPERANDS] = &residual;
    n.t.desc[OPERANDS] = residual.desc;
    n.t.problem.n_operand = OPERANDS + 1;
    n.t.problem.epilogue = (sv_epilogue){2,
                                         {{.kind = SV_EPI_ADD, .operand = OPERANDS},
                                          {.kind = SV_EPI_UNARY, .unary = (uint8_t)unary, .a = 1}}};
    sv_cpu_level level;
    assert_null(sv_cpu_detect(&level));
    for (size_t i = 0; i < count; i++) {
        if (table[i]->family != SV_FAMILY_norm || table[i]->level > level ||
            !table[i]->supports(&n.t.problem))
            continue;
        trial_run(&n.t, table[i], 1, true);
        tried++;
        for (int64_t k = 0; k < trial_count(&fused); k++) {
            double sum = trial_get(&plain, k) + trial_get(&residual, k);
            double y = unary == SV_UNARY_Relu ? fmax(0, sum) : sum / (1 + exp(-sum));
            assert_true(fabs(trial_get(&fused, k) - y) <= 1e-5 + 1e-5 * fabs(y));
        }
    }
    assert_int_equal(tried, trial_levels());
    trial_free(&fused);
    trial_free(&residual);
    release(&n);
}

static void test_fused(void **state)
{
    (void)state;
    static const trial_layout layouts[] = {TRIAL_DENSE, TRIAL_CHANNELS_LAST};
    for (int i = 0; i < 2; i++) {
        for (int64_t groups = 0; groups < 6; groups += 5) {
            check_fused(layouts[i], groups, SV_UNARY_Relu);
            check_fused(layouts[i], groups, SV_UNARY_Swish);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),   cmocka_unit_test(test_large_mean),
        cmocka_unit_test(test_channels), cmocka_unit_test(test_padded_pixels),
        cmocka_unit_test(test_fused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
