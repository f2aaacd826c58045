/* Reductions of f32 in lanes of f64: products, which overflow on the way no sooner than the
 * definition's do, and the logarithm of a sum of powers, which wants the greatest first. Lanes are
 * neighbouring results, or parts of one. Included by one file a level; meaning is that of
 * reduce_ref.c. */
#include "kernels/reduce/plan.h"
#include "kernels/vecmath_tmpl.h"

#include <math.h>

typedef struct wide_lanes {
    double value[SV_REDUCE_COLUMNS];
    float greatest[SV_REDUCE_COLUMNS], shift[SV_REDUCE_COLUMNS], power[SV_VF];
} wide_lanes;

/* ---- `m` elements side by side, one a lane -------------------------------------------------
 *
 * Out of line, so that their lanes are memory like any other. */

static __attribute__((noinline)) void product_step(wide_lanes *lanes, const float *x, int64_t m)
{
    double *value = lanes->value;
    SV_APART
    for (int64_t k = 0; k < m; k++)
        value[k] *= (double)x[k];
}

/* NaN is not the greatest, but makes one of the sum. */
static __attribute__((noinline)) void greatest_step(wide_lanes *lanes, const float *x, int64_t m)
{
    float *greatest = lanes->greatest;
    SV_APART
    for (int64_t k = 0; k < m; k++)
        greatest[k] = x[k] > greatest[k] ? x[k] : greatest[k];
}

SV_INLINE void powers_vector(wide_lanes *lanes, const float *x, int64_t k, int64_t n)
{
    double *value = lanes->value + k;
    vf_store(lanes->power, vf_exp(vf_load_n(x + k, n) - vf_load(lanes->shift + k)));
    SV_APART
    for (int64_t i = 0; i < n; i++)
        value[i] += (double)lanes->power[i];
}

static __attribute__((noinline)) void powers_step(wide_lanes *lanes, const float *x, int64_t m)
{
    int64_t k = 0;
    for (; k + SV_VF <= m; k += SV_VF)
        powers_vector(lanes, x, k, SV_VF);
    if (k < m) powers_vector(lanes, x, k, m - k);
}

/* ---- a result, or neighbouring ones -------------------------------------------------------- */

typedef void (*wide_step)(wide_lanes *lanes, const float *x, int64_t m);

/* All elements behind the results. */
static void take_all(const sv_reduce_plan *plan, char *x, wide_lanes *lanes, wide_step step,
                     int64_t columns)
{
    sv_cursor in = plan->in;
    if (!plan->size) return;
    sv_cursor_seek(&in, &x, 0);
    for (int64_t r = 0; r < plan->runs; r++, sv_cursor_next(&in)) {
        const char *at = in.at[0];
        for (int64_t i = 0; columns && i < plan->n; i++, at += plan->step)
            step(lanes, (const float *)at, columns);
        for (int64_t i = 0; !columns && i < plan->n; i += SV_REDUCE_COLUMNS)
            step(lanes, (const float *)at + i,
                 plan->n - i < SV_REDUCE_COLUMNS ? plan->n - i : SV_REDUCE_COLUMNS);
    }
}

/* What is subtracted before powers are taken: an infinite one would make a NaN of itself. */
static void find_shifts(const sv_reduce_plan *plan, char *x, wide_lanes *lanes, int64_t columns)
{
    const float lowest = -__builtin_inff();
    for (int k = 0; k < SV_REDUCE_COLUMNS; k++)
        lanes->greatest[k] = lowest;
    take_all(plan, x, lanes, greatest_step, columns);
    float all = lowest;
    for (int k = 0; !columns && k < SV_REDUCE_COLUMNS; k++)
        all = lanes->greatest[k] > all ? lanes->greatest[k] : all;
    for (int k = 0; k < SV_REDUCE_COLUMNS; k++) {
        float greatest = columns ? lanes->greatest[k] : all;
        lanes->shift[k] = isfinite(greatest) ? greatest : 0;
    }
}

/* The lanes' results in one. */
static void join_lanes(wide_lanes *lanes, bool product)
{
    for (int k = 1; k < SV_REDUCE_COLUMNS; k++) {
        if (product) {
            lanes->value[0] *= lanes->value[k];
        } else {
            lanes->value[0] += lanes->value[k];
        }
    }
}

static void wide_results(const sv_reduce_plan *plan, char *x, char *y, int64_t columns,
                         const void *context)
{
    const sv_reduce_param *param = context;
    const bool product = param->kind == SV_REDUCE_PROD;
    wide_lanes lanes;
    for (int k = 0; k < SV_REDUCE_COLUMNS; k++)
        lanes.value[k] = product;
    if (!product) find_shifts(plan, x, &lanes, columns);
    take_all(plan, x, &lanes, product ? product_step : powers_step, columns);
    if (!columns) join_lanes(&lanes, product);
    for (int64_t k = 0; k < (columns ? columns : 1); k++) {
        double value = lanes.value[k];
        ((float *)y)[k] = (float)(product ? value : log(value) + (double)lanes.shift[k]);
    }
}

/* ---- the row ------------------------------------------------------------------------------- */

static bool wide_supports(const sv_problem *problem)
{
    const sv_reduce_param *param = problem->param;
    if (problem->epilogue.n || problem->desc[0].dtype != SV_F32 ||
        problem->desc[1].dtype != SV_F32 ||
        (param->kind != SV_REDUCE_PROD && param->kind != SV_REDUCE_LOG_SUM_EXP)) {
        return false;
    }
    sv_reduce_plan plan;
    sv_reduce_plan_init(&plan, problem->desc, param->axes);
    return sv_reduce_side_by_side(&plan, 4) || sv_reduce_in_columns(&plan, 4, 4);
}

static void wide_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    sv_reduce_visit(call, begin, end, 4, wide_results, call->param);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_reduce_wide) = {
    .name = "reduce_wide_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_reduce,
    .level = SV_LEVEL,
    .supports = wide_supports,
    .units = sv_reduce_units,
    .run = wide_run,
};
