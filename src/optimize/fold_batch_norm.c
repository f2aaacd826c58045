/* Folds a batch normalisation into the weights of the convolution before it:
 * y = (conv(x) + b - mean) * s + shift with s = scale / sqrt(var + epsilon), a scale a output
 * channel. The weights stay where they are; packing multiplies. */
#include "base/status.h"
#include "optimize/pass.h"

#include <math.h>

static const float *vector(const sv_graph *graph, sv_value_id value, int64_t n)
{
    const sv_constant *constant = sv_pass_constant(graph, value);
    if (!constant || sv_constant_derived(constant) || constant->source.dtype != SV_F32) return NULL;
    return sv_tensor_count(&constant->source) == n ? constant->source.data : NULL;
}

/* The convolution whose only reader is `norm`, if its weights can take a scale. */
static sv_node *foldable(const sv_graph *graph, const sv_node *norm, int32_t *axis)
{
    if (norm->op != SV_OP_BatchNormalization || sv_node_int(norm, "training_mode", 0)) return NULL;
    for (uint32_t i = 1; i < norm->n_out; i++) {
        if (norm->out[i] != SV_NO_VALUE && graph->value[norm->out[i]].uses > 0) return NULL;
    }
    sv_node *conv = sv_pass_producer(graph, norm->in[0]);
    if (!conv || conv->dead || conv->n_fused || !sv_pass_read_once(graph, norm->in[0])) return NULL;
    bool transpose = conv->op == SV_OP_ConvTranspose && sv_node_int(conv, "group", 1) == 1;
    if (conv->op != SV_OP_Conv && !transpose) return NULL;
    const sv_constant *weight = sv_pass_constant(graph, conv->in[1]);
    if (!weight || sv_constant_derived(weight) || weight->source.dtype != SV_F32) return NULL;
    *axis = transpose ? 1 : 0;
    return weight->source.shape.rank > *axis ? conv : NULL;
}

static sv_status add_weight(sv_graph *graph, sv_node *conv, const float *scale, int32_t axis)
{
    const sv_constant *from = sv_pass_constant(graph, conv->in[1]);
    sv_tensor source = from->source;
    uint32_t constant;
    sv_value_id value;
    SV_TRY(sv_module_add_constant(graph->module, from->name, &source, &constant));
    graph->module->constant[constant].scale = scale;
    graph->module->constant[constant].axis = axis;
    SV_TRY(sv_graph_add_constant(graph, constant, &value));
    conv->in[1] = value;
    return SV_OK;
}

static sv_status fold(sv_graph *graph, sv_node *norm, sv_node *conv, int32_t axis)
{
    int64_t n = sv_pass_constant(graph, conv->in[1])->source.shape.dim[axis];
    const float *gamma = vector(graph, norm->in[1], n), *beta = vector(graph, norm->in[2], n);
    const float *mean = vector(graph, norm->in[3], n), *var = vector(graph, norm->in[4], n);
    bool biased = conv->n_in > 2 && conv->in[2] != SV_NO_VALUE;
    const float *bias = biased ? vector(graph, conv->in[2], n) : NULL;
    if (!gamma || !beta || !mean || !var || (biased && !bias)) return SV_OK;
    double epsilon = (double)sv_node_float(norm, "epsilon", 1e-5f);
    float *scale = sv_arena_array(&graph->module->arena, (size_t)n, sizeof(*scale));
    float *shift = sv_arena_array(&graph->module->arena, (size_t)n, sizeof(*shift));
    if (!scale || !shift) return sv_error_memory("batch normalisation", (size_t)n * sizeof(*scale));
    for (int64_t i = 0; i < n; i++) {
        double s = (double)gamma[i] / sqrt((double)var[i] + epsilon);
        scale[i] = (float)s;
        shift[i] =
            (float)(((bias ? (double)bias[i] : 0.0) - (double)mean[i]) * s + (double)beta[i]);
    }
    sv_value_id value;
    SV_TRY(add_weight(graph, conv, scale, axis));
    SV_TRY(sv_graph_constant_f32(graph, shift, n, false, &value));
    if (conv->n_in < 3) {
        SV_TRY(sv_node_add_input(graph->module, conv, value));
    } else {
        conv->in[2] = value;
    }
    sv_pass_take_over(graph, conv, norm);
    return SV_OK;
}

sv_status sv_pass_fold_batch_norm(sv_graph *graph)
{
    uint32_t n = graph->n_node;
    for (uint32_t i = 0; i < n; i++) {
        int32_t axis;
        sv_node *norm = graph->node[i], *conv = foldable(graph, norm, &axis);
        if (conv) SV_TRY(fold(graph, norm, conv, axis));
    }
    return SV_OK;
}
