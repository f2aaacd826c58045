/* Every GEMM row against the reference. ctest: labels=cpu
 *
 * Tolerances: a row sums K products of values up to 1 in f32, in another order than the reference's
 * f64: at most K * eps(f32) off, and a rounding of the result; exp-like activations add a few ulp.
 */
#include "support/check.h"

#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "problem_rig.h"

#include <math.h>
#include <string.h>

static const double eps = 1.19e-7;

static double sum_error(int64_t k)
{
    return (double)(k + 4) * eps;
}

/* y [m, n] of one layout per operand. */
static int plain(int64_t m, int64_t n, int64_t k, rig_layout a, rig_layout b, rig_layout y,
                 float alpha)
{
    sv_gemm_param param = {.alpha = alpha};
    rig r;
    rig_init(&r, SV_FAMILY_gemm, &param, sizeof param, (uint64_t)(m * 31 + n * 7 + k));
    rig_add(&r, SV_F32, 2, (int64_t[]){m, k}, a);
    rig_add(&r, SV_F32, 2, (int64_t[]){k, n}, b);
    rig_add(&r, SV_F32, 2, (int64_t[]){m, n}, y);
    int rows = rig_compare(&r, 2, sum_error(k), 2 * eps);
    rig_release(&r);
    return rows;
}

static void sizes(void **state)
{
    (void)state;
    static const int64_t m[] = {1, 2, 3, 6, 7, 13, 14, 15, 29, 43}, k[] = {0, 1, 5, 33};
    static const int64_t n[] = {1, 7, 8, 16, 17, 32, 33, 63, 100};
    for (size_t i = 0; i < sizeof m / sizeof *m; i++) {
        for (size_t j = 0; j < sizeof n / sizeof *n; j++) {
            for (size_t l = 0; l < sizeof k / sizeof *k; l++) {
                int rows = plain(m[i], n[j], k[l], RIG_DENSE, RIG_DENSE, RIG_DENSE, 1);
                assert_int_equal(rows % 2, 0);
                assert_true(rows >= 2);
            }
        }
    }
}

static void layouts(void **state)
{
    (void)state;
    static const rig_layout layout[] = {RIG_DENSE, RIG_TRANSPOSED, RIG_PADDED, RIG_EVERY_OTHER};
    for (int i = 0; i < 64; i++) {
        plain(31, 77, 19, layout[i % 4], layout[i / 4 % 4], layout[i / 16], 0.25f);
        plain(1, 150, 19, layout[i % 4], layout[i / 4 % 4], layout[i / 16], 1);
    }
}

static void many_units(void **state)
{
    (void)state;
    plain(700, 130, 64, RIG_DENSE, RIG_DENSE, RIG_DENSE, 1);
    plain(97, 700, 40, RIG_TRANSPOSED, RIG_TRANSPOSED, RIG_DENSE, 1);
    plain(1, 3000, 65, RIG_DENSE, RIG_DENSE, RIG_DENSE, 1);
    plain(2, 1000, 65, RIG_DENSE, RIG_DENSE, RIG_PADDED, 1);
}

/* More rows than stay near: taken by parts, the last of them smaller; twice, as a batch. */
static void many_rows(void **state)
{
    (void)state;
    plain(1290, 70, 256, RIG_DENSE, RIG_DENSE, RIG_DENSE, 1);
    sv_gemm_param param = {.alpha = 1};
    rig r;
    rig_init(&r, SV_FAMILY_gemm, &param, sizeof param, 3);
    rig_add(&r, SV_F32, 3, (int64_t[]){2, 1290, 256}, RIG_PADDED);
    rig_add(&r, SV_F32, 3, (int64_t[]){2, 256, 40}, RIG_DENSE);
    rig_add(&r, SV_F32, 3, (int64_t[]){2, 1290, 40}, RIG_DENSE);
    rig_compare(&r, 2, sum_error(256), 2 * eps);
    rig_release(&r);
}

/* A depth in parts: sums wait in y, whatever follows them. The last panel ends within a vector, or
 * is narrow; rows lie apart, or so that they are copied. */
static void deep(void **state)
{
    (void)state;
    static const rig_layout layout[] = {RIG_DENSE, RIG_TRANSPOSED, RIG_PADDED, RIG_EVERY_OTHER};
    for (int i = 0; i < 8; i++) {
        plain(14, 75, 2100, layout[i % 4], RIG_DENSE, layout[(i + i / 4) % 4], i % 3 ? 1 : 0.25f);
    }
    plain(150, 70, 2100, RIG_DENSE, RIG_TRANSPOSED, RIG_PADDED, 1);
    plain(29, 40, 4200, RIG_PADDED, RIG_DENSE, RIG_DENSE, 1);
    plain(49, 515, 2048, RIG_DENSE, RIG_DENSE, RIG_DENSE, 1);
    plain(49, 120, 2048, RIG_TRANSPOSED, RIG_DENSE, RIG_DENSE, 1);
}

/* y = alpha a b through a bias, a residual and so on: epilogues that tiles do, and that they do by
 * way of a buffer, in the first case from the bias on, in the second after a scale. */
static void deep_epilogue(int kinds, int64_t n, float alpha)
{
    sv_gemm_param param = {.alpha = alpha};
    rig r;
    rig_init(&r, SV_FAMILY_gemm, &param, sizeof param, (uint64_t)(kinds * 1000 + n));
    rig_add(&r, SV_F32, 2, (int64_t[]){14, 2100}, RIG_DENSE);
    rig_add(&r, SV_F32, 2, (int64_t[]){2100, n}, RIG_DENSE);
    rig_add(&r, SV_F32, 2, (int64_t[]){14, n}, RIG_DENSE);
    const uint8_t bias = rig_add(&r, SV_F32, 1, (int64_t[]){n}, RIG_DENSE);
    const uint8_t add = rig_add(&r, SV_F32, 2, (int64_t[]){14, n}, RIG_PADDED);
    if (kinds & 8) rig_epilogue(&r, SV_EPI_UNARY, 0, SV_UNARY_Tanh, 0, 0);
    if (kinds & 1) rig_epilogue(&r, SV_EPI_BIAS, bias, 0, 0, 0);
    if (kinds & 2) rig_epilogue(&r, SV_EPI_ADD, add, 0, 0, 0);
    if (kinds & 4) rig_epilogue(&r, SV_EPI_UNARY, 0, SV_UNARY_Relu, 0, 0);
    rig_compare(&r, 2, sum_error(2100), 4 * eps);
    rig_release(&r);
}

static void deep_epilogues(void **state)
{
    (void)state;
    for (int kinds = 1; kinds < 16; kinds++) {
        deep_epilogue(kinds, kinds % 2 ? 64 : 77, 1);
        deep_epilogue(kinds, 77, 0.25f);
    }
}

/* A row's results are the same bits alone and among many, in a depth of one part or of several. */
static void rows_alone(void **state)
{
    (void)state;
    enum { M = 40, N = 77, K = 2100 };
    for (int level = SV_CPU_BASELINE; level <= (int)rig_level(); level++) {
        sv_gemm_param param = {.alpha = 1};
        rig r;
        rig_init(&r, SV_FAMILY_gemm, &param, sizeof param, 5);
        rig_add(&r, SV_F32, 2, (int64_t[]){M, K}, RIG_DENSE);
        rig_add(&r, SV_F32, 2, (int64_t[]){K, N}, RIG_DENSE);
        rig_add(&r, SV_F32, 2, (int64_t[]){M, N}, RIG_DENSE);
        const uint8_t bias = rig_add(&r, SV_F32, 1, (int64_t[]){N}, RIG_DENSE);
        rig_epilogue(&r, SV_EPI_BIAS, bias, 0, 0, 0);
        uint8_t operand;
        r.problem.b_format = (uint16_t)sv_format_choose(&r.problem, (sv_cpu_level)level, &operand);
        const sv_kernel *kernel = sv_kernel_choose(&r.problem, (sv_cpu_level)level);
        r.problem.b_format = SV_FORMAT_RAW;
        rig_write(&r, 2);
        rig_run(&r, kernel, 0);
        float many[N];
        memcpy(many, r.ptr[2], sizeof many);
        r.desc[0].dim[0] = r.desc[2].dim[0] = 1;
        rig_write(&r, 2);
        rig_run(&r, kernel, 0);
        assert_memory_equal(many, r.ptr[2], sizeof many);
        rig_release(&r);
    }
}

static void batches(void **state)
{
    (void)state;
    static const struct {
        int64_t a[4], b[4], y[4];
    } shape[] = {
        {{2, 3, 5, 9}, {2, 3, 9, 20}, {2, 3, 5, 20}},
        {{2, 1, 5, 9}, {1, 3, 9, 20}, {2, 3, 5, 20}},
        {{2, 3, 5, 9}, {1, 1, 9, 20}, {2, 3, 5, 20}},
        {{1, 1, 5, 9}, {2, 3, 9, 20}, {2, 3, 5, 20}},
        {{40, 30, 1, 4}, {40, 1, 4, 3}, {40, 30, 1, 3}},
        {{40, 30, 2, 4}, {40, 30, 4, 3}, {40, 30, 2, 3}},
    };
    static const rig_layout layout[] = {RIG_DENSE, RIG_TRANSPOSED, RIG_CHANNELS_LAST};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        for (int l = 0; l < 27; l++) {
            sv_gemm_param param = {.alpha = 1};
            rig r;
            rig_init(&r, SV_FAMILY_gemm, &param, sizeof param, i);
            rig_add(&r, SV_F32, 4, shape[i].a, layout[l % 3]);
            rig_add(&r, SV_F32, 4, shape[i].b, layout[l / 3 % 3]);
            rig_add(&r, SV_F32, 4, shape[i].y, layout[l / 9]);
            rig_compare(&r, 2, sum_error(shape[i].a[3]), 2 * eps);
            rig_release(&r);
        }
    }
}

/* A packed b of rank 2 meets an a of any rank. */
static void packed_rank(void **state)
{
    (void)state;
    static const rig_layout layout[] = {RIG_DENSE, RIG_PADDED, RIG_CHANNELS_LAST};
    for (int l = 0; l < 9; l++) {
        sv_gemm_param param = {.alpha = 1};
        rig r;
        rig_init(&r, SV_FAMILY_gemm, &param, sizeof param, (uint64_t)l);
        rig_add(&r, SV_F32, 4, (int64_t[]){3, 2, 7, 11}, layout[l % 3]);
        rig_add(&r, SV_F32, 4, (int64_t[]){1, 1, 11, 45}, RIG_DENSE);
        rig_add(&r, SV_F32, 4, (int64_t[]){3, 2, 7, 45}, layout[l / 3]);
        uint8_t add = rig_add(&r, SV_F32, 4, (int64_t[]){3, 1, 7, 45}, RIG_DENSE);
        rig_epilogue(&r, SV_EPI_ADD, add, 0, 0, 0);
        rig_compare(&r, 2, sum_error(11), 2 * eps);
        rig_release(&r);
    }
}

/* NaN and infinity reach exactly the results that they must. */
static void special_values(void **state)
{
    (void)state;
    static const float special[] = {NAN, INFINITY, -INFINITY};
    for (size_t s = 0; s < 3; s++) {
        for (int clamp = 0; clamp < 2; clamp++) {
            sv_gemm_param param = {.alpha = 1};
            rig r;
            rig_init(&r, SV_FAMILY_gemm, &param, sizeof param, s);
            rig_add(&r, SV_F32, 2, (int64_t[]){17, 12}, RIG_DENSE);
            rig_add(&r, SV_F32, 2, (int64_t[]){12, 39}, RIG_DENSE);
            rig_add(&r, SV_F32, 2, (int64_t[]){17, 39}, RIG_DENSE);
            rig_set(&r, 0, (int64_t[]){3, 4}, special[s]);
            rig_set(&r, 1, (int64_t[]){7, 35}, special[s]);
            if (clamp) rig_epilogue(&r, SV_EPI_UNARY, 0, SV_UNARY_Relu, 0, 0);
            rig_compare(&r, 2, sum_error(12), 2 * eps);
            rig_release(&r);
        }
    }
}

/* The reference's other dtypes, against sums made here. */
static void other_types(void **state)
{
    (void)state;
    static const sv_dtype dtype[] = {SV_F64, SV_F16, SV_BF16, SV_I32, SV_I64, SV_U32, SV_U64};
    static const double tolerance[] = {1e-14, 1e-3, 8e-3, 0, 0, 0, 0};
    for (size_t t = 0; t < sizeof dtype / sizeof *dtype; t++) {
        sv_gemm_param param = {.alpha = 1};
        rig r;
        rig_init(&r, SV_FAMILY_gemm, &param, sizeof param, t);
        rig_add(&r, dtype[t], 3, (int64_t[]){2, 5, 6}, RIG_TRANSPOSED);
        rig_add(&r, dtype[t], 3, (int64_t[]){1, 6, 3}, RIG_PADDED);
        rig_add(&r, dtype[t], 3, (int64_t[]){2, 5, 3}, RIG_DENSE);
        const sv_kernel *kernel = sv_kernel_choose(&r.problem, rig_level());
        assert_string_equal(kernel->name, "gemm_ref");
        rig_write(&r, 2);
        rig_run(&r, kernel, 2);
        for (int64_t i = 0; i < 30; i++) {
            int64_t b = i / 15, m = i / 3 % 5, n = i % 3;
            double sum = 0, got = rig_get(&r, 2, (int64_t[]){b, m, n});
            for (int64_t k = 0; k < 6; k++) {
                sum += rig_get(&r, 0, (int64_t[]){b, m, k}) * rig_get(&r, 1, (int64_t[]){0, k, n});
            }
            if (!(fabs(got - sum) <= tolerance[t] * 6)) {
                fail_msg("%s: %g, expected %g", sv_dtype_get(dtype[t])->name, got, sum);
            }
        }
        rig_release(&r);
    }
}

static void no_rows(void **state)
{
    (void)state;
    assert_true(plain(0, 8, 3, RIG_DENSE, RIG_DENSE, RIG_DENSE, 1) >= 2);
    assert_true(plain(4, 0, 3, RIG_DENSE, RIG_DENSE, RIG_DENSE, 1) >= 2);
}

/* The packed row of the level that packed is chosen, and no lower one. */
static void choice(void **state)
{
    (void)state;
    sv_gemm_param param = {.alpha = 1};
    rig r;
    rig_init(&r, SV_FAMILY_gemm, &param, sizeof param, 1);
    rig_add(&r, SV_F32, 2, (int64_t[]){4, 8}, RIG_DENSE);
    rig_add(&r, SV_F32, 2, (int64_t[]){8, 3}, RIG_DENSE);
    rig_add(&r, SV_F32, 2, (int64_t[]){4, 3}, RIG_DENSE);
    for (int level = SV_CPU_BASELINE; level <= (int)rig_level(); level++) {
        uint8_t operand = 9;
        sv_format format = sv_format_choose(&r.problem, (sv_cpu_level)level, &operand);
        assert_int_equal(format, SV_FORMAT_gemm_panels);
        assert_int_equal(operand, 1);
        r.problem.b_format = (uint16_t)format;
        const sv_kernel *kernel = sv_kernel_choose(&r.problem, (sv_cpu_level)level);
        assert_non_null(kernel);
        assert_int_equal(kernel->b_format, SV_FORMAT_gemm_panels);
        assert_true((int)kernel->level <= level);
        assert_ptr_equal(sv_kernel_find(kernel->name), kernel);
        r.problem.b_format = SV_FORMAT_RAW;
    }
    rig_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),       cmocka_unit_test(layouts),
        cmocka_unit_test(many_units),  cmocka_unit_test(many_rows),
        cmocka_unit_test(deep),        cmocka_unit_test(deep_epilogues),
        cmocka_unit_test(rows_alone),  cmocka_unit_test(batches),
        cmocka_unit_test(packed_rank), cmocka_unit_test(special_values),
        cmocka_unit_test(other_types), cmocka_unit_test(no_rows),
        cmocka_unit_test(choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
