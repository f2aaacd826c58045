/* Layer and RMS normalisation of f32 (f16 and bf16 through scratch) over sets that lie side by
 * side, or at one regular step. Included by one file a level; meaning is that of norm_ref.c.
 *
 * Three passes over a set that stays in the first-level cache: sum, squares of deviations, result.
 */
#include "kernels/convert/element.h"
#include "kernels/norm/finish_tmpl.h"

#include <math.h>

/* Elements whose lanes are added in f32; blocks are added in f64. */
#define NORM_BLOCK 2048

SV_INLINE sv_vf norm_add(sv_vf sum, sv_vf x, sv_vf shift, int power)
{
    if (power == 1) return sum + x;
    sv_vf d = x - shift;
    return vf_fma(d, d, sum);
}

/* Sum of (x - shift)^2, or of x when `power` is 1. */
SV_INLINE double norm_sum(const float *x, int64_t n, int power, float shift)
{
    double total = 0;
    const sv_vf vs = vf_set1(shift);
    for (int64_t at = 0; at < n; at += NORM_BLOCK) {
        int64_t end = n - at < NORM_BLOCK ? n : at + NORM_BLOCK, i = at;
        sv_vf sum[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
        for (; i + 4 * SV_VF <= end; i += 4 * SV_VF) {
            sum[0] = norm_add(sum[0], vf_load(x + i), vs, power);
            sum[1] = norm_add(sum[1], vf_load(x + i + SV_VF), vs, power);
            sum[2] = norm_add(sum[2], vf_load(x + i + 2 * SV_VF), vs, power);
            sum[3] = norm_add(sum[3], vf_load(x + i + 3 * SV_VF), vs, power);
        }
        for (; i + SV_VF <= end; i += SV_VF)
            sum[0] = norm_add(sum[0], vf_load(x + i), vs, power);
        if (i < end) {
            /* Lanes beyond the end hold `shift`, so that they are no distance away from it. */
            const sv_vm there = vf_less(vi_to_f(vi_count()), vf_set1((float)(end - i)));
            const sv_vf tail = vf_load_n(x + i, end - i);
            sum[1] = norm_add(sum[1], power == 1 ? tail : vf_select(there, tail, vs), vs, power);
        }
        total += (double)vf_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
    }
    return total;
}

/* A row of parameters: f32 side by side (step 1), one value (step 0), or absent (NULL). */
typedef struct norm_row {
    const float *at;
    bool moves;
} norm_row;

SV_INLINE sv_vf norm_load(const norm_row *row, int64_t i, int64_t m)
{
    return row->moves ? vf_load_n(row->at + i, m) : vf_set1(row->at[0]);
}

static void norm_write(const float *x, float *y, int64_t n, float mean, float inv_std,
                       const norm_row *scale, const norm_row *shift)
{
    const sv_vf vm = vf_set1(mean), vi = vf_set1(inv_std);
    for (int64_t i = 0; i < n; i += SV_VF) {
        int64_t m = n - i < SV_VF ? n - i : SV_VF;
        sv_vf v = (vf_load_n(x + i, m) - vm) * vi;
        if (scale->at) v = v * norm_load(scale, i, m);
        if (shift->at) v = v + norm_load(shift, i, m);
        vf_store_n(y + i, v, m);
    }
}

/* ---- the row ------------------------------------------------------------------------------- */

/* The set as runs along which scale and shift have one step; x and y go on with one step from run
 * to run. */
typedef struct norm_plan {
    sv_cursor outer;
    int64_t n, run;                                   /* elements of a set and of a run */
    int64_t step[SV_NORM_Y + 1], next[SV_NORM_Y + 1]; /* bytes along a run, and to the next one */
    int64_t per_unit, count;
    bool regular;
} norm_plan;

/* Whether operand k goes on with its step from run to run. */
static bool norm_goes_on(const norm_plan *plan, int k)
{
    return plan->next[k] == plan->step[k] * plan->run;
}

static void norm_plan_init(norm_plan *plan, const sv_desc *desc, const sv_norm_param *param)
{
    /* The statistics' strides within a set mean nothing. */
    sv_norm_sets sets;
    sv_norm_sets_init(&sets, desc, param);
    const uint32_t kept = (1u << sets.axis) - 1;
    sv_cursor in, none;
    sv_cursor_split(sets.desc, SV_NORM_Y + 1, SV_NORM_X, SV_NORM_Y, ~kept, &in, &none);
    sv_cursor_split(sets.desc, SV_NORM_OPERANDS, SV_NORM_X, SV_NORM_Y, kept, &plan->outer, &none);
    plan->n = sv_cursor_count(&in);
    plan->run = in.rank ? in.dim[in.rank - 1] : 1;
    for (int k = 0; k <= SV_NORM_Y; k++) {
        plan->step[k] = in.rank ? in.step[k][in.rank - 1] : 0;
        plan->next[k] = in.rank > 1 ? in.step[k][in.rank - 2] : 0;
    }
    plan->regular = in.rank <= 1 || (in.rank == 2 && norm_goes_on(plan, SV_NORM_X) &&
                                     norm_goes_on(plan, SV_NORM_Y));
    plan->per_unit = sv_pieces_per_unit(plan->n);
    plan->count = plan->n ? sv_cursor_count(&plan->outer) : 0;
}

static bool norm_dtype(sv_dtype dtype)
{
    return dtype == SV_F32 || dtype == SV_F16 || dtype == SV_BF16;
}

static bool norm_direct(const norm_plan *plan, const sv_desc *desc)
{
    return desc[SV_NORM_Y].dtype == SV_F32 && (plan->step[SV_NORM_Y] == 4 || plan->n == 1);
}

static bool norm_supports(const sv_problem *problem)
{
    const sv_desc *desc = problem->desc;
    for (int i = 0; i < SV_NORM_OPERANDS; i++) {
        if (!norm_dtype(desc[i].dtype) &&
            (i == SV_NORM_X || i == SV_NORM_Y || desc[i].dtype != SV_DTYPE_NONE)) {
            return false;
        }
    }
    norm_plan plan;
    norm_plan_init(&plan, desc, problem->param);
    if (problem->epilogue.n && !(norm_direct(&plan, desc) && norm_can_finish(problem)))
        return false;
    /* A repeated x would have to be spread out first. */
    return plan.regular && (plan.step[SV_NORM_X] || plan.n == 1);
}

static uint32_t norm_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    norm_plan plan;
    norm_plan_init(&plan, problem->desc, problem->param);
    return (uint32_t)sv_divide_up(plan.count, plan.per_unit);
}

/* Room for one set of x (and y), and a run of scale and of shift, as f32. */
static size_t norm_scratch(const sv_problem *problem)
{
    norm_plan plan;
    norm_plan_init(&plan, problem->desc, problem->param);
    return (size_t)(plan.n + 2 * plan.run) * sizeof(float);
}

/* n elements of operand k at `at` as f32, in place where they are that already. */
static norm_row norm_take(const sv_call *call, const norm_plan *plan, int k, const char *at,
                          int64_t n, float *buffer)
{
    sv_dtype dtype = call->desc[k].dtype;
    if (dtype == SV_DTYPE_NONE) return (norm_row){NULL, false};
    int64_t step = plan->step[k];
    if (dtype == SV_F32 && (step == 4 || step == 0)) {
        return (norm_row){(const float *)at, step != 0};
    }
    sv_element_get_f32(dtype, at, step, buffer, step ? n : 1);
    return (norm_row){buffer, step != 0};
}

static void norm_put(const sv_call *call, int k, char *at, float value)
{
    sv_dtype dtype = call->desc[k].dtype;
    if (dtype != SV_DTYPE_NONE) sv_element_put_f32(dtype, &value, at, 0, 1, true);
}

static void norm_write_runs(const sv_call *call, const norm_plan *plan, char *const *at,
                            const float *x, float *y, float mean, float inv_std)
{
    float *buffer = (float *)call->scratch + plan->n;
    for (int64_t i = 0, r = 0; i < plan->n; i += plan->run, r++) {
        norm_row row[2];
        for (int k = 0; k < 2; k++) {
            const char *from = at[SV_NORM_SCALE + k] + r * plan->next[SV_NORM_SCALE + k];
            row[k] =
                norm_take(call, plan, SV_NORM_SCALE + k, from, plan->run, buffer + k * plan->run);
        }
        norm_write(x + i, y + i, plan->run, mean, inv_std, &row[0], &row[1]);
    }
}

static void norm_set(const sv_call *call, const norm_plan *plan, char *const *at)
{
    const sv_norm_param *param = call->param;
    norm_row x = norm_take(call, plan, SV_NORM_X, at[SV_NORM_X], plan->n, call->scratch);
    double n = (double)plan->n;
    float mean = param->rms ? 0 : (float)(norm_sum(x.at, plan->n, 1, 0) / n);
    double variance = norm_sum(x.at, plan->n, 2, mean) / n;
    float inv_std = (float)(1 / sqrt(variance + (double)param->epsilon));
    bool direct = norm_direct(plan, call->desc);
    float *y = direct ? (float *)at[SV_NORM_Y] : call->scratch;
    norm_write_runs(call, plan, at, x.at, y, mean, inv_std);
    if (direct) {
        norm_finish(call, y, plan->n);
    } else {
        sv_element_put_f32(call->desc[SV_NORM_Y].dtype, y, at[SV_NORM_Y], plan->step[SV_NORM_Y],
                           plan->n, true);
    }
    norm_put(call, SV_NORM_MEAN, at[SV_NORM_MEAN], mean);
    norm_put(call, SV_NORM_INV_STD, at[SV_NORM_INV_STD], inv_std);
}

static void norm_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    norm_plan plan;
    norm_plan_init(&plan, call->desc, call->param);
    int64_t from = begin * plan.per_unit, to = end * plan.per_unit;
    if (to > plan.count) to = plan.count;
    if (from >= to) return;
    char *base[SV_NORM_OPERANDS];
    for (int i = 0; i < SV_NORM_OPERANDS; i++)
        base[i] = call->ptr[i] ? call->ptr[i] : call->ptr[SV_NORM_X];
    sv_cursor_seek(&plan.outer, base, from);
    for (; from < to; from++, sv_cursor_next(&plan.outer))
        norm_set(call, &plan, plan.outer.at);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_norm_f32) = {
    .name = "norm_f32_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_norm,
    .level = SV_LEVEL,
    .supports = norm_supports,
    .units = norm_units,
    .scratch = norm_scratch,
    .run = norm_run,
};
