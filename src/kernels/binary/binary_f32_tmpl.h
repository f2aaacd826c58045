/* Arithmetic of two f32 operands (f16 and bf16 by blocks of f32) with the vectors of one level:
 * each operand runs along or stays. Included by one file a level; meaning is that of binary_ref.c.
 */
#include "kernels/convert/element.h"
#include "kernels/elementwise.h"
#include "kernels/simd_tmpl.h"
#include "kernels/strided.h"

#include <math.h>

/* X(operation) for all that have a vector form. */
#define BINARY_VECTOR_OPS(X) X(Add) X(Div) X(Max) X(Min) X(Mul) X(PRelu) X(Sub)

SV_INLINE sv_vf binary_apply(sv_binary op, sv_vf a, sv_vf b)
{
    switch (op) {
    case SV_BINARY_Add:
        return a + b;
    case SV_BINARY_Div:
        return a / b;
    case SV_BINARY_Max:
        return vf_select(vf_equal(a, a), vf_max(a, b), a);
    case SV_BINARY_Min:
        return vf_select(vf_equal(a, a), vf_min(a, b), a);
    case SV_BINARY_Mul:
        return a * b;
    case SV_BINARY_PRelu:
        return vf_select(vf_less(a, vf_zero()), a * b, a);
    case SV_BINARY_Sub:
        return a - b;
    default:
        return a;
    }
}

/* `move_a`, `move_b`: constants saying whether the operand runs along. */
SV_INLINE void binary_loop(sv_binary op, const float *a, bool move_a, const float *b, bool move_b,
                           float *y, int64_t n)
{
    sv_vf va = vf_set1(a[0]), vb = vf_set1(b[0]);
    int64_t i = 0;
    for (; i + SV_VF <= n; i += SV_VF) {
        if (move_a) va = vf_load(a + i);
        if (move_b) vb = vf_load(b + i);
        vf_store(y + i, binary_apply(op, va, vb));
    }
    if (i == n) return;
    if (move_a) va = vf_load_n(a + i, n - i);
    if (move_b) vb = vf_load_n(b + i, n - i);
    vf_store_n(y + i, binary_apply(op, va, vb), n - i);
}

/* Each operand's `move` is 1 or 0. */
typedef void (*binary_fn)(const float *a, bool move_a, const float *b, bool move_b, float *y,
                          int64_t n);

#define BINARY_FN(name)                                                                            \
    static void loop_##name(const float *a, bool move_a, const float *b, bool move_b, float *y,    \
                            int64_t n)                                                             \
    {                                                                                              \
        if (move_a && move_b) {                                                                    \
            binary_loop(SV_BINARY_##name, a, true, b, true, y, n);                                 \
        } else if (move_a) {                                                                       \
            binary_loop(SV_BINARY_##name, a, true, b, false, y, n);                                \
        } else {                                                                                   \
            binary_loop(SV_BINARY_##name, a, false, b, move_b, y, n);                              \
        }                                                                                          \
    }
BINARY_VECTOR_OPS(BINARY_FN)

/* The powers that models raise to: squares and cubes of norms and GELUs, roots of variances. */
SV_INLINE sv_vf power_of(sv_vf x, float exponent)
{
    if (exponent == 2) return x * x;
    if (exponent == 3) return x * x * x;
    const float infinity = __builtin_inff();
    sv_vf root = vf_sqrt(x + vf_zero()); /* of -0 it is 0 */
    return vf_select(vf_equal(x, vf_set1(-infinity)), vf_set1(infinity), root);
}

static void loop_Pow(const float *a, bool move_a, const float *b, bool move_b, float *y, int64_t n)
{
    float exponent = b[0];
    if (move_b || !move_a || (exponent != 2 && exponent != 3 && exponent != 0.5f)) {
        for (int64_t i = 0; i < n; i++)
            y[i] = powf(a[move_a ? i : 0], b[move_b ? i : 0]);
        return;
    }
    int64_t i = 0;
    for (; i + SV_VF <= n; i += SV_VF)
        vf_store(y + i, power_of(vf_load(a + i), exponent));
    if (i < n) vf_store_n(y + i, power_of(vf_load_n(a + i, n - i), exponent), n - i);
}

static const binary_fn binary_fns[SV_BINARY_COUNT] = {
#define BINARY_ENTRY(name) [SV_BINARY_##name] = loop_##name,
    BINARY_VECTOR_OPS(BINARY_ENTRY)
#undef BINARY_ENTRY
        [SV_BINARY_Pow] = loop_Pow,
};

typedef struct binary_context {
    binary_fn fn;
    sv_dtype dtype;
} binary_context;

#define BINARY_BLOCK 512

/* The operand as f32 side by side, or as one value when it stays. */
SV_INLINE void binary_get(sv_dtype dtype, const char *x, int64_t step, float *value, int64_t n)
{
    sv_element_get_f32(dtype, x, step, value, step ? n : 1);
}

static void binary_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    const binary_context *c = context;
    bool move_a = step[0] != 0, move_b = step[1] != 0;
    if (c->dtype == SV_F32 &&
        (n == 1 || ((!move_a || step[0] == 4) && (!move_b || step[1] == 4) && step[2] == 4))) {
        c->fn((const float *)at[0], move_a, (const float *)at[1], move_b, (float *)at[2], n);
        return;
    }
    float a[BINARY_BLOCK], b[BINARY_BLOCK], y[BINARY_BLOCK];
    for (int64_t i = 0; i < n; i += BINARY_BLOCK) {
        int64_t m = n - i < BINARY_BLOCK ? n - i : BINARY_BLOCK;
        binary_get(c->dtype, at[0] + i * step[0], step[0], a, m);
        binary_get(c->dtype, at[1] + i * step[1], step[1], b, m);
        c->fn(a, move_a, b, move_b, y, m);
        sv_element_put_f32(c->dtype, y, at[2] + i * step[2], step[2], m, true);
    }
}

static bool binary_supports(const sv_problem *problem)
{
    const sv_binary_param *param = problem->param;
    const sv_desc *desc = problem->desc;
    sv_dtype dtype = desc[0].dtype;
    return problem->epilogue.n == 0 && binary_fns[param->op] && desc[1].dtype == dtype &&
           desc[2].dtype == dtype && (dtype == SV_F32 || dtype == SV_F16 || dtype == SV_BF16);
}

/* ---- short rows that meet one and the same row --------------------------------------------- */

/* Elements of the row that is met again and again, at most. */
#define BINARY_PERIOD 256
/* Fewer elements are not worth the spreading. */
#define BINARY_PERIODIC 4096

/* Rows of `period` elements that lie one behind the other, of operand 1 - `spread` and the result;
 * operand `spread` is one such row: biases of channels, colours of pixels. */
typedef struct binary_period {
    int64_t count, period;
    int spread;
} binary_period;

static bool binary_period_of(const sv_desc *desc, binary_period *out)
{
    sv_strided rows;
    const int64_t count = sv_desc_count(&desc[2]);
    /* Small problems are not looked at any closer. */
    if (desc[2].dtype != SV_F32 || count < BINARY_PERIODIC) return false;
    sv_strided_init_in_order(&rows, desc, 3);
    const int64_t bytes = rows.inner * (int64_t)sizeof(float);
    if (rows.outer.rank != 1 || rows.inner < 2 || rows.inner > BINARY_PERIOD) return false;
    for (int k = 0; k < 3; k++) {
        if (rows.step[k] != (int64_t)sizeof(float)) return false;
    }
    *out = (binary_period){
        .count = count, .period = rows.inner, .spread = rows.outer.step[0][0] ? 1 : 0};
    return rows.outer.step[2][0] == bytes && rows.outer.step[1 - out->spread][0] == bytes &&
           rows.outer.step[out->spread][0] == 0;
}

static uint32_t binary_units(const sv_problem *problem, uint32_t phase)
{
    binary_period period;
    if (!binary_period_of(problem->desc, &period)) return sv_strided_problem_units(problem, phase);
    return (uint32_t)sv_divide_up(period.count, SV_STRIDED_UNIT);
}

static void binary_run_periodic(const sv_call *call, binary_fn fn, const binary_period *p,
                                uint32_t begin, uint32_t end)
{
    float spread[BINARY_BLOCK + BINARY_PERIOD];
    const float *row = call->ptr[p->spread], *other = call->ptr[1 - p->spread];
    float *y = call->ptr[2];
    for (int64_t i = 0; i < BINARY_BLOCK + p->period; i++)
        spread[i] = i < p->period ? row[i] : spread[i - p->period];
    int64_t to = (int64_t)end * SV_STRIDED_UNIT;
    if (to > p->count) to = p->count;
    for (int64_t i = (int64_t)begin * SV_STRIDED_UNIT; i < to; i += BINARY_BLOCK) {
        const float *met = spread + i % p->period;
        const int64_t n = to - i < BINARY_BLOCK ? to - i : BINARY_BLOCK;
        if (p->spread) {
            fn(other + i, true, met, true, y + i, n);
        } else {
            fn(met, true, other + i, true, y + i, n);
        }
    }
}

static void binary_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_binary_param *param = call->param;
    binary_context context = {binary_fns[param->op], call->desc[0].dtype};
    binary_period period;
    if (binary_period_of(call->desc, &period)) {
        binary_run_periodic(call, context.fn, &period, begin, end);
        return;
    }
    sv_strided strided;
    sv_strided_init(&strided, call->desc, 3);
    sv_strided_run(&strided, call->ptr, begin, end, binary_row, &context);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_binary_f32) = {
    .name = "binary_f32_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_binary,
    .level = SV_LEVEL,
    .supports = binary_supports,
    .units = binary_units,
    .run = binary_run,
};
