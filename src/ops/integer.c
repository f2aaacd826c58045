/* Matrix products of quantised numbers: MatMulInteger, QLinearMatMul. Both are made of conversions,
 * differences and a product whose sums are int32. */
#include "base/status.h"
#include "kernels/elementwise.h"
#include "ops/quantize.h"
#include "ops/support.h"

/* A vector of zero points or scales stands for rows of the left side (it becomes a column) or
 * columns of the right side. */
static sv_status as_column(sv_emit *e, sv_slot *slot, bool left)
{
    const sv_type *type = sv_emit_type(e, *slot);
    if (!left || type->shape.rank != 1 || type->shape.dim[0] == 1) return SV_OK;
    sv_shape column = sv_shape_make(2, (int64_t[]){type->shape.dim[0], 1});
    sv_slot to;
    SV_TRY(sv_emit_temp(e, type->dtype, &column, &to));
    SV_TRY(sv_emit_reshape(e, to, *slot));
    *slot = to;
    return SV_OK;
}

static sv_status converted(sv_emit *e, sv_slot from, sv_dtype dtype, sv_slot *out)
{
    SV_TRY(sv_emit_temp(e, dtype, &sv_emit_type(e, from)->shape, out));
    return sv_emit_convert(e, from, *out);
}

/* What both sides become before they are multiplied: of bytes int16, whose products have kernels of
 * their own. */
static sv_dtype wide_type(const sv_emit *e, sv_slot a, sv_slot b)
{
    const sv_dtype left = sv_emit_type(e, a)->dtype, right = sv_emit_type(e, b)->dtype;
    const bool bytes = (left == SV_I8 || left == SV_U8) && (right == SV_I8 || right == SV_U8);
    return bytes ? SV_I16 : SV_I32;
}

sv_status sv_emit_centered(sv_emit *e, sv_slot x, sv_slot zero, sv_dtype wide, sv_slot *out)
{
    sv_slot shift;
    SV_TRY(converted(e, x, wide, out));
    if (zero == SV_NO_SLOT) return SV_OK;
    SV_TRY(converted(e, zero, wide, &shift));
    return sv_emit_binary(e, SV_BINARY_Sub, *out, shift, *out);
}

/* One side without its zero points. */
static sv_status centered(sv_emit *e, sv_slot x, sv_slot zero, bool left, sv_dtype wide,
                          sv_slot *out)
{
    if (zero != SV_NO_SLOT) SV_TRY(as_column(e, &zero, left && sv_emit_type(e, x)->shape.rank > 1));
    return sv_emit_centered(e, x, zero, wide, out);
}

/* Zero points and scales broadcast into their side: one value, a vector, or the side's rank. */
static sv_status check_side(const sv_infer *x, uint32_t input, uint32_t side, bool left)
{
    const sv_shape *of = &x->in[side].shape;
    if (!sv_infer_has(x, input) || of->rank < 1) return SV_OK;
    const sv_shape *shape = &x->in[input].shape;
    if (!sv_shape_known(shape) || !sv_shape_known(of)) return SV_OK;
    int32_t at = left && of->rank > 1 ? of->rank - 2 : of->rank - 1;
    bool right = shape->rank == 0;
    if (shape->rank == 1) right = shape->dim[0] == 1 || shape->dim[0] == of->dim[at];
    if (shape->rank > 1 && shape->rank == of->rank) {
        right = true;
        for (int32_t i = 0; i < of->rank; i++)
            right = right && (shape->dim[i] == 1 || shape->dim[i] == of->dim[i]);
    }
    char text[SV_SHAPE_TEXT], whole[SV_SHAPE_TEXT];
    return right ? SV_OK
                 : sv_infer_error(x, input, "expected one value, or one a %s of %s, found %s",
                                  left ? "row" : "column", sv_shape_text(of, whole),
                                  sv_shape_text(shape, text));
}

/* ---- MatMulInteger ----------------------------------------------------------------------- */

static sv_status byte_types(const sv_infer *x, uint32_t input)
{
    sv_dtype dtype = x->in[input].dtype;
    if (!dtype || dtype == SV_I8 || dtype == SV_U8) return SV_OK;
    return sv_infer_error(x, input, "expected int8 or uint8, found %s", sv_dtype_name(dtype));
}

static sv_status integer_infer(sv_infer *x)
{
    x->out[0].dtype = SV_I32;
    for (uint32_t i = 0; i < 2; i++) {
        SV_TRY(byte_types(x, i));
        SV_TRY(sv_infer_same_dtype(x, i, i + 2));
        SV_TRY(check_side(x, i + 2, i, i == 0));
    }
    return sv_infer_matmul(x, 0, 1, &x->out[0].shape);
}

static sv_status integer_emit(sv_emit *e)
{
    sv_slot a, b;
    if (e->symbolic) return SV_OK;
    const sv_dtype wide = wide_type(e, 0, 1);
    SV_TRY(centered(e, 0, sv_emit_in(e, 2), true, wide, &a));
    SV_TRY(centered(e, 1, sv_emit_in(e, 3), false, wide, &b));
    return sv_emit_matmul(e, a, b, sv_emit_out(e, 0));
}

const sv_op_desc sv_op_desc_MatMulInteger = {.op = SV_OP_MatMulInteger,
                                             .min_in = 2,
                                             .max_in = 4,
                                             .min_out = 1,
                                             .max_out = 1,
                                             .infer = integer_infer,
                                             .emit = integer_emit};

/* ---- QLinearMatMul ----------------------------------------------------------------------- */

static sv_status linear_infer(sv_infer *x)
{
    x->out[0].dtype = x->in[7].dtype;
    SV_TRY(sv_infer_same_dtype(x, 0, 2));
    SV_TRY(sv_infer_same_dtype(x, 3, 5));
    for (uint32_t i = 1; i < 3; i++) {
        SV_TRY(check_side(x, i, 0, true));
        SV_TRY(check_side(x, i + 3, 3, false));
    }
    SV_TRY(sv_infer_scalar(x, 6, SV_DTYPE_NONE));
    SV_TRY(sv_infer_scalar(x, 7, SV_DTYPE_NONE));
    return sv_infer_matmul(x, 0, 3, &x->out[0].shape);
}

/* y in f32, times the scales of both sides. */
static sv_status rescale(sv_emit *e, sv_slot y, sv_slot scale, bool left)
{
    SV_TRY(as_column(e, &scale, left && sv_emit_type(e, y)->shape.rank > 1));
    if (sv_emit_type(e, scale)->dtype != SV_F32) SV_TRY(converted(e, scale, SV_F32, &scale));
    return sv_emit_binary(e, SV_BINARY_Mul, y, scale, y);
}

static sv_status linear_emit(sv_emit *e)
{
    sv_slot a, b, sum, product, y = sv_emit_out(e, 0);
    if (e->symbolic) return SV_OK;
    const sv_dtype wide = wide_type(e, 0, 3);
    SV_TRY(centered(e, 0, 2, true, wide, &a));
    SV_TRY(centered(e, 3, 5, false, wide, &b));
    SV_TRY(sv_emit_temp(e, SV_I32, &sv_emit_type(e, y)->shape, &sum));
    SV_TRY(sv_emit_matmul(e, a, b, sum));
    SV_TRY(converted(e, sum, SV_F32, &product));
    SV_TRY(rescale(e, product, 1, true));
    SV_TRY(rescale(e, product, 4, false));
    return sv_emit_quantize(e, product, 6, 7, y);
}

const sv_op_desc sv_op_desc_QLinearMatMul = {.op = SV_OP_QLinearMatMul,
                                             .min_in = 8,
                                             .max_in = 8,
                                             .min_out = 1,
                                             .max_out = 1,
                                             .infer = linear_infer,
                                             .emit = linear_emit};
