/* Normalisation of each sample by its own statistics: InstanceNormalization, GroupNormalization,
 * LayerNormalization, RMSNormalization (the norm family), LpNormalization and
 * MeanVarianceNormalization (reductions), LRN. Statistics over the batch are in nn_batch_norm.c. */
#include "kernels/elementwise.h"
#include "kernels/nn.h"

#include "base/status.h"
#include "ops/nn_check.h"
#include "ops/support.h"

/* {x, scale, shift, y, mean, inv_std}; absent ones are SV_NO_SLOT. */
static sv_status emit_norm(sv_emit *e, const sv_norm_param *param, const sv_slot slot[6])
{
    const sv_shape *shape = &sv_emit_type(e, slot[0])->shape;
    sv_ref ref[6];
    uint32_t mask = 0;
    for (uint32_t i = 0; i < 6; i++) {
        bool operand = (i == 1 || i == 2) && slot[i] != SV_NO_SLOT;
        ref[i] = operand ? sv_ref_expand(slot[i], shape) : sv_ref_any(slot[i]);
        if (i > 2 && slot[i] != SV_NO_SLOT) mask |= 1u << i;
    }
    return sv_emit_problem(e, SV_FAMILY_norm, param, sizeof(*param), 6, ref, mask);
}

static sv_status reshaped(sv_emit *e, sv_slot from, const sv_shape *shape, sv_slot *out)
{
    SV_TRY(sv_emit_temp(e, sv_emit_type(e, from)->dtype, shape, out));
    return sv_emit_reshape(e, *out, from);
}

/* A column of one value a channel, for expanding to x's dims. */
static sv_status as_column(sv_emit *e, sv_slot vector, sv_slot *out)
{
    const sv_shape *x = &sv_emit_type(e, 0)->shape;
    sv_shape column = {.rank = x->rank - 1, .dim = {x->dim[1]}};
    for (int32_t i = 1; i < column.rank; i++)
        column.dim[i] = 1;
    return reshaped(e, vector, &column, out);
}

/* ---- InstanceNormalization ------------------------------------------------------------------- */

static sv_status channel_norm_infer(sv_infer *x)
{
    SV_TRY(sv_infer_same(x));
    SV_TRY(sv_infer_rank(x, 0, 2, SV_MAX_RANK));
    int64_t channels = x->in[0].shape.rank > 1 ? x->in[0].shape.dim[1] : -1;
    SV_TRY(sv_infer_vector(x, 1, channels));
    return sv_infer_vector(x, 2, channels);
}

static sv_status instance_norm_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_norm_param param = {.axis = 2, .epsilon = sv_node_float(e->node, "epsilon", 1e-5f)};
    sv_slot slot[6] = {0, 0, 0, sv_emit_out(e, 0), SV_NO_SLOT, SV_NO_SLOT};
    SV_TRY(as_column(e, 1, &slot[1]));
    SV_TRY(as_column(e, 2, &slot[2]));
    return emit_norm(e, &param, slot);
}

const sv_op_desc sv_op_desc_InstanceNormalization = {.op = SV_OP_InstanceNormalization,
                                                     .min_in = 3,
                                                     .max_in = 3,
                                                     .min_out = 1,
                                                     .max_out = 1,
                                                     .traits = SV_TRAIT_FUSE_BASE,
                                                     .infer = channel_norm_infer,
                                                     .emit = instance_norm_emit};

/* ---- GroupNormalization ---------------------------------------------------------------------- */

static sv_status group_norm_infer(sv_infer *x)
{
    int64_t groups = sv_node_int(x->node, "num_groups", 0);
    SV_TRY(channel_norm_infer(x));
    if (groups < 1) {
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "num_groups: expected at least 1, found %lld", (long long)groups);
    }
    const sv_shape *in = &x->in[0].shape;
    if (in->rank < 2 || in->dim[1] < 0 || in->dim[1] % groups == 0) return SV_OK;
    return sv_infer_error(x, 0,
                          "expected a number of channels divisible by %lld groups, found %lld",
                          (long long)groups, (long long)in->dim[1]);
}

/* With dimensions behind the channels as one, so that there is room for the groups. */
static sv_status merged_group_norm_emit(sv_emit *e, const sv_norm_param *param)
{
    const sv_shape *x = &sv_emit_type(e, 0)->shape;
    sv_shape merged = {.rank = 3, .dim = {x->dim[0], x->dim[1]}}, column = {2, {x->dim[1], 1}};
    if (!sv_shape_count_range(x, 2, x->rank, &merged.dim[2]))
        return sv_node_error(e->node, SV_CODE_RESOURCE_EXHAUSTED, "input 0: its size overflows");
    sv_slot slot[6] = {0, 0, 0, 0, SV_NO_SLOT, SV_NO_SLOT}, y = sv_emit_out(e, 0);
    SV_TRY(reshaped(e, 0, &merged, &slot[0]));
    SV_TRY(reshaped(e, 1, &column, &slot[1]));
    SV_TRY(reshaped(e, 2, &column, &slot[2]));
    SV_TRY(sv_emit_temp(e, sv_emit_type(e, y)->dtype, &merged, &slot[3]));
    SV_TRY(emit_norm(e, param, slot));
    return sv_emit_reshape(e, y, slot[3]);
}

static sv_status group_norm_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_norm_param param = {.axis = 1,
                           .groups = sv_node_int(e->node, "num_groups", 1),
                           .epsilon = sv_node_float(e->node, "epsilon", 1e-5f)};
    if (sv_emit_type(e, 0)->shape.rank == SV_MAX_RANK) return merged_group_norm_emit(e, &param);
    sv_slot slot[6] = {0, 0, 0, sv_emit_out(e, 0), SV_NO_SLOT, SV_NO_SLOT};
    SV_TRY(as_column(e, 1, &slot[1]));
    SV_TRY(as_column(e, 2, &slot[2]));
    return emit_norm(e, &param, slot);
}

const sv_op_desc sv_op_desc_GroupNormalization = {.op = SV_OP_GroupNormalization,
                                                  .min_in = 3,
                                                  .max_in = 3,
                                                  .min_out = 1,
                                                  .max_out = 1,
                                                  .traits = SV_TRAIT_FUSE_BASE,
                                                  .infer = group_norm_infer,
                                                  .emit = group_norm_emit};

/* ---- LayerNormalization, RMSNormalization ---------------------------------------------------- */

static sv_status broadcasts_to_x(sv_infer *x, uint32_t input)
{
    const sv_shape *to = &x->in[0].shape, *from = &x->in[input].shape;
    sv_shape all;
    if (!sv_infer_has(x, input) || to->rank < 0 || from->rank < 0) return SV_OK;
    bool fits = from->rank <= to->rank && sv_infer_broadcast_shapes(x, to, from, &all);
    for (int32_t i = 0; fits && i < to->rank; i++)
        fits = to->dim[i] < 0 || all.dim[i] == to->dim[i] || to->dim[i] == 0;
    if (fits) return SV_OK;
    char want[SV_SHAPE_TEXT], text[SV_SHAPE_TEXT];
    return sv_infer_error(x, input, "expected a shape that broadcasts to %s, found %s",
                          sv_shape_text(to, want), sv_shape_text(from, text));
}

static sv_status layer_norm_infer(sv_infer *x)
{
    bool rms = x->node->op == SV_OP_RMSNormalization;
    sv_dtype stash;
    int32_t axis = 0;
    SV_TRY(sv_infer_same(x));
    /* RMSNormalization's result has the dtype of its scale. */
    if (rms && x->in[1].dtype) x->out[0].dtype = x->in[1].dtype;
    SV_TRY(sv_infer_dtype_attr(x, "stash_type", SV_F32, &stash));
    SV_TRY(broadcasts_to_x(x, 1));
    SV_TRY(broadcasts_to_x(x, 2));
    sv_shape statistics = x->in[0].shape;
    if (statistics.rank >= 0)
        SV_TRY(sv_infer_axis(x, sv_node_int(x->node, "axis", -1), statistics.rank, &axis));
    for (int32_t i = axis; i < statistics.rank; i++)
        statistics.dim[i] = 1;
    for (uint32_t i = 1; i < x->n_out; i++)
        x->out[i] = (sv_type){stash, statistics};
    return SV_OK;
}

static sv_status layer_norm_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    int64_t axis = sv_node_int(e->node, "axis", -1);
    sv_norm_param param = {.epsilon = sv_node_float(e->node, "epsilon", 1e-5f),
                           .rms = e->node->op == SV_OP_RMSNormalization};
    if (!sv_shape_axis(&sv_emit_type(e, 0)->shape, axis, &param.axis))
        return sv_node_error(e->node, SV_CODE_INTERNAL, "axis %lld was not checked",
                             (long long)axis);
    sv_slot slot[6] = {0,
                       sv_emit_in(e, 1),
                       param.rms ? SV_NO_SLOT : sv_emit_in(e, 2),
                       sv_emit_out(e, 0),
                       sv_emit_out(e, 1),
                       sv_emit_out(e, 2)};
    return emit_norm(e, &param, slot);
}

const sv_op_desc sv_op_desc_LayerNormalization = {.op = SV_OP_LayerNormalization,
                                                  .min_in = 2,
                                                  .max_in = 3,
                                                  .min_out = 1,
                                                  .max_out = 3,
                                                  .infer = layer_norm_infer,
                                                  .emit = layer_norm_emit};
const sv_op_desc sv_op_desc_RMSNormalization = {.op = SV_OP_RMSNormalization,
                                                .min_in = 2,
                                                .max_in = 2,
                                                .min_out = 1,
                                                .max_out = 1,
                                                .infer = layer_norm_infer,
                                                .emit = layer_norm_emit};

/* ---- LpNormalization, MeanVarianceNormalization ---------------------------------------------- */

static sv_status emit_reduce(sv_emit *e, sv_reduce_kind kind, uint32_t axes, sv_slot from,
                             sv_slot *out)
{
    sv_shape shape = sv_emit_type(e, from)->shape;
    for (int32_t i = 0; i < shape.rank; i++) {
        if (axes >> i & 1) shape.dim[i] = 1;
    }
    SV_TRY(sv_emit_temp(e, sv_emit_type(e, from)->dtype, &shape, out));
    sv_reduce_param param = {.kind = (uint8_t)kind, .axes = axes};
    sv_ref ref[2] = {sv_ref_any(from), sv_ref_any(*out)};
    return sv_emit_problem(e, SV_FAMILY_reduce, &param, sizeof(param), 2, ref, 2);
}

static sv_status lp_norm_infer(sv_infer *x)
{
    int64_t p = sv_node_int(x->node, "p", 2);
    int32_t axis;
    SV_TRY(sv_infer_same(x));
    if (p != 1 && p != 2)
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT, "p: expected 1 or 2, found %lld",
                             (long long)p);
    if (x->in[0].shape.rank < 0) return SV_OK;
    return sv_infer_axis(x, sv_node_int(x->node, "axis", -1), x->in[0].shape.rank, &axis);
}

/* Where the norm is 0, all of x is 0: dividing by anything else leaves it so. The norm itself, or 1
 * where it is 0: norm + (norm == 0). */
static sv_status lp_norm_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_type type = *sv_emit_type(e, 0);
    int64_t axis = sv_node_int(e->node, "axis", -1), p = sv_node_int(e->node, "p", 2);
    if (axis < 0) axis += type.shape.rank;
    sv_slot norm, zero, one, is_zero;
    SV_TRY(emit_reduce(e, p == 1 ? SV_REDUCE_L1 : SV_REDUCE_L2, 1u << axis, 0, &norm));
    sv_shape shape = sv_emit_type(e, norm)->shape;
    SV_TRY(sv_emit_scalar(e, type.dtype, 0, &zero));
    SV_TRY(sv_emit_temp(e, SV_BOOL, &shape, &is_zero));
    SV_TRY(sv_emit_temp(e, type.dtype, &shape, &one));
    SV_TRY(sv_emit_binary(e, SV_BINARY_Equal, norm, zero, is_zero));
    SV_TRY(sv_emit_convert(e, is_zero, one));
    SV_TRY(sv_emit_binary(e, SV_BINARY_Add, norm, one, norm));
    return sv_emit_binary(e, SV_BINARY_Div, 0, norm, sv_emit_out(e, 0));
}

const sv_op_desc sv_op_desc_LpNormalization = {.op = SV_OP_LpNormalization,
                                               .min_in = 1,
                                               .max_in = 1,
                                               .min_out = 1,
                                               .max_out = 1,
                                               .infer = lp_norm_infer,
                                               .emit = lp_norm_emit};

/* The axes of MeanVarianceNormalization as a mask. */
static sv_status mvn_axes(const sv_node *node, const sv_shape *shape, uint32_t *out)
{
    static const int64_t otherwise[3] = {0, 2, 3};
    uint32_t n, mask = 0;
    const int64_t *axes = sv_node_ints(node, "axes", &n);
    if (!axes) {
        axes = otherwise;
        n = 3;
    }
    for (uint32_t i = 0; i < n; i++) {
        int32_t axis;
        if (!sv_shape_axis(shape, axes[i], &axis)) {
            return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                                 "axes: expected values in [%d, %d), found %lld", -shape->rank,
                                 shape->rank, (long long)axes[i]);
        }
        mask |= 1u << axis;
    }
    *out = mask;
    return SV_OK;
}

static sv_status mvn_infer(sv_infer *x)
{
    uint32_t axes;
    SV_TRY(sv_infer_same(x));
    return x->in[0].shape.rank < 0 ? SV_OK : mvn_axes(x->node, &x->in[0].shape, &axes);
}

/* (x - mean) / (deviation + 1e-9), by the specification's function body. */
static sv_status mvn_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_type type = *sv_emit_type(e, 0);
    sv_slot mean, deviation, y = sv_emit_out(e, 0);
    uint32_t axes;
    double count = 1;
    SV_TRY(mvn_axes(e->node, &type.shape, &axes));
    for (int32_t i = 0; i < type.shape.rank; i++) {
        if (axes >> i & 1) count *= (double)type.shape.dim[i];
    }
    SV_TRY(emit_reduce(e, SV_REDUCE_MEAN, axes, 0, &mean));
    SV_TRY(sv_emit_binary(e, SV_BINARY_Sub, 0, mean, y));
    SV_TRY(emit_reduce(e, SV_REDUCE_SUM_SQUARE, axes, y, &deviation));
    SV_TRY(sv_emit_unary(e, SV_UNARY_Affine, deviation, deviation, 1 / count, 0));
    SV_TRY(sv_emit_unary(e, SV_UNARY_Sqrt, deviation, deviation, 0, 0));
    SV_TRY(sv_emit_unary(e, SV_UNARY_Affine, deviation, deviation, 1, 1e-9));
    return sv_emit_binary(e, SV_BINARY_Div, y, deviation, y);
}

const sv_op_desc sv_op_desc_MeanVarianceNormalization = {.op = SV_OP_MeanVarianceNormalization,
                                                         .min_in = 1,
                                                         .max_in = 1,
                                                         .min_out = 1,
                                                         .max_out = 1,
                                                         .infer = mvn_infer,
                                                         .emit = mvn_emit};

/* ---- LRN ------------------------------------------------------------------------------------- */

static sv_status lrn_infer(sv_infer *x)
{
    int64_t size = sv_node_int(x->node, "size", 0);
    SV_TRY(sv_infer_same(x));
    if (size < 1)
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "size: expected at least 1, found %lld", (long long)size);
    return sv_infer_rank(x, 0, 2, SV_MAX_RANK);
}

static sv_status lrn_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_lrn_param param = {.size = sv_node_int(e->node, "size", 1),
                          .alpha = sv_node_float(e->node, "alpha", 0.0001f),
                          .beta = sv_node_float(e->node, "beta", 0.75f),
                          .bias = sv_node_float(e->node, "bias", 1.0f)};
    sv_ref ref[2] = {sv_ref_any(0), sv_ref_any(sv_emit_out(e, 0))};
    return sv_emit_problem(e, SV_FAMILY_lrn, &param, sizeof(param), 2, ref, 2);
}

const sv_op_desc sv_op_desc_LRN = {.op = SV_OP_LRN,
                                   .min_in = 1,
                                   .max_in = 1,
                                   .min_out = 1,
                                   .max_out = 1,
                                   .infer = lrn_infer,
                                   .emit = lrn_emit};
