/* Channel shuffles (Zhang et al., ShuffleNet, CVPR 2018) go into the order of weights: Reshape,
 * Transpose and Reshape that put the channels of g groups between each other's. Where a convolution
 * of one group makes what is shuffled, its results come in the new order; where such convolutions
 * alone read it, theirs are read in the old one. Other neighbours tie channels to their places:
 * there a shuffle stays a copy. */
#include "base/status.h"
#include "optimize/pass.h"
#include "tensor/dtype.h"

#include <string.h>

/* Channel j of the result is channel shuffle_place(j) of x. */
typedef struct shuffle {
    sv_node *last; /* makes the result */
    sv_value_id x;
    int64_t groups, each; /* groups, and channels of each */
} shuffle;

static int64_t shuffle_place(const shuffle *s, int64_t j)
{
    return j % s->groups * s->each + j / s->groups;
}

/* The shuffle that undoes it. */
static shuffle undone(const shuffle *s)
{
    shuffle back = *s;
    back.groups = s->each;
    back.each = s->groups;
    return back;
}

static const sv_shape *shape_of(const sv_graph *graph, sv_value_id value)
{
    return &graph->value[value].type.tensor.shape;
}

/* Dimensions 1 and 2, and no others, change places. */
static bool swaps_channels(const sv_node *transpose, int32_t rank)
{
    uint32_t n;
    const int64_t *perm = sv_node_ints(transpose, "perm", &n);
    if (!perm || (int32_t)n != rank) return false;
    for (int32_t i = 0; i < rank; i++)
        if (perm[i] != (i == 1 ? 2 : i == 2 ? 1 : i)) return false;
    return true;
}

static bool find_shuffle(const sv_graph *graph, sv_node *node, shuffle *out)
{
    if (node->dead || node->op != SV_OP_Reshape || !sv_pass_read_once(graph, node->in[0]))
        return false;
    const sv_node *swap = sv_pass_producer_of(graph, node->in[0], SV_OP_Transpose);
    const sv_node *split = swap ? sv_pass_producer_of(graph, swap->in[0], SV_OP_Reshape) : NULL;
    if (!split || !sv_pass_read_once(graph, swap->in[0])) return false;
    const sv_shape *x = shape_of(graph, split->in[0]), *groups = shape_of(graph, split->out[0]);
    if (x->rank < 3 || groups->rank != x->rank + 1 || !swaps_channels(swap, groups->rank) ||
        !sv_shape_equal(x, shape_of(graph, node->out[0])) || x->dim[0] != groups->dim[0])
        return false;
    for (int32_t i = 2; i < x->rank; i++)
        if (x->dim[i] != groups->dim[i + 1]) return false;
    *out = (shuffle){node, split->in[0], groups->dim[1], groups->dim[2]};
    return x->dim[1] > 0 && out->groups > 1 && out->each > 1 && x->dim[1] % out->groups == 0 &&
           x->dim[1] / out->groups == out->each;
}

/* ---- weights ------------------------------------------------------------------------------- */

/* A float constant whose dimension `axis` has as many elements as there are channels. */
static bool has_channels(const sv_graph *graph, sv_value_id value, int32_t axis, const shuffle *s)
{
    const sv_constant *constant = sv_pass_constant(graph, value);
    if (!constant || constant->source.dtype != SV_F32) return false;
    const sv_shape *shape = &constant->source.shape;
    return shape->rank > axis && shape->dim[axis] == s->groups * s->each;
}

static bool is_dense(const sv_graph *graph, const sv_node *conv, int32_t axis, const shuffle *s)
{
    return conv && !conv->dead && conv->op == SV_OP_Conv && conv->n_fused == 0 &&
           sv_node_int(conv, "group", 1) == 1 && has_channels(graph, conv->in[1], axis, s);
}

/* Element j along `axis` of the new constant is element shuffle_place(j) of the old one. */
static sv_status reorder(sv_graph *graph, const shuffle *s, int32_t axis, sv_value_id *value)
{
    const sv_constant *constant = sv_pass_constant(graph, *value);
    const char *name = constant->name;
    sv_tensor tensor;
    SV_TRY(sv_constant_value(constant, &graph->module->arena, &tensor));
    const int64_t channels = s->groups * s->each;
    const size_t size = (size_t)sv_tensor_count(&tensor) * sizeof(float);
    size_t outer = 1;
    for (int32_t i = 0; i < axis; i++)
        outer *= (size_t)tensor.shape.dim[i];
    const size_t piece = outer ? size / outer / (size_t)channels : 0;
    sv_blob *blob;
    uint8_t *to;
    SV_TRY(sv_blob_create(size, name, graph->module->arena.allocator, &blob, &to));
    const uint8_t *from = tensor.data;
    for (size_t o = 0; o < outer; o++, from += piece * (size_t)channels) {
        for (int64_t j = 0; j < channels; j++, to += piece)
            memcpy(to, from + piece * (size_t)shuffle_place(s, j), piece);
    }
    tensor.blob = blob;
    tensor.data = (void *)(uintptr_t)blob->data;
    uint32_t index;
    SV_TRY(sv_module_add_blob(graph->module, blob));
    SV_TRY(sv_module_add_constant(graph->module, name, &tensor, &index));
    return sv_graph_add_constant(graph, index, value);
}

/* ---- before and behind --------------------------------------------------------------------- */

/* The convolution that makes x for the shuffle alone, with no more behind it than operations that
 * treat all channels alike; NULL: there is none. */
static sv_node *maker_of(const sv_graph *graph, const shuffle *s)
{
    sv_value_id value = s->x;
    while (sv_pass_read_once(graph, value)) {
        sv_node *node = sv_pass_producer(graph, value);
        if (!node || node->dead || node->n_fused) return NULL;
        if (node->op == SV_OP_Conv) return is_dense(graph, node, 0, s) ? node : NULL;
        if (node->op != SV_OP_Relu && node->op != SV_OP_Sigmoid && node->op != SV_OP_LeakyRelu)
            return NULL;
        value = node->in[0];
    }
    return NULL;
}

static sv_status fold_into_maker(sv_graph *graph, const shuffle *s, bool *done)
{
    sv_node *conv = maker_of(graph, s);
    const bool bias = conv && conv->n_in > 2 && conv->in[2] != SV_NO_VALUE;
    if (!conv || (bias && !has_channels(graph, conv->in[2], 0, s))) return SV_OK;
    SV_TRY(reorder(graph, s, 0, &conv->in[1]));
    if (bias) SV_TRY(reorder(graph, s, 0, &conv->in[2]));
    sv_pass_take_over(graph, sv_pass_producer(graph, s->x), s->last);
    *done = true;
    return SV_OK;
}

/* Whether all that reads the result are convolutions whose weights can take the old order. */
static bool readers_are_dense(const sv_graph *graph, const shuffle *s)
{
    const sv_value_id value = s->last->out[0];
    uint32_t readers = 0;
    for (uint32_t i = 0; i < graph->n_node; i++) {
        const sv_node *node = graph->node[i];
        if (!node->dead && node->n_in > 0 && node->in[0] == value && is_dense(graph, node, 1, s))
            readers++;
    }
    return readers && readers == graph->value[value].uses;
}

static sv_status fold_into_readers(sv_graph *graph, const shuffle *s)
{
    const sv_value_id value = s->last->out[0];
    const shuffle back = undone(s);
    if (!readers_are_dense(graph, s)) return SV_OK;
    for (uint32_t i = 0; i < graph->n_node; i++) {
        sv_node *conv = graph->node[i];
        if (conv->dead || conv->n_in == 0 || conv->in[0] != value) continue;
        SV_TRY(reorder(graph, &back, 1, &conv->in[1]));
        conv->in[0] = s->x;
    }
    return SV_OK;
}

sv_status sv_pass_fold_shuffles(sv_graph *graph)
{
    for (uint32_t i = 0; i < graph->n_node; i++) {
        shuffle s;
        bool done = false;
        if (!find_shuffle(graph, graph->node[i], &s)) continue;
        SV_TRY(fold_into_maker(graph, &s, &done));
        if (!done) SV_TRY(fold_into_readers(graph, &s));
    }
    return SV_OK;
}
