/* Local response normalisation of f32 at one CPU level, channels innermost. A unit is a line of
 * positions. The power is taken by roots where it is 3/4, else by logarithm and exponential: its
 * relative error is that of a few units in the last place, times beta times the logarithm of the
 * base. */
#include "kernels/conv/conv_shape.h"
#include "kernels/prices.h"
#include "kernels/vecmath_tmpl.h"

static bool lrn_supports(const sv_problem *problem)
{
    const sv_desc *x = &problem->desc[0], *y = &problem->desc[1];
    const sv_lrn_param *lrn = problem->param;
    if (x->dtype != SV_F32 || x->rank < 3 || x->rank > 5) return false;
    /* The logarithm wants a positive base. */
    if (!(lrn->bias > 0 && lrn->alpha >= 0)) return false;
    return x->dim[1] == 1 || (x->stride[1] == 1 && y->stride[1] == 1);
}

static double lrn_cost(const sv_problem *problem)
{
    const sv_lrn_param *lrn = problem->param;
    double vectors = (double)sv_desc_count(&problem->desc[0]) / SV_VF;
    return sv_problem_default_cost(problem) +
           vectors * (20.0 + (double)lrn->size) * sv_price(problem, SV_LEVEL, SV_PRICE_lrn);
}

static uint32_t lrn_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    window_operand y;
    window_operand_init(&problem->desc[1], &y);
    return (uint32_t)(y.n * y.d[0] * y.d[1]);
}

/* Positions whose squares are made together: what has just been stored is slow to load in other
 * vectors. */
#define LRN_POSITIONS 8

/* Squares of all channels of a position, with zeros before and behind them. */
static int64_t lrn_squares(const sv_lrn_param *lrn, int64_t channels)
{
    return channels + lrn->size + 2 * SV_VF;
}

static size_t lrn_scratch(const sv_problem *problem)
{
    const int64_t squares = lrn_squares(problem->param, problem->desc[0].dim[1]);
    return (size_t)(LRN_POSITIONS * squares) * sizeof(float);
}

static void lrn_square(const float *x, int64_t channels, float *square)
{
    for (int64_t c = 0; c < channels; c += SV_VF) {
        sv_vf v = vf_load_n(x + c, channels - c < SV_VF ? channels - c : SV_VF);
        vf_store(square + c, v * v);
    }
}

/* x / base^beta. Models have 3/4, which is a root and the root of that. */
SV_INLINE sv_vf lrn_divide(sv_vf x, sv_vf base, float beta)
{
    if (beta != 0.75f) return x * vf_exp(vf_set1(-beta) * vf_log(base));
    const sv_vf root = vf_sqrt(base);
    return x / (root * vf_sqrt(root));
}

static void lrn_position(const sv_lrn_param *lrn, int64_t channels, const float *x, float *y,
                         const float *square)
{
    const sv_vf scale = vf_set1(lrn->alpha / (float)lrn->size), bias = vf_set1(lrn->bias);
    for (int64_t c = 0; c < channels; c += SV_VF) {
        int64_t left = channels - c < SV_VF ? channels - c : SV_VF;
        sv_vf sum = vf_zero();
        for (int64_t i = 0; i < lrn->size; i++)
            sum = sum + vf_load(square + c + i);
        sv_vf v = lrn_divide(vf_load_n(x + c, left), vf_fma(scale, sum, bias), lrn->beta);
        vf_store_n(y + c, v, left);
    }
}

/* `n` positions of a line, up to LRN_POSITIONS. */
static void lrn_positions(const sv_lrn_param *lrn, int64_t channels, const float *x, int64_t x_step,
                          float *y, int64_t y_step, int64_t n, float *square)
{
    const int64_t pitch = lrn_squares(lrn, channels), before = (lrn->size - 1) / 2;
    for (int64_t i = 0; i < n; i++)
        lrn_square(x + i * x_step, channels, square + i * pitch + before);
    for (int64_t i = 0; i < n; i++)
        lrn_position(lrn, channels, x + i * x_step, y + i * y_step, square + i * pitch);
}

static void lrn_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_lrn_param *lrn = call->param;
    window_operand x, y;
    window_operand_init(&call->desc[0], &x);
    window_operand_init(&call->desc[1], &y);
    float *square = call->scratch;
    memset(square, 0, (size_t)(LRN_POSITIONS * lrn_squares(lrn, x.c)) * sizeof *square);
    for (uint32_t unit = begin; unit < end; unit++) {
        int64_t n = unit / (y.d[0] * y.d[1]), i0 = unit / y.d[1] % y.d[0], i1 = unit % y.d[1];
        const float *from = (const float *)call->ptr[0] + n * x.n_stride;
        from += i0 * x.s[0] + i1 * x.s[1];
        float *to = (float *)call->ptr[1] + n * y.n_stride + i0 * y.s[0] + i1 * y.s[1];
        for (int64_t i = 0; i < y.d[2]; i += LRN_POSITIONS) {
            const int64_t left = y.d[2] - i < LRN_POSITIONS ? y.d[2] - i : LRN_POSITIONS;
            lrn_positions(lrn, x.c, from + i * x.s[2], x.s[2], to + i * y.s[2], y.s[2], left,
                          square);
        }
    }
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_lrn_f32) = {
    .name = "lrn_f32_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_lrn,
    .level = SV_LEVEL,
    .b_format = SV_FORMAT_RAW,
    .supports = lrn_supports,
    .cost = lrn_cost,
    .units = lrn_units,
    .scratch = lrn_scratch,
    .run = lrn_run,
};
