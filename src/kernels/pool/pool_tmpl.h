/* Pooling of f32 at one CPU level, channels innermost: maximum, average, Lp for p = 1 and 2,
 * without indices. A unit is a line of outputs by a group of channels. NaN wins a maximum, as in
 * the reference. */
#include "kernels/pool/window_tmpl.h"
#include "kernels/prices.h"

/* Vectors whose windows are read together, and channels of a unit. */
#define POOL_VECTORS 4
#define POOL_CHANNELS 256

static bool pool_supports(const sv_problem *problem)
{
    const sv_pool_param *pool = problem->param;
    const sv_desc *x = &problem->desc[0], *y = &problem->desc[1];
    if (x->dtype != SV_F32 || problem->desc[2].dtype != SV_DTYPE_NONE) return false;
    if (pool->kind == SV_POOL_LP && pool->p != 1 && pool->p != 2) return false;
    return x->dim[1] == 1 || (x->stride[1] == 1 && y->stride[1] == 1);
}

static double pool_cost(const sv_problem *problem)
{
    return sv_problem_default_cost(problem) +
           sv_problem_flops(problem) * sv_price(problem, SV_LEVEL, SV_PRICE_pool);
}

static int64_t pool_groups(int64_t channels)
{
    return (channels + POOL_CHANNELS - 1) / POOL_CHANNELS;
}

static uint32_t pool_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    window_shape shape;
    window_of_pool(problem->desc, problem->param, &shape);
    return (uint32_t)(shape.y.n * shape.y.d[0] * shape.y.d[1] * pool_groups(shape.y.c));
}

/* Neighbouring outputs of a line whose windows hold the same taps, and the divisor of their
 * averages. */
typedef struct pool_window {
    const float *x; /* of tap (0, 0, 0) of the first, which may lie outside */
    int64_t hop[3]; /* from tap to tap */
    pool_range range[3];
    float divisor;
    int64_t outputs, x_step; /* from output to output in x */
    float *y;
    int64_t y_step;
} pool_window;

/* `nv` vectors of channels of one output, the last of `last` lanes. */
SV_INLINE void pool_vectors(uint8_t kind, int64_t p, const int nv, int64_t last,
                            const pool_window *window, const float *from, float *y)
{
    const sv_vf start = vf_set1(kind == SV_POOL_MAX ? -__builtin_inff() : 0);
    sv_vf sum[POOL_VECTORS] = {start, start, start, start};
    const pool_range *range = window->range;
    const int64_t hop = window->hop[2], taps = range[2].last - range[2].first;
    for (int64_t t0 = range[0].first; t0 < range[0].last; t0++) {
        for (int64_t t1 = range[1].first; t1 < range[1].last; t1++) {
            const float *x = from + t0 * window->hop[0] + t1 * window->hop[1];
            for (int64_t t2 = 0; t2 < taps; t2++, x += hop) {
                if (nv == 1) {
                    sum[0] = pool_take(kind, p, sum[0], vf_load_n(x, last));
                    continue;
                }
                sum[0] = pool_take(kind, p, sum[0], vf_load(x));
                sum[1] = pool_take(kind, p, sum[1], vf_load(x + SV_VF));
                sum[2] = pool_take(kind, p, sum[2], vf_load(x + 2 * SV_VF));
                sum[3] = pool_take(kind, p, sum[3], vf_load(x + 3 * SV_VF));
            }
        }
    }
    for (int j = 0; j < nv; j++) {
        if (kind == SV_POOL_AVERAGE) sum[j] = sum[j] / vf_set1(window->divisor);
        if (kind == SV_POOL_LP && p == 2) sum[j] = vf_sqrt(sum[j]);
        if (nv == 1) {
            vf_store_n(y, sum[0], last);
        } else {
            vf_store(y + j * SV_VF, sum[j]);
        }
    }
}

SV_INLINE void pool_outputs_of(uint8_t kind, int64_t p, const pool_window *window, int64_t channels)
{
    const float *x = window->x + window->range[2].first * window->hop[2];
    float *y = window->y;
    for (int64_t o = 0; o < window->outputs; o++, x += window->x_step, y += window->y_step) {
        int64_t c = 0;
        for (; c + POOL_VECTORS * SV_VF <= channels; c += POOL_VECTORS * SV_VF)
            pool_vectors(kind, p, POOL_VECTORS, SV_VF, window, x + c, y + c);
        for (; c + SV_VF <= channels; c += SV_VF)
            pool_vectors(kind, p, 1, SV_VF, window, x + c, y + c);
        if (c < channels) pool_vectors(kind, p, 1, channels - c, window, x + c, y + c);
    }
}

static void pool_outputs(const sv_pool_param *pool, const pool_window *window, int64_t channels)
{
    switch (pool->kind) {
    case SV_POOL_MAX:
        pool_outputs_of(SV_POOL_MAX, 0, window, channels);
        break;
    case SV_POOL_AVERAGE:
        pool_outputs_of(SV_POOL_AVERAGE, 0, window, channels);
        break;
    default:
        if (pool->p == 1) {
            pool_outputs_of(SV_POOL_LP, 1, window, channels);
        } else {
            pool_outputs_of(SV_POOL_LP, 2, window, channels);
        }
        break;
    }
}

/* The divisor of an average; 1 where the window is empty, so that the result is 0. */
static float pool_divisor(const sv_pool_param *pool, const pool_range range[3])
{
    int64_t count = 1;
    for (int i = 0; i < 3; i++) {
        count *= pool->count_include_pad ? range[i].padded : range[i].last - range[i].first;
    }
    return count ? (float)count : 1.0f;
}

/* Whether the maximum of a line is found in two steps, down and then along: then neighbours share
 * what is found first. As much again is for what lies between. */
static bool pool_in_steps(const sv_pool_param *pool, const window_shape *shape)
{
    const int64_t limit = 1 << 20, down = shape->taps / shape->kernel[2], along = shape->kernel[2];
    return pool->kind == SV_POOL_MAX && down < limit && along < limit && shape->x.d[2] <= 256 &&
           shape->taps > 2 * (down * shape->stride[2] + along);
}

static size_t pool_scratch(const sv_problem *problem)
{
    window_shape shape;
    window_of_pool(problem->desc, problem->param, &shape);
    const int64_t channels = shape.x.c < POOL_CHANNELS ? shape.x.c : POOL_CHANNELS;
    if (!pool_in_steps(problem->param, &shape)) return 0;
    return (size_t)(shape.x.d[2] * channels) * sizeof(float);
}

/* Behind the last output of a line whose window ends in x. */
static int64_t pool_whole_end(const window_shape *shape)
{
    const int64_t hops = shape->kernel[2] - 1, hop = shape->dilation[2];
    const int64_t there = shape->x.d[2] + shape->pad[2];
    if (there < 1 || hops > (there - 1) / hop) return 0;
    const int64_t end = (there - hops * hop + shape->stride[2] - 1) / shape->stride[2];
    return end < shape->y.d[2] ? end : shape->y.d[2];
}

/* All outputs of a line, from what `line` says of the first two axes; its x is the line's first
 * element. Those whose windows lie in x as a whole are done together. */
static void pool_along(const sv_pool_param *pool, const window_shape *shape,
                       const pool_window *line, int64_t channels)
{
    const int64_t stride = shape->stride[2], pad = shape->pad[2], outputs = shape->y.d[2];
    const int64_t first = (pad + stride - 1) / stride, end = pool_whole_end(shape);
    for (int64_t o = 0; o < outputs;) {
        pool_window window = *line;
        window.outputs = o == first && first < end ? end - first : 1;
        window.range[2] = pool_range_of(pool, shape, 2, o);
        window.divisor = pool_divisor(pool, window.range);
        window.x += (o * stride - pad) * line->x_step;
        window.x_step *= stride;
        window.y += o * line->y_step;
        pool_outputs(pool, &window, channels);
        o += window.outputs;
    }
}

/* A maximum down first, of the taps of the first two axes. */
static void pool_line_in_steps(const sv_call *call, const window_shape *shape,
                               const pool_window *line, int64_t channels)
{
    const pool_range one = {0, 1, 1};
    float *room = call->scratch;
    pool_window down = *line, along = *line;
    down.range[2] = one;
    down.outputs = shape->x.d[2];
    down.y = room;
    down.y_step = channels;
    pool_outputs(call->param, &down, channels);
    along.x = room;
    along.x_step = channels;
    along.hop[2] = shape->dilation[2] * channels;
    along.range[0] = along.range[1] = one;
    pool_along(call->param, shape, &along, channels);
}

/* A line of outputs: positions (out[0], out[1], 0..) of image n, channels [first, end). */
static void pool_line(const sv_call *call, const window_shape *shape, int64_t n,
                      const int64_t out[2], int64_t first, int64_t end)
{
    const sv_pool_param *pool = call->param;
    const window_operand *x = &shape->x, *y = &shape->y;
    float *to = (float *)call->ptr[1] + n * y->n_stride + out[0] * y->s[0] + out[1] * y->s[1];
    pool_window window = {.x = (const float *)call->ptr[0] + n * x->n_stride + first,
                          .x_step = x->s[2],
                          .y = to + first,
                          .y_step = y->s[2]};
    for (int i = 0; i < 3; i++)
        window.hop[i] = shape->dilation[i] * x->s[i];
    for (int i = 0; i < 2; i++) {
        window.range[i] = pool_range_of(pool, shape, i, out[i]);
        window.x += (out[i] * shape->stride[i] - shape->pad[i]) * x->s[i];
    }
    if (pool_in_steps(pool, shape)) {
        pool_line_in_steps(call, shape, &window, end - first);
    } else {
        pool_along(pool, shape, &window, end - first);
    }
}

static void pool_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    window_shape shape;
    window_of_pool(call->desc, call->param, &shape);
    const window_operand *y = &shape.y;
    int64_t groups = pool_groups(y->c);
    for (uint32_t unit = begin; unit < end; unit++) {
        int64_t group = unit % groups, line = unit / groups;
        int64_t out[2] = {line / y->d[1] % y->d[0], line % y->d[1]};
        int64_t first = group * POOL_CHANNELS, last = first + POOL_CHANNELS;
        pool_line(call, &shape, line / (y->d[0] * y->d[1]), out, first, last < y->c ? last : y->c);
    }
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_pool_f32) = {
    .name = "pool_f32_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_pool,
    .level = SV_LEVEL,
    .b_format = SV_FORMAT_RAW,
    .supports = pool_supports,
    .cost = pool_cost,
    .units = pool_units,
    .scratch = pool_scratch,
    .run = pool_run,
};
