/* Pooling over regions of interest: RoiAlign (samples between pixels) and MaxRoiPool (whole
 * pixels). */
#include "kernels/ref.h"

#include "base/status.h"
#include "ops/support.h"

#include <math.h>

/* Samples of one bin along one dimension; more say that the region is no region of this image. */
#define ROI_SAMPLES_MAX 65536

typedef struct sv_roi_param {
    bool maximum, half_pixel;
    int64_t height, width, samples; /* samples 0: as many as the bin has pixels */
    float scale;
} sv_roi_param;

static sv_status read_size(const sv_node *node, const char *name, int64_t value, int64_t *out)
{
    *out = value;
    if (value >= 1 && value <= INT32_MAX) return SV_OK;
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT, "%s: expected at least 1, found %lld",
                         name, (long long)value);
}

static sv_status read_align(const sv_node *node, sv_roi_param *out)
{
    const char *mode = sv_node_text(node, "mode", "avg");
    const char *shift = sv_node_text(node, "coordinate_transformation_mode", "half_pixel");
    *out = (sv_roi_param){.maximum = strcmp(mode, "max") == 0,
                          .half_pixel = strcmp(shift, "half_pixel") == 0,
                          .samples = sv_node_int(node, "sampling_ratio", 0),
                          .scale = sv_node_float(node, "spatial_scale", 1.0f)};
    if (!out->maximum && strcmp(mode, "avg") != 0)
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                             "mode: expected avg or max, found '%s'", mode);
    if (!out->half_pixel && strcmp(shift, "output_half_pixel") != 0)
        return sv_node_error(
            node, SV_CODE_INVALID_ARGUMENT,
            "coordinate_transformation_mode: expected half_pixel or output_half_pixel, "
            "found '%s'",
            shift);
    if (out->samples < 0 || out->samples > ROI_SAMPLES_MAX)
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                             "sampling_ratio: expected 0 to %d, found %lld", ROI_SAMPLES_MAX,
                             (long long)out->samples);
    SV_TRY(read_size(node, "output_height", sv_node_int(node, "output_height", 1), &out->height));
    return read_size(node, "output_width", sv_node_int(node, "output_width", 1), &out->width);
}

static sv_status read_pool(const sv_node *node, sv_roi_param *out)
{
    uint32_t n;
    const int64_t *shape = sv_node_ints(node, "pooled_shape", &n);
    if (n != 2)
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                             "pooled_shape: expected 2 values, found %u", n);
    *out = (sv_roi_param){.maximum = true, .scale = sv_node_float(node, "spatial_scale", 1.0f)};
    SV_TRY(read_size(node, "pooled_shape", shape[0], &out->height));
    return read_size(node, "pooled_shape", shape[1], &out->width);
}

static sv_status read_param(const sv_node *node, sv_roi_param *out)
{
    return node->op == SV_OP_RoiAlign ? read_align(node, out) : read_pool(node, out);
}

static sv_status roi_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape, *rois = &x->in[1].shape;
    int64_t columns = x->node->op == SV_OP_RoiAlign ? 4 : 5;
    sv_roi_param param;
    x->out[0].dtype = x->in[0].dtype;
    SV_TRY(read_param(x->node, &param));
    SV_TRY(sv_infer_rank(x, 0, 4, 4));
    SV_TRY(sv_infer_rank(x, 1, 2, 2));
    SV_TRY(sv_infer_rank(x, 2, 1, 1));
    SV_TRY(sv_infer_same_dtype(x, 0, 1));
    if (rois->rank == 2 && rois->dim[1] >= 0 && rois->dim[1] != columns)
        return sv_infer_error(x, 1, "expected rows of %lld, found %lld", (long long)columns,
                              (long long)rois->dim[1]);
    sv_shape shape = sv_infer_symbols(x, 4);
    if (rois->rank == 2) shape.dim[0] = rois->dim[0];
    if (in->rank == 4) shape.dim[1] = in->dim[1];
    shape.dim[2] = param.height;
    shape.dim[3] = param.width;
    x->out[0].shape = shape;
    return SV_OK;
}

/* A region in pixels of x; `image` is -1 where the data name none. */
typedef struct sv_roi {
    int64_t image;
    double top, left, bin_height, bin_width;
} sv_roi;

/* ---- RoiAlign -------------------------------------------------------------------------------- */

/* The four neighbours of a point, with their weights; weights are 0 outside the image. */
static double sample_point(const sv_call *call, int64_t base, double y, double x, bool maximum)
{
    const sv_desc *in = &call->desc[0];
    double height = (double)in->dim[2], width = (double)in->dim[3];
    if (!(y >= -1 && y <= height && x >= -1 && x <= width)) return 0;
    y = y > 0 ? y : 0;
    x = x > 0 ? x : 0;
    int64_t low[2] = {(int64_t)y, (int64_t)x}, high[2];
    double at[2] = {y, x}, value[4];
    for (int i = 0; i < 2; i++) {
        int64_t last = in->dim[2 + i] - 1;
        if (low[i] >= last) {
            low[i] = last;
            at[i] = (double)last;
        }
        high[i] = low[i] < last ? low[i] + 1 : last;
        at[i] -= (double)low[i];
    }
    for (int i = 0; i < 4; i++) {
        int64_t row = i & 2 ? high[0] : low[0], column = i & 1 ? high[1] : low[1];
        double weight = (i & 2 ? at[0] : 1 - at[0]) * (i & 1 ? at[1] : 1 - at[1]);
        value[i] = weight * ref_get(in->dtype, call->ptr[0], base + row * in->dim[3] + column);
    }
    /* The specification's maximum is over the weighted neighbours, not over their sum. */
    if (maximum) return fmax(fmax(value[0], value[1]), fmax(value[2], value[3]));
    return value[0] + value[1] + value[2] + value[3];
}

static double align_bin(const sv_call *call, const sv_roi *roi, int64_t base, int64_t row,
                        int64_t column, const int64_t samples[2])
{
    const sv_roi_param *p = call->param;
    double result = 0;
    for (int64_t i = 0; i < samples[0]; i++) {
        double y =
            roi->top + ((double)row + ((double)i + 0.5) / (double)samples[0]) * roi->bin_height;
        for (int64_t j = 0; j < samples[1]; j++) {
            double x = roi->left +
                       ((double)column + ((double)j + 0.5) / (double)samples[1]) * roi->bin_width;
            double value = sample_point(call, base, y, x, p->maximum);
            bool first = i == 0 && j == 0;
            result = p->maximum ? (first || value > result ? value : result) : result + value;
        }
    }
    if (p->maximum || samples[0] * samples[1] < 1) return result;
    return result / (double)(samples[0] * samples[1]);
}

/* How many samples a bin of this size has; a fault and 0 when it is no size. */
static int64_t sample_count(const sv_call *call, uint32_t unit, double size)
{
    const sv_roi_param *p = call->param;
    if (p->samples > 0) return p->samples;
    double count = ceil(size);
    if (count <= ROI_SAMPLES_MAX) return count > 0 ? (int64_t)count : 0;
    sv_call_fault(call, unit, "size of a region's bin", INT64_MAX, 0, ROI_SAMPLES_MAX);
    return 0;
}

/* ---- MaxRoiPool ------------------------------------------------------------------------------ */

static int64_t clamp(double value, int64_t high)
{
    return value > 0 ? (value < (double)high ? (int64_t)value : high) : 0;
}

static double pool_bin(const sv_call *call, const sv_roi *roi, int64_t base, int64_t row,
                       int64_t column)
{
    const sv_desc *in = &call->desc[0];
    int64_t y0 = clamp(roi->top + floor((double)row * roi->bin_height), in->dim[2]);
    int64_t y1 = clamp(roi->top + ceil((double)(row + 1) * roi->bin_height), in->dim[2]);
    int64_t x0 = clamp(roi->left + floor((double)column * roi->bin_width), in->dim[3]);
    int64_t x1 = clamp(roi->left + ceil((double)(column + 1) * roi->bin_width), in->dim[3]);
    double best = -INFINITY;
    for (int64_t y = y0; y < y1; y++) {
        for (int64_t x = x0; x < x1; x++)
            best = fmax(best, ref_get(in->dtype, call->ptr[0], base + y * in->dim[3] + x));
    }
    return y1 > y0 && x1 > x0 ? best : 0;
}

/* ---- both ------------------------------------------------------------------------------------ */

static void read_roi(const sv_call *call, uint32_t unit, int64_t r, sv_roi *out)
{
    const sv_roi_param *p = call->param;
    bool align = call->ptr[2] != NULL;
    const sv_desc *rois = &call->desc[1];
    int64_t images = call->desc[0].dim[0], at = r * rois->dim[1] + !align;
    double corner[4], batch = 0, shift = p->half_pixel ? 0.5 : 0;
    for (int i = 0; i < 4; i++)
        corner[i] = ref_get(rois->dtype, call->ptr[1], at + i) * (double)p->scale - shift;
    if (!align) {
        for (int i = 0; i < 4; i++)
            corner[i] = round(corner[i]);
        batch = ref_get(rois->dtype, call->ptr[1], at - 1);
    }
    double width = corner[2] - corner[0] + (align ? 0 : 1),
           height = corner[3] - corner[1] + (align ? 0 : 1);
    if (!p->half_pixel) {
        width = fmax(width, 1.0);
        height = fmax(height, 1.0);
    }
    int64_t image =
        align ? sv_index_at(call->desc[2].dtype, call->ptr[2], r) : clamp(batch, INT32_MAX);
    *out = (sv_roi){.image = image,
                    .top = corner[1],
                    .left = corner[0],
                    .bin_height = height / (double)p->height,
                    .bin_width = width / (double)p->width};
    if ((image >= 0 && image < images) && (align || batch >= 0)) return;
    sv_call_fault(call, unit, "index of an image", image, 0, images);
    out->image = -1;
}

static uint32_t roi_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    int64_t units = problem->desc[3].dim[0];
    return (uint32_t)(units < UINT32_MAX ? units : UINT32_MAX);
}

/* A unit is one region, for all channels. */
static void roi_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_roi_param *p = call->param;
    const sv_desc *in = &call->desc[0], *y = &call->desc[3];
    int64_t plane = in->dim[2] * in->dim[3], bins = p->height * p->width;
    for (uint32_t unit = begin; unit < end; unit++) {
        sv_roi roi;
        read_roi(call, unit, unit, &roi);
        bool align = call->ptr[2] != NULL;
        int64_t samples[2] = {0, 0};
        if (align) samples[0] = sample_count(call, unit, roi.bin_height);
        if (align) samples[1] = sample_count(call, unit, roi.bin_width);
        for (int64_t i = 0; i < y->dim[1] * bins; i++) {
            int64_t c = i / bins, row = i / p->width % p->height, column = i % p->width;
            double value = 0;
            if (roi.image >= 0 && plane > 0) {
                int64_t base = (roi.image * in->dim[1] + c) * plane;
                value = align ? align_bin(call, &roi, base, row, column, samples)
                              : pool_bin(call, &roi, base, row, column);
            }
            ref_put(y->dtype, call->ptr[3], unit * y->dim[1] * bins + i, value);
        }
    }
}

static const sv_kernel roi_kernel = {
    .name = "custom_roi_pool", .family = SV_FAMILY_custom, .units = roi_units, .run = roi_run};

/* ---- RoiAlign by way of taps, for f32 -------------------------------------------------------- */

/* More samples of a bin along one dimension than tables are worth. */
enum { TAPPED_SAMPLES = 4 };

/* The four neighbours of a point with their share of `weight`; 0 outside the image. */
static void point_taps(const sv_desc *in, double y, double x, double weight, int32_t *at, float *w)
{
    const double point[2] = {y, x};
    int64_t low[2], high[2];
    double rest[2];
    bool inside = true;
    for (int i = 0; i < 2; i++) {
        const int64_t size = in->dim[2 + i];
        const double limit = (double)size;
        inside = inside && point[i] >= -1 && point[i] <= limit;
        double p = inside && point[i] > 0 ? point[i] : 0;
        low[i] = (int64_t)p;
        if (low[i] >= size - 1) {
            low[i] = size - 1;
            p = (double)low[i];
        }
        high[i] = low[i] < size - 1 ? low[i] + 1 : low[i];
        rest[i] = p - (double)low[i];
    }
    for (int i = 0; i < 4; i++) {
        const int64_t row = i & 2 ? high[0] : low[0], column = i & 1 ? high[1] : low[1];
        const double share = (i & 2 ? rest[0] : 1 - rest[0]) * (i & 1 ? rest[1] : 1 - rest[1]);
        at[i] = inside ? (int32_t)(row * in->dim[3] + column) : 0;
        w[i] = inside ? (float)(share * weight) : 0;
    }
}

/* Operands: x (for its size alone), regions, images, image, at, weight. */
static void align_taps(const sv_call *call, const sv_roi *roi, int32_t *at, float *weight)
{
    const sv_roi_param *p = call->param;
    const sv_desc *in = &call->desc[0];
    const int64_t s = p->samples;
    const double share = 1 / (double)(s * s);
    for (int64_t bin = 0; bin < p->height * p->width; bin++) {
        for (int64_t i = 0; i < s * s; i++, at += 4, weight += 4) {
            const int64_t cell[2] = {bin / p->width, bin % p->width}, part[2] = {i / s, i % s};
            const double row = (double)cell[0] + ((double)part[0] + 0.5) / (double)s;
            const double column = (double)cell[1] + ((double)part[1] + 0.5) / (double)s;
            point_taps(in, roi->top + row * roi->bin_height, roi->left + column * roi->bin_width,
                       share, at, weight);
        }
    }
}

static uint32_t align_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return (uint32_t)problem->desc[4].dim[0];
}

/* A unit is one region. */
static void align_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const int64_t each = call->desc[4].dim[1] * call->desc[4].dim[2];
    const int64_t plane = call->desc[0].dim[2] * call->desc[0].dim[3];
    for (uint32_t unit = begin; unit < end; unit++) {
        int32_t *at = (int32_t *)call->ptr[4] + unit * each;
        float *weight = (float *)call->ptr[5] + unit * each;
        sv_roi roi;
        read_roi(call, unit, unit, &roi);
        ((int32_t *)call->ptr[3])[unit] = roi.image < 0 ? 0 : (int32_t)roi.image;
        if (roi.image < 0 || !plane) {
            memset(at, 0, (size_t)each * sizeof(*at));
            memset(weight, 0, (size_t)each * sizeof(*weight));
        } else {
            align_taps(call, &roi, at, weight);
        }
    }
}

static const sv_kernel align_kernel = {
    .name = "custom_roi_taps", .family = SV_FAMILY_custom, .units = align_units, .run = align_run};

/* Whether as many samples are taken of every bin, and their tables fit. */
static bool takes_taps(const sv_emit *e, const sv_roi_param *p)
{
    const sv_type *x = sv_emit_type(e, 0);
    int64_t plane;
    return e->node->op == SV_OP_RoiAlign && x->dtype == SV_F32 && !p->maximum && p->samples > 0 &&
           p->samples <= TAPPED_SAMPLES && sv_shape_count_range(&x->shape, 2, 4, &plane) &&
           plane < INT32_MAX && sv_emit_type(e, 1)->shape.dim[0] < INT32_MAX &&
           p->height * p->width < INT32_MAX;
}

static sv_status emit_taps(sv_emit *e, const sv_roi_param *p)
{
    const int64_t rois = sv_emit_type(e, 1)->shape.dim[0];
    const sv_shape table = {.rank = 3,
                            .dim = {rois, p->height * p->width, 4 * p->samples * p->samples}};
    sv_slot image, at, weight;
    SV_TRY(sv_emit_temp(e, SV_I32, &(sv_shape){1, {rois}}, &image));
    SV_TRY(sv_emit_temp(e, SV_I32, &table, &at));
    SV_TRY(sv_emit_temp(e, SV_F32, &table, &weight));
    sv_ref ref[6] = {sv_ref_any(0),       sv_ref_dense(1),  sv_ref_dense(2),
                     sv_ref_dense(image), sv_ref_dense(at), sv_ref_dense(weight)};
    SV_TRY(sv_emit_custom(e, &align_kernel, p, sizeof(*p), 6, ref, 0x38));
    return sv_emit_sample(e, 0, image, at, weight, sv_emit_out(e, 0));
}

/* ---- the operators --------------------------------------------------------------------------- */

static sv_status roi_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_roi_param param;
    SV_TRY(read_param(e->node, &param));
    bool align = e->node->op == SV_OP_RoiAlign;
    if (align && sv_emit_type(e, 2)->shape.dim[0] != sv_emit_type(e, 1)->shape.dim[0])
        return sv_node_error(e->node, SV_CODE_INVALID_ARGUMENT,
                             "input 2: expected %lld values as input 1 has rows, found %lld",
                             (long long)sv_emit_type(e, 1)->shape.dim[0],
                             (long long)sv_emit_type(e, 2)->shape.dim[0]);
    if (takes_taps(e, &param)) return emit_taps(e, &param);
    sv_ref ref[4] = {sv_ref_dense(0), sv_ref_dense(1), sv_ref_dense(align ? 2 : SV_NO_SLOT),
                     sv_ref_dense(sv_emit_out(e, 0))};
    return sv_emit_custom(e, &roi_kernel, &param, sizeof(param), 4, ref, 8);
}

const sv_op_desc sv_op_desc_RoiAlign = {.op = SV_OP_RoiAlign,
                                        .min_in = 3,
                                        .max_in = 3,
                                        .min_out = 1,
                                        .max_out = 1,
                                        .infer = roi_infer,
                                        .emit = roi_emit};
const sv_op_desc sv_op_desc_MaxRoiPool = {.op = SV_OP_MaxRoiPool,
                                          .min_in = 2,
                                          .max_in = 2,
                                          .min_out = 1,
                                          .max_out = 1,
                                          .infer = roi_infer,
                                          .emit = roi_emit};
