/* Building and evaluating small graphs; see the header. */
#include "graph_case.h"

#include <math.h>

void graph_case_init(graph_case *c)
{
    *c = (graph_case){0};
    sv_arena_init(&c->arena, NULL);
    CHECK_OK(sv_module_create(NULL, "test", &c->module));
    CHECK_OK(sv_graph_create(c->module, NULL, "main", &c->graph));
    c->module->entry = sv_arena_alloc_zero(&c->module->arena, sizeof(sv_entry));
    c->module->entry[0] = (sv_entry){"", c->graph};
    c->module->n_entry = 1;
}

void graph_case_release(graph_case *c)
{
    sv_module_destroy(c->module);
    sv_arena_release(&c->arena);
}

/* Numbers between -2 and 2, positive ones for what must be (variances): every third is negative. */
static void fill(sv_tensor *tensor, uint32_t seed)
{
    int64_t n = sv_tensor_count(tensor);
    char *at = tensor->data;
    size_t size = sv_dtype_get(tensor->dtype)->size;
    for (int64_t i = 0; i < n; i++, at += size) {
        double value = (double)((i * 37 + seed * 11) % 19 + 1) / 10;
        sv_scalar_set_f64(tensor->dtype, at, (i + seed) % 3 == 0 ? -value : value);
    }
}

sv_value_id graph_case_input(graph_case *c, sv_dtype dtype, int32_t rank, const int64_t *dim,
                             uint32_t symbols)
{
    sv_shape shape = sv_shape_make(rank, dim);
    sv_value_id value;
    char name[8] = {'x', (char)('0' + c->graph->n_in)};
    CHECK_OK(sv_tensor_create(&c->arena, dtype, &shape, &c->in[c->graph->n_in]));
    fill(&c->in[c->graph->n_in], c->graph->n_in + 1);
    for (int32_t i = 0; i < rank; i++) {
        if (symbols >> i & 1) CHECK_OK(sv_module_symbol(c->module, NULL, &shape.dim[i]));
    }
    CHECK_OK(sv_graph_add_value(c->graph, name, &value));
    c->graph->value[value].type.tensor = (sv_type){dtype, shape};
    CHECK_OK(sv_graph_add_input(c->graph, value));
    return value;
}

sv_value_id graph_case_constant(graph_case *c, sv_dtype dtype, int32_t rank, const int64_t *dim,
                                const void *data)
{
    sv_shape shape = sv_shape_make(rank, dim);
    sv_tensor tensor;
    uint32_t constant;
    sv_value_id value;
    CHECK_OK(sv_tensor_create(&c->module->arena, dtype, &shape, &tensor));
    if (data) {
        memcpy(tensor.data, data, (size_t)sv_tensor_count(&tensor) * sv_dtype_get(dtype)->size);
    } else {
        fill(&tensor, c->module->n_constant + 5);
    }
    CHECK_OK(sv_module_add_constant(c->module, "constant", &tensor, &constant));
    CHECK_OK(sv_graph_add_constant(c->graph, constant, &value));
    return value;
}

sv_value_id graph_case_scalar(graph_case *c, float value)
{
    return graph_case_constant(c, SV_F32, 0, NULL, &value);
}

sv_value_id graph_case_node(graph_case *c, sv_op op, uint32_t n_in, const sv_value_id *in,
                            sv_node **out)
{
    sv_node *node;
    CHECK_OK(sv_graph_add_node(c->graph, op, "node", n_in, 1, &node));
    for (uint32_t i = 0; i < n_in; i++)
        node->in[i] = in[i];
    if (out) *out = node;
    return node->out[0];
}

sv_value_id graph_case_unary(graph_case *c, sv_op op, sv_value_id x)
{
    return graph_case_node(c, op, 1, &x, NULL);
}

sv_value_id graph_case_binary(graph_case *c, sv_op op, sv_value_id a, sv_value_id b)
{
    return graph_case_node(c, op, 2, (sv_value_id[]){a, b}, NULL);
}

static const sv_tensor *constant_value(graph_case *c, uint32_t index)
{
    sv_tensor *value = sv_arena_alloc(&c->arena, sizeof(*value));
    CHECK_OK(sv_constant_value(&c->module->constant[index], &c->arena, value));
    return value;
}

/* Every node in order, with the reference kernels. */
static void evaluate(graph_case *c)
{
    const sv_graph *graph = c->graph;
    const sv_tensor **value = sv_arena_array(&c->arena, graph->n_value, sizeof(*value));
    for (sv_value_id v = 0; v < graph->n_value; v++) {
        if (graph->value[v].constant != SV_NO_INDEX)
            value[v] = constant_value(c, graph->value[v].constant);
    }
    for (uint32_t i = 0; i < graph->n_in; i++)
        value[graph->in[i]] = &c->in[i];
    for (uint32_t n = 0; n < graph->n_node; n++) {
        const sv_node *node = graph->node[n];
        const sv_tensor **in = sv_arena_array(&c->arena, node->n_in, sizeof(*in));
        sv_tensor *out = sv_arena_array(&c->arena, node->n_out, sizeof(*out));
        for (uint32_t i = 0; i < node->n_in; i++) {
            if (node->in[i] != SV_NO_VALUE) in[i] = value[node->in[i]];
        }
        CHECK_OK(sv_op_eval(c->module, node, in, out, &c->arena));
        for (uint32_t i = 0; i < node->n_out; i++) {
            if (node->out[i] != SV_NO_VALUE) value[node->out[i]] = &out[i];
        }
    }
    for (uint32_t i = 0; i < graph->n_out; i++) {
        assert_non_null(value[graph->out[i]]);
        c->out[i] = *value[graph->out[i]];
    }
}

static void compare(const sv_tensor *before, const sv_tensor *after)
{
    assert_int_equal(before->dtype, after->dtype);
    assert_true(sv_shape_equal(&before->shape, &after->shape));
    for (int64_t i = 0; i < sv_tensor_count(before); i++) {
        double a = sv_tensor_get_f64(before, i), b = sv_tensor_get_f64(after, i);
        /* Folded scales and other orders of the same sum: a few roundings of float32. */
        if (!(fabs(a - b) <= 1e-5 * (1 + fabs(a))))
            fail_msg("element %lld: %g, %g", (long long)i, a, b);
    }
}

void graph_case_check(graph_case *c, uint32_t n_out, const sv_value_id *out)
{
    sv_tensor before[GRAPH_CASE_MAX];
    for (uint32_t i = 0; i < n_out; i++)
        CHECK_OK(sv_graph_add_output(c->graph, out[i]));
    CHECK_OK(sv_graph_normalize(c->graph));
    CHECK_OK(sv_graph_infer(c->graph));
    CHECK_OK(sv_module_verify(c->module));
    evaluate(c);
    memcpy(before, c->out, sizeof(before));
    CHECK_OK(sv_optimize(c->module));
    CHECK_OK(sv_module_verify(c->module));
    evaluate(c);
    for (uint32_t i = 0; i < n_out; i++)
        compare(&before[i], &c->out[i]);
}

uint32_t graph_case_count(const graph_case *c, sv_op op)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < c->graph->n_node; n++)
        count += c->graph->node[n]->op == op;
    return count;
}

uint32_t graph_case_fused(const graph_case *c, sv_op op)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < c->graph->n_node; n++) {
        for (uint32_t i = 0; i < c->graph->node[n]->n_fused; i++)
            count += c->graph->node[n]->fused[i].op == op;
    }
    return count;
}
