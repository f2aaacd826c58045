/* The unary row for every dtype and stride: blocks are widened to f32, f64, i64 or u64, computed
 * there by unary_scalar.h, and narrowed to the result's dtype. */
#include "kernels/convert/element.h"
#include "kernels/strided.h"
#include "kernels/unary/unary_scalar.h"

#define BLOCK 256

typedef void (*f32_loop)(float *x, int64_t n, float a, float b);
typedef void (*f64_loop)(double *x, int64_t n, double a, double b);

#define UNARY(name)                                                                                \
    static void f32_##name(float *x, int64_t n, float a, float b)                                  \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            x[i] = sv_unary_apply_f32(SV_UNARY_##name, x[i], a, b);                                \
    }                                                                                              \
    static void f64_##name(double *x, int64_t n, double a, double b)                               \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            x[i] = sv_unary_apply_f64(SV_UNARY_##name, x[i], a, b);                                \
    }
#include "kernels/unary.inc"
#undef UNARY

static const f32_loop f32_loops[SV_UNARY_COUNT] = {
#define UNARY(name) [SV_UNARY_##name] = f32_##name,
#include "kernels/unary.inc"
#undef UNARY
};
static const f64_loop f64_loops[SV_UNARY_COUNT] = {
#define UNARY(name) [SV_UNARY_##name] = f64_##name,
#include "kernels/unary.inc"
#undef UNARY
};

typedef struct ref_context {
    const sv_unary_param *param;
    sv_dtype from, to;
} ref_context;

static void f32_block(const ref_context *c, const char *x, int64_t xs, char *y, int64_t ys,
                      int64_t n)
{
    float value[BLOCK];
    sv_element_get_f32(c->from, x, xs, value, n);
    f32_loops[c->param->op](value, n, c->param->a, c->param->b);
    sv_element_put_f32(c->to, value, y, ys, n, true);
}

static void f64_block(const ref_context *c, const char *x, int64_t xs, char *y, int64_t ys,
                      int64_t n)
{
    double value[BLOCK];
    sv_element_get_f64(c->from, x, xs, value, n);
    f64_loops[c->param->op](value, n, c->param->da, c->param->db);
    sv_element_put_f64(c->to, value, y, ys, n, true);
}

static inline int64_t apply_i64(const sv_unary_param *p, int64_t x)
{
    switch (p->op) {
    case SV_UNARY_Abs:
        return x < 0 ? (int64_t) - (uint64_t)x : x;
    case SV_UNARY_BitwiseNot:
        return ~x;
    case SV_UNARY_Clip:
        if (x < p->ia) x = p->ia;
        return x > p->ib ? p->ib : x;
    case SV_UNARY_Neg:
        return (int64_t) - (uint64_t)x;
    case SV_UNARY_Not:
        return x == 0;
    case SV_UNARY_Relu:
        return x < 0 ? 0 : x;
    case SV_UNARY_Sign:
        return (x > 0) - (x < 0);
    default:
        return x;
    }
}

static void i64_block(const ref_context *c, const char *x, int64_t xs, char *y, int64_t ys,
                      int64_t n)
{
    int64_t value[BLOCK];
    sv_element_get_i64(c->from, x, xs, value, n);
    for (int64_t i = 0; i < n; i++)
        value[i] = apply_i64(c->param, value[i]);
    sv_element_put_i64(c->to, value, y, ys, n, true);
}

static inline uint64_t apply_u64(const sv_unary_param *p, uint64_t x)
{
    switch (p->op) {
    case SV_UNARY_BitwiseNot:
        return ~x;
    case SV_UNARY_Clip:
        if (x < (uint64_t)p->ia) x = (uint64_t)p->ia;
        return x > (uint64_t)p->ib ? (uint64_t)p->ib : x;
    case SV_UNARY_Neg:
        return -x;
    case SV_UNARY_Not:
        return x == 0;
    case SV_UNARY_Sign:
        return x > 0;
    default:
        return x;
    }
}

static void u64_block(const ref_context *c, const char *x, int64_t xs, char *y, int64_t ys,
                      int64_t n)
{
    uint64_t value[BLOCK];
    sv_element_get_u64(c->from, x, xs, value, n);
    for (int64_t i = 0; i < n; i++)
        value[i] = apply_u64(c->param, value[i]);
    sv_element_put_u64(c->to, value, y, ys, n, true);
}

typedef void (*block_fn)(const ref_context *, const char *, int64_t, char *, int64_t, int64_t);

/* Whether integers are computed as integers; the rest (Shrink) goes through f64. */
static bool integer_op(sv_unary op)
{
    switch (op) {
    case SV_UNARY_Abs:
    case SV_UNARY_BitwiseNot:
    case SV_UNARY_Clip:
    case SV_UNARY_Neg:
    case SV_UNARY_Not:
    case SV_UNARY_Relu:
    case SV_UNARY_Sign:
        return true;
    default:
        return false;
    }
}

static block_fn choose_block(const ref_context *c)
{
    sv_dtype wide = sv_element_wide(c->from);
    if (wide == SV_F32) return f32_block;
    if (wide == SV_F64 || !integer_op((sv_unary)c->param->op)) return f64_block;
    return wide == SV_U64 ? u64_block : i64_block;
}

static void ref_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    const ref_context *c = context;
    block_fn block = choose_block(c);
    for (int64_t i = 0; i < n; i += BLOCK) {
        int64_t m = n - i < BLOCK ? n - i : BLOCK;
        block(c, at[0] + i * step[0], step[0], at[1] + i * step[1], step[1], m);
    }
}

static bool supports(const sv_problem *problem)
{
    return problem->epilogue.n == 0 && sv_element_wide(problem->desc[0].dtype) != SV_DTYPE_NONE &&
           sv_element_wide(problem->desc[1].dtype) != SV_DTYPE_NONE;
}

static void run(const sv_call *call, uint32_t begin, uint32_t end)
{
    ref_context context = {call->param, call->desc[0].dtype, call->desc[1].dtype};
    sv_strided strided;
    sv_strided_init(&strided, call->desc, 2);
    sv_strided_run(&strided, call->ptr, begin, end, ref_row, &context);
}

const sv_kernel sv_kernel_unary_ref = {
    .name = "unary_ref",
    .family = SV_FAMILY_unary,
    .level = SV_CPU_BASELINE,
    .supports = supports,
    .units = sv_strided_problem_units,
    .run = run,
};
