/* Linear quantisation: QuantizeLinear, DequantizeLinear (per tensor, per axis, per block) and
 * DynamicQuantizeLinear, which finds its scale itself. */
#include "base/status.h"
#include "kernels/convert/element.h"
#include "kernels/quantize/values.h"
#include "ops/quantize.h"
#include "ops/support.h"

#include <math.h>

/* ---- scales of blocks ---------------------------------------------------------------------- */

/* Where each `block` elements along the axis share a scale. */
typedef struct sv_block_param {
    sv_quantize_param quantize;
    int32_t axis;
    int64_t block;
} sv_block_param;

/* Operands: x, scale, zero point, y. A row is a run behind the axis, with as many scales, or, where
 * there is one element behind it, the elements that share a scale. */
static sv_rows block_rows(const sv_desc *desc, const sv_block_param *p)
{
    sv_span span = sv_desc_span(&desc[0], p->axis);
    if (span.inner == 1) return sv_rows_make(span.outer * desc[1].dim[p->axis], p->block * 8);
    return sv_rows_make(span.outer * span.axis, span.inner * 8);
}

static uint32_t block_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(block_rows(problem->desc, problem->param));
}

/* `n` elements from `first` on; their scales are `step` (0 or 1) apart, from `scale` on. */
typedef struct sv_block_row {
    int64_t first, n, scale, step;
} sv_block_row;

static sv_block_row block_row(const sv_desc *desc, const sv_block_param *p, int64_t row)
{
    const sv_span span = sv_desc_span(&desc[0], p->axis);
    const int64_t scales = desc[1].dim[p->axis];
    if (span.inner == 1) {
        const int64_t at = row % scales * p->block, left = span.axis - at;
        return (sv_block_row){row / scales * span.axis + at, left < p->block ? left : p->block, row,
                              0};
    }
    const int64_t scale = row / span.axis * scales + row % span.axis / p->block;
    return (sv_block_row){row * span.inner, span.inner, scale * span.inner, 1};
}

/* `n` elements of an operand from index `at` on. */
static void load(const sv_call *call, uint32_t operand, int64_t at, int64_t n, double *out)
{
    const sv_desc *desc = &call->desc[operand];
    int64_t size = (int64_t)sv_desc_size(desc);
    if (!call->ptr[operand]) return;
    sv_element_get_f64(desc->dtype, (const char *)call->ptr[operand] + at * size, size, out, n);
}

static void block_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_block_param *p = call->param;
    const sv_desc *y = &call->desc[3];
    const int64_t y_size = (int64_t)sv_desc_size(y);
    sv_rows rows = block_rows(call->desc, p);
    sv_quantize_values v = {.n = 0};
    for (int64_t r = sv_rows_first(rows, begin); r < sv_rows_last(rows, end); r++) {
        const sv_block_row row = block_row(call->desc, p, r);
        v.step = row.step;
        for (int64_t at = 0; at < row.n; at += SV_QUANTIZE_BLOCK) {
            v.n = row.n - at < SV_QUANTIZE_BLOCK ? row.n - at : SV_QUANTIZE_BLOCK;
            load(call, 0, row.first + at, v.n, v.value);
            load(call, 1, row.scale + at * v.step, v.step ? v.n : 1, v.scale);
            load(call, 2, row.scale + at * v.step, v.step ? v.n : 1, v.zero);
            sv_quantize_put(&p->quantize, &v, y->dtype,
                            (char *)call->ptr[3] + (row.first + at) * y_size, y_size);
        }
    }
}

static const sv_kernel block_kernel = {.name = "custom_quantize_blocks",
                                       .family = SV_FAMILY_custom,
                                       .units = block_units,
                                       .run = block_run};

/* ---- one scale, or one an index of an axis ------------------------------------------------- */

/* A vector as one along `axis` of `rank` dimensions, right-aligned; axis -1: one value. */
static sv_status along_axis(sv_emit *e, sv_slot *slot, int32_t axis, int32_t rank)
{
    sv_shape shape = {.rank = axis < 0 ? 0 : rank - axis};
    if (*slot == SV_NO_SLOT) return SV_OK;
    const sv_type type = *sv_emit_type(e, *slot);
    for (int32_t i = 1; i < shape.rank; i++)
        shape.dim[i] = 1;
    if (shape.rank > 0) shape.dim[0] = type.shape.dim[0];
    if (type.shape.rank == shape.rank) return SV_OK;
    sv_slot from = *slot;
    SV_TRY(sv_emit_temp(e, type.dtype, &shape, slot));
    return sv_emit_reshape(e, *slot, from);
}

static sv_status emit_scaled(sv_emit *e, const sv_quantize_param *param, int32_t axis, sv_slot x,
                             sv_slot scale, sv_slot zero, sv_slot y)
{
    const sv_shape shape = sv_emit_type(e, x)->shape;
    SV_TRY(along_axis(e, &scale, axis, shape.rank));
    SV_TRY(along_axis(e, &zero, axis, shape.rank));
    sv_ref ref[4] = {sv_ref_any(x), sv_ref_expand(scale, &shape), sv_ref_expand(zero, &shape),
                     sv_ref_any(y)};
    if (zero == SV_NO_SLOT) ref[2] = sv_ref_any(SV_NO_SLOT);
    return sv_emit_problem(e, SV_FAMILY_quantize, param, sizeof(*param), 4, ref, 8);
}

/* What the shape of the scale and 'block_size' say. */
static sv_status emit_any(sv_emit *e, const sv_quantize_param *param)
{
    const sv_shape *in = &sv_emit_type(e, 0)->shape, *scale = &sv_emit_type(e, 1)->shape;
    int64_t axis = sv_node_int(e->node, "axis", 1), one;
    sv_block_param blocks = {.quantize = *param};
    sv_slot zero = sv_emit_in(e, 2), y = sv_emit_out(e, 0);
    blocks.block = sv_node_int(e->node, "block_size", 0);
    blocks.axis = (int32_t)(axis < 0 ? axis + in->rank : axis);
    if (scale->rank == 0 || (blocks.block == 0 && sv_shape_count(scale, &one) && one == 1))
        return emit_scaled(e, param, -1, 0, 1, zero, y);
    if (blocks.block == 0) return emit_scaled(e, param, blocks.axis, 0, 1, zero, y);
    sv_ref ref[4] = {sv_ref_dense(0), sv_ref_dense(1), sv_ref_dense(zero), sv_ref_dense(y)};
    return sv_emit_custom(e, &block_kernel, &blocks, sizeof(blocks), 4, ref, 8);
}

/* ---- inference --------------------------------------------------------------------------- */

/* Granularity by the shape of the scale, as opset 21 describes it. */
static sv_status check_scale(const sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape, *scale = &x->in[1].shape;
    int64_t block = sv_node_int(x->node, "block_size", 0), one, other;
    int32_t axis;
    if (in->rank < 0 || scale->rank < 0) return SV_OK;
    /* A single one may be of rank 0 or 1. */
    if (sv_infer_has(x, 2) && sv_shape_count(scale, &one) &&
        sv_shape_count(&x->in[2].shape, &other) && one != other) {
        char text[SV_SHAPE_TEXT], found[SV_SHAPE_TEXT];
        return sv_infer_error(x, 2, "expected the scale's shape %s, found %s",
                              sv_shape_text(scale, text), sv_shape_text(&x->in[2].shape, found));
    }
    if (block < 0)
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "attribute 'block_size': expected a size, found %lld",
                             (long long)block);
    if (scale->rank == 0 || (block == 0 && sv_shape_count(scale, &one) && one == 1)) return SV_OK;
    SV_TRY(sv_infer_axis(x, sv_node_int(x->node, "axis", 1), in->rank, &axis));
    if (block == 0) {
        SV_TRY(sv_infer_rank(x, 1, 1, 1));
        if (in->dim[axis] < 0 || scale->dim[0] < 0 || in->dim[axis] == scale->dim[0]) return SV_OK;
        return sv_infer_error(x, 1, "expected %lld scales, one an index of axis %d, found %lld",
                              (long long)in->dim[axis], axis, (long long)scale->dim[0]);
    }
    SV_TRY(sv_infer_rank(x, 1, in->rank, in->rank));
    for (int32_t i = 0; i < in->rank; i++) {
        int64_t expected = in->dim[i];
        if (expected < 0 || scale->dim[i] < 0) continue;
        if (i == axis) expected = expected / block + (expected % block != 0);
        if (scale->dim[i] != expected)
            return sv_infer_error(x, 1, "expected %lld scales in dimension %d, found %lld",
                                  (long long)expected, i, (long long)scale->dim[i]);
    }
    return SV_OK;
}

/* ---- QuantizeLinear ---------------------------------------------------------------------- */

static sv_status quantize_infer(sv_infer *x)
{
    sv_dtype to, precision;
    bool zero = sv_infer_has(x, 2);
    SV_TRY(sv_infer_dtype_attr(x, "output_dtype", SV_DTYPE_NONE, &to));
    SV_TRY(sv_infer_dtype_attr(x, "precision", SV_DTYPE_NONE, &precision));
    if (zero && to && x->in[2].dtype && x->in[2].dtype != to) {
        return sv_infer_error(x, 2, "expected %s as 'output_dtype' says, found %s",
                              sv_dtype_name(to), sv_dtype_name(x->in[2].dtype));
    }
    if (!to) to = zero ? x->in[2].dtype : SV_U8;
    x->out[0] = (sv_type){to, x->in[0].shape};
    return check_scale(x);
}

static sv_status quantize_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_quantize_param param = {.saturate = sv_node_int(e->node, "saturate", 1) != 0};
    param.precision = (uint8_t)sv_node_int(e->node, "precision", 0);
    if (!param.precision) param.precision = (uint8_t)sv_emit_type(e, 1)->dtype;
    return emit_any(e, &param);
}

sv_status sv_emit_quantize(sv_emit *e, sv_slot x, sv_slot scale, sv_slot zero, sv_slot y)
{
    const sv_quantize_param param = {.precision = SV_F32, .saturate = true};
    int64_t one;
    bool single = !sv_shape_count(&sv_emit_type(e, scale)->shape, &one) || one == 1;
    return emit_scaled(e, &param, single ? -1 : sv_emit_type(e, x)->shape.rank - 1, x, scale, zero,
                       y);
}

const sv_op_desc sv_op_desc_QuantizeLinear = {.op = SV_OP_QuantizeLinear,
                                              .min_in = 2,
                                              .max_in = 3,
                                              .min_out = 1,
                                              .max_out = 1,
                                              .infer = quantize_infer,
                                              .emit = quantize_emit};

/* ---- DequantizeLinear -------------------------------------------------------------------- */

static sv_status dequantize_infer(sv_infer *x)
{
    sv_dtype to;
    SV_TRY(sv_infer_dtype_attr(x, "output_dtype", SV_DTYPE_NONE, &to));
    SV_TRY(sv_infer_same_dtype(x, 0, 2));
    x->out[0] = (sv_type){to ? to : x->in[1].dtype, x->in[0].shape};
    return check_scale(x);
}

static sv_status dequantize_emit(sv_emit *e)
{
    const sv_quantize_param param = {.inverse = true, .saturate = true};
    return e->symbolic ? SV_OK : emit_any(e, &param);
}

const sv_op_desc sv_op_desc_DequantizeLinear = {.op = SV_OP_DequantizeLinear,
                                                .min_in = 2,
                                                .max_in = 3,
                                                .min_out = 1,
                                                .max_out = 1,
                                                .infer = dequantize_infer,
                                                .emit = dequantize_emit};

/* ---- DynamicQuantizeLinear --------------------------------------------------------------- */

static sv_status dynamic_infer(sv_infer *x)
{
    if (x->in[0].dtype && x->in[0].dtype != SV_F32)
        return sv_infer_error(x, 0, "expected float32, found %s", sv_dtype_name(x->in[0].dtype));
    x->out[0] = (sv_type){SV_U8, x->in[0].shape};
    if (x->n_out > 1) x->out[1] = (sv_type){SV_F32, {.rank = 0}};
    if (x->n_out > 2) x->out[2] = (sv_type){SV_U8, {.rank = 0}};
    return SV_OK;
}

/* Elements of a part of x whose range is found on its own. */
#define RANGE_PART 32768

static uint32_t range_units(const sv_problem *problem, uint32_t phase)
{
    int64_t n = sv_desc_count(&problem->desc[0]);
    return phase ? 1 : (uint32_t)((n + RANGE_PART - 1) / RANGE_PART);
}

static size_t range_shared(const sv_problem *problem)
{
    return (range_units(problem, 0) + (size_t)1) * sizeof(sv_quantize_extent);
}

/* Operands: x, scale, zero point. First the parts, then what they come to. */
static void range_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const float *x = call->ptr[0];
    sv_quantize_extent *part = call->shared, all = {0, 0};
    int64_t n = sv_desc_count(&call->desc[0]);
    for (uint32_t u = begin; call->phase == 0 && u < end; u++) {
        int64_t at = (int64_t)u * RANGE_PART;
        part[u] = sv_quantize_extent_of(x + at, n - at < RANGE_PART ? n - at : RANGE_PART);
    }
    if (call->phase == 0 || begin == end) return;
    for (int64_t u = 0; u * RANGE_PART < n; u++) {
        all.low = part[u].low < all.low ? part[u].low : all.low;
        all.high = part[u].high > all.high ? part[u].high : all.high;
    }
    float scale = (all.high - all.low) / 255, zero = scale > 0 ? rintf(-all.low / scale) : 0;
    *(float *)call->ptr[1] = scale > 0 ? scale : 1;
    *(uint8_t *)call->ptr[2] = (uint8_t)(zero < 255 ? zero > 0 ? zero : 0 : 255);
}

static const sv_kernel range_kernel = {.name = "custom_quantize_range",
                                       .family = SV_FAMILY_custom,
                                       .phases = 2,
                                       .units = range_units,
                                       .shared = range_shared,
                                       .run = range_run};

/* Optional outputs that nobody wants are computed nevertheless: the first needs them. */
static sv_status dynamic_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_shape scalar = {.rank = 0};
    sv_slot scale = sv_emit_out(e, 1), zero = sv_emit_out(e, 2);
    if (scale == SV_NO_SLOT) SV_TRY(sv_emit_temp(e, SV_F32, &scalar, &scale));
    if (zero == SV_NO_SLOT) SV_TRY(sv_emit_temp(e, SV_U8, &scalar, &zero));
    sv_ref ref[3] = {sv_ref_dense(0), sv_ref_dense(scale), sv_ref_dense(zero)};
    SV_TRY(sv_emit_custom(e, &range_kernel, NULL, 0, 3, ref, 6));
    return sv_emit_quantize(e, 0, scale, zero, sv_emit_out(e, 0));
}

const sv_op_desc sv_op_desc_DynamicQuantizeLinear = {.op = SV_OP_DynamicQuantizeLinear,
                                                     .min_in = 1,
                                                     .max_in = 1,
                                                     .min_out = 1,
                                                     .max_out = 3,
                                                     .infer = dynamic_infer,
                                                     .emit = dynamic_emit};
