/* Reductions of every dtype over any axes: floats in f64, integers in 64 bits, by blocks.
 *
 * An operation is three steps: where the accumulator starts, what a block adds, what it becomes at
 * the end. LogSumExp walks its elements twice, for the greatest first. */
#include "kernels/convert/element.h"
#include "kernels/reduce/plan.h"

#include <math.h>

#define BLOCK 256

typedef struct ref_context {
    uint8_t kind;
    bool last_index;
    sv_dtype from, to, wide;
} ref_context;

/* Calls `visit` for the elements behind one result, block by block, in order. */
typedef void (*visit_fn)(void *state, const ref_context *c, const char *x, int64_t step, int64_t n);

static void visit_all(const ref_context *c, sv_reduce_plan *plan, char *x, visit_fn visit,
                      void *state)
{
    if (!plan->size) return;
    sv_cursor_seek(&plan->in, &x, 0);
    for (int64_t r = 0; r < plan->runs; r++, sv_cursor_next(&plan->in)) {
        for (int64_t i = 0; i < plan->n; i += BLOCK) {
            int64_t m = plan->n - i < BLOCK ? plan->n - i : BLOCK;
            visit(state, c, plan->in.at[0] + i * plan->step, plan->step, m);
        }
    }
}

/* ---- floats -------------------------------------------------------------------------------- */

typedef struct f64_state {
    double value, shift; /* shift: subtracted before exp */
} f64_state;

static double f64_start(uint8_t kind)
{
    switch (kind) {
    case SV_REDUCE_MAX:
        return -INFINITY;
    case SV_REDUCE_MIN:
        return INFINITY;
    case SV_REDUCE_PROD:
        return 1;
    default:
        return 0;
    }
}

static void f64_visit(void *state, const ref_context *c, const char *x, int64_t step, int64_t n)
{
    f64_state *s = state;
    double v[BLOCK], y = s->value;
    sv_element_get_f64(c->from, x, step, v, n);
    switch (c->kind) {
    case SV_REDUCE_MAX:
        for (int64_t i = 0; i < n; i++)
            y = v[i] > y || v[i] != v[i] ? v[i] : y;
        break;
    case SV_REDUCE_MIN:
        for (int64_t i = 0; i < n; i++)
            y = v[i] < y || v[i] != v[i] ? v[i] : y;
        break;
    case SV_REDUCE_PROD:
        for (int64_t i = 0; i < n; i++)
            y *= v[i];
        break;
    case SV_REDUCE_L1:
        for (int64_t i = 0; i < n; i++)
            y += fabs(v[i]);
        break;
    case SV_REDUCE_L2:
    case SV_REDUCE_SUM_SQUARE:
        for (int64_t i = 0; i < n; i++)
            y += v[i] * v[i];
        break;
    case SV_REDUCE_LOG_SUM_EXP:
        for (int64_t i = 0; i < n; i++)
            y += exp(v[i] - s->shift);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            y += v[i];
        break;
    }
    s->value = y;
}

static double f64_finish(const ref_context *c, const f64_state *s, int64_t size)
{
    switch (c->kind) {
    case SV_REDUCE_MEAN:
        return s->value / (double)size;
    case SV_REDUCE_L2:
        return sqrt(s->value);
    case SV_REDUCE_LOG_SUM:
        return log(s->value);
    case SV_REDUCE_LOG_SUM_EXP:
        return log(s->value) + s->shift;
    default:
        return s->value;
    }
}

static void f64_result(const ref_context *c, sv_reduce_plan *plan, char *x, char *y)
{
    f64_state state = {f64_start(c->kind), 0};
    if (c->kind == SV_REDUCE_LOG_SUM_EXP) {
        ref_context greatest = *c;
        greatest.kind = SV_REDUCE_MAX;
        f64_state max = {-INFINITY, 0};
        visit_all(&greatest, plan, x, f64_visit, &max);
        /* An infinite one would make a NaN of itself. */
        state.shift = isfinite(max.value) ? max.value : 0;
    }
    visit_all(c, plan, x, f64_visit, &state);
    double value = f64_finish(c, &state, plan->size);
    sv_element_put_f64(c->to, &value, y, 0, 1, true);
}

/* ---- integers ------------------------------------------------------------------------------ */

/* 64 bits without sign are compared as if signed, their range shifted down. */
static inline uint64_t order_bit(const ref_context *c)
{
    return c->wide == SV_U64 ? UINT64_C(1) << 63 : 0;
}

static void get_bits(const ref_context *c, const char *x, int64_t step, int64_t *v, int64_t n)
{
    if (c->wide == SV_U64) {
        sv_element_get_u64(c->from, x, step, (uint64_t *)v, n);
    } else {
        sv_element_get_i64(c->from, x, step, v, n);
    }
}

static bool is_extreme(uint8_t kind)
{
    return kind == SV_REDUCE_MAX || kind == SV_REDUCE_MIN;
}

/* The least (or greatest) value of the dtype, in the order of order_bit. */
static int64_t limit(sv_dtype dtype, bool least)
{
    const sv_dtype_info *info = sv_dtype_get(dtype);
    if (info->class_ == SV_CLASS_BOOL) return !least;
    if (dtype == SV_U64 || dtype == SV_I64) return least ? INT64_MIN : INT64_MAX;
    if (info->class_ == SV_CLASS_UINT) return least ? 0 : (INT64_C(1) << info->bits) - 1;
    int64_t half = INT64_C(1) << (info->bits - 1);
    return least ? -half : half - 1;
}

static int64_t i64_start(const ref_context *c)
{
    if (is_extreme(c->kind)) return limit(c->from, c->kind == SV_REDUCE_MAX);
    return c->kind == SV_REDUCE_PROD;
}

/* Sums and products wrap around. */
static void i64_visit(void *state, const ref_context *c, const char *x, int64_t step, int64_t n)
{
    int64_t v[BLOCK], *extreme = state;
    uint64_t y = (uint64_t)*extreme;
    get_bits(c, x, step, v, n);
    for (int64_t i = 0; i < n; i++) {
        uint64_t u = (uint64_t)v[i];
        int64_t ordered = (int64_t)(u ^ order_bit(c));
        switch (c->kind) {
        case SV_REDUCE_MAX:
            y = (uint64_t)(ordered > (int64_t)y ? ordered : (int64_t)y);
            break;
        case SV_REDUCE_MIN:
            y = (uint64_t)(ordered < (int64_t)y ? ordered : (int64_t)y);
            break;
        case SV_REDUCE_PROD:
            y *= u;
            break;
        case SV_REDUCE_L1:
            y += v[i] < 0 && c->wide != SV_U64 ? -u : u;
            break;
        case SV_REDUCE_SUM_SQUARE:
            y += u * u;
            break;
        default:
            y += u;
            break;
        }
    }
    *extreme = (int64_t)y;
}

static void i64_result(const ref_context *c, sv_reduce_plan *plan, char *x, char *y)
{
    int64_t value = i64_start(c);
    visit_all(c, plan, x, i64_visit, &value);
    if (is_extreme(c->kind)) value = (int64_t)((uint64_t)value ^ order_bit(c));
    if (c->wide == SV_U64) {
        uint64_t bits = (uint64_t)value;
        if (c->kind == SV_REDUCE_MEAN) bits = plan->size ? bits / (uint64_t)plan->size : 0;
        sv_element_put_u64(c->to, &bits, y, 0, 1, true);
    } else {
        if (c->kind == SV_REDUCE_MEAN) value = plan->size ? value / plan->size : 0;
        sv_element_put_i64(c->to, &value, y, 0, 1, true);
    }
}

/* ---- positions ----------------------------------------------------------------------------- */

/* Of floats the value itself, of integers in the order of order_bit. */
typedef struct arg_state {
    int64_t index, best; /* best: -1 before the first */
    double real;
    int64_t whole;
} arg_state;

/* Whether the candidate takes the place of what was best before it. */
static bool arg_better(const ref_context *c, int order)
{
    if (order == 0) return c->last_index;
    return c->kind == SV_REDUCE_ARGMAX ? order > 0 : order < 0;
}

static void arg_f64_visit(void *state, const ref_context *c, const char *x, int64_t step, int64_t n)
{
    arg_state *s = state;
    double v[BLOCK];
    sv_element_get_f64(c->from, x, step, v, n);
    for (int64_t i = 0; i < n; i++, s->index++) {
        bool better;
        if (s->best < 0) {
            better = true;
        } else if (v[i] != v[i] || s->real != s->real) {
            /* The first NaN stays, as in numpy. */
            better = s->real == s->real;
        } else {
            better = arg_better(c, (v[i] > s->real) - (v[i] < s->real));
        }
        if (!better) continue;
        s->best = s->index;
        s->real = v[i];
    }
}

static void arg_i64_visit(void *state, const ref_context *c, const char *x, int64_t step, int64_t n)
{
    arg_state *s = state;
    int64_t v[BLOCK];
    get_bits(c, x, step, v, n);
    for (int64_t i = 0; i < n; i++, s->index++) {
        int64_t ordered = (int64_t)((uint64_t)v[i] ^ order_bit(c));
        int order = (ordered > s->whole) - (ordered < s->whole);
        if (s->best >= 0 && !arg_better(c, order)) continue;
        s->best = s->index;
        s->whole = ordered;
    }
}

static void arg_result(const ref_context *c, sv_reduce_plan *plan, char *x, char *y)
{
    bool real = c->wide == SV_F32 || c->wide == SV_F64;
    arg_state state = {0, -1, 0, 0};
    visit_all(c, plan, x, real ? arg_f64_visit : arg_i64_visit, &state);
    int64_t index = state.best < 0 ? 0 : state.best;
    sv_element_put_i64(c->to, &index, y, 0, 1, true);
}

/* ---- the row ------------------------------------------------------------------------------- */

/* Integers stay integers where the result is one. */
static bool whole(const ref_context *c)
{
    if (c->wide != SV_I64 && c->wide != SV_U64) return false;
    return c->kind != SV_REDUCE_L2 && c->kind != SV_REDUCE_LOG_SUM &&
           c->kind != SV_REDUCE_LOG_SUM_EXP;
}

static bool supports(const sv_problem *problem)
{
    return problem->epilogue.n == 0 && sv_element_wide(problem->desc[0].dtype) != SV_DTYPE_NONE &&
           sv_element_wide(problem->desc[1].dtype) != SV_DTYPE_NONE;
}

static uint32_t units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    const sv_reduce_param *param = problem->param;
    sv_reduce_plan plan;
    sv_reduce_plan_init(&plan, problem->desc, param->axes);
    return (uint32_t)sv_divide_up(plan.results, plan.per_unit);
}

static void run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_reduce_param *param = call->param;
    sv_dtype from = call->desc[0].dtype;
    ref_context c = {param->kind, param->last_index, from, call->desc[1].dtype,
                     sv_element_wide(from)};
    bool positions = c.kind == SV_REDUCE_ARGMAX || c.kind == SV_REDUCE_ARGMIN;
    sv_reduce_plan plan;
    sv_reduce_plan_init(&plan, call->desc, param->axes);
    int64_t at = begin * plan.per_unit, to = end * plan.per_unit;
    if (to > plan.results) to = plan.results;
    if (at >= to) return;
    sv_cursor_seek(&plan.outer, (char *const *)call->ptr, at);
    for (; at < to; at++, sv_cursor_next(&plan.outer)) {
        char *x = plan.outer.at[0], *y = plan.outer.at[1];
        if (positions) {
            arg_result(&c, &plan, x, y);
        } else if (whole(&c)) {
            i64_result(&c, &plan, x, y);
        } else {
            f64_result(&c, &plan, x, y);
        }
    }
}

const sv_kernel sv_kernel_reduce_ref = {
    .name = "reduce_ref",
    .family = SV_FAMILY_reduce,
    .level = SV_CPU_BASELINE,
    .supports = supports,
    .units = units,
    .run = run,
};
