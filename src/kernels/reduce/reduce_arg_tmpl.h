/* Positions of the greatest and the least of f32 with the vectors of one level. Included by one
 * file a level; meaning is that of reduce_ref.c: the first NaN wins, of equals the first, or the
 * last where that is wanted. */
#include "kernels/reduce/plan.h"
#include "kernels/simd_tmpl.h"

#include <math.h>

/* ---- elements side by side ----------------------------------------------------------------- */

/* The value that wins: NaN where there is one. */
SV_INLINE sv_vf arg_winner(sv_vf best, sv_vf x, bool least)
{
    sv_vf y = least ? vf_min(best, x) : vf_max(best, x);
    return vf_select(vf_equal(best, best), y, best);
}

SV_INLINE float best_of(const float *x, int64_t n, bool least)
{
    sv_vf a = vf_set1(x[0]), b = a, c = a, d = a;
    int64_t i = 0;
    for (; i + 4 * SV_VF <= n; i += 4 * SV_VF) {
        a = arg_winner(a, vf_load(x + i), least);
        b = arg_winner(b, vf_load(x + i + SV_VF), least);
        c = arg_winner(c, vf_load(x + i + 2 * SV_VF), least);
        d = arg_winner(d, vf_load(x + i + 3 * SV_VF), least);
    }
    for (; i + SV_VF <= n; i += SV_VF)
        a = arg_winner(a, vf_load(x + i), least);
    a = arg_winner(arg_winner(a, b, least), arg_winner(c, d, least), least);
    float lane[2 * SV_VF], best = x[0];
    vf_store(lane, a);
    const int64_t rest = n - i;
    memcpy(lane + SV_VF, x + i, (size_t)rest * sizeof *lane);
    for (int64_t k = 0; k < SV_VF + rest && best == best; k++) {
        bool wins = least ? lane[k] < best : lane[k] > best;
        if (wins || lane[k] != lane[k]) best = lane[k];
    }
    return best;
}

/* Where the value stands: of NaN always the first. */
static int64_t place_of(const float *x, int64_t n, float best, bool last)
{
    if (best != best) {
        for (int64_t i = 0; i < n; i++)
            if (x[i] != x[i]) return i;
        return 0;
    }
    const sv_vf value = vf_set1(best);
    int64_t i = 0, found = 0;
    for (; i + SV_VF <= n; i += SV_VF) {
        if (vm_all(vm_not(vf_equal(vf_load(x + i), value)))) continue;
        for (int64_t k = i; k < i + SV_VF; k++) {
            if (x[k] != best) continue;
            if (!last) return k;
            found = k;
        }
    }
    for (; i < n; i++) {
        if (x[i] != best) continue;
        if (!last) return i;
        found = i;
    }
    return found;
}

/* ---- results side by side ------------------------------------------------------------------ */

/* `m` columns, at most a vector, of `n` rows; indices fit in 32 bits. */
SV_INLINE void arg_columns(const char *x, int64_t step, int64_t n, bool least, bool last,
                           int64_t *y, int64_t m)
{
    sv_vf best = vf_load_n((const float *)x, m);
    sv_vf at = vi_bits(vi_set1(0));
    for (int64_t i = 1; i < n; i++) {
        sv_vf v = vf_load_n((const float *)(x + i * step), m);
        sv_vf a = least ? v : best, b = least ? best : v;
        sv_vm better = last ? vf_less_equal(a, b) : vf_less(a, b);
        /* A NaN beats all but a NaN. */
        better = (better | vm_not(vf_equal(v, v))) & vf_equal(best, best);
        best = vf_select(better, v, best);
        at = vf_select(better, vi_bits(vi_set1((int32_t)i)), at);
    }
    int32_t lane[SV_VF];
    memcpy(lane, &at, sizeof lane);
    for (int64_t k = 0; k < m; k++)
        y[k] = lane[k];
}

static void arg_block(const sv_reduce_plan *plan, const sv_reduce_param *param, const char *x,
                      int64_t *y, int64_t columns)
{
    const bool least = param->kind == SV_REDUCE_ARGMIN;
    for (int64_t c = 0; c < columns; c += SV_VF) {
        const int64_t m = columns - c < SV_VF ? columns - c : SV_VF;
        arg_columns(x + c * 4, plan->step, plan->n, least, param->last_index, y + c, m);
    }
}

static int64_t arg_line(const sv_reduce_plan *plan, const sv_reduce_param *param, const float *x)
{
    const bool least = param->kind == SV_REDUCE_ARGMIN;
    const float best = least ? best_of(x, plan->n, true) : best_of(x, plan->n, false);
    return place_of(x, plan->n, best, param->last_index);
}

/* ---- the row ------------------------------------------------------------------------------- */

static bool arg_supports(const sv_problem *problem)
{
    const sv_reduce_param *param = problem->param;
    if (problem->epilogue.n || problem->desc[0].dtype != SV_F32 ||
        problem->desc[1].dtype != SV_I64 ||
        (param->kind != SV_REDUCE_ARGMAX && param->kind != SV_REDUCE_ARGMIN)) {
        return false;
    }
    sv_reduce_plan plan;
    sv_reduce_plan_init(&plan, problem->desc, param->axes);
    return plan.runs == 1 && plan.n > 0 && plan.n < INT32_MAX &&
           (sv_reduce_side_by_side(&plan, 4) || sv_reduce_in_columns(&plan, 4, 8));
}

static void arg_results(const sv_reduce_plan *plan, char *x, char *y, int64_t columns,
                        const void *context)
{
    if (columns) {
        arg_block(plan, context, x, (int64_t *)y, columns);
    } else {
        *(int64_t *)y = arg_line(plan, context, (const float *)x);
    }
}

static void arg_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    sv_reduce_visit(call, begin, end, 8, arg_results, call->param);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_reduce_arg) = {
    .name = "reduce_arg_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_reduce,
    .level = SV_LEVEL,
    .supports = arg_supports,
    .units = sv_reduce_units,
    .run = arg_run,
};
