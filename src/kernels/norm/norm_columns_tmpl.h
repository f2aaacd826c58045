/* Normalisation of channels-last maps of f32 by channels or by groups of them: a vector holds
 * channels. Included by one file a level; meaning is that of norm_ref.c.
 *
 * Blocks of pixels that fit in the first-level cache give a sum and the squares of deviations from
 * the block's own mean for each channel; these are put together in f64 (Chan, Golub, LeVeque 1979),
 * which loses nothing where the mean is large; then the result is written block by block. */
#include "kernels/norm/finish_tmpl.h"

#include <math.h>

/* Elements of a block, and the least number of pixels. */
#define NORM_BLOCK 8192
#define NORM_PIXELS 16
/* Channels put together at a time. */
#define NORM_CHANNELS 64

typedef struct norm_map {
    int64_t images, channels, pixels, groups;
    int64_t block, blocks;                      /* pixels of a block, blocks of an image */
    int64_t x_image, y_image, x_pixel, y_pixel; /* in elements */
} norm_map;

/* How the dimensions behind the channels step as one; 0: they do not. */
static int64_t norm_pixel_step(const sv_desc *desc)
{
    int64_t step = 0, size = 1;
    for (int32_t i = desc->rank - 1; i > 1; i--) {
        if (desc->dim[i] == 1) continue;
        if (!step) step = desc->stride[i];
        if (desc->stride[i] != step * size) return 0;
        size *= desc->dim[i];
    }
    return step;
}

static void norm_map_init(norm_map *map, const sv_desc *desc, const sv_norm_param *param)
{
    const sv_desc *x = &desc[SV_NORM_X], *y = &desc[SV_NORM_Y];
    *map = (norm_map){.images = x->dim[0],
                      .channels = x->dim[1],
                      .pixels = 1,
                      .x_image = x->stride[0],
                      .y_image = y->stride[0],
                      .x_pixel = norm_pixel_step(x),
                      .y_pixel = norm_pixel_step(y)};
    map->groups = param->groups ? param->groups : map->channels;
    for (int32_t i = 2; i < x->rank; i++)
        map->pixels *= x->dim[i];
    map->block = NORM_BLOCK / (map->channels ? map->channels : 1);
    if (map->block < NORM_PIXELS) map->block = NORM_PIXELS;
    map->blocks = sv_divide_up(map->pixels, map->block);
}

/* Absent, or f32 that depends on the channel alone. */
static bool norm_is_column(const sv_desc *desc)
{
    for (int32_t i = 0; i < desc->rank; i++) {
        if (i != 1 && desc->dim[i] != 1 && desc->stride[i]) return false;
    }
    return desc->dtype == SV_F32 || desc->dtype == SV_DTYPE_NONE;
}

static bool norm_columns_supports(const sv_problem *problem)
{
    const sv_norm_param *param = problem->param;
    const sv_desc *desc = problem->desc, *x = &desc[SV_NORM_X], *y = &desc[SV_NORM_Y];
    if (param->rms || x->rank < 3 || (param->axis != 2 && !param->groups)) return false;
    if (x->dtype != SV_F32 || y->dtype != SV_F32 || desc[SV_NORM_MEAN].dtype != SV_DTYPE_NONE ||
        desc[SV_NORM_INV_STD].dtype != SV_DTYPE_NONE)
        return false;
    norm_map map;
    norm_map_init(&map, desc, param);
    return x->stride[1] == 1 && y->stride[1] == 1 && map.channels > 1 &&
           map.x_pixel >= map.channels && map.y_pixel >= map.channels &&
           norm_is_column(&desc[SV_NORM_SCALE]) && norm_is_column(&desc[SV_NORM_SHIFT]) &&
           norm_can_finish(problem);
}

static uint32_t norm_columns_units(const sv_problem *problem, uint32_t phase)
{
    norm_map map;
    norm_map_init(&map, problem->desc, problem->param);
    if (!map.pixels || !map.channels) return 0;
    return (uint32_t)(phase == 1 ? map.images : map.images * map.blocks);
}

/* Of each image: sums and squares of all blocks, then what its channels are shifted and scaled by.
 */
static size_t norm_columns_shared(const sv_problem *problem)
{
    norm_map map;
    norm_map_init(&map, problem->desc, problem->param);
    return (size_t)(map.images * map.channels * (2 * map.blocks + 3)) * sizeof(float);
}

typedef struct norm_table {
    float *sum, *square;          /* [images][blocks][channels] */
    float *mean, *factor, *shift; /* [images][channels] */
} norm_table;

static norm_table norm_table_of(const norm_map *map, void *shared)
{
    const int64_t each = map->images * map->channels;
    float *sum = shared, *square = sum + each * map->blocks, *mean = square + each * map->blocks;
    return (norm_table){sum, square, mean, mean + each, mean + 2 * each};
}

/* ---- the blocks ------------------------------------------------------------------------------ */

SV_INLINE sv_vf norm_channel(const float *x, const int vectors, int v, int64_t last)
{
    return vectors == 1 ? vf_load_n(x, last) : vf_load(x + v * SV_VF);
}

/* `vectors` of channels from x on over n pixels, the last one of `last` lanes. Two sums for each,
 * over even and odd pixels. */
SV_INLINE void norm_measure(const float *x, int64_t step, int64_t n, const int vectors,
                            int64_t last, float *sum_to, float *square_to)
{
    sv_vf sum[4][2], square[4][2], mean[4];
    for (int v = 0; v < vectors; v++)
        sum[v][0] = sum[v][1] = square[v][0] = square[v][1] = vf_zero();
    int64_t i = 0;
    for (; i + 2 <= n; i += 2) {
        for (int v = 0; v < vectors; v++) {
            sum[v][0] = sum[v][0] + norm_channel(x + i * step, vectors, v, last);
            sum[v][1] = sum[v][1] + norm_channel(x + (i + 1) * step, vectors, v, last);
        }
    }
    for (int v = 0; v < vectors; v++) {
        if (i < n) sum[v][0] = sum[v][0] + norm_channel(x + i * step, vectors, v, last);
        sum[v][0] = sum[v][0] + sum[v][1];
        mean[v] = sum[v][0] / vf_set1((float)n);
    }
    for (i = 0; i + 2 <= n; i += 2) {
        for (int v = 0; v < vectors; v++) {
            sv_vf a = norm_channel(x + i * step, vectors, v, last) - mean[v];
            sv_vf b = norm_channel(x + (i + 1) * step, vectors, v, last) - mean[v];
            square[v][0] = vf_fma(a, a, square[v][0]);
            square[v][1] = vf_fma(b, b, square[v][1]);
        }
    }
    for (int v = 0; v < vectors; v++) {
        sv_vf a = vf_zero();
        if (i < n) a = norm_channel(x + i * step, vectors, v, last) - mean[v];
        square[v][0] = vf_fma(a, a, square[v][0]) + square[v][1];
        vf_store_n(sum_to + v * SV_VF, sum[v][0], vectors == 1 ? last : SV_VF);
        vf_store_n(square_to + v * SV_VF, square[v][0], vectors == 1 ? last : SV_VF);
    }
}

static void norm_measure_block(const norm_map *map, const float *x, int64_t n, float *sum,
                               float *square)
{
    int64_t c = 0;
    for (; c + 4 * SV_VF <= map->channels; c += 4 * SV_VF)
        norm_measure(x + c, map->x_pixel, n, 4, SV_VF, sum + c, square + c);
    for (; c + 2 * SV_VF <= map->channels; c += 2 * SV_VF)
        norm_measure(x + c, map->x_pixel, n, 2, SV_VF, sum + c, square + c);
    for (; c < map->channels; c += SV_VF) {
        const int64_t left = map->channels - c;
        norm_measure(x + c, map->x_pixel, n, 1, left < SV_VF ? left : SV_VF, sum + c, square + c);
    }
}

/* y = (x - mean) * factor + shift */
static void norm_write_block(const norm_map *map, const float *x, float *y, int64_t n,
                             const float *mean, const float *factor, const float *shift)
{
    for (int64_t i = 0; i < n; i++, x += map->x_pixel, y += map->y_pixel) {
        int64_t c = 0;
        for (; c + SV_VF <= map->channels; c += SV_VF) {
            sv_vf d = vf_load(x + c) - vf_load(mean + c);
            vf_store(y + c, vf_fma(d, vf_load(factor + c), vf_load(shift + c)));
        }
        if (c == map->channels) continue;
        const int64_t m = map->channels - c;
        sv_vf d = vf_load_n(x + c, m) - vf_load_n(mean + c, m);
        vf_store_n(y + c, vf_fma(d, vf_load_n(factor + c, m), vf_load_n(shift + c, m)), m);
    }
}

static void norm_finish_block(const sv_call *call, const norm_map *map, float *y, int64_t n)
{
    if (!call->epilogue->n) return;
    if (map->y_pixel == map->channels) {
        norm_finish(call, y, n * map->channels);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        norm_finish(call, y + i * map->y_pixel, map->channels);
}

/* ---- putting together ------------------------------------------------------------------------ */

/* Sum of x and of the squares of its deviations. */
typedef struct norm_total {
    double sum[NORM_CHANNELS], square[NORM_CHANNELS];
} norm_total;

/* m channels, whose first sum and square are at `sum` and `square`. */
static void norm_add_blocks(const norm_map *map, const float *sum, const float *square, int64_t m,
                            norm_total *out)
{
    for (int64_t c = 0; c < m; c++)
        out->sum[c] = out->square[c] = 0;
    for (int64_t b = 0; b < map->blocks; b++) {
        for (int64_t c = 0; c < m; c++)
            out->sum[c] += (double)sum[b * map->channels + c];
    }
    for (int64_t b = 0; b < map->blocks; b++) {
        const int64_t left = map->pixels - b * map->block;
        const double n = (double)(left < map->block ? left : map->block), inverse = 1 / n;
        for (int64_t c = 0; c < m; c++) {
            double mean = out->sum[c] / (double)map->pixels;
            double d = (double)sum[b * map->channels + c] * inverse - mean;
            out->square[c] += (double)square[b * map->channels + c] + n * d * d;
        }
    }
}

/* A group's totals from those of its channels, chunk by chunk: the sum first, then, with the mean
 * that it gives, the squares. */
static void norm_group(const norm_map *map, const float *sum, const float *square, int64_t first,
                       double epsilon, double *mean, double *inv_std)
{
    const int64_t each = map->channels / map->groups;
    const double pixels = (double)map->pixels;
    double total = 0, squares = 0;
    norm_total part;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t c = 0; c < each; c += NORM_CHANNELS) {
            const int64_t m = each - c < NORM_CHANNELS ? each - c : NORM_CHANNELS;
            norm_add_blocks(map, sum + first + c, square + first + c, m, &part);
            for (int64_t i = 0; i < m; i++) {
                double d = part.sum[i] / pixels - *mean;
                if (pass == 0) total += part.sum[i];
                if (pass == 1) squares += part.square[i] + pixels * d * d;
            }
        }
        *mean = total / (pixels * (double)each);
    }
    *inv_std = 1 / sqrt(squares / (pixels * (double)each) + epsilon);
}

/* A parameter of channel c; `otherwise` where it is absent. */
static float norm_parameter(const sv_call *call, int k, int64_t c, float otherwise)
{
    const float *at = call->ptr[k];
    return call->desc[k].dtype == SV_DTYPE_NONE ? otherwise : at[c * call->desc[k].stride[1]];
}

static void norm_set_channel(const sv_call *call, const norm_table *t, int64_t image, int64_t c,
                             int64_t channels, double mean, double inv_std)
{
    const int64_t at = image * channels + c;
    t->mean[at] = (float)mean;
    t->factor[at] = (float)(inv_std * (double)norm_parameter(call, SV_NORM_SCALE, c, 1));
    /* What the mean loses as f32 goes into the shift. */
    t->shift[at] = (float)((double)norm_parameter(call, SV_NORM_SHIFT, c, 0) -
                           (mean - (double)t->mean[at]) * (double)t->factor[at]);
}

/* Each channel is a set. */
static void norm_put_together_channels(const sv_call *call, const norm_map *map,
                                       const norm_table *t, int64_t image)
{
    const sv_norm_param *param = call->param;
    const int64_t first = image * map->blocks * map->channels;
    const double pixels = (double)map->pixels;
    for (int64_t c = 0; c < map->channels; c += NORM_CHANNELS) {
        const int64_t left = map->channels - c, m = left < NORM_CHANNELS ? left : NORM_CHANNELS;
        norm_total total;
        norm_add_blocks(map, t->sum + first + c, t->square + first + c, m, &total);
        for (int64_t i = 0; i < m; i++) {
            double variance = total.square[i] / pixels;
            norm_set_channel(call, t, image, c + i, map->channels, total.sum[i] / pixels,
                             1 / sqrt(variance + (double)param->epsilon));
        }
    }
}

static void norm_put_together_groups(const sv_call *call, const norm_map *map, const norm_table *t,
                                     int64_t image)
{
    const sv_norm_param *param = call->param;
    const int64_t first = image * map->blocks * map->channels, each = map->channels / map->groups;
    for (int64_t g = 0; g < map->groups; g++) {
        double mean = 0, inv_std = 0;
        norm_group(map, t->sum + first, t->square + first, g * each, (double)param->epsilon, &mean,
                   &inv_std);
        for (int64_t c = g * each; c < (g + 1) * each; c++)
            norm_set_channel(call, t, image, c, map->channels, mean, inv_std);
    }
}

/* ---- the row --------------------------------------------------------------------------------- */

static void norm_columns_block(const sv_call *call, const norm_map *map, const norm_table *t,
                               int64_t unit)
{
    const int64_t image = unit / map->blocks, first = unit % map->blocks * map->block;
    const int64_t left = map->pixels - first, n = left < map->block ? left : map->block;
    const float *x =
        (const float *)call->ptr[SV_NORM_X] + image * map->x_image + first * map->x_pixel;
    float *y = (float *)call->ptr[SV_NORM_Y] + image * map->y_image + first * map->y_pixel;
    const int64_t at = image * map->channels;
    if (call->phase == 0) {
        norm_measure_block(map, x, n, t->sum + unit * map->channels,
                           t->square + unit * map->channels);
        return;
    }
    norm_write_block(map, x, y, n, t->mean + at, t->factor + at, t->shift + at);
    norm_finish_block(call, map, y, n);
}

static void norm_columns_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    norm_map map;
    norm_map_init(&map, call->desc, call->param);
    const norm_table t = norm_table_of(&map, call->shared);
    for (uint32_t unit = begin; unit < end; unit++) {
        if (call->phase != 1) {
            norm_columns_block(call, &map, &t, unit);
        } else if (map.groups == map.channels) {
            norm_put_together_channels(call, &map, &t, unit);
        } else {
            norm_put_together_groups(call, &map, &t, unit);
        }
    }
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_norm_columns) = {
    .name = "norm_columns_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_norm,
    .level = SV_LEVEL,
    .supports = norm_columns_supports,
    .units = norm_columns_units,
    .shared = norm_columns_shared,
    .phases = 3,
    .run = norm_columns_run,
};
