/* Losses over classes: NegativeLogLikelihoodLoss, and SoftmaxCrossEntropyLoss, which is the same
 * behind a LogSoftmax over the classes. */
#include "kernels/nn.h"

#include "base/status.h"
#include "kernels/ref.h"
#include "ops/nn_check.h"
#include "ops/support.h"

typedef enum sv_loss_reduction { SV_LOSS_MEAN, SV_LOSS_SUM, SV_LOSS_NONE } sv_loss_reduction;

/* Operands: log probabilities [N, C, D..], labels [N, D..], weights [C] or absent, loss. */
typedef struct sv_loss_param {
    uint8_t reduction;
    bool ignores;
    int64_t ignored;
} sv_loss_param;

static sv_status read_param(const sv_node *node, sv_loss_param *out)
{
    static const char *const names[] = {"mean", "sum", "none"};
    const char *text = sv_node_text(node, "reduction", "mean");
    *out = (sv_loss_param){.ignores = sv_node_attr(node, "ignore_index") != NULL,
                           .ignored = sv_node_int(node, "ignore_index", -1)};
    for (uint8_t i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        out->reduction = i;
        return SV_OK;
    }
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                         "reduction: expected mean, sum or none, found '%s'", text);
}

/* ---- inference ------------------------------------------------------------------------------- */

static sv_status check_labels(const sv_infer *x)
{
    const sv_shape *scores = &x->in[0].shape, *labels = &x->in[1].shape;
    SV_TRY(sv_infer_rank(x, 0, 2, SV_MAX_RANK));
    SV_TRY(sv_infer_index(x, 1));
    if (scores->rank < 0 || labels->rank < 0) return SV_OK;
    bool fits = labels->rank == scores->rank - 1;
    for (int32_t i = 0; fits && i < labels->rank; i++) {
        int64_t a = scores->dim[i ? i + 1 : 0], b = labels->dim[i];
        fits = a < 0 || b < 0 || a == b;
    }
    if (fits) return SV_OK;
    char a[SV_SHAPE_TEXT], b[SV_SHAPE_TEXT];
    return sv_infer_error(x, 1, "expected the shape of %s without its dimension 1, found %s",
                          sv_shape_text(scores, a), sv_shape_text(labels, b));
}

static sv_status loss_infer(sv_infer *x)
{
    sv_loss_param param;
    SV_TRY(read_param(x->node, &param));
    SV_TRY(check_labels(x));
    SV_TRY(sv_infer_vector(x, 2, x->in[0].shape.rank > 1 ? x->in[0].shape.dim[1] : -1));
    x->out[0].dtype = x->in[0].dtype;
    x->out[0].shape = (sv_shape){.rank = 0};
    if (param.reduction == SV_LOSS_NONE) {
        x->out[0].shape = x->in[1].shape;
        const sv_shape *scores = &x->in[0].shape;
        for (int32_t i = 0; scores->rank > 1 && i < scores->rank - 1; i++)
            x->out[0].shape.dim[i] = scores->dim[i ? i + 1 : 0];
        if (scores->rank > 1) x->out[0].shape.rank = scores->rank - 1;
    }
    if (x->n_out > 1) x->out[1] = x->in[0];
    return SV_OK;
}

/* ---- the loop -------------------------------------------------------------------------------- */

typedef struct sv_loss_sum {
    double loss, weight;
} sv_loss_sum;

/* The loss of label `i`, whose scores begin at `at` and lie `step` apart. */
static sv_loss_sum one_loss(const sv_call *call, int64_t i, int64_t at, int64_t step)
{
    const sv_loss_param *param = call->param;
    int64_t classes = call->desc[0].dim[1];
    int64_t label = sv_index_at(call->desc[1].dtype, call->ptr[1], i);
    if (param->ignores && label == param->ignored) return (sv_loss_sum){0, 0};
    if (label < 0 || label >= classes) {
        sv_call_fault(call, 0, "label", label, 0, classes);
        return (sv_loss_sum){0, 0};
    }
    double weight = call->ptr[2] ? ref_get(call->desc[2].dtype, call->ptr[2], label) : 1.0;
    return (sv_loss_sum){-ref_get(call->desc[0].dtype, call->ptr[0], at + label * step) * weight,
                         weight};
}

static void loss_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    (void)begin;
    (void)end;
    const sv_loss_param *param = call->param;
    const sv_desc *scores = &call->desc[0], *loss = &call->desc[3];
    int64_t inner = sv_desc_product(scores, 2, scores->rank);
    int64_t labels = scores->dim[0] * inner, plane = scores->dim[1] * inner;
    sv_loss_sum sum = {0, 0};
    for (int64_t i = 0; i < labels; i++) {
        sv_loss_sum one = one_loss(call, i, i / inner * plane + i % inner, inner);
        sum.loss += one.loss;
        sum.weight += one.weight;
        if (param->reduction == SV_LOSS_NONE) ref_put(loss->dtype, call->ptr[3], i, one.loss);
    }
    if (param->reduction == SV_LOSS_NONE) return;
    double result = param->reduction == SV_LOSS_MEAN ? sum.loss / sum.weight : sum.loss;
    ref_put(loss->dtype, call->ptr[3], 0, result);
}

static const sv_kernel loss_kernel = {
    .name = "custom_nll_loss", .family = SV_FAMILY_custom, .run = loss_run};

static sv_status emit_loss(sv_emit *e, sv_slot log_probability)
{
    sv_loss_param param;
    SV_TRY(read_param(e->node, &param));
    sv_ref ref[4] = {sv_ref_dense(log_probability), sv_ref_dense(1), sv_ref_dense(sv_emit_in(e, 2)),
                     sv_ref_dense(sv_emit_out(e, 0))};
    return sv_emit_custom(e, &loss_kernel, &param, sizeof(param), 4, ref, 8);
}

/* ---- descriptors ----------------------------------------------------------------------------- */

static sv_status nll_emit(sv_emit *e)
{
    return e->symbolic ? SV_OK : emit_loss(e, 0);
}

static sv_status cross_entropy_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_type type = *sv_emit_type(e, 0);
    sv_slot log_probability = sv_emit_out(e, 1);
    if (log_probability == SV_NO_SLOT)
        SV_TRY(sv_emit_temp(e, type.dtype, &type.shape, &log_probability));
    sv_softmax_param param = {.kind = SV_LOG_SOFTMAX, .axis = 1};
    sv_ref ref[2] = {sv_ref_any(0), sv_ref_any(log_probability)};
    SV_TRY(sv_emit_problem(e, SV_FAMILY_softmax, &param, sizeof(param), 2, ref, 2));
    return emit_loss(e, log_probability);
}

const sv_op_desc sv_op_desc_NegativeLogLikelihoodLoss = {.op = SV_OP_NegativeLogLikelihoodLoss,
                                                         .min_in = 2,
                                                         .max_in = 3,
                                                         .min_out = 1,
                                                         .max_out = 1,
                                                         .infer = loss_infer,
                                                         .emit = nll_emit};
const sv_op_desc sv_op_desc_SoftmaxCrossEntropyLoss = {.op = SV_OP_SoftmaxCrossEntropyLoss,
                                                       .min_in = 2,
                                                       .max_in = 3,
                                                       .min_out = 1,
                                                       .max_out = 2,
                                                       .infer = loss_infer,
                                                       .emit = cross_entropy_emit};
