/* Comparisons, logic, and arithmetic of integers and f64: one plain loop an operation and type,
 * which the compiler vectorises for the level. Included by one file a level; meaning is that of
 * binary_ref.c, to the bit. */
#include "kernels/elementwise.h"
#include "kernels/simd_tmpl.h"
#include "kernels/strided.h"

typedef void (*exact_fn)(const void *a, const void *b, void *y, int64_t n);

/* T, Y: types of the operands and of the result; `hint`: SV_APART where the loop can be vectorised.
 */
#define EXACT_LOOP(hint, name, T, Y, expression)                                                   \
    static void name(const void *from_a, const void *from_b, void *to, int64_t n)                  \
    {                                                                                              \
        const T *pa = from_a, *pb = from_b;                                                        \
        Y *y = to;                                                                                 \
        hint for (int64_t i = 0; i < n; i++)                                                       \
        {                                                                                          \
            const T a = pa[i], b = pb[i];                                                          \
            y[i] = (Y)(expression);                                                                \
        }                                                                                          \
    }
#define EXACT(name, T, Y, expression) EXACT_LOOP(SV_APART, name, T, Y, expression)

#define EXACT_COMPARISONS(t, T)                                                                    \
    EXACT(t##_equal, T, uint8_t, a == b)                                                           \
    EXACT(t##_less, T, uint8_t, a < b)                                                             \
    EXACT(t##_less_equal, T, uint8_t, a <= b)
EXACT_COMPARISONS(f32, float)
EXACT_COMPARISONS(f64, double)
EXACT_COMPARISONS(i32, int32_t)
EXACT_COMPARISONS(i64, int64_t)
EXACT_COMPARISONS(u8, uint8_t)

/* U: the type in which integers wrap around. */
#define EXACT_INTEGERS(t, T, U)                                                                    \
    EXACT(t##_add, T, T, (U)a + (U)b)                                                              \
    EXACT(t##_and, T, T, a &b)                                                                     \
    EXACT(t##_max, T, T, a > b ? a : b)                                                            \
    EXACT(t##_min, T, T, a < b ? a : b)                                                            \
    EXACT(t##_mul, T, T, (U)a *(U)b)                                                               \
    EXACT(t##_or, T, T, a | b)                                                                     \
    EXACT(t##_sub, T, T, (U)a - (U)b)                                                              \
    EXACT(t##_xor, T, T, a ^ b)
EXACT(i16_sub, int16_t, int16_t, a - b)
EXACT_INTEGERS(i32, int32_t, uint32_t)
EXACT_INTEGERS(i64, int64_t, uint64_t)
EXACT_INTEGERS(u8, uint8_t, uint32_t)

/* Quotients truncate; by zero they are 0, and the one that is out of range wraps around. Dividing
 * 64 bits takes several times as long as 32, which most numbers fit in. */
SV_INLINE int32_t i32_quotient(int32_t a, int32_t b)
{
    if (b == 0) return 0;
    return b == -1 ? (int32_t) - (uint32_t)a : a / b;
}
SV_INLINE int64_t i64_quotient(int64_t a, int64_t b)
{
    if (b == 0) return 0;
    if (((uint64_t)(a | b) >> 32) == 0) return (uint32_t)a / (uint32_t)b;
    return b == -1 ? (int64_t) - (uint64_t)a : a / b;
}
EXACT_LOOP(, i32_div, int32_t, int32_t, i32_quotient(a, b))
EXACT_LOOP(, i64_div, int64_t, int64_t, i64_quotient(a, b))

EXACT(f64_add, double, double, a + b)
EXACT(f64_div, double, double, a / b)
EXACT(f64_max, double, double, a > b || a != a ? a : b)
EXACT(f64_min, double, double, a < b || a != a ? a : b)
EXACT(f64_mul, double, double, a *b)
EXACT(f64_sub, double, double, a - b)

EXACT(bool_and, uint8_t, uint8_t, (a != 0) & (b != 0))
EXACT(bool_or, uint8_t, uint8_t, (a | b) != 0)
EXACT(bool_xor, uint8_t, uint8_t, (a != 0) ^ (b != 0))

#define OF_INTEGERS(name) [SV_I32] = i32_##name, [SV_I64] = i64_##name, [SV_U8] = u8_##name
#define OF_COMPARED(name)                                                                          \
    OF_INTEGERS(name), [SV_F32] = f32_##name, [SV_F64] = f64_##name, [SV_BOOL] = u8_##name

/* NULL: left to another row. What is greater is less with the operands exchanged. */
static const exact_fn exact_fns[SV_BINARY_COUNT][SV_DTYPE_COUNT] = {
    [SV_BINARY_Add] = {OF_INTEGERS(add), [SV_F64] = f64_add},
    [SV_BINARY_And] = {[SV_BOOL] = bool_and},
    [SV_BINARY_BitwiseAnd] = {OF_INTEGERS(and)},
    [SV_BINARY_BitwiseOr] = {OF_INTEGERS(or)},
    [SV_BINARY_BitwiseXor] = {OF_INTEGERS(xor)},
    [SV_BINARY_Div] = {[SV_F64] = f64_div, [SV_I32] = i32_div, [SV_I64] = i64_div},
    [SV_BINARY_Equal] = {OF_COMPARED(equal)},
    [SV_BINARY_Greater] = {OF_COMPARED(less)},
    [SV_BINARY_GreaterOrEqual] = {OF_COMPARED(less_equal)},
    [SV_BINARY_Less] = {OF_COMPARED(less)},
    [SV_BINARY_LessOrEqual] = {OF_COMPARED(less_equal)},
    [SV_BINARY_Max] = {OF_INTEGERS(max), [SV_F64] = f64_max},
    [SV_BINARY_Min] = {OF_INTEGERS(min), [SV_F64] = f64_min},
    [SV_BINARY_Mul] = {OF_INTEGERS(mul), [SV_F64] = f64_mul},
    [SV_BINARY_Or] = {[SV_BOOL] = bool_or},
    [SV_BINARY_Sub] = {OF_INTEGERS(sub), [SV_F64] = f64_sub, [SV_I16] = i16_sub},
    [SV_BINARY_Xor] = {[SV_BOOL] = bool_xor},
};

typedef struct exact_context {
    exact_fn fn;
    size_t size, y_size;
    bool exchanged;
} exact_context;

static void exact_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    const exact_context *c = context;
    const int l = c->exchanged, r = !l;
    _Alignas(64) char a[SV_STRIDED_BLOCK * 8], b[SV_STRIDED_BLOCK * 8], y[SV_STRIDED_BLOCK * 8];
    const bool dense = step[2] == (int64_t)c->y_size;
    if (dense && step[0] == (int64_t)c->size && step[1] == (int64_t)c->size) {
        c->fn(at[l], at[r], at[2], n);
        return;
    }
    for (int64_t i = 0; i < n; i += SV_STRIDED_BLOCK) {
        int64_t m = n - i < SV_STRIDED_BLOCK ? n - i : SV_STRIDED_BLOCK;
        char *to = dense ? at[2] + i * step[2] : y;
        c->fn(sv_strided_side_by_side(at[l], step[l], i, m, c->size, a),
              sv_strided_side_by_side(at[r], step[r], i, m, c->size, b), to, m);
        if (!dense)
            sv_strided_copy(y, (int64_t)c->y_size, at[2] + i * step[2], step[2], m, c->y_size);
    }
}

/* Comparisons write bool, the rest what they read. */
static bool exact_supports(const sv_problem *problem)
{
    const sv_binary_param *param = problem->param;
    const sv_desc *desc = problem->desc;
    return problem->epilogue.n == 0 && desc[0].dtype == desc[1].dtype &&
           (desc[2].dtype == SV_BOOL || desc[2].dtype == desc[0].dtype) &&
           exact_fns[param->op][desc[0].dtype];
}

static void exact_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_binary_param *param = call->param;
    const sv_desc *desc = call->desc;
    exact_context context = {exact_fns[param->op][desc[0].dtype], sv_dtype_get(desc[0].dtype)->size,
                             sv_dtype_get(desc[2].dtype)->size,
                             param->op == SV_BINARY_Greater ||
                                 param->op == SV_BINARY_GreaterOrEqual};
    sv_strided strided;
    sv_strided_init(&strided, desc, 3);
    sv_strided_run(&strided, call->ptr, begin, end, exact_row, &context);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_binary_exact) = {
    .name = "binary_exact_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_binary,
    .level = SV_LEVEL,
    .supports = exact_supports,
    .units = sv_strided_problem_units,
    .run = exact_run,
};
