/* BatchNormalization: statistics over all but the channels, given (inference) or taken from the
 * batch (training_mode). Normalisation of each sample by itself is in nn_norm.c.
 *
 * Everything is computed in f32 (f64 for f64): y = x * s + t with s = scale / sqrt(var + epsilon)
 * and t = B - mean * s, a pair a channel. */
#include "kernels/elementwise.h"
#include "kernels/nn.h"

#include "base/status.h"
#include "ops/nn_check.h"
#include "ops/support.h"

static sv_status batch_norm_infer(sv_infer *x)
{
    bool training = sv_node_int(x->node, "training_mode", 0) != 0;
    const sv_shape *in = &x->in[0].shape;
    int64_t channels = in->rank > 1 ? in->dim[1] : (in->rank == 1 ? 1 : -1);
    SV_TRY(sv_infer_rank(x, 0, 1, SV_MAX_RANK));
    for (uint32_t i = 1; i < 5; i++) {
        SV_TRY(sv_infer_vector(x, i, channels));
        if (channels < 0 && x->in[i].shape.rank == 1) channels = x->in[i].shape.dim[0];
    }
    x->out[0] = x->in[0];
    if (in->rank > 1 && in->dim[1] < 0 && channels >= 0) x->out[0].shape.dim[1] = channels;
    for (uint32_t i = 1; i < x->n_out; i++) {
        if (!training) {
            if (x->node->out[i] == SV_NO_VALUE) continue;
            return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                                 "expected 1 output unless training_mode is set, found %u",
                                 x->n_out);
        }
        x->out[i].dtype = x->in[3].dtype;
        x->out[i].shape = sv_shape_make(1, &channels);
        if (channels < 0) x->out[i].shape.dim[0] = sv_infer_symbol(x);
    }
    return SV_OK;
}

/* What the emission hands on: the dtype of the computation, and shapes. */
typedef struct sv_batch_norm {
    sv_emit *e;
    sv_dtype dtype;
    sv_shape vector, column; /* [C], and [C, 1..] beneath x's rank */
    int64_t count;           /* elements a channel */
} sv_batch_norm;

static sv_status wide(const sv_batch_norm *b, sv_slot from, sv_slot *out)
{
    const sv_type type = *sv_emit_type(b->e, from);
    *out = from;
    if (type.dtype == b->dtype) return SV_OK;
    SV_TRY(sv_emit_temp(b->e, b->dtype, &type.shape, out));
    return sv_emit_convert(b->e, from, *out);
}

static sv_status vector_temp(const sv_batch_norm *b, sv_slot *out)
{
    return sv_emit_temp(b->e, b->dtype, &b->vector, out);
}

static sv_status as_column(const sv_batch_norm *b, sv_slot vector, sv_slot *out)
{
    SV_TRY(sv_emit_temp(b->e, b->dtype, &b->column, out));
    return sv_emit_reshape(b->e, *out, vector);
}

/* Mean and population variance of each channel of x. */
static sv_status batch_statistics(const sv_batch_norm *b, sv_slot x, sv_slot *mean, sv_slot *var)
{
    sv_emit *e = b->e;
    sv_shape shape = sv_emit_type(e, x)->shape, reduced = shape;
    sv_slot sums, centred, squares;
    sv_reduce_param param = {.kind = SV_REDUCE_MEAN, .axes = ((1u << shape.rank) - 1) & ~2u};
    for (int32_t i = 0; i < reduced.rank; i++)
        reduced.dim[i] = i == 1 ? shape.dim[1] : 1;
    SV_TRY(sv_emit_temp(e, b->dtype, &reduced, &sums));
    SV_TRY(sv_emit_temp(e, b->dtype, &shape, &centred));
    SV_TRY(sv_emit_temp(e, b->dtype, &reduced, &squares));
    sv_ref ref[2] = {sv_ref_any(x), sv_ref_any(sums)};
    SV_TRY(sv_emit_problem(e, SV_FAMILY_reduce, &param, sizeof(param), 2, ref, 2));
    SV_TRY(sv_emit_binary(e, SV_BINARY_Sub, x, sums, centred));
    param.kind = SV_REDUCE_SUM_SQUARE;
    ref[0] = sv_ref_any(centred);
    ref[1] = sv_ref_any(squares);
    SV_TRY(sv_emit_problem(e, SV_FAMILY_reduce, &param, sizeof(param), 2, ref, 2));
    double scale = b->count > 0 ? 1.0 / (double)b->count : 0.0;
    SV_TRY(sv_emit_unary(e, SV_UNARY_Affine, squares, squares, scale, 0.0));
    SV_TRY(vector_temp(b, mean));
    SV_TRY(vector_temp(b, var));
    SV_TRY(sv_emit_reshape(e, *mean, sums));
    return sv_emit_reshape(e, *var, squares);
}

/* running = given * momentum + current * (1 - momentum). */
static sv_status running(const sv_batch_norm *b, sv_slot given, sv_slot current, sv_slot out)
{
    if (out == SV_NO_SLOT) return SV_OK;
    double momentum = (double)sv_node_float(b->e->node, "momentum", 0.9f);
    sv_slot old, now;
    SV_TRY(vector_temp(b, &old));
    SV_TRY(vector_temp(b, &now));
    SV_TRY(sv_emit_unary(b->e, SV_UNARY_Affine, given, old, momentum, 0.0));
    SV_TRY(sv_emit_unary(b->e, SV_UNARY_Affine, current, now, 1.0 - momentum, 0.0));
    SV_TRY(sv_emit_binary(b->e, SV_BINARY_Add, old, now, now));
    if (sv_emit_type(b->e, out)->dtype == b->dtype) return sv_emit_reshape(b->e, out, now);
    return sv_emit_convert(b->e, now, out);
}

/* s and t of the head comment, as columns. */
static sv_status scale_and_shift(const sv_batch_norm *b, sv_slot mean, sv_slot var, sv_slot *s,
                                 sv_slot *t)
{
    sv_emit *e = b->e;
    sv_slot gamma, beta, factor, shift;
    SV_TRY(wide(b, 1, &gamma));
    SV_TRY(wide(b, 2, &beta));
    SV_TRY(vector_temp(b, &factor));
    SV_TRY(vector_temp(b, &shift));
    double epsilon = (double)sv_node_float(e->node, "epsilon", 1e-5f);
    SV_TRY(sv_emit_unary(e, SV_UNARY_Affine, var, factor, 1.0, epsilon));
    SV_TRY(sv_emit_unary(e, SV_UNARY_Sqrt, factor, factor, 0.0, 0.0));
    SV_TRY(sv_emit_binary(e, SV_BINARY_Div, gamma, factor, factor));
    SV_TRY(sv_emit_binary(e, SV_BINARY_Mul, mean, factor, shift));
    SV_TRY(sv_emit_binary(e, SV_BINARY_Sub, beta, shift, shift));
    SV_TRY(as_column(b, factor, s));
    return as_column(b, shift, t);
}

static sv_status batch_norm_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_slot y = sv_emit_out(e, 0), x, mean, var, given_mean, given_var, s, t, result = y;
    const sv_type type = *sv_emit_type(e, 0);
    int64_t channels = sv_emit_type(e, 1)->shape.dim[0], count;
    sv_batch_norm b = {.e = e, .dtype = type.dtype == SV_F64 ? SV_F64 : SV_F32};
    b.vector = sv_shape_make(1, &channels);
    b.column = (sv_shape){.rank = type.shape.rank > 1 ? type.shape.rank - 1 : 1, .dim = {channels}};
    for (int32_t i = 1; i < b.column.rank; i++)
        b.column.dim[i] = 1;
    if (channels > 0 && sv_shape_count(&type.shape, &count)) b.count = count / channels;
    SV_TRY(wide(&b, 0, &x));
    SV_TRY(wide(&b, 3, &given_mean));
    SV_TRY(wide(&b, 4, &given_var));
    mean = given_mean;
    var = given_var;
    if (sv_node_int(e->node, "training_mode", 0)) {
        SV_TRY(batch_statistics(&b, x, &mean, &var));
        SV_TRY(running(&b, given_mean, mean, sv_emit_out(e, 1)));
        SV_TRY(running(&b, given_var, var, sv_emit_out(e, 2)));
    }
    SV_TRY(scale_and_shift(&b, mean, var, &s, &t));
    if (type.dtype != b.dtype) SV_TRY(sv_emit_temp(e, b.dtype, &type.shape, &result));
    SV_TRY(sv_emit_binary(e, SV_BINARY_Mul, x, s, result));
    SV_TRY(sv_emit_binary(e, SV_BINARY_Add, result, t, result));
    return result == y ? SV_OK : sv_emit_convert(e, result, y);
}

const sv_op_desc sv_op_desc_BatchNormalization = {.op = SV_OP_BatchNormalization,
                                                  .min_in = 5,
                                                  .max_in = 5,
                                                  .min_out = 1,
                                                  .max_out = 3,
                                                  .infer = batch_norm_infer,
                                                  .emit = batch_norm_emit};
