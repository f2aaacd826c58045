/* Sampling at given points: AffineGrid makes the points, GridSample reads an image at them. */
#include "kernels/ref.h"

#include "base/status.h"
#include "ops/support.h"

#include <math.h>

enum { GRID_SPATIAL_MAX = 6 };

/* ---- GridSample ------------------------------------------------------------------------------ */

typedef enum sv_grid_mode { SV_GRID_LINEAR, SV_GRID_NEAREST, SV_GRID_CUBIC } sv_grid_mode;
typedef enum sv_grid_padding { SV_GRID_ZEROS, SV_GRID_BORDER, SV_GRID_REFLECTION } sv_grid_padding;

typedef struct sv_grid_param {
    uint8_t mode, padding;
    bool align_corners;
} sv_grid_param;

static sv_status read_param(const sv_node *node, sv_grid_param *out)
{
    const char *mode = sv_node_text(node, "mode", "linear");
    const char *padding = sv_node_text(node, "padding_mode", "zeros");
    *out = (sv_grid_param){.align_corners = sv_node_int(node, "align_corners", 0) != 0};
    /* Before opset 20 the modes had names of two dimensions. */
    if (strcmp(mode, "nearest") == 0) {
        out->mode = SV_GRID_NEAREST;
    } else if (strcmp(mode, "cubic") == 0 || strcmp(mode, "bicubic") == 0) {
        out->mode = SV_GRID_CUBIC;
    } else if (strcmp(mode, "linear") != 0 && strcmp(mode, "bilinear") != 0) {
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                             "mode: expected linear, nearest or cubic, found '%s'", mode);
    }
    if (strcmp(padding, "border") == 0) {
        out->padding = SV_GRID_BORDER;
    } else if (strcmp(padding, "reflection") == 0) {
        out->padding = SV_GRID_REFLECTION;
    } else if (strcmp(padding, "zeros") != 0) {
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                             "padding_mode: expected zeros, border or reflection, found '%s'",
                             padding);
    }
    return SV_OK;
}

/* Images of any type, strings only where nothing is computed with them; points are floats. */
static sv_status check_types(const sv_infer *x, const sv_grid_param *param)
{
    sv_dtype image = x->in[0].dtype, grid = x->in[1].dtype;
    if (image == SV_STRING && param->mode != SV_GRID_NEAREST)
        return sv_infer_error(x, 0, "expected numbers between which can be interpolated, found %s",
                              sv_dtype_name(image));
    if (grid && !ref_is_float(grid))
        return sv_infer_error(x, 1, "expected a float type, found %s", sv_dtype_name(grid));
    return SV_OK;
}

static sv_status grid_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape, *grid = &x->in[1].shape;
    sv_grid_param param;
    SV_TRY(read_param(x->node, &param));
    x->out[0].dtype = x->in[0].dtype;
    SV_TRY(check_types(x, &param));
    SV_TRY(sv_infer_rank(x, 0, 3, GRID_SPATIAL_MAX + 2));
    SV_TRY(sv_infer_rank(x, 1, 3, GRID_SPATIAL_MAX + 2));
    if (in->rank >= 0 && grid->rank >= 0 && in->rank != grid->rank)
        return sv_infer_error(x, 1, "expected a rank of %d as input 0, found %d", in->rank,
                              grid->rank);
    int32_t rank = in->rank >= 0 ? in->rank : grid->rank;
    if (rank < 0) return SV_OK;
    if (grid->rank >= 0 && grid->dim[rank - 1] >= 0 && grid->dim[rank - 1] != rank - 2) {
        return sv_infer_error(x, 1, "expected points of %d coordinates, found %lld", rank - 2,
                              (long long)grid->dim[rank - 1]);
    }
    if (in->rank >= 0 && grid->rank >= 0 && in->dim[0] >= 0 && grid->dim[0] >= 0 &&
        in->dim[0] != grid->dim[0]) {
        return sv_infer_error(x, 1, "expected a batch of %lld as input 0, found %lld",
                              (long long)in->dim[0], (long long)grid->dim[0]);
    }
    sv_shape shape = sv_infer_symbols(x, rank);
    for (int32_t i = 0; i < 2 && in->rank >= 0; i++)
        shape.dim[i] = in->dim[i];
    for (int32_t i = 2; i < rank && grid->rank >= 0; i++)
        shape.dim[i] = grid->dim[i - 1];
    x->out[0].shape = shape;
    return SV_OK;
}

/* The weights of a point along one dimension, and which elements they are for (-1: zero). */
typedef struct sv_grid_taps {
    int n;
    double weight[4];
    int64_t at[4];
} sv_grid_taps;

/* Reflects x at both borders until it lies between them. */
static double reflect(double x, double low, double high)
{
    double range = high - low;
    if (!(range > 0)) return low;
    double beyond = x < low ? low - x : x - high;
    if (!(beyond > 0)) return x;
    if (!isfinite(beyond)) return low;
    double turns = floor(beyond / range), rest = beyond - turns * range;
    bool even = fmod(turns, 2.0) == 0;
    return even == (x < low) ? low + rest : high - rest;
}

static int64_t to_index(double x)
{
    return x > -1e15 && x < 1e15 ? (int64_t)x : -1;
}

/* The element at index i, or -1 where the padding is zero. */
static int64_t tap_index(const sv_grid_param *p, int64_t i, int64_t size)
{
    if (i >= 0 && i < size) return i;
    if (size == 0 || p->padding == SV_GRID_ZEROS) return -1;
    if (p->padding == SV_GRID_BORDER) return i < 0 ? 0 : size - 1;
    double low = p->align_corners ? 0 : -0.5, high = (double)size - (p->align_corners ? 1 : 0.5);
    int64_t at = to_index(reflect((double)i, low, high));
    return at < 0 ? 0 : at < size ? at : size - 1;
}

static void cubic_weights(double t, double w[4])
{
    const double a = -0.75;
    double u = 1 - t, far = 1 + t, end = 2 - t;
    w[0] = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a;
    w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    w[2] = ((a + 2) * u - (a + 3)) * u * u + 1;
    w[3] = ((a * end - 5 * a) * end + 8 * a) * end - 4 * a;
}

/* The taps of the normalised coordinate `n`. Positions are f32, as the specification computes them.
 */
static void make_taps(const sv_grid_param *p, double n, int64_t size, sv_grid_taps *out)
{
    double length = (double)size;
    double low = p->align_corners ? 0 : -0.5, high = p->align_corners ? length - 1 : length - 0.5;
    double x =
        (double)(float)(p->align_corners ? (n + 1) / 2 * (length - 1) : ((n + 1) * length - 1) / 2);
    if (p->mode == SV_GRID_NEAREST) x = nearbyint(x);
    if (p->padding == SV_GRID_BORDER && (x < low || x > high)) x = x < 0 ? 0 : length - 1;
    if (p->padding == SV_GRID_REFLECTION && (x < low || x > high))
        x = (double)(float)reflect(x, low, high);
    if (!isfinite(x)) x = -1e9;
    double floored = floor(x), t = x - floored;
    int64_t first = to_index(floored);
    *out = (sv_grid_taps){.n = 1, .weight = {1}};
    if (p->mode == SV_GRID_NEAREST) {
        first = to_index(x);
    } else if (p->mode == SV_GRID_LINEAR) {
        out->n = 2;
        out->weight[0] = 1 - t;
        out->weight[1] = t;
    } else {
        out->n = 4;
        first--;
        cubic_weights(t, out->weight);
    }
    for (int i = 0; i < out->n; i++)
        out->at[i] = tap_index(p, first + i, size);
}

/* Where the taps that `index` chooses lie, as an offset of elements; false: outside. */
static bool tap_offset(const sv_desc *x, const sv_grid_taps *taps, const int64_t *index,
                       int64_t *offset)
{
    bool inside = true;
    *offset = 0;
    for (int32_t i = 0; i < x->rank - 2; i++) {
        inside = inside && taps[i].at[index[i]] >= 0;
        *offset += taps[i].at[index[i]] * x->stride[2 + i];
    }
    return inside;
}

/* The weighted sum over all combinations of taps, for one channel. An element is `size` bytes, of
 * which `channel` points at one number of type `part`. */
static double sample(const sv_desc *x, sv_dtype part, size_t size, const char *channel,
                     const sv_grid_taps *taps)
{
    int32_t spatial = x->rank - 2;
    int64_t dim[SV_MAX_RANK], index[SV_MAX_RANK] = {0}, offset;
    double sum = 0;
    for (int32_t i = 0; i < spatial; i++)
        dim[i] = taps[i].n;
    do {
        double weight = 1;
        for (int32_t i = 0; i < spatial; i++)
            weight *= taps[i].weight[index[i]];
        if (tap_offset(x, taps, index, &offset))
            sum += weight * sv_scalar_get_f64(part, channel + offset * (int64_t)size);
    } while (sv_index_next(spatial, dim, index));
    return sum;
}

/* One element of the answer. The nearest one is moved as it is: no type loses anything. */
static void put_sample(const sv_desc *x, bool nearest, const char *channel,
                       const sv_grid_taps *taps, char *to)
{
    static const int64_t first[SV_MAX_RANK];
    size_t size = sv_desc_size(x);
    int64_t offset;
    if (nearest) {
        memset(to, 0, size);
        if (tap_offset(x, taps, first, &offset)) memcpy(to, channel + offset * (int64_t)size, size);
        return;
    }
    sv_dtype part = sv_dtype_part(x->dtype);
    size_t step = sv_dtype_get(part)->size;
    for (size_t at = 0; at < size; at += step)
        sv_scalar_set_f64(part, to + at, sample(x, part, size, channel + at, taps));
}

static sv_rows grid_rows(const sv_desc *y)
{
    return sv_rows_make(y->dim[0] * sv_desc_product(y, 2, y->rank), y->dim[1] * 64);
}

static uint32_t grid_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(grid_rows(&problem->desc[2]));
}

/* A row is one point, for all channels. */
static void grid_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_desc *x = &call->desc[0], *grid = &call->desc[1], *y = &call->desc[2];
    const sv_grid_param *param = call->param;
    int32_t spatial = x->rank - 2;
    int64_t points = sv_desc_product(y, 2, y->rank), size = (int64_t)sv_desc_size(y);
    sv_rows rows = grid_rows(y);
    for (int64_t row = sv_rows_first(rows, begin); row < sv_rows_last(rows, end); row++) {
        sv_grid_taps taps[GRID_SPATIAL_MAX];
        int64_t n = row / points, point = row % points;
        for (int32_t i = 0; i < spatial; i++) {
            /* Coordinates come innermost first. */
            double at = ref_get(grid->dtype, call->ptr[1], row * spatial + spatial - 1 - i);
            make_taps(param, at, x->dim[2 + i], &taps[i]);
        }
        for (int64_t c = 0; c < y->dim[1]; c++) {
            const char *from = call->ptr[0];
            char *to = call->ptr[2];
            put_sample(x, param->mode == SV_GRID_NEAREST,
                       from + (n * x->stride[0] + c * x->stride[1]) * size, taps,
                       to + ((n * y->dim[1] + c) * points + point) * size);
        }
    }
}

static const sv_kernel grid_kernel = {
    .name = "custom_grid_sample", .family = SV_FAMILY_custom, .units = grid_units, .run = grid_run};

/* ---- by way of taps, for f32 ----------------------------------------------------------------- */

/* The sum behind each point as elements of a plane with their weights: what the sample family
 * takes.
 */
typedef struct sv_grid_taps_param {
    sv_grid_param grid;
    int32_t spatial;
    int64_t size[GRID_SPATIAL_MAX]; /* of x */
    int64_t taps;
} sv_grid_taps_param;

/* Operands: grid, at, weight. */
static sv_rows grid_taps_rows(const sv_desc *at)
{
    return sv_rows_make(at->dim[0] * at->dim[1], at->dim[2] * 64);
}

static uint32_t grid_taps_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(grid_taps_rows(&problem->desc[1]));
}

/* All pairs of the taps of one point of a plane. */
static void combine_pairs(int64_t width, const sv_grid_taps taps[2], int32_t *at, float *weight)
{
    for (int i = 0; i < taps[0].n; i++) {
        for (int k = 0; k < taps[1].n; k++) {
            const bool inside = taps[0].at[i] >= 0 && taps[1].at[k] >= 0;
            *at++ = inside ? (int32_t)(taps[0].at[i] * width + taps[1].at[k]) : 0;
            *weight++ = inside ? (float)(taps[0].weight[i] * taps[1].weight[k]) : 0;
        }
    }
}

/* All combinations of the taps of one point. */
static void combine_taps(const sv_grid_taps_param *p, const sv_grid_taps *taps, int32_t *at,
                         float *weight)
{
    int64_t n = 1;
    at[0] = 0;
    weight[0] = 1;
    double exact[64] = {1};
    for (int32_t i = 0; i < p->spatial; i++) {
        for (int64_t k = n; k-- > 0;) {
            const double w = exact[k];
            const int32_t base = at[k];
            for (int t = taps[i].n; t-- > 0;) {
                const bool inside = taps[i].at[t] >= 0;
                const int64_t to = k * taps[i].n + t;
                exact[to] = inside ? w * taps[i].weight[t] : 0;
                at[to] = (int32_t)(base * p->size[i] + (inside ? taps[i].at[t] : 0));
            }
        }
        n *= taps[i].n;
    }
    for (int64_t k = 0; k < n; k++)
        weight[k] = (float)exact[k];
}

static void grid_taps_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_grid_taps_param *p = call->param;
    sv_rows rows = grid_taps_rows(&call->desc[1]);
    for (int64_t row = sv_rows_first(rows, begin); row < sv_rows_last(rows, end); row++) {
        sv_grid_taps taps[GRID_SPATIAL_MAX];
        for (int32_t i = 0; i < p->spatial; i++) {
            double at =
                ref_get(call->desc[0].dtype, call->ptr[0], row * p->spatial + p->spatial - 1 - i);
            make_taps(&p->grid, at, p->size[i], &taps[i]);
        }
        int32_t *to = (int32_t *)call->ptr[1] + row * p->taps;
        float *weight = (float *)call->ptr[2] + row * p->taps;
        if (p->spatial == 2) {
            combine_pairs(p->size[1], taps, to, weight);
        } else {
            combine_taps(p, taps, to, weight);
        }
    }
}

static const sv_kernel grid_taps_kernel = {.name = "custom_grid_taps",
                                           .family = SV_FAMILY_custom,
                                           .units = grid_taps_units,
                                           .run = grid_taps_run};

/* Whether the points' taps fit in tables that are worth it. */
static bool takes_taps(const sv_emit *e, const sv_grid_param *grid, sv_grid_taps_param *out)
{
    const sv_type *x = sv_emit_type(e, 0), *y = sv_emit_type(e, sv_emit_out(e, 0));
    const int64_t each = grid->mode == SV_GRID_NEAREST ? 1 : grid->mode == SV_GRID_LINEAR ? 2 : 4;
    int64_t plane, points;
    *out = (sv_grid_taps_param){.grid = *grid, .spatial = x->shape.rank - 2, .taps = 1};
    if (x->dtype != SV_F32 || out->spatial > 3) return false;
    for (int32_t i = 0; i < out->spatial; i++) {
        out->size[i] = x->shape.dim[2 + i];
        out->taps *= each;
    }
    return sv_shape_count_range(&x->shape, 2, x->shape.rank, &plane) &&
           sv_shape_count_range(&y->shape, 2, y->shape.rank, &points) && plane < INT32_MAX &&
           points < INT32_MAX;
}

static sv_status grid_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_grid_param param;
    sv_grid_taps_param taps;
    SV_TRY(read_param(e->node, &param));
    if (!takes_taps(e, &param, &taps)) return sv_emit_run(e, &grid_kernel, &param, sizeof(param));
    const sv_shape *y = &sv_emit_type(e, sv_emit_out(e, 0))->shape;
    sv_shape table = {.rank = 3, .dim = {y->dim[0], 1, taps.taps}};
    for (int32_t i = 2; i < y->rank; i++)
        table.dim[1] *= y->dim[i];
    sv_slot at, weight;
    SV_TRY(sv_emit_temp(e, SV_I32, &table, &at));
    SV_TRY(sv_emit_temp(e, SV_F32, &table, &weight));
    sv_ref make[3] = {sv_ref_dense(1), sv_ref_dense(at), sv_ref_dense(weight)};
    SV_TRY(sv_emit_custom(e, &grid_taps_kernel, &taps, sizeof(taps), 3, make, 6));
    return sv_emit_sample(e, 0, SV_NO_SLOT, at, weight, sv_emit_out(e, 0));
}

const sv_op_desc sv_op_desc_GridSample = {.op = SV_OP_GridSample,
                                          .min_in = 2,
                                          .max_in = 2,
                                          .min_out = 1,
                                          .max_out = 1,
                                          .infer = grid_infer,
                                          .emit = grid_emit};

/* ---- AffineGrid ------------------------------------------------------------------------------ */

typedef struct sv_affine_param {
    bool align_corners;
} sv_affine_param;

static sv_status affine_infer(sv_infer *x)
{
    const sv_shape *theta = &x->in[0].shape;
    int64_t size[64];
    uint32_t n;
    x->out[0].dtype = x->in[0].dtype;
    SV_TRY(sv_infer_rank(x, 0, 3, 3));
    bool known = sv_infer_ints(x, 1, size, &n);
    if (!known) {
        int64_t length = sv_infer_length(x, 1);
        if (length < 0 && theta->rank == 3 && theta->dim[1] >= 0) length = theta->dim[1] + 2;
        if (length == 4 || length == 5) x->out[0].shape = sv_infer_symbols(x, (int32_t)length);
        return SV_OK;
    }
    if (n != 4 && n != 5) return sv_infer_error(x, 1, "expected 4 or 5 sizes, found %u", n);
    int64_t spatial = n - 2;
    bool fits = theta->rank < 0 || ((theta->dim[0] < 0 || theta->dim[0] == size[0]) &&
                                    (theta->dim[1] < 0 || theta->dim[1] == spatial) &&
                                    (theta->dim[2] < 0 || theta->dim[2] == spatial + 1));
    if (!fits) {
        char text[SV_SHAPE_TEXT];
        return sv_infer_error(x, 0, "expected [%lld,%lld,%lld], found %s", (long long)size[0],
                              (long long)spatial, (long long)spatial + 1,
                              sv_shape_text(theta, text));
    }
    sv_shape shape = {.rank = (int32_t)n, .dim = {size[0]}};
    for (int32_t i = 0; i < (int32_t)n; i++) {
        if (size[i] < 0)
            return sv_infer_error(x, 1, "expected sizes of at least 0, found %lld",
                                  (long long)size[i]);
        if (i >= 2) shape.dim[i - 1] = size[i];
    }
    shape.dim[n - 1] = spatial;
    x->out[0].shape = shape;
    return SV_OK;
}

/* Position i of `size` evenly spaced ones in [-1, 1]. */
static double even_position(int64_t i, int64_t size, bool align_corners)
{
    if (align_corners) return size > 1 ? -1 + 2.0 * (double)i / (double)(size - 1) : -1;
    return (2.0 * (double)i + 1) / (double)size - 1;
}

static void affine_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    (void)begin;
    (void)end;
    const sv_affine_param *param = call->param;
    const sv_desc *grid = &call->desc[2];
    int32_t spatial = grid->rank - 2;
    int64_t index[SV_MAX_RANK] = {0}, point = 0;
    if (sv_desc_count(grid) == 0) return;
    do {
        double at[4];
        for (int32_t i = 0; i < spatial; i++)
            at[spatial - 1 - i] =
                even_position(index[1 + i], grid->dim[1 + i], param->align_corners);
        at[spatial] = 1;
        for (int32_t r = 0; r < spatial; r++) {
            double sum = 0;
            for (int32_t c = 0; c <= spatial; c++) {
                int64_t from = (index[0] * spatial + r) * (spatial + 1) + c;
                sum += ref_get(call->desc[0].dtype, call->ptr[0], from) * at[c];
            }
            ref_put(grid->dtype, call->ptr[2], point * spatial + r, sum);
        }
        point++;
    } while (sv_index_next(grid->rank - 1, grid->dim, index));
}

static const sv_kernel affine_kernel = {
    .name = "custom_affine_grid", .family = SV_FAMILY_custom, .run = affine_run};

static sv_status float_operand(const sv_emit *e, uint32_t input)
{
    sv_dtype dtype = sv_emit_type(e, input)->dtype;
    if (ref_is_float(dtype)) return SV_OK;
    return sv_node_error(e->node, SV_CODE_UNIMPLEMENTED,
                         "input %u: expected a float type, found %s", input, sv_dtype_name(dtype));
}

static sv_status affine_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_affine_param param = {.align_corners = sv_node_int(e->node, "align_corners", 0) != 0};
    SV_TRY(float_operand(e, 0));
    return sv_emit_run(e, &affine_kernel, &param, sizeof(param));
}

const sv_op_desc sv_op_desc_AffineGrid = {.op = SV_OP_AffineGrid,
                                          .min_in = 2,
                                          .max_in = 2,
                                          .min_out = 1,
                                          .max_out = 1,
                                          .infer = affine_infer,
                                          .emit = affine_emit};
