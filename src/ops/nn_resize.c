/* Resize: sizes, scales and regions become one scale and one region per dimension for the resize
 * family. Sampling at given points (GridSample, AffineGrid) is in nn_grid.c. */
#include "kernels/nn.h"

#include "base/status.h"
#include "ops/support.h"

#include <math.h>

enum { ROI = 1, SCALES = 2, SIZES = 3 };

/* A size that follows from values or sizes not known yet; symbols are other negative numbers. */
#define UNKNOWN_SIZE INT64_MIN

/* Sizes and scales of all dimensions. */
typedef struct sv_resizing {
    int64_t size[SV_MAX_RANK]; /* or a symbol, or UNKNOWN_SIZE */
    double scale[SV_MAX_RANK];
    double roi_start[SV_MAX_RANK], roi_end[SV_MAX_RANK];
} sv_resizing;

/* What inputs say once their values are known. */
typedef struct sv_resize_inputs {
    const sv_node *node;
    const sv_tensor *roi, *scales, *sizes; /* NULL: absent, empty or not known */
    bool crop;                             /* the region counts */
} sv_resize_inputs;

static bool is_crop(const sv_node *node)
{
    return strcmp(sv_node_text(node, "coordinate_transformation_mode", "half_pixel"),
                  "tf_crop_and_resize") == 0;
}

/* The dimensions that the inputs' values are about, in their order. */
static sv_status read_axes(const sv_node *node, int32_t rank, int32_t axis[SV_MAX_RANK],
                           uint32_t *count)
{
    uint32_t n;
    const int64_t *axes = sv_node_ints(node, "axes", &n);
    sv_shape shape = {.rank = rank};
    if (!axes) {
        for (int32_t i = 0; i < rank; i++)
            axis[i] = i;
        *count = (uint32_t)rank;
        return SV_OK;
    }
    if (n > (uint32_t)rank)
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                             "axes: expected at most %d values, found %u", rank, n);
    for (uint32_t i = 0; i < n; i++) {
        if (!sv_shape_axis(&shape, axes[i], &axis[i]))
            return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                                 "axes: expected values in [%d, %d), found %lld", -rank, rank,
                                 (long long)axes[i]);
    }
    *count = n;
    return SV_OK;
}

static sv_status expect_count(const sv_node *node, uint32_t input, const sv_tensor *value,
                              int64_t want)
{
    int64_t found = sv_tensor_count(value);
    if (found == want) return SV_OK;
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                         "input %u: expected %lld values, found %lld", input, (long long)want,
                         (long long)found);
}

static sv_status read_roi(const sv_resize_inputs *in, const int32_t *axis, uint32_t n,
                          sv_resizing *r)
{
    if (!in->crop || !in->roi) return SV_OK;
    SV_TRY(expect_count(in->node, ROI, in->roi, 2 * (int64_t)n));
    for (uint32_t i = 0; i < n; i++) {
        r->roi_start[axis[i]] = sv_tensor_get_f64(in->roi, i);
        r->roi_end[axis[i]] = sv_tensor_get_f64(in->roi, (int64_t)n + i);
    }
    return SV_OK;
}

/* The size that a scale gives; in f32, as the scales are, so that 0.9 of 10 is 9. */
static sv_status scaled_size(const sv_resize_inputs *in, int64_t size, double share, float scale,
                             int64_t *out)
{
    float exact = (float)((double)((float)size * scale) * share);
    if (!(scale > 0) || !(exact < 9e15f)) {
        return sv_node_error(in->node, SV_CODE_INVALID_ARGUMENT,
                             "input 2: expected finite scales above 0, found %g", (double)scale);
    }
    *out = exact < 0 ? 0 : (int64_t)floorf(exact);
    return SV_OK;
}

static sv_status by_scales(const sv_resize_inputs *in, const sv_shape *x, const int32_t *axis,
                           uint32_t n, sv_resizing *r)
{
    SV_TRY(expect_count(in->node, SCALES, in->scales, n));
    for (uint32_t i = 0; i < n; i++) {
        int32_t d = axis[i];
        r->scale[d] = sv_tensor_get_f64(in->scales, i);
        double share = in->crop ? r->roi_end[d] - r->roi_start[d] : 1.0;
        r->size[d] = UNKNOWN_SIZE;
        if (x->dim[d] >= 0)
            SV_TRY(scaled_size(in, x->dim[d], share, (float)r->scale[d], &r->size[d]));
    }
    return SV_OK;
}

/* One scale for all axes, the least or the greatest of what the sizes ask for. */
static void keep_ratio(const sv_shape *x, const int32_t *axis, uint32_t n, bool larger,
                       sv_resizing *r)
{
    double scale = r->scale[axis[0]];
    for (uint32_t i = 1; i < n; i++) {
        double other = r->scale[axis[i]];
        if (larger ? other > scale : other < scale) scale = other;
    }
    for (uint32_t i = 0; i < n; i++) {
        r->scale[axis[i]] = scale;
        r->size[axis[i]] = (int64_t)floor(scale * (double)x->dim[axis[i]] + 0.5);
    }
}

static sv_status by_sizes(const sv_resize_inputs *in, const sv_shape *x, const int32_t *axis,
                          uint32_t n, sv_resizing *r)
{
    const char *policy = sv_node_text(in->node, "keep_aspect_ratio_policy", "stretch");
    bool stretch = strcmp(policy, "stretch") == 0, larger = strcmp(policy, "not_smaller") == 0;
    bool known = true;
    if (!stretch && !larger && strcmp(policy, "not_larger") != 0) {
        return sv_node_error(
            in->node, SV_CODE_INVALID_ARGUMENT,
            "keep_aspect_ratio_policy: expected stretch, not_larger or not_smaller, "
            "found '%s'",
            policy);
    }
    SV_TRY(expect_count(in->node, SIZES, in->sizes, n));
    for (uint32_t i = 0; i < n; i++) {
        int32_t d = axis[i];
        int64_t size = sv_tensor_get_i64(in->sizes, i);
        if (size < 0 || size > (int64_t)1 << 40)
            return sv_node_error(in->node, SV_CODE_INVALID_ARGUMENT,
                                 "input 3: expected sizes of at least 0, found %lld",
                                 (long long)size);
        r->size[d] = size;
        known = known && x->dim[d] >= 0;
        r->scale[d] = x->dim[d] > 0 ? (double)size / (double)x->dim[d] : 1.0;
    }
    if (stretch || n == 0) return SV_OK;
    if (known) {
        keep_ratio(x, axis, n, larger, r);
    } else {
        for (uint32_t i = 0; i < n; i++)
            r->size[axis[i]] = UNKNOWN_SIZE;
    }
    return SV_OK;
}

static sv_status resolve(const sv_resize_inputs *in, const sv_shape *x, sv_resizing *r)
{
    int32_t axis[SV_MAX_RANK];
    uint32_t n;
    for (int32_t i = 0; i < x->rank; i++) {
        r->size[i] = x->dim[i];
        r->scale[i] = 1.0;
        r->roi_start[i] = 0.0;
        r->roi_end[i] = 1.0;
    }
    SV_TRY(read_axes(in->node, x->rank, axis, &n));
    SV_TRY(read_roi(in, axis, n, r));
    if (in->sizes) return by_sizes(in, x, axis, n, r);
    if (in->scales) return by_scales(in, x, axis, n, r);
    for (uint32_t i = 0; i < n; i++)
        r->size[axis[i]] = UNKNOWN_SIZE;
    return SV_OK;
}

static const sv_tensor *not_empty(const sv_tensor *value)
{
    return value && sv_tensor_count(value) > 0 ? value : NULL;
}

/* Whether the input is there and not known to be empty: exporters write empty tensors for absent
 * ones. */
static bool is_given(const sv_infer *x, uint32_t input)
{
    if (!sv_infer_has(x, input)) return false;
    const sv_shape *shape = &x->in[input].shape;
    return !(shape->rank == 1 && shape->dim[0] == 0);
}

static sv_status resize_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    sv_resize_inputs inputs = {.node = x->node, .crop = is_crop(x->node)};
    sv_resizing r;
    x->out[0].dtype = x->in[0].dtype;
    if (!is_given(x, SCALES) && !is_given(x, SIZES))
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "expected scales or sizes, found neither");
    if (inputs.crop && is_given(x, ROI)) inputs.roi = not_empty(sv_infer_value(x, ROI));
    if (is_given(x, SIZES)) {
        inputs.sizes = not_empty(sv_infer_value(x, SIZES));
    } else {
        inputs.scales = not_empty(sv_infer_value(x, SCALES));
    }
    if (in->rank < 0) return SV_OK;
    SV_TRY(resolve(&inputs, in, &r));
    sv_shape shape = {.rank = in->rank};
    for (int32_t i = 0; i < in->rank; i++) {
        shape.dim[i] = r.size[i];
        if (r.size[i] == UNKNOWN_SIZE) shape.dim[i] = sv_infer_symbol(x);
    }
    x->out[0].shape = shape;
    return SV_OK;
}

/* The index of an attribute's text among `names`. */
static sv_status read_choice(const sv_node *node, const char *name, const char *otherwise,
                             const char *const *names, uint8_t n, uint8_t *out)
{
    const char *text = sv_node_text(node, name, otherwise);
    for (uint8_t i = 0; i < n; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = i;
        return SV_OK;
    }
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                         "%s: expected one of the specification, found '%s'", name, text);
}

static sv_status read_modes(const sv_node *node, sv_resize_param *out)
{
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const coordinates[] = {"half_pixel",         "half_pixel_symmetric",
                                              "pytorch_half_pixel", "align_corners",
                                              "asymmetric",         "tf_crop_and_resize"};
    static const char *const nearest[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                          "ceil"};
    SV_TRY(read_choice(node, "mode", "nearest", modes, 3, &out->mode));
    SV_TRY(read_choice(node, "coordinate_transformation_mode", "half_pixel", coordinates, 6,
                       &out->coordinate));
    SV_TRY(read_choice(node, "nearest_mode", "round_prefer_floor", nearest, 4, &out->nearest));
    out->antialias = sv_node_int(node, "antialias", 0) != 0;
    out->exclude_outside = sv_node_int(node, "exclude_outside", 0) != 0;
    out->cubic_a = sv_node_float(node, "cubic_coeff_a", -0.75f);
    out->extrapolation = sv_node_float(node, "extrapolation_value", 0.0f);
    return SV_OK;
}

/* Whether nothing changes. */
static bool is_identity(const sv_shape *in, const sv_shape *out, const sv_resize_param *param)
{
    bool same = param->coordinate != SV_COORD_TF_CROP_AND_RESIZE && sv_shape_equal(in, out);
    for (int32_t i = 0; same && i < in->rank; i++)
        same = param->scale[i] == 1;
    return same;
}

static sv_status resize_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_resize_param param = {0};
    sv_resizing r;
    sv_resize_inputs inputs = {.node = e->node, .crop = is_crop(e->node)};
    inputs.roi = not_empty(sv_emit_value(e, ROI));
    inputs.scales = not_empty(sv_emit_value(e, SCALES));
    inputs.sizes = not_empty(sv_emit_value(e, SIZES));
    SV_TRY(read_modes(e->node, &param));
    SV_TRY(resolve(&inputs, &sv_emit_type(e, 0)->shape, &r));
    memcpy(param.scale, r.scale, sizeof(param.scale));
    memcpy(param.roi_start, r.roi_start, sizeof(param.roi_start));
    memcpy(param.roi_end, r.roi_end, sizeof(param.roi_end));
    sv_slot y = sv_emit_out(e, 0);
    if (is_identity(&sv_emit_type(e, 0)->shape, &sv_emit_type(e, y)->shape, &param))
        return sv_emit_reshape(e, y, 0);
    sv_ref ref[2] = {sv_ref_any(0), sv_ref_follow(y)};
    return sv_emit_problem(e, SV_FAMILY_resize, &param, sizeof(param), 2, ref, 2);
}

const sv_op_desc sv_op_desc_Resize = {.op = SV_OP_Resize,
                                      .min_in = 1,
                                      .max_in = 4,
                                      .min_out = 1,
                                      .max_out = 1,
                                      .infer = resize_infer,
                                      .emit = resize_emit};
