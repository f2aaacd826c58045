/* The binary row for every dtype and stride: blocks are widened to f32, f64, i64 or u64, computed
 * there, and narrowed to the result's dtype. Integers wrap around; nothing traps. */
#include "kernels/convert/element.h"
#include "kernels/elementwise.h"
#include "kernels/strided.h"

#include <math.h>
#include <string.h>

#define BLOCK 256

/* ---- meaning on floats --------------------------------------------------------------------- */

/* The sign of the divisor, as in Python. */
static inline double floor_mod(double a, double b)
{
    double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static inline __attribute__((always_inline)) double apply_f64(sv_binary op, double a, double b)
{
    switch (op) {
    case SV_BINARY_Add:
        return a + b;
    case SV_BINARY_And:
        return a != 0 && b != 0;
    case SV_BINARY_Div:
        return a / b;
    case SV_BINARY_Equal:
        return a == b;
    case SV_BINARY_FMod:
        return fmod(a, b);
    case SV_BINARY_Greater:
        return a > b;
    case SV_BINARY_GreaterOrEqual:
        return a >= b;
    case SV_BINARY_Less:
        return a < b;
    case SV_BINARY_LessOrEqual:
        return a <= b;
    case SV_BINARY_Max:
        return a > b || a != a ? a : b;
    case SV_BINARY_Min:
        return a < b || a != a ? a : b;
    case SV_BINARY_Mod:
        return floor_mod(a, b);
    case SV_BINARY_Mul:
        return a * b;
    case SV_BINARY_Or:
        return a != 0 || b != 0;
    case SV_BINARY_PRelu:
        return a < 0 ? a * b : a;
    case SV_BINARY_Pow:
        return pow(a, b);
    case SV_BINARY_Sub:
        return a - b;
    case SV_BINARY_Xor:
        return (a != 0) != (b != 0);
    default:
        return a; /* bits have no meaning on floats */
    }
}

/* ---- meaning on integers ------------------------------------------------------------------- */

/* Truncates; by zero gives 0, and the one quotient out of range wraps. */
static inline int64_t div_i64(int64_t a, int64_t b)
{
    if (b == 0) return 0;
    return b == -1 ? (int64_t) - (uint64_t)a : a / b;
}
static inline uint64_t div_u64(uint64_t a, uint64_t b)
{
    return b ? a / b : 0;
}

static inline int64_t fmod_i64(int64_t a, int64_t b)
{
    return b == 0 || b == -1 ? 0 : a % b;
}
static inline uint64_t fmod_u64(uint64_t a, uint64_t b)
{
    return b ? a % b : 0;
}

static inline int64_t mod_i64(int64_t a, int64_t b)
{
    int64_t r = fmod_i64(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
static inline uint64_t mod_u64(uint64_t a, uint64_t b)
{
    return fmod_u64(a, b);
}

static inline uint64_t pow_u64(uint64_t a, uint64_t b)
{
    uint64_t y = 1;
    for (; b; b >>= 1) {
        if (b & 1) y *= a;
        a *= a;
    }
    return y;
}
/* A negative exponent gives the truncated fraction. */
static inline int64_t pow_i64(int64_t a, int64_t b)
{
    if (b >= 0) return (int64_t)pow_u64((uint64_t)a, (uint64_t)b);
    if (a == 1) return 1;
    return a == -1 ? (b & 1 ? -1 : 1) : 0;
}

static inline uint64_t shift_u64(uint64_t a, uint64_t b, bool left)
{
    if (b > 63) return 0;
    return left ? a << b : a >> b;
}

/* Products, sums and bits in the unsigned type, which wraps; the rest in the type itself. */
#define APPLY_INTEGER(name, T)                                                                     \
    static inline __attribute__((always_inline)) T apply_##name(sv_binary op, T a, T b, bool left) \
    {                                                                                              \
        const uint64_t ua = (uint64_t)a, ub = (uint64_t)b;                                         \
        switch (op) {                                                                              \
        case SV_BINARY_Add:                                                                        \
            return (T)(ua + ub);                                                                   \
        case SV_BINARY_And:                                                                        \
            return a && b;                                                                         \
        case SV_BINARY_BitShift:                                                                   \
            return (T)shift_u64(ua, ub, left);                                                     \
        case SV_BINARY_BitwiseAnd:                                                                 \
            return a & b;                                                                          \
        case SV_BINARY_BitwiseOr:                                                                  \
            return a | b;                                                                          \
        case SV_BINARY_BitwiseXor:                                                                 \
            return a ^ b;                                                                          \
        case SV_BINARY_Div:                                                                        \
            return div_##name(a, b);                                                               \
        case SV_BINARY_Equal:                                                                      \
            return a == b;                                                                         \
        case SV_BINARY_FMod:                                                                       \
            return fmod_##name(a, b);                                                              \
        case SV_BINARY_Greater:                                                                    \
            return a > b;                                                                          \
        case SV_BINARY_GreaterOrEqual:                                                             \
            return a >= b;                                                                         \
        case SV_BINARY_Less:                                                                       \
            return a < b;                                                                          \
        case SV_BINARY_LessOrEqual:                                                                \
            return a <= b;                                                                         \
        case SV_BINARY_Max:                                                                        \
            return a > b ? a : b;                                                                  \
        case SV_BINARY_Min:                                                                        \
            return a < b ? a : b;                                                                  \
        case SV_BINARY_Mod:                                                                        \
            return mod_##name(a, b);                                                               \
        case SV_BINARY_Mul:                                                                        \
            return (T)(ua * ub);                                                                   \
        case SV_BINARY_Or:                                                                         \
            return a || b;                                                                         \
        case SV_BINARY_PRelu:                                                                      \
            return a < (T)1 && a ? (T)(ua * ub) : a;                                               \
        case SV_BINARY_Pow:                                                                        \
            return pow_##name(a, b);                                                               \
        case SV_BINARY_Sub:                                                                        \
            return (T)(ua - ub);                                                                   \
        case SV_BINARY_Xor:                                                                        \
            return !a != !b;                                                                       \
        default:                                                                                   \
            return a;                                                                              \
        }                                                                                          \
    }
APPLY_INTEGER(i64, int64_t)
APPLY_INTEGER(u64, uint64_t)

/* ---- blocks -------------------------------------------------------------------------------- */

typedef void (*f64_loop)(double *a, const double *b, int64_t n);
typedef void (*f32_loop)(float *a, const float *b, int64_t n);
typedef void (*i64_loop)(int64_t *a, const int64_t *b, int64_t n, bool left);
typedef void (*u64_loop)(uint64_t *a, const uint64_t *b, int64_t n, bool left);

/* f32 through f64: sums, products and quotients of two f32 rounded twice are the same as rounded
 * once (Figueroa, "When is double rounding innocuous?"), and remainders are exact. */
#define BINARY(name)                                                                               \
    static void f32_##name(float *a, const float *b, int64_t n)                                    \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            a[i] = (float)apply_f64(SV_BINARY_##name, a[i], b[i]);                                 \
    }                                                                                              \
    static void f64_##name(double *a, const double *b, int64_t n)                                  \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            a[i] = apply_f64(SV_BINARY_##name, a[i], b[i]);                                        \
    }                                                                                              \
    static void i64_##name(int64_t *a, const int64_t *b, int64_t n, bool left)                     \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            a[i] = apply_i64(SV_BINARY_##name, a[i], b[i], left);                                  \
    }                                                                                              \
    static void u64_##name(uint64_t *a, const uint64_t *b, int64_t n, bool left)                   \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            a[i] = apply_u64(SV_BINARY_##name, a[i], b[i], left);                                  \
    }
#include "kernels/binary.inc"
#undef BINARY

static const struct {
    f32_loop f32;
    f64_loop f64;
    i64_loop i64;
    u64_loop u64;
} loops[SV_BINARY_COUNT] = {
#define BINARY(name) [SV_BINARY_##name] = {f32_##name, f64_##name, i64_##name, u64_##name},
#include "kernels/binary.inc"
#undef BINARY
};

typedef struct ref_context {
    const sv_binary_param *param;
    sv_dtype a, b, y, wide;
} ref_context;

static void block(const ref_context *c, char *const *at, const int64_t *step, int64_t i, int64_t n)
{
    const char *a = at[0] + i * step[0], *b = at[1] + i * step[1];
    char *y = at[2] + i * step[2];
    union {
        float f32[BLOCK];
        double f64[BLOCK];
        int64_t i64[BLOCK];
        uint64_t u64[BLOCK];
    } u, v;
    switch (c->wide) {
    case SV_F32:
        sv_element_get_f32(c->a, a, step[0], u.f32, n);
        sv_element_get_f32(c->b, b, step[1], v.f32, n);
        loops[c->param->op].f32(u.f32, v.f32, n);
        sv_element_put_f32(c->y, u.f32, y, step[2], n, true);
        break;
    case SV_F64:
        sv_element_get_f64(c->a, a, step[0], u.f64, n);
        sv_element_get_f64(c->b, b, step[1], v.f64, n);
        loops[c->param->op].f64(u.f64, v.f64, n);
        sv_element_put_f64(c->y, u.f64, y, step[2], n, true);
        break;
    case SV_U64:
        sv_element_get_u64(c->a, a, step[0], u.u64, n);
        sv_element_get_u64(c->b, b, step[1], v.u64, n);
        loops[c->param->op].u64(u.u64, v.u64, n, c->param->left);
        sv_element_put_u64(c->y, u.u64, y, step[2], n, true);
        break;
    default:
        sv_element_get_i64(c->a, a, step[0], u.i64, n);
        sv_element_get_i64(c->b, b, step[1], v.i64, n);
        loops[c->param->op].i64(u.i64, v.i64, n, c->param->left);
        sv_element_put_i64(c->y, u.i64, y, step[2], n, true);
        break;
    }
}

static void ref_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    for (int64_t i = 0; i < n; i += BLOCK) {
        block(context, at, step, i, n - i < BLOCK ? n - i : BLOCK);
    }
}

static void string_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    (void)context;
    for (int64_t i = 0; i < n; i++) {
        const sv_string *a = (const sv_string *)(at[0] + i * step[0]);
        const sv_string *b = (const sv_string *)(at[1] + i * step[1]);
        bool equal = a->size == b->size && (!a->size || !memcmp(a->data, b->data, a->size));
        *(uint8_t *)(at[2] + i * step[2]) = equal;
    }
}

/* ---- the row ------------------------------------------------------------------------------- */

/* Operands of one dtype compute in its wide type; of two (Pow), in i64 or u64 as the base is if
 * both are integers, else in f64. */
static sv_dtype wide_type(sv_dtype a, sv_dtype b)
{
    sv_dtype wa = sv_element_wide(a), wb = sv_element_wide(b);
    if (a == b || wa == wb) return wa;
    bool floats = wa == SV_F32 || wa == SV_F64 || wb == SV_F32 || wb == SV_F64;
    return floats ? SV_F64 : wa;
}

static bool supports(const sv_problem *problem)
{
    const sv_binary_param *param = problem->param;
    const sv_desc *desc = problem->desc;
    if (problem->epilogue.n) return false;
    if (desc[0].dtype == SV_STRING)
        return param->op == SV_BINARY_Equal && desc[1].dtype == SV_STRING;
    return sv_element_wide(desc[0].dtype) != SV_DTYPE_NONE &&
           sv_element_wide(desc[1].dtype) != SV_DTYPE_NONE &&
           sv_element_wide(desc[2].dtype) != SV_DTYPE_NONE &&
           (desc[0].dtype == desc[1].dtype || param->op == SV_BINARY_Pow);
}

static void run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_desc *desc = call->desc;
    ref_context context = {call->param, desc[0].dtype, desc[1].dtype, desc[2].dtype, 0};
    context.wide = wide_type(context.a, context.b);
    sv_strided strided;
    sv_strided_init(&strided, desc, 3);
    sv_strided_run(&strided, call->ptr, begin, end, context.a == SV_STRING ? string_row : ref_row,
                   &context);
}

const sv_kernel sv_kernel_binary_ref = {
    .name = "binary_ref",
    .family = SV_FAMILY_binary,
    .level = SV_CPU_BASELINE,
    .supports = supports,
    .units = sv_strided_problem_units,
    .run = run,
};
