/* Unary operations on f32 (f16 and bf16 by blocks of f32) with the vectors of one level. Included
 * by one file a level; meaning is that of unary_scalar.h. */
#include "kernels/activation_tmpl.h"
#include "kernels/convert/element.h"
#include "kernels/strided.h"
#include "kernels/unary/trigonometry_tmpl.h"
#include "kernels/unary/unary_scalar.h"

typedef void (*unary_loop)(const float *x, float *y, int64_t n, float a, float b);

/* Operations without a vector form run the scalar one, which the compiler may still vectorise: all
 * that it can (rounding, selection) is exact, so that results do not depend on the position. */
#define UNARY(name)                                                                                \
    static void loop_##name(const float *x, float *y, int64_t n, float a, float b)                 \
    {                                                                                              \
        const sv_unary op = SV_UNARY_##name;                                                       \
        int64_t i = 0;                                                                             \
        if (op == SV_UNARY_Sin || op == SV_UNARY_Cos) {                                            \
            sine_loop(x, y, n, op == SV_UNARY_Cos);                                                \
            return;                                                                                \
        }                                                                                          \
        if (!vf_activate_has(op)) {                                                                \
            for (; i < n; i++)                                                                     \
                y[i] = sv_unary_apply_f32(op, x[i], a, b);                                         \
            return;                                                                                \
        }                                                                                          \
        const sv_vf va = vf_set1(a), vb = vf_set1(b);                                              \
        for (; i + SV_VF <= n; i += SV_VF) {                                                       \
            vf_store(y + i, vf_activate(op, vf_load(x + i), va, vb));                              \
        }                                                                                          \
        if (i < n) vf_store_n(y + i, vf_activate(op, vf_load_n(x + i, n - i), va, vb), n - i);     \
    }
#include "kernels/unary.inc"
#undef UNARY

static const unary_loop unary_loops[SV_UNARY_COUNT] = {
#define UNARY(name) [SV_UNARY_##name] = loop_##name,
#include "kernels/unary.inc"
#undef UNARY
};

typedef struct unary_context {
    unary_loop loop;
    float a, b;
    sv_dtype dtype;
} unary_context;

#define UNARY_BLOCK 512

static void unary_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    const unary_context *c = context;
    if (c->dtype == SV_F32 && (n == 1 || (step[0] == 4 && step[1] == 4))) {
        c->loop((const float *)at[0], (float *)at[1], n, c->a, c->b);
        return;
    }
    float value[UNARY_BLOCK];
    for (int64_t i = 0; i < n; i += UNARY_BLOCK) {
        int64_t m = n - i < UNARY_BLOCK ? n - i : UNARY_BLOCK;
        sv_element_get_f32(c->dtype, at[0] + i * step[0], step[0], value, m);
        c->loop(value, value, m, c->a, c->b);
        sv_element_put_f32(c->dtype, value, at[1] + i * step[1], step[1], m, true);
    }
}

static bool unary_supports(const sv_problem *problem)
{
    sv_dtype dtype = problem->desc[0].dtype;
    return problem->epilogue.n == 0 && dtype == problem->desc[1].dtype &&
           (dtype == SV_F32 || dtype == SV_F16 || dtype == SV_BF16);
}

static void unary_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_unary_param *param = call->param;
    unary_context context = {unary_loops[param->op], param->a, param->b, call->desc[0].dtype};
    sv_strided strided;
    sv_strided_init(&strided, call->desc, 2);
    sv_strided_run(&strided, call->ptr, begin, end, unary_row, &context);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_unary_f32) = {
    .name = "unary_f32_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_unary,
    .level = SV_LEVEL,
    .supports = unary_supports,
    .units = sv_strided_problem_units,
    .run = unary_run,
};
