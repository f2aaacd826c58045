/* Folds what scales and shifts channels by constants into the convolution before it: batch
 * normalisations, y = (conv(x) + b - mean) * s + shift with s = scale / sqrt(var + epsilon), and
 * multiplications and additions with a value a channel. The weights stay where they are; packing
 * multiplies. Normalisations also fold into products of matrices.
 *
 * In a graph that has convolutions, a normalisation with none before it becomes one itself, of each
 * channel alone: one pass over its input, that others fold into and are fused behind. */
#include "base/status.h"
#include "optimize/pass.h"

#include <math.h>

/* y = x * scale[j] + shift[j], j the channel; NULL: 1, 0. */
typedef struct channel_map {
    int64_t n;
    const float *gamma, *beta, *mean, *var; /* of a normalisation; gamma also of a multiplication,
                                               beta of an addition */
    double epsilon;
} channel_map;

static double map_scale(const channel_map *map, int64_t i)
{
    double gamma = map->gamma ? (double)map->gamma[i] : 1.0;
    return map->var ? gamma / sqrt((double)map->var[i] + map->epsilon) : gamma;
}

static double map_value(const channel_map *map, int64_t i, double x)
{
    double mean = map->mean ? (double)map->mean[i] : 0.0;
    double beta = map->beta ? (double)map->beta[i] : 0.0;
    return (x - mean) * map_scale(map, i) + beta;
}

/* ---- what is folded ------------------------------------------------------------------------ */

static const sv_constant *plain_f32(const sv_graph *graph, sv_value_id value)
{
    const sv_constant *constant = sv_pass_constant(graph, value);
    bool plain = constant && !sv_constant_derived(constant) && constant->source.dtype == SV_F32;
    return plain ? constant : NULL;
}

/* NULL when there are not n of them. */
static const float *elements(const sv_constant *constant, int64_t n)
{
    const sv_tensor *source = &constant->source;
    return sv_tensor_count(source) == n && sv_tensor_present(source) ? source->data : NULL;
}

static const float *vector(const sv_graph *graph, sv_value_id value, int64_t n)
{
    const sv_constant *constant = plain_f32(graph, value);
    return constant ? elements(constant, n) : NULL;
}

/* The elements of a constant that has n of them, all along dimension 1 of a result of `rank`. */
static const float *column(const sv_graph *graph, sv_value_id value, int32_t rank, int64_t n)
{
    const sv_constant *constant = plain_f32(graph, value);
    if (!constant || n < 2) return NULL;
    const sv_shape *shape = &constant->source.shape;
    int32_t at = shape->rank - (rank - 1);
    if (rank < 2 || at < 0 || at > 1 || shape->dim[at] != n) return NULL;
    return elements(constant, n);
}

static bool norm_map(const sv_graph *graph, const sv_node *norm, channel_map *map)
{
    if (sv_node_int(norm, "training_mode", 0)) return false;
    for (uint32_t i = 1; i < norm->n_out; i++) {
        if (norm->out[i] != SV_NO_VALUE && graph->value[norm->out[i]].uses > 0) return false;
    }
    map->gamma = vector(graph, norm->in[1], map->n);
    map->beta = vector(graph, norm->in[2], map->n);
    map->mean = vector(graph, norm->in[3], map->n);
    map->var = vector(graph, norm->in[4], map->n);
    map->epsilon = (double)sv_node_float(norm, "epsilon", 1e-5f);
    return map->gamma && map->beta && map->mean && map->var;
}

/* What `node` does to the channels of its input `value`, of which there are map->n. */
static bool node_map(const sv_graph *graph, const sv_node *node, sv_value_id value,
                     channel_map *map)
{
    sv_value_id other;
    if (node->op == SV_OP_BatchNormalization) return norm_map(graph, node, map);
    if (node->op != SV_OP_Mul && node->op != SV_OP_Add) return false;
    if (!sv_pass_other(node, value, &other)) return false;
    const float *data = column(graph, other, graph->value[value].type.tensor.shape.rank, map->n);
    if (node->op == SV_OP_Mul) {
        map->gamma = data;
    } else {
        map->beta = data;
    }
    return data != NULL;
}

/* ---- into a convolution or a product -------------------------------------------------------- */

/* What takes a scale and a shift: a node with weights in its second input, channels along `axis`,
 * and room for a bias in its third. */
typedef struct base {
    sv_node *node; /* NULL: none */
    int32_t axis;
} base;

/* A product of two matrices, the second of which has the channels in its columns. */
static bool is_product(const sv_graph *graph, const sv_node *node, int32_t *axis)
{
    *axis = node->op == SV_OP_Gemm && sv_node_int(node, "transB", 0) ? 0 : 1;
    if (node->op == SV_OP_MatMul)
        return graph->value[node->in[0]].type.tensor.shape.rank == 2 &&
               graph->value[node->in[1]].type.tensor.shape.rank == 2;
    return node->op == SV_OP_Gemm && sv_node_float(node, "alpha", 1.0f) == 1.0f &&
           sv_node_float(node, "beta", 1.0f) == 1.0f;
}

static bool is_convolution(const sv_node *node, int32_t *axis)
{
    *axis = node->op == SV_OP_ConvTranspose ? 1 : 0;
    return node->op == SV_OP_Conv ||
           (node->op == SV_OP_ConvTranspose && sv_node_int(node, "group", 1) == 1);
}

/* The convolution, or if `products` the product, that makes `value` for one reader, if its weights
 * can take a scale. */
static base base_of(const sv_graph *graph, sv_value_id value, bool products)
{
    const base none = {NULL, 0};
    base found = {.node = sv_pass_producer(graph, value)};
    if (!found.node || found.node->dead || found.node->n_fused || !sv_pass_read_once(graph, value))
        return none;
    if (!is_convolution(found.node, &found.axis) &&
        !(products && is_product(graph, found.node, &found.axis)))
        return none;
    const sv_constant *weight = sv_pass_constant(graph, found.node->in[1]);
    if (!weight || weight->shift || weight->source.dtype != SV_F32) return none;
    if (weight->scale && weight->axis != found.axis) return none;
    return weight->source.shape.rank > found.axis ? found : none;
}

static sv_status add_weight(sv_graph *graph, sv_node *conv, const channel_map *map, int32_t axis)
{
    const sv_constant *from = sv_pass_constant(graph, conv->in[1]);
    sv_tensor source = from->source;
    const float *before = from->scale;
    uint32_t constant;
    sv_value_id value;
    float *scale = sv_arena_array(&graph->module->arena, (size_t)map->n, sizeof(*scale));
    if (!scale) return sv_error_memory("batch normalisation", (size_t)map->n * sizeof(*scale));
    for (int64_t i = 0; i < map->n; i++)
        scale[i] = (float)((before ? (double)before[i] : 1.0) * map_scale(map, i));
    SV_TRY(sv_module_add_constant(graph->module, from->name, &source, &constant));
    graph->module->constant[constant].scale = scale;
    graph->module->constant[constant].axis = axis;
    SV_TRY(sv_graph_add_constant(graph, constant, &value));
    conv->in[1] = value;
    return SV_OK;
}

/* `bias` NULL: none so far. */
static sv_status set_bias(sv_graph *graph, sv_node *conv, const channel_map *map, const float *bias)
{
    float *shift = sv_arena_array(&graph->module->arena, (size_t)map->n, sizeof(*shift));
    if (!shift) return sv_error_memory("batch normalisation", (size_t)map->n * sizeof(*shift));
    for (int64_t i = 0; i < map->n; i++)
        shift[i] = (float)map_value(map, i, bias ? (double)bias[i] : 0.0);
    sv_value_id value;
    SV_TRY(sv_graph_constant_f32(graph, shift, map->n, false, &value));
    if (conv->n_in < 3) return sv_node_add_input(graph->module, conv, value);
    conv->in[2] = value;
    return SV_OK;
}

/* The bias that a node has; NULL: none, or *known is false. */
static const float *bias_of(const sv_graph *graph, const sv_node *node, int64_t n, bool *known)
{
    *known = node->n_in < 3 || node->in[2] == SV_NO_VALUE;
    if (*known) return NULL;
    const float *bias =
        node->op == SV_OP_Gemm ? column(graph, node->in[2], 2, n) : vector(graph, node->in[2], n);
    *known = bias != NULL;
    return bias;
}

/* Folds `node`, which reads `value`, into the base that makes it. */
static sv_status fold_into(sv_graph *graph, sv_node *node, sv_value_id value, bool products,
                           bool *done)
{
    const base to = base_of(graph, value, products);
    if (!to.node || *done) return SV_OK;
    channel_map map = {.n = sv_pass_constant(graph, to.node->in[1])->source.shape.dim[to.axis]};
    bool known;
    const float *bias = bias_of(graph, to.node, map.n, &known);
    if (!known || !node_map(graph, node, value, &map)) return SV_OK;
    if (map.gamma) SV_TRY(add_weight(graph, to.node, &map, to.axis));
    SV_TRY(set_bias(graph, to.node, &map, bias));
    if (to.node->op == SV_OP_MatMul) {
        /* Has no bias; its matrices lie as Gemm's do. */
        to.node->op = SV_OP_Gemm;
        to.node->op_name = sv_op_get(SV_OP_Gemm)->name;
    }
    sv_pass_take_over(graph, to.node, node);
    *done = true;
    return SV_OK;
}

/* A normalisation behind a product; the addition of a bias between them goes first. */
static sv_status fold_norm(sv_graph *graph, sv_node *norm, bool *done)
{
    sv_node *bias = sv_pass_producer_of(graph, norm->in[0], SV_OP_Add);
    bool added = false;
    for (uint32_t k = 0; bias && k < 2 && sv_pass_read_once(graph, norm->in[0]); k++)
        SV_TRY(fold_into(graph, bias, bias->in[k], true, &added));
    return fold_into(graph, norm, norm->in[0], true, done);
}

/* ---- a normalisation alone ----------------------------------------------------------------- */

static bool has_convolution(const sv_graph *graph)
{
    for (uint32_t i = 0; i < graph->n_node; i++) {
        if (graph->node[i]->op == SV_OP_Conv) return true;
    }
    return false;
}

/* A convolution has no positions there to begin with. */
static bool is_empty(const sv_shape *shape)
{
    for (int32_t i = 2; i < shape->rank; i++) {
        if (shape->dim[i] == 0) return true;
    }
    return false;
}

/* The normalisation becomes a convolution with one weight a channel. */
static sv_status convolve(sv_graph *graph, sv_node *norm)
{
    const sv_shape *shape = &graph->value[norm->in[0]].type.tensor.shape;
    const sv_constant *gamma = plain_f32(graph, norm->in[1]);
    channel_map map = {.n = gamma ? sv_tensor_count(&gamma->source) : 0};
    if (shape->rank < 3 || shape->rank > 5 || map.n < 2 || is_empty(shape) ||
        !norm_map(graph, norm, &map))
        return SV_OK;
    sv_module *module = graph->module;
    float *weight = sv_arena_array(&module->arena, (size_t)map.n, sizeof(*weight));
    if (!weight) return sv_error_memory("batch normalisation", (size_t)map.n * sizeof(*weight));
    for (int64_t i = 0; i < map.n; i++)
        weight[i] = (float)map_scale(&map, i);
    sv_tensor tensor = {.dtype = SV_F32, .shape = {.rank = shape->rank, .dim = {map.n}}};
    for (int32_t i = 1; i < shape->rank; i++)
        tensor.shape.dim[i] = 1;
    tensor.data = weight;
    uint32_t constant;
    SV_TRY(sv_module_add_constant(module, norm->name, &tensor, &constant));
    norm->n_in = 3;
    SV_TRY(sv_graph_add_constant(graph, constant, &norm->in[1]));
    SV_TRY(set_bias(graph, norm, &map, NULL));
    norm->op = SV_OP_Conv;
    norm->op_name = sv_op_get(norm->op)->name;
    norm->n_attr = 0;
    norm->n_out = 1;
    return sv_node_set_int(module, norm, "group", map.n);
}

sv_status sv_pass_fold_batch_norm(sv_graph *graph)
{
    uint32_t n = graph->n_node;
    bool convolutions = has_convolution(graph);
    for (uint32_t i = 0; i < n; i++) {
        sv_node *node = graph->node[i];
        bool norm = node->op == SV_OP_BatchNormalization, done = false;
        if (norm) SV_TRY(fold_norm(graph, node, &done));
        for (uint32_t k = 0; !norm && k < node->n_in && k < 2; k++)
            SV_TRY(fold_into(graph, node, node->in[k], false, &done));
        if (norm && convolutions && !done) SV_TRY(convolve(graph, node));
    }
    return SV_OK;
}
