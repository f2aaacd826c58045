/* The vector functions, through the rows that are made of them: the unary family's where it has
 * rows, and always the epilogue of a GEMM with K = 1 and b = 1, which hands values through
 * unchanged. ctest: labels=cpu
 *
 * Tolerances are the bounds stated in vecmath_tmpl.h, in units in the last place, plus one for
 * levels without fused multiply-add; results below the normal range may be flushed to zero. */
#include "support/check.h"

#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "problem_rig.h"

#include <float.h>
#include <math.h>

static double swish(double x)
{
    return x / (1 + exp(-0.5 * x));
}
static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
static double gelu(double x)
{
    return 0.5 * x * erfc(-x * M_SQRT1_2);
}
static double softplus(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}
static double mish(double x)
{
    return x * tanh(softplus(x));
}
static double elu(double x)
{
    return x < 0 ? 0.5 * expm1(x) : x;
}
static double celu(double x)
{
    return x < 0 ? 0.5 * expm1(x / 0.5) : x;
}
static double gelu_tanh(double x)
{
    /* 0.5 * (1 + tanh(u)) without its cancellation. */
    return x / (1 + exp(-2 * 0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

typedef struct function_case {
    uint8_t op;
    double (*exact)(double);
    double low, high;
    double ulps;
} function_case;

static const function_case cases[] = {
    {SV_UNARY_Exp, exp, -87, 88.7, 2},
    {SV_UNARY_Exp, exp, -1, 1, 2},
    {SV_UNARY_Log, log, 1e-3, 3, 2},
    {SV_UNARY_Log, log, 1e-30, 1e30, 2},
    {SV_UNARY_Tanh, tanh, -12, 12, 3},
    {SV_UNARY_Tanh, tanh, -1e-3, 1e-3, 3},
    {SV_UNARY_Sigmoid, sigmoid, -87, 40, 4},
    {SV_UNARY_Erf, erf, -6, 6, 3},
    {SV_UNARY_Erf, erf, -1e-2, 1e-2, 3},
    {SV_UNARY_Gelu, gelu, -1.3, 30, 5},
    {SV_UNARY_Gelu, gelu, -7, -1.3, 1000}, /* 5e-5 of a result below 0.13 */
    {SV_UNARY_Elu, elu, -20, 1, 4},
    {SV_UNARY_Celu, celu, -20, 1, 4},
    {SV_UNARY_Softplus, softplus, -80, 80, 4},
    {SV_UNARY_Swish, swish, -80, 80, 8},
    {SV_UNARY_Mish, mish, -60, 60, 8},
    {SV_UNARY_GeluTanh, gelu_tanh, -3, 30, 40}, /* the cube's rounding, times its slope in exp */
};

static double distance(double got, double want)
{
    if (got == want) return 0;
    if (fabs(want) > (double)FLT_MAX) return isinf(got) && (got > 0) == (want > 0) ? 0 : INFINITY;
    if (fabs(want) < 1.2e-38) return fabs(got) < 1.3e-38 ? 0 : INFINITY;
    int exponent;
    frexp(want, &exponent);
    return fabs(got - want) / ldexp(1.0, exponent - 24);
}

#define POINTS 20000

static void fill_operand(rig *r, uint8_t operand, const function_case *k)
{
    for (int64_t i = 0; i < POINTS; i++) {
        double x = k->low + (k->high - k->low) * (double)i / (POINTS - 1);
        rig_set(r, operand, (int64_t[]){0, i}, (float)x);
    }
}

static void check_row(rig *r, const sv_kernel *kernel, uint8_t x, uint8_t y, const function_case *k)
{
    rig_write(r, y);
    rig_run(r, kernel, 0);
    for (int64_t i = 0; i < POINTS; i++) {
        double at = rig_get(r, x, (int64_t[]){0, i}), got = rig_get(r, y, (int64_t[]){0, i});
        double apart = distance(got, k->exact(at));
        if (!(apart <= k->ulps)) {
            fail_msg("%s, operation %d at %.9g: %.9g, expected %.9g (%.1f ulp)", kernel->name,
                     k->op, at, got, k->exact(at), apart);
        }
    }
}

/* y [1, n] = (1 [1, 1]) x (values [1, n]), then the operation. */
static void accuracy(void **state)
{
    (void)state;
    size_t count;
    const sv_kernel *const *table = sv_kernel_table(&count);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sv_gemm_param param = {.alpha = 1};
        rig r;
        rig_init(&r, SV_FAMILY_gemm, &param, sizeof param, 1);
        rig_add(&r, SV_F32, 2, (int64_t[]){1, 1}, RIG_DENSE);
        rig_add(&r, SV_F32, 2, (int64_t[]){1, POINTS}, RIG_DENSE);
        rig_add(&r, SV_F32, 2, (int64_t[]){1, POINTS}, RIG_DENSE);
        rig_epilogue(&r, SV_EPI_UNARY, 0, cases[i].op, 0.5f, 0);
        rig_set(&r, 0, (int64_t[]){0, 0}, 1);
        fill_operand(&r, 1, &cases[i]);
        for (size_t k = 0; k < count; k++) {
            if (table[k]->family != SV_FAMILY_gemm || table[k]->level > rig_level()) continue;
            if (!table[k]->supports(&r.problem)) continue;
            check_row(&r, table[k], 1, 2, &cases[i]);
        }
        rig_release(&r);
    }
}

static void unary_rows(void **state)
{
    (void)state;
    size_t count;
    const sv_kernel *const *table = sv_kernel_table(&count);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sv_unary_param param = {.op = cases[i].op, .a = 0.5f, .da = 0.5};
        rig r;
        rig_init(&r, SV_FAMILY_unary, &param, sizeof param, 1);
        rig_add(&r, SV_F32, 2, (int64_t[]){1, POINTS}, RIG_DENSE);
        rig_add(&r, SV_F32, 2, (int64_t[]){1, POINTS}, RIG_DENSE);
        fill_operand(&r, 0, &cases[i]);
        for (size_t k = 0; k < count; k++) {
            if (table[k]->family != SV_FAMILY_unary || table[k]->level > rig_level()) continue;
            if (table[k]->supports && !table[k]->supports(&r.problem)) continue;
            check_row(&r, table[k], 0, 1, &cases[i]);
        }
        rig_release(&r);
    }
}

/* Limits: infinities, NaN, zeros. */
static void limits(void **state)
{
    (void)state;
    static const struct {
        uint8_t op;
        float x, want;
    } limit[] = {
        {SV_UNARY_Exp, -INFINITY, 0},
        {SV_UNARY_Exp, INFINITY, INFINITY},
        {SV_UNARY_Exp, 89, INFINITY},
        {SV_UNARY_Exp, NAN, NAN},
        {SV_UNARY_Log, 0, -INFINITY},
        {SV_UNARY_Log, -1, NAN},
        {SV_UNARY_Log, INFINITY, INFINITY},
        {SV_UNARY_Log, NAN, NAN},
        {SV_UNARY_Tanh, -INFINITY, -1},
        {SV_UNARY_Tanh, INFINITY, 1},
        {SV_UNARY_Tanh, NAN, NAN},
        {SV_UNARY_Sigmoid, -INFINITY, 0},
        {SV_UNARY_Sigmoid, INFINITY, 1},
        {SV_UNARY_Sigmoid, NAN, NAN},
        {SV_UNARY_Erf, -INFINITY, -1},
        {SV_UNARY_Erf, INFINITY, 1},
        {SV_UNARY_Erf, NAN, NAN},
        {SV_UNARY_Gelu, INFINITY, INFINITY},
        {SV_UNARY_Gelu, -INFINITY, NAN},
        {SV_UNARY_Gelu, -100, 0},
        {SV_UNARY_Gelu, NAN, NAN},
        {SV_UNARY_Relu, NAN, NAN},
        {SV_UNARY_Softplus, INFINITY, INFINITY},
        {SV_UNARY_Softplus, -INFINITY, 0},
        {SV_UNARY_Elu, -INFINITY, -0.5f},
        {SV_UNARY_Celu, -INFINITY, -0.5f},
        {SV_UNARY_Celu, NAN, NAN},
        {SV_UNARY_HardSwish, NAN, NAN},
    };
    size_t count;
    const sv_kernel *const *table = sv_kernel_table(&count);
    for (size_t i = 0; i < sizeof limit / sizeof *limit; i++) {
        sv_gemm_param param = {.alpha = 1};
        rig r;
        rig_init(&r, SV_FAMILY_gemm, &param, sizeof param, 1);
        rig_add(&r, SV_F32, 2, (int64_t[]){1, 1}, RIG_DENSE);
        rig_add(&r, SV_F32, 2, (int64_t[]){1, 1}, RIG_DENSE);
        rig_add(&r, SV_F32, 2, (int64_t[]){1, 1}, RIG_DENSE);
        rig_epilogue(&r, SV_EPI_UNARY, 0, limit[i].op, 0.5f, 0);
        rig_set(&r, 0, (int64_t[]){0, 0}, 1);
        rig_set(&r, 1, (int64_t[]){0, 0}, limit[i].x);
        for (size_t k = 0; k < count; k++) {
            if (table[k]->family != SV_FAMILY_gemm || table[k]->level > rig_level()) continue;
            if (!table[k]->supports(&r.problem)) continue;
            rig_run(&r, table[k], 0);
            double got = rig_get(&r, 2, (int64_t[]){0, 0}), want = (double)limit[i].want;
            if (isnan(want) ? isnan(got) : got == want) continue;
            fail_msg("%s, operation %d at %g: %g, expected %g", table[k]->name, limit[i].op,
                     (double)limit[i].x, got, want);
        }
        rig_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accuracy),
        cmocka_unit_test(unary_rows),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
