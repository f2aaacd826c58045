/* Pooling and local response normalisation: fast rows against the reference, the reference against
 * values worked out by hand. ctest: labels=cpu
 *
 * Tolerances: a maximum is exact; sums of up to 125 values below 1 in f32 lose at most 125 * eps.
 */
#include "support/check.h"

#include "kernels/nn.h"
#include "problem_rig.h"

#include <math.h>

static const double eps = 1.19e-7;

/* Adds y for x [n, c, in..] under the parameter's strides; ceil: windows may begin inside only. */
static uint8_t add_output(rig *r, const sv_pool_param *pool, const int64_t *x, bool ceil_mode,
                          sv_dtype dtype, rig_layout layout)
{
    int64_t y[5] = {x[0], x[1]};
    for (int32_t i = 0; i < pool->spatial; i++) {
        int64_t span = x[2 + i] + pool->pad[i] + pool->pad_end[i] -
                       ((pool->kernel[i] - 1) * pool->dilation[i] + 1);
        y[2 + i] = (span + (ceil_mode ? pool->stride[i] - 1 : 0)) / pool->stride[i] + 1;
    }
    return rig_add(r, dtype, 2 + pool->spatial, y, layout);
}

static const sv_pool_param shapes[] = {
    {.spatial = 2,
     .kernel = {3, 3},
     .stride = {2, 2},
     .dilation = {1, 1},
     .pad = {1, 1},
     .pad_end = {1, 1}},
    {.spatial = 2, .kernel = {2, 2}, .stride = {2, 2}, .dilation = {1, 1}},
    {.spatial = 2,
     .kernel = {3, 2},
     .stride = {1, 3},
     .dilation = {2, 3},
     .pad = {1, 0},
     .pad_end = {0, 1}},
    {.spatial = 2, .kernel = {9, 10}, .stride = {1, 1}, .dilation = {1, 1}},
    {.spatial = 2,
     .kernel = {5, 5},
     .stride = {1, 1},
     .dilation = {1, 1},
     .pad = {2, 2},
     .pad_end = {2, 2}},
    {.spatial = 2,
     .kernel = {4, 5},
     .stride = {2, 1},
     .dilation = {1, 2},
     .pad = {1, 3},
     .pad_end = {2, 4}},
    {.spatial = 1, .kernel = {4}, .stride = {3}, .dilation = {1}, .pad = {2}, .pad_end = {1}},
    {.spatial = 3,
     .kernel = {2, 3, 3},
     .stride = {2, 1, 2},
     .dilation = {1, 1, 1},
     .pad = {1, 1, 1},
     .pad_end = {0, 1, 1}},
};

/* Every `step`th of all cases: 3 and 7 still meet each shape, count of channels and layout. */
static void compare_all(uint8_t kind, int64_t p, size_t step)
{
    static const int64_t x[] = {2, 0, 9, 10, 4}, channels[] = {1, 3, 16, 67, 150};
    static const rig_layout layout[] = {RIG_CHANNELS_LAST, RIG_DENSE};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes * 20; i += step) {
        sv_pool_param pool = shapes[i / 20];
        int64_t dim[5];
        memcpy(dim, x, sizeof dim);
        dim[1] = channels[i % 5];
        pool.kind = kind;
        pool.p = p;
        pool.count_include_pad = i / 5 % 2;
        rig r;
        rig_init(&r, SV_FAMILY_pool, &pool, sizeof pool, i);
        rig_add(&r, SV_F32, 2 + pool.spatial, dim, layout[i / 10 % 2]);
        add_output(&r, &pool, dim, i % 2, SV_F32, layout[i / 10 % 2]);
        rig_add(&r, SV_DTYPE_NONE, 0, NULL, RIG_DENSE);
        int rows = rig_compare(&r, 1, kind == SV_POOL_MAX ? 0 : 125 * eps, 4 * eps);
        assert_true(rows >= 1 || p > 2 || layout[i / 10 % 2] != RIG_CHANNELS_LAST);
        rig_release(&r);
    }
}

static void maximum(void **state)
{
    (void)state;
    compare_all(SV_POOL_MAX, 0, 1);
}

static void average(void **state)
{
    (void)state;
    compare_all(SV_POOL_AVERAGE, 0, 1);
}

static void lp(void **state)
{
    (void)state;
    compare_all(SV_POOL_LP, 1, 3);
    compare_all(SV_POOL_LP, 2, 3);
    compare_all(SV_POOL_LP, 3, 7);
}

/* Planes: lines from a single element to several vectors, with dilations and every stride. */
static void planes(void **state)
{
    (void)state;
    static const int64_t widths[] = {1, 2, 7, 16, 33, 70};
    for (int i = 0; i < 6 * 4 * 3 * 2 * 2; i++) {
        const int64_t x[] = {2, 3, 6, widths[i % 6]};
        const int64_t kernel = 1 + i / 6 % 4, stride = 1 + i / 24 % 3, pad = kernel / 2;
        const int64_t hop = i / 144 % 2 && x[3] > 8 ? 2 : 1;
        sv_pool_param pool = {.kind = i / 72 % 2 ? SV_POOL_MAX : SV_POOL_AVERAGE,
                              .count_include_pad = i % 2,
                              .spatial = 2,
                              .kernel = {2, kernel},
                              .stride = {1, stride},
                              .dilation = {1, hop},
                              .pad = {1, pad},
                              .pad_end = {0, pad}};
        rig r;
        rig_init(&r, SV_FAMILY_pool, &pool, sizeof pool, (uint64_t)i);
        rig_add(&r, SV_F32, 4, x, i % 3 ? RIG_DENSE : RIG_PADDED);
        add_output(&r, &pool, x, false, SV_F32, i % 2 ? RIG_DENSE : RIG_PADDED);
        rig_add(&r, SV_DTYPE_NONE, 0, NULL, RIG_DENSE);
        if (x[3] > 3) rig_set(&r, 0, (int64_t[]){1, 2, 3, x[3] - 2}, INFINITY);
        if (x[3] > 3 && pool.kind == SV_POOL_MAX)
            rig_set(&r, 0, (int64_t[]){1, 1, 2, x[3] - 3}, NAN);
        assert_true(rig_compare(&r, 1, pool.kind == SV_POOL_MAX ? 0 : 9 * eps, 4 * eps) >= 1);
        rig_release(&r);
    }
}

/* NaN wins a maximum wherever it stands in the window; infinities are values like others. */
static void special_values(void **state)
{
    (void)state;
    static const float special[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 27; i++) {
        sv_pool_param pool = shapes[0];
        pool.kind = SV_POOL_MAX;
        rig r;
        rig_init(&r, SV_FAMILY_pool, &pool, sizeof pool, 1);
        int64_t x[] = {1, 20, 5, 5};
        rig_add(&r, SV_F32, 4, x, RIG_CHANNELS_LAST);
        add_output(&r, &pool, x, false, SV_F32, RIG_CHANNELS_LAST);
        rig_add(&r, SV_DTYPE_NONE, 0, NULL, RIG_DENSE);
        rig_set(&r, 0, (int64_t[]){0, 18, 1 + i / 3 % 3, 1 + i / 9}, special[i % 3]);
        rig_compare(&r, 1, 0, 0);
        rig_release(&r);
    }
}

/* [1, 1, 2, 3] with values 1..6, one of them twice: maxima and where they lie. */
static void indices(void **state)
{
    (void)state;
    static const float value[] = {1, 6, 2, 5, 6, 4};
    for (int order = 0; order < 2; order++) {
        sv_pool_param pool = {.kind = SV_POOL_MAX,
                              .storage_order = (uint8_t)order,
                              .spatial = 2,
                              .kernel = {1, 2},
                              .stride = {1, 1},
                              .dilation = {1, 1},
                              .pad = {0, 0},
                              .pad_end = {0, 1}};
        rig r;
        rig_init(&r, SV_FAMILY_pool, &pool, sizeof pool, 1);
        int64_t x[] = {1, 1, 2, 3};
        rig_add(&r, SV_F32, 4, x, RIG_DENSE);
        add_output(&r, &pool, x, false, SV_F32, RIG_DENSE);
        rig_add(&r, SV_I64, 4, x, RIG_DENSE);
        for (int64_t i = 0; i < 6; i++)
            rig_set(&r, 0, (int64_t[]){0, 0, i / 3, i % 3}, value[i]);
        const sv_kernel *kernel = sv_kernel_choose(&r.problem, rig_level());
        assert_string_equal(kernel->name, "pool_ref");
        rig_run(&r, kernel, 0);
        static const float want[] = {6, 6, 2, 6, 6, 4};
        static const int64_t at_row[] = {1, 1, 2, 4, 4, 5}, at_column[] = {2, 2, 4, 3, 3, 5};
        for (int64_t i = 0; i < 6; i++) {
            int64_t at[] = {0, 0, i / 3, i % 3};
            assert_true(rig_get(&r, 1, at) == (double)want[i]);
            assert_int_equal((int64_t)rig_get(&r, 2, at), order ? at_column[i] : at_row[i]);
        }
        rig_release(&r);
    }
}

static void small_types(void **state)
{
    (void)state;
    static const sv_dtype dtype[] = {SV_I8, SV_U8, SV_F16, SV_BF16, SV_F64};
    for (size_t t = 0; t < sizeof dtype / sizeof *dtype; t++) {
        sv_pool_param pool = shapes[0];
        pool.kind = SV_POOL_MAX;
        rig r;
        rig_init(&r, SV_FAMILY_pool, &pool, sizeof pool, t);
        int64_t x[] = {1, 3, 5, 6};
        rig_add(&r, dtype[t], 4, x, RIG_DENSE);
        add_output(&r, &pool, x, false, dtype[t], RIG_CHANNELS_LAST);
        rig_add(&r, SV_DTYPE_NONE, 0, NULL, RIG_DENSE);
        rig_run(&r, sv_kernel_choose(&r.problem, rig_level()), 1);
        int64_t at[SV_MAX_RANK] = {0};
        do {
            double want = -INFINITY;
            for (int64_t tap = 0; tap < 9; tap++) {
                int64_t h = at[2] * 2 - 1 + tap / 3, w = at[3] * 2 - 1 + tap % 3;
                if (h < 0 || h >= 5 || w < 0 || w >= 6) continue;
                want = fmax(want, rig_get(&r, 0, (int64_t[]){0, at[1], h, w}));
            }
            assert_true(rig_get(&r, 1, at) == want);
        } while (sv_index_next(4, r.desc[1].dim, at));
        rig_release(&r);
    }
}

/* The power is exp(-beta * log(base)): 2e-6 covers bases up to a few hundred. */
static void lrn(void **state)
{
    (void)state;
    static const sv_lrn_param params[] = {
        {5, 1e-4f, 0.75f, 1.0f}, {4, 0.5f, 0.5f, 2.0f}, {1, 1, 1, 1}, {9, 3, 0.75f, 0.1f}};
    static const int64_t channels[] = {1, 3, 16, 67};
    for (int i = 0; i < 32; i++) {
        sv_lrn_param param = params[i % 4];
        rig r;
        rig_init(&r, SV_FAMILY_lrn, &param, sizeof param, (uint64_t)i);
        int64_t x[] = {2, channels[i / 4 % 4], 3, 11};
        rig_layout layout = i < 16 ? RIG_CHANNELS_LAST : RIG_PADDED;
        rig_add(&r, SV_F32, 4, x, layout);
        rig_add(&r, SV_F32, 4, x, layout);
        int rows = rig_compare(&r, 1, 1e-7, 2e-6);
        assert_true(rows >= 1 || layout == RIG_PADDED);
        rig_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maximum),
        cmocka_unit_test(average),
        cmocka_unit_test(lp),
        cmocka_unit_test(planes),
        cmocka_unit_test(special_values),
        cmocka_unit_test(indices),
        cmocka_unit_test(small_types),
        cmocka_unit_test(lrn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
