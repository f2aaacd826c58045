/* Truth values, and arithmetic of integers: one plain loop an operation and type, which the
 * compiler vectorises for the level. Included by one file a level; meaning is that of unary_ref.c,
 * to the bit. */
#include "kernels/elementwise.h"
#include "kernels/simd_tmpl.h"
#include "kernels/strided.h"

typedef void (*exact_fn)(const void *x, void *y, int64_t n, const sv_unary_param *param);

/* T, Y: types of the operand and of the result. */
#define EXACT(name, T, Y, expression)                                                              \
    static void name(const void *from, void *to, int64_t n, const sv_unary_param *param)           \
    {                                                                                              \
        const T *x = from;                                                                         \
        Y *y = to;                                                                                 \
        const T low = (T)param->ia, high = (T)param->ib;                                           \
        const bool negative = param->a != 0, positive = param->b != 0;                             \
        (void)low, (void)high, (void)negative, (void)positive;                                     \
        SV_APART                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                          \
            const T v = x[i];                                                                      \
            y[i] = (Y)(expression);                                                                \
        }                                                                                          \
    }

#define EXACT_SIGNED(t, T, U)                                                                      \
    EXACT(t##_abs, T, T, v < 0 ? 0 - (U)v : (U)v)                                                  \
    EXACT(t##_clip, T, T, (v < low ? low : v) > high ? high : (v < low ? low : v))                 \
    EXACT(t##_neg, T, T, 0 - (U)v)                                                                 \
    EXACT(t##_relu, T, T, v < 0 ? 0 : v)                                                           \
    EXACT(t##_sign, T, T, (v > 0) - (v < 0))
EXACT_SIGNED(i32, int32_t, uint32_t)
EXACT_SIGNED(i64, int64_t, uint64_t)
EXACT(bool_not, uint8_t, uint8_t, v == 0)
EXACT(f32_is_inf, float, uint8_t,
      ((v == -__builtin_inff()) & negative) | ((v == __builtin_inff()) & positive))
EXACT(f32_is_nan, float, uint8_t, v != v)
EXACT(f64_is_nan, double, uint8_t, v != v)

#define OF_SIGNED(name) [SV_I32] = i32_##name, [SV_I64] = i64_##name

/* NULL: left to another row. */
static const exact_fn exact_fns[SV_UNARY_COUNT][SV_DTYPE_COUNT] = {
    [SV_UNARY_Abs] = {OF_SIGNED(abs)},
    [SV_UNARY_Clip] = {OF_SIGNED(clip)},
    [SV_UNARY_IsInf] = {[SV_F32] = f32_is_inf},
    [SV_UNARY_IsNaN] = {[SV_F32] = f32_is_nan, [SV_F64] = f64_is_nan},
    [SV_UNARY_Neg] = {OF_SIGNED(neg)},
    [SV_UNARY_Not] = {[SV_BOOL] = bool_not},
    [SV_UNARY_Relu] = {OF_SIGNED(relu)},
    [SV_UNARY_Sign] = {OF_SIGNED(sign)},
};

typedef struct exact_context {
    exact_fn fn;
    size_t size, y_size;
    const sv_unary_param *param;
} exact_context;

static void exact_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    const exact_context *c = context;
    _Alignas(64) char x[SV_STRIDED_BLOCK * 8], y[SV_STRIDED_BLOCK * 8];
    const bool dense = step[1] == (int64_t)c->y_size;
    if (dense && step[0] == (int64_t)c->size) {
        c->fn(at[0], at[1], n, c->param);
        return;
    }
    for (int64_t i = 0; i < n; i += SV_STRIDED_BLOCK) {
        int64_t m = n - i < SV_STRIDED_BLOCK ? n - i : SV_STRIDED_BLOCK;
        char *to = dense ? at[1] + i * step[1] : y;
        c->fn(sv_strided_side_by_side(at[0], step[0], i, m, c->size, x), to, m, c->param);
        if (!dense)
            sv_strided_copy(y, (int64_t)c->y_size, at[1] + i * step[1], step[1], m, c->y_size);
    }
}

/* Truth values are bool, the rest is of the type that is read. */
static bool exact_supports(const sv_problem *problem)
{
    const sv_unary_param *param = problem->param;
    sv_dtype x = problem->desc[0].dtype, y = problem->desc[1].dtype;
    return problem->epilogue.n == 0 && exact_fns[param->op][x] &&
           y == (param->op == SV_UNARY_IsNaN || param->op == SV_UNARY_IsInf ? SV_BOOL : x);
}

static void exact_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_unary_param *param = call->param;
    const sv_desc *desc = call->desc;
    exact_context context = {exact_fns[param->op][desc[0].dtype], sv_dtype_get(desc[0].dtype)->size,
                             sv_dtype_get(desc[1].dtype)->size, param};
    sv_strided strided;
    sv_strided_init(&strided, desc, 2);
    sv_strided_run(&strided, call->ptr, begin, end, exact_row, &context);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_unary_exact) = {
    .name = "unary_exact_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_unary,
    .level = SV_LEVEL,
    .supports = exact_supports,
    .units = sv_strided_problem_units,
    .run = exact_run,
};
