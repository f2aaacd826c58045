/* Softmax, LogSoftmax and Hardmax over one axis. The losses built on them are in nn_loss.c. */
#include "kernels/nn.h"

#include "base/status.h"
#include "ops/support.h"

static sv_status softmax_infer(sv_infer *x)
{
    int32_t axis;
    SV_TRY(sv_infer_same(x));
    if (x->in[0].shape.rank < 0) return SV_OK;
    return sv_infer_axis(x, sv_node_int(x->node, "axis", -1), x->in[0].shape.rank, &axis);
}

static sv_status softmax_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_softmax_param param = {.kind = SV_SOFTMAX};
    if (e->node->op == SV_OP_LogSoftmax) param.kind = SV_LOG_SOFTMAX;
    if (e->node->op == SV_OP_Hardmax) param.kind = SV_HARDMAX;
    int64_t axis = sv_node_int(e->node, "axis", -1);
    if (!sv_shape_axis(&sv_emit_type(e, 0)->shape, axis, &param.axis))
        return sv_node_error(e->node, SV_CODE_INTERNAL, "axis %lld was not checked",
                             (long long)axis);
    sv_ref ref[2] = {sv_ref_any(0), sv_ref_any(sv_emit_out(e, 0))};
    return sv_emit_problem(e, SV_FAMILY_softmax, &param, sizeof(param), 2, ref, 2);
}

#define SOFTMAX_DESC(name)                                                                         \
    const sv_op_desc sv_op_desc_##name = {.op = SV_OP_##name,                                      \
                                          .min_in = 1,                                             \
                                          .max_in = 1,                                             \
                                          .min_out = 1,                                            \
                                          .max_out = 1,                                            \
                                          .infer = softmax_infer,                                  \
                                          .emit = softmax_emit}

SOFTMAX_DESC(Hardmax);
SOFTMAX_DESC(LogSoftmax);
SOFTMAX_DESC(Softmax);
