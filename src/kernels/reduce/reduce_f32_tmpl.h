/* Reductions of f32 with the vectors of one level, in two shapes: elements of a result lie side by
 * side (last axes), or neighbouring results do (first axes, global pooling of channels-last maps).
 * Included by one file a level; meaning is that of reduce_ref.c.
 *
 * Sums stay accurate by being taken in blocks: lanes in f32 within one, blocks on top of each
 * other. */
#include "kernels/reduce/plan.h"
#include "kernels/vecmath_tmpl.h"

#include <math.h>

/* What all kinds come down to. */
typedef enum reduce_step { STEP_ADD, STEP_ABS, STEP_SQUARE, STEP_MAX, STEP_MIN, STEPS } reduce_step;

static reduce_step step_of(uint8_t kind)
{
    switch (kind) {
    case SV_REDUCE_SUM:
    case SV_REDUCE_MEAN:
    case SV_REDUCE_LOG_SUM:
        return STEP_ADD;
    case SV_REDUCE_L1:
        return STEP_ABS;
    case SV_REDUCE_L2:
    case SV_REDUCE_SUM_SQUARE:
        return STEP_SQUARE;
    case SV_REDUCE_MAX:
        return STEP_MAX;
    case SV_REDUCE_MIN:
        return STEP_MIN;
    default:
        return STEPS;
    }
}

SV_INLINE float step_neutral(reduce_step step)
{
    if (step == STEP_MAX) return -__builtin_inff();
    return step == STEP_MIN ? __builtin_inff() : 0;
}

/* One more vector; extremes keep a NaN that they have met. */
SV_INLINE sv_vf step_take(reduce_step step, sv_vf sum, sv_vf x)
{
    switch (step) {
    case STEP_ABS:
        return sum + vf_abs(x);
    case STEP_SQUARE:
        return vf_fma(x, x, sum);
    case STEP_MAX:
        return vf_select(vf_equal(sum, sum), vf_max(sum, x), sum);
    case STEP_MIN:
        return vf_select(vf_equal(sum, sum), vf_min(sum, x), sum);
    default:
        return sum + x;
    }
}

/* Two accumulators in one. */
SV_INLINE sv_vf step_join(reduce_step step, sv_vf a, sv_vf b)
{
    if (step == STEP_MAX || step == STEP_MIN) return step_take(step, a, b);
    return a + b;
}

SV_INLINE double step_join_one(reduce_step step, double a, double b)
{
    if (step == STEP_MAX) return b > a || b != b ? b : a;
    if (step == STEP_MIN) return b < a || b != b ? b : a;
    return a + b;
}

/* All lanes in one, halves onto each other. */
SV_INLINE double step_lanes(reduce_step step, sv_vf x)
{
    if (step != STEP_MAX && step != STEP_MIN) return (double)vf_sum(x);
    if (SV_VF > 8) x = step_take(step, x, VF_TURNED(x, 8));
    if (SV_VF > 4) x = step_take(step, x, VF_TURNED(x, 4));
    x = step_take(step, x, VF_TURNED(x, 2));
    x = step_take(step, x, VF_TURNED(x, 1));
    return (double)x[0];
}

/* ---- elements side by side ----------------------------------------------------------------- */

#define REDUCE_BLOCK 2048

SV_INLINE double reduce_run(reduce_step step, const float *x, int64_t n, double total)
{
    const sv_vf neutral = vf_set1(step_neutral(step));
    for (int64_t at = 0; at < n; at += REDUCE_BLOCK) {
        int64_t end = n - at < REDUCE_BLOCK ? n : at + REDUCE_BLOCK, i = at;
        sv_vf a = neutral, b = neutral, c = neutral, d = neutral;
        for (; i + 4 * SV_VF <= end; i += 4 * SV_VF) {
            a = step_take(step, a, vf_load(x + i));
            b = step_take(step, b, vf_load(x + i + SV_VF));
            c = step_take(step, c, vf_load(x + i + 2 * SV_VF));
            d = step_take(step, d, vf_load(x + i + 3 * SV_VF));
        }
        for (; i + SV_VF <= end; i += SV_VF)
            a = step_take(step, a, vf_load(x + i));
        if (i < end) {
            float tail[SV_VF];
            vf_store(tail, neutral);
            memcpy(tail, x + i, (size_t)(end - i) * sizeof *tail);
            b = step_take(step, b, vf_load(tail));
        }
        a = step_join(step, step_join(step, a, b), step_join(step, c, d));
        total = step_join_one(step, total, step_lanes(step, a));
    }
    return total;
}

typedef double (*run_fn)(const float *x, int64_t n, double total);

/* ---- results side by side ------------------------------------------------------------------ */

/* Rows added in f32 before they are put on the pile. */
#define REDUCE_ROWS 256

/* `m` columns (all four vectors, or at most one) of all rows; `wide`: a constant. */
SV_INLINE void reduce_columns(reduce_step step, const sv_reduce_plan *plan, char *x, sv_vf *out,
                              bool wide, int64_t m)
{
    const sv_vf neutral = vf_set1(step_neutral(step));
    sv_vf a = neutral, b = neutral, c = neutral, d = neutral;
    sv_vf ta = neutral, tb = neutral, tc = neutral, td = neutral;
    sv_cursor in = plan->in;
    int64_t rows = 0;
    if (plan->size) sv_cursor_seek(&in, &x, 0);
    for (int64_t r = 0; plan->size && r < plan->runs; r++, sv_cursor_next(&in)) {
        const char *at = in.at[0];
        for (int64_t i = 0; i < plan->n; i++, at += plan->step) {
            const float *row = (const float *)at;
            a = step_take(step, a, wide ? vf_load(row) : vf_load_n(row, m));
            if (wide) {
                b = step_take(step, b, vf_load(row + SV_VF));
                c = step_take(step, c, vf_load(row + 2 * SV_VF));
                d = step_take(step, d, vf_load(row + 3 * SV_VF));
            }
            if (++rows % REDUCE_ROWS) continue;
            ta = step_join(step, ta, a);
            tb = step_join(step, tb, b);
            tc = step_join(step, tc, c);
            td = step_join(step, td, d);
            a = b = c = d = neutral;
        }
    }
    out[0] = step_join(step, ta, a);
    if (!wide) return;
    out[1] = step_join(step, tb, b);
    out[2] = step_join(step, tc, c);
    out[3] = step_join(step, td, d);
}

typedef void (*columns_fn)(const sv_reduce_plan *plan, char *x, sv_vf *out, bool wide, int64_t m);

#define REDUCE_FNS(name, step)                                                                     \
    static double run_##name(const float *x, int64_t n, double total)                              \
    {                                                                                              \
        return reduce_run(step, x, n, total);                                                      \
    }                                                                                              \
    static void columns_##name(const sv_reduce_plan *plan, char *x, sv_vf *out, bool wide,         \
                               int64_t m)                                                          \
    {                                                                                              \
        if (wide) {                                                                                \
            reduce_columns(step, plan, x, out, true, m);                                           \
        } else {                                                                                   \
            reduce_columns(step, plan, x, out, false, m);                                          \
        }                                                                                          \
    }
REDUCE_FNS(add, STEP_ADD)
REDUCE_FNS(abs, STEP_ABS)
REDUCE_FNS(square, STEP_SQUARE)
REDUCE_FNS(max, STEP_MAX)
REDUCE_FNS(min, STEP_MIN)

static const struct {
    run_fn run;
    columns_fn columns;
} reduce_fns[STEPS] = {
    [STEP_ADD] = {run_add, columns_add},          [STEP_ABS] = {run_abs, columns_abs},
    [STEP_SQUARE] = {run_square, columns_square}, [STEP_MAX] = {run_max, columns_max},
    [STEP_MIN] = {run_min, columns_min},
};

/* ---- the row ------------------------------------------------------------------------------- */

static float finish_one(uint8_t kind, double value, int64_t size)
{
    switch (kind) {
    case SV_REDUCE_MEAN:
        return (float)(value / (double)size);
    case SV_REDUCE_L2:
        return (float)sqrt(value);
    case SV_REDUCE_LOG_SUM:
        return (float)log(value);
    default:
        return (float)value;
    }
}

SV_INLINE sv_vf finish(uint8_t kind, sv_vf value, int64_t size)
{
    switch (kind) {
    case SV_REDUCE_MEAN:
        return value / vf_set1((float)size);
    case SV_REDUCE_L2:
        return vf_sqrt(value);
    case SV_REDUCE_LOG_SUM:
        return vf_log(value);
    default:
        return value;
    }
}

static bool reduce_supports(const sv_problem *problem)
{
    const sv_reduce_param *param = problem->param;
    if (problem->epilogue.n || problem->desc[0].dtype != SV_F32 ||
        problem->desc[1].dtype != SV_F32 || step_of(param->kind) == STEPS) {
        return false;
    }
    sv_reduce_plan plan;
    sv_reduce_plan_init(&plan, problem->desc, param->axes);
    return sv_reduce_side_by_side(&plan, 4) || sv_reduce_in_columns(&plan, 4, 4);
}

static float one_result(const sv_reduce_plan *plan, uint8_t kind, char *x)
{
    const reduce_step step = step_of(kind);
    double total = (double)step_neutral(step);
    sv_cursor in = plan->in;
    if (plan->size) sv_cursor_seek(&in, &x, 0);
    for (int64_t r = 0; plan->size && r < plan->runs; r++, sv_cursor_next(&in))
        total = reduce_fns[step].run((const float *)in.at[0], plan->n, total);
    return finish_one(kind, total, plan->size);
}

/* One block of columns: whole groups of four vectors, then single ones. */
static void run_block(const sv_reduce_plan *plan, uint8_t kind, char *x, float *y, int64_t columns)
{
    columns_fn fn = reduce_fns[step_of(kind)].columns;
    for (int64_t c = 0; c < columns;) {
        sv_vf sum[4];
        bool wide = columns - c >= 4 * SV_VF;
        int64_t m = columns - c < SV_VF ? columns - c : SV_VF;
        fn(plan, x + c * 4, sum, wide, m);
        for (int k = 0; k < (wide ? 4 : 1); k++) {
            vf_store_n(y + c + k * SV_VF, finish(kind, sum[k], plan->size), m);
        }
        c += wide ? 4 * SV_VF : m;
    }
}

static void reduce_results(const sv_reduce_plan *plan, char *x, char *y, int64_t columns,
                           const void *context)
{
    const sv_reduce_param *param = context;
    if (columns) {
        run_block(plan, param->kind, x, (float *)y, columns);
    } else {
        *(float *)y = one_result(plan, param->kind, x);
    }
}

static void reduce_run_units(const sv_call *call, uint32_t begin, uint32_t end)
{
    sv_reduce_visit(call, begin, end, 4, reduce_results, call->param);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_reduce_f32) = {
    .name = "reduce_f32_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_reduce,
    .level = SV_LEVEL,
    .supports = reduce_supports,
    .units = sv_reduce_units,
    .run = reduce_run_units,
};
