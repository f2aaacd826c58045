/* Every convolution row, and every row of the transpose, against the reference. ctest: labels=cpu
 *
 * Tolerances: a result sums K = taps * channels of a group products of values up to 1 in f32, where
 * the reference sums in f64: at most K * eps(f32) off, and a rounding of the result. */
#include "support/check.h"

#include "kernels/conv.h"
#include "kernels/elementwise.h"
#include "problem_rig.h"

#include <math.h>

static const double eps = 1.19e-7;

/* A problem in a line: sizes; spatial dimensions that are 0 are absent. */
typedef struct conv_case {
    int64_t n, c, o, groups;
    int64_t in[3], kernel[3], stride[3], dilation[3], pad[3], pad_end[3];
} conv_case;

static int32_t spatial_of(const conv_case *k)
{
    return k->in[1] == 0 ? 1 : k->in[2] == 0 ? 2 : 3;
}

/* Adds x, w and y, laid out as asked. */
static void build(rig *r, const conv_case *k, bool transpose, sv_conv_param *param, sv_dtype dtype,
                  rig_layout x_layout, rig_layout y_layout, uint64_t seed)
{
    int32_t spatial = spatial_of(k);
    int64_t x[5] = {k->n, k->c}, y[5] = {k->n, k->o};
    int64_t w[5] = {transpose ? k->c : k->o, (transpose ? k->o : k->c) / k->groups};
    *param = (sv_conv_param){.spatial = spatial, .groups = k->groups};
    for (int32_t i = 0; i < spatial; i++) {
        param->kernel[i] = k->kernel[i];
        param->stride[i] = k->stride[i] ? k->stride[i] : 1;
        param->dilation[i] = k->dilation[i] ? k->dilation[i] : 1;
        param->pad[i] = k->pad[i];
        int64_t extent = (k->kernel[i] - 1) * param->dilation[i] + 1;
        x[2 + i] = k->in[i];
        w[2 + i] = k->kernel[i];
        y[2 + i] = transpose
                       ? (k->in[i] - 1) * param->stride[i] + extent - k->pad[i] - k->pad_end[i]
                       : (k->in[i] + k->pad[i] + k->pad_end[i] - extent) / param->stride[i] + 1;
    }
    rig_init(r, transpose ? SV_FAMILY_conv_transpose : SV_FAMILY_conv, param, sizeof *param, seed);
    r->problem.exact = true; /* Winograd's rows have tests of their own */
    rig_add(r, dtype, 2 + spatial, x, x_layout);
    rig_add(r, dtype, 2 + spatial, w, RIG_DENSE);
    rig_add(r, dtype, 2 + spatial, y, y_layout);
}

/* Bias, residual and a clamp, then a gate per channel and an activation. */
static void add_epilogue(rig *r, int which)
{
    const sv_desc *y = &r->desc[2];
    int64_t gate_dim[5] = {y->dim[0], y->dim[1], 1, 1, 1};
    if (which & 1) {
        uint8_t bias = rig_add(r, SV_F32, 1, &y->dim[1], RIG_DENSE);
        rig_epilogue(r, SV_EPI_BIAS, bias, 0, 0, 0);
    }
    if (which & 2) {
        uint8_t add = rig_add(r, SV_F32, y->rank, y->dim, RIG_CHANNELS_LAST);
        rig_epilogue(r, SV_EPI_ADD, add, 0, 0, 0);
    }
    if (which & 4) rig_epilogue(r, SV_EPI_UNARY, 0, SV_UNARY_Clip, -0.5f, 2.0f);
    if (which & 8) {
        uint8_t gate = rig_add(r, SV_F32, y->rank, gate_dim, RIG_DENSE);
        rig_epilogue(r, SV_EPI_MUL, gate, 0, 0, 0);
    }
}

static double sum_error(const conv_case *k, bool transpose)
{
    int64_t channels = k->c / k->groups;
    double sum = (double)channels;
    for (int i = 0; i < 3 && k->kernel[i]; i++)
        sum *= (double)k->kernel[i];
    (void)transpose;
    return (sum + 6) * eps;
}

/* All layouts of x and y that planners make, with a few epilogues. */
static void check_case(const conv_case *k, bool transpose)
{
    static const rig_layout layout[] = {RIG_CHANNELS_LAST, RIG_DENSE, RIG_EVERY_OTHER};
    static const int epilogues[] = {0, 1, 7, 8, 15};
    for (int i = 0; i < 9; i++) {
        sv_conv_param param;
        rig r;
        build(&r, k, transpose, &param, SV_F32, layout[i % 3], layout[i / 3], (uint64_t)i);
        add_epilogue(&r, epilogues[i % 5]);
        int rows = rig_compare(&r, 2, sum_error(k, transpose), 2 * eps);
        assert_true(rows >= 1);
        rig_release(&r);
    }
}

static void dense(void **state)
{
    (void)state;
    static const conv_case cases[] = {
        {1, 8, 33, 1, {9, 11}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
        {2, 5, 17, 1, {9, 11}, {3, 3}, {2, 2}, {0}, {1, 1}, {0, 1}},
        {1, 3, 40, 1, {20, 21}, {7, 7}, {2, 2}, {0}, {3, 3}, {3, 3}},
        {1, 1, 8, 1, {12, 12}, {5, 5}, {1, 1}, {0}, {2, 2}, {2, 2}},
        {2, 3, 33, 1, {17, 35}, {3, 3}, {2, 2}, {0}, {1, 1}, {1, 1}},
        {1, 3, 70, 1, {4, 29}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
        {2, 3, 40, 1, {20, 37}, {4, 4}, {4, 4}, {0}, {0}, {0, 3}},
        {1, 1, 20, 1, {9, 10}, {5, 4}, {2, 2}, {0}, {2, 1}, {2, 1}},
        {2, 1, 24, 1, {3100}, {10}, {5}, {0}, {3}, {4}},
        {1, 2, 9, 1, {1100}, {3}, {1}, {7}, {7}, {7}},
        {1, 4, 33, 1, {7, 23}, {2, 3}, {1, 3}, {1, 2}, {1, 5}, {0, 6}},
        {2, 70, 65, 1, {5, 6}, {1, 1}, {1, 1}, {0}, {0}, {0}},
        {1, 12, 16, 1, {8, 9}, {1, 1}, {2, 2}, {0}, {0}, {0}},
        {1, 4, 20, 1, {13, 9}, {3, 2}, {1, 2}, {2, 3}, {2, 1}, {1, 2}},
        {3, 6, 9, 1, {30}, {4}, {3}, {2}, {2}, {1}},
        {1, 4, 34, 1, {4, 5, 6}, {2, 3, 3}, {1, 2, 1}, {1, 1, 2}, {1, 1, 2}, {0, 1, 2}},
        {1, 2, 3, 1, {2, 2}, {5, 5}, {1, 1}, {0}, {4, 4}, {4, 4}},
        {1, 2, 3, 1, {3, 3}, {1, 1}, {1, 1}, {0}, {2, 2}, {1, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i], false);
}

/* Taps that lie outside x for many outputs, or for all of them. */
static void far_taps(void **state)
{
    (void)state;
    static const conv_case cases[] = {
        {1, 16, 33, 1, {33, 33}, {3, 3}, {1, 1}, {12, 12}, {12, 12}, {12, 12}},
        {2, 20, 70, 1, {17, 13}, {3, 3}, {1, 1}, {9, 10}, {9, 10}, {9, 10}},
        {1, 8, 40, 2, {11, 14}, {3, 3}, {2, 1}, {6, 7}, {6, 7}, {6, 7}},
        {1, 7, 17, 1, {9, 8}, {2, 5}, {1, 1}, {7, 3}, {7, 5}, {0, 7}},
        {1, 6, 20, 1, {40}, {3}, {1}, {30}, {30}, {30}},
        {1, 6, 20, 1, {5, 20}, {3, 3}, {1, 1}, {30, 8}, {30, 8}, {32, 9}},
        {1, 5, 9, 1, {6, 7, 5}, {3, 3, 3}, {1, 2, 1}, {4, 5, 3}, {4, 5, 3}, {4, 5, 3}},
        {1, 4, 12, 1, {3, 40}, {1, 9}, {1, 1}, {1, 12}, {4, 48}, {3, 48}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i], false);
}

static void grouped(void **state)
{
    (void)state;
    static const conv_case cases[] = {
        {1, 12, 8, 4, {7, 8}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
        {2, 8, 80, 2, {5, 5}, {3, 3}, {2, 2}, {0}, {1, 1}, {1, 1}},
        {1, 6, 12, 6, {6, 7}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
        {1, 32, 8, 8, {20}, {5}, {1}, {0}, {2}, {2}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i], false);
}

/* Few output channels: kernels with several columns, in panels of their own; lines in parts, and
 * lines that lie outside x. */
static void few_outputs(void **state)
{
    (void)state;
    static const conv_case cases[] = {
        {1, 32, 3, 1, {12, 14}, {9, 9}, {1, 1}, {0}, {4, 4}, {4, 4}},
        {2, 17, 1, 1, {9, 30}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
        {1, 6, 2, 1, {5, 600}, {3, 5}, {2, 1}, {2, 3}, {1, 5}, {2, 6}},
        {1, 8, 8, 1, {7, 9}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
        {2, 12, 1, 1, {300}, {7}, {1}, {0}, {3}, {3}},
        {1, 5, 3, 1, {2, 3}, {4, 7}, {1, 1}, {0}, {3, 9}, {3, 8}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i], false);
    sv_conv_param param;
    uint8_t operand;
    rig r;
    build(&r, &cases[0], false, &param, SV_F32, RIG_CHANNELS_LAST, RIG_DENSE, 1);
    assert_int_equal(sv_format_choose(&r.problem, rig_level(), &operand), SV_FORMAT_conv_few);
    rig_release(&r);
}

/* Several groups in a vector: as many inputs as outputs of a group, fewer, one; channels that fill
 * no vector; windows that are done in blocks, and others. */
static void narrow_groups(void **state)
{
    (void)state;
    static const conv_case cases[] = {
        {1, 128, 128, 32, {9, 11}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
        {2, 48, 48, 24, {7, 16}, {3, 3}, {2, 2}, {0}, {1, 1}, {1, 1}},
        {1, 40, 40, 5, {6, 7}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
        {1, 24, 48, 24, {8, 9}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
        {1, 18, 72, 18, {5, 5}, {3, 3}, {2, 2}, {0}, {0, 1}, {1, 1}},
        {1, 21, 28, 7, {6, 10}, {3, 3}, {1, 1}, {3, 2}, {3, 2}, {3, 2}},
        {1, 12, 12, 6, {9, 8}, {5, 5}, {1, 1}, {0}, {2, 2}, {2, 2}},
        {1, 20, 40, 10, {30}, {4}, {2}, {0}, {1}, {2}},
        {1, 8, 8, 2, {4, 5, 6}, {3, 2, 3}, {1, 1, 2}, {0}, {1, 1, 1}, {1, 0, 1}},
        {1, 64, 64, 16, {4, 4}, {1, 1}, {1, 1}, {0}, {0}, {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i], false);
}

static void depthwise(void **state)
{
    (void)state;
    static const conv_case cases[] = {
        {1, 96, 96, 96, {7, 9}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
        {2, 19, 19, 19, {8, 8}, {3, 3}, {2, 2}, {0}, {0, 0}, {1, 1}},
        {1, 70, 70, 70, {11, 6}, {5, 5}, {1, 1}, {0}, {2, 2}, {2, 2}},
        {1, 3, 3, 3, {9, 9}, {5, 5}, {2, 2}, {0}, {2, 2}, {2, 2}},
        {1, 33, 33, 33, {9, 9}, {3, 3}, {1, 1}, {2, 2}, {2, 2}, {2, 2}},
        {1, 20, 20, 20, {40}, {7}, {1}, {0}, {6}, {0}},
        {1, 20, 20, 20, {4, 4, 5}, {3, 3, 3}, {1, 2, 1}, {0}, {1, 1, 1}, {1, 1, 1}},
        {1, 40, 40, 40, {12, 10}, {7, 7}, {1, 1}, {0}, {3, 3}, {3, 3}},
        {2, 19, 19, 19, {11, 15}, {9, 9}, {1, 1}, {0}, {4, 4}, {4, 3}},
        {1, 17, 17, 17, {9, 9}, {7, 7}, {2, 2}, {0}, {3, 3}, {3, 3}},
        {1, 34, 34, 34, {13, 16}, {3, 3}, {1, 1}, {3, 2}, {3, 2}, {3, 1}},
        {2, 16, 16, 16, {7, 5}, {5, 5}, {1, 1}, {5, 6}, {10, 12}, {10, 12}},
        {1, 9, 9, 9, {3, 24}, {7, 7}, {1, 1}, {1, 4}, {3, 12}, {3, 12}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i], false);
}

static void transposed(void **state)
{
    (void)state;
    static const conv_case cases[] = {
        {1, 16, 33, 1, {5, 6}, {2, 2}, {2, 2}, {0}, {0}, {0}},
        {2, 7, 20, 1, {5, 4}, {3, 3}, {2, 2}, {0}, {1, 1}, {0, 0}},
        {1, 9, 12, 1, {5, 5}, {4, 4}, {2, 2}, {0}, {1, 1}, {1, 1}},
        {1, 4, 5, 1, {6, 6}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
        {1, 4, 6, 2, {4, 5}, {3, 3}, {3, 2}, {2, 2}, {2, 1}, {0, 1}},
        {1, 3, 4, 1, {4}, {2}, {3}, {0}, {0}, {0}},
        {1, 2, 4, 1, {3}, {3}, {4}, {6}, {1}, {0}},
        {1, 5, 3, 1, {3, 2, 3}, {2, 3, 2}, {2, 1, 2}, {1, 1, 1}, {0, 1, 0}, {0, 1, 0}},
        {1, 12, 12, 12, {5, 5}, {4, 4}, {2, 2}, {0}, {1, 1}, {1, 1}},
        {2, 70, 70, 70, {5, 6}, {3, 5}, {2, 3}, {2, 1}, {1, 2}, {0, 1}},
        {1, 19, 19, 19, {3, 2, 3}, {2, 3, 2}, {2, 1, 3}, {1, 1, 1}, {0, 1, 0}, {0, 1, 0}},
        {1, 2, 2, 1, {2, 2}, {16, 16}, {8, 8}, {0}, {4, 4}, {4, 4}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_case(&cases[i], true);
}

/* More units than one, over both positions and channels. */
static void many_units(void **state)
{
    (void)state;
    static const conv_case cases[] = {
        {1, 48, 130, 1, {23, 23}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
        {1, 3, 64, 1, {64, 64}, {3, 3}, {2, 2}, {0}, {1, 1}, {1, 1}},
        {2, 150, 150, 150, {14, 14}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sv_conv_param param;
        rig r;
        build(&r, &cases[i], false, &param, SV_F32, RIG_CHANNELS_LAST, RIG_CHANNELS_LAST, i);
        add_epilogue(&r, 5);
        rig_compare(&r, 2, sum_error(&cases[i], false), 2 * eps);
        rig_release(&r);
    }
}

/* Padding is not a product with 0: an infinite weight at a tap outside x changes nothing there in
 * the reference, but 0 * infinity is not a number in the fast rows. So weights stay finite here,
 * and NaN and infinity come from x. */
static void special_values(void **state)
{
    (void)state;
    static const float special[] = {NAN, INFINITY, -INFINITY};
    static const conv_case cases[] = {
        {1, 4, 20, 1, {7, 7}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
        {1, 20, 20, 20, {7, 7}, {3, 3}, {1, 1}, {0}, {1, 1}, {1, 1}},
    };
    for (int i = 0; i < 6; i++) {
        sv_conv_param param;
        rig r;
        build(&r, &cases[i / 3], false, &param, SV_F32, RIG_CHANNELS_LAST, RIG_CHANNELS_LAST, 5);
        rig_set(&r, 0, (int64_t[]){0, 2, 3, 4}, special[i % 3]);
        rig_epilogue(&r, SV_EPI_UNARY, 0, SV_UNARY_Relu, 0, 0);
        rig_compare(&r, 2, sum_error(&cases[i / 3], false), 2 * eps);
        rig_release(&r);
    }
}

/* The reference in other dtypes agrees with itself in f32, within their rounding of values below
 * 40. */
static void other_types(void **state)
{
    (void)state;
    static const sv_dtype dtype[] = {SV_F64, SV_F16, SV_BF16};
    static const double tolerance[] = {1e-13, 0.02, 0.2};
    static const conv_case k = {2, 6, 4, 2, {5, 6}, {3, 2}, {1, 2}, {0}, {1, 1}, {1, 1}};
    for (int t = 0; t < 6; t++) {
        sv_conv_param param;
        rig r, wide;
        build(&r, &k, t >= 3, &param, dtype[t % 3], RIG_DENSE, RIG_DENSE, 3);
        build(&wide, &k, t >= 3, &param, SV_F64, RIG_DENSE, RIG_DENSE, 3);
        const sv_kernel *kernel = sv_kernel_choose(&r.problem, rig_level());
        assert_non_null(kernel);
        for (int i = 0; i < 3; i++)
            rig_write(i == 2 ? &wide : &r, 2);
        int64_t index[SV_MAX_RANK] = {0};
        for (uint8_t operand = 0; operand < 2; operand++) {
            memset(index, 0, sizeof index);
            do {
                double value = rig_get(&r, operand, index);
                rig_set(&wide, operand, index, (float)value);
                rig_set(&r, operand, index, (float)value);
            } while (sv_index_next(4, r.desc[operand].dim, index));
        }
        rig_run(&r, kernel, 3);
        rig_run(&wide, kernel, 0);
        memset(index, 0, sizeof index);
        do {
            double got = rig_get(&r, 2, index), want = rig_get(&wide, 2, index);
            if (!(fabs(got - want) <= tolerance[t % 3])) fail_msg("%d: %g, not %g", t, got, want);
        } while (sv_index_next(4, r.desc[2].dim, index));
        rig_release(&r);
        rig_release(&wide);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense),          cmocka_unit_test(grouped),
        cmocka_unit_test(far_taps),       cmocka_unit_test(narrow_groups),
        cmocka_unit_test(few_outputs),    cmocka_unit_test(depthwise),
        cmocka_unit_test(transposed),     cmocka_unit_test(many_units),
        cmocka_unit_test(special_values), cmocka_unit_test(other_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
