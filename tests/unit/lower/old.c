/* One-node graphs of old opsets, lowered and evaluated with the reference kernels. */
#include "old.h"

#include "lower/lower.h"
#include "ops/op.h"

#include <math.h>

void old_init(old *o, sv_op op, int32_t version, uint32_t n_in)
{
    *o = (old){0};
    CHECK_OK(sv_module_create(NULL, "test", &o->module));
    o->module->entry = sv_arena_array(&o->module->arena, 1, sizeof *o->module->entry);
    assert_non_null(o->module->entry);
    o->module->entry[0].name = "";
    o->module->n_entry = 1;
    CHECK_OK(sv_graph_create(o->module, NULL, "g", &o->module->entry[0].graph));
    o->graph = o->module->entry[0].graph;
    CHECK_OK(sv_graph_add_node(o->graph, op, "n", n_in, 1, &o->node));
    o->node->version = version;
    CHECK_OK(sv_graph_add_output(o->graph, o->node->out[0]));
    sv_arena_init(&o->arena, NULL);
}

void old_release(old *o)
{
    sv_arena_release(&o->arena);
    sv_module_destroy(o->module);
}

void old_input(old *o, uint32_t index, int rank, const int64_t *dims)
{
    CHECK_OK(sv_graph_add_value(o->graph, index ? "" : "x", &o->node->in[index]));
    CHECK_OK(sv_graph_add_input(o->graph, o->node->in[index]));
    o->graph->value[o->node->in[index]].type.tensor = (sv_type){SV_F32, sv_shape_make(rank, dims)};
}

void old_constant(old *o, uint32_t index, int rank, const int64_t *dims, const float *data)
{
    sv_shape shape = sv_shape_make(rank, dims);
    sv_tensor tensor;
    uint32_t constant;
    CHECK_OK(sv_tensor_create(&o->module->arena, SV_F32, &shape, &tensor));
    memcpy(tensor.data, data, (size_t)sv_tensor_count(&tensor) * sizeof *data);
    CHECK_OK(sv_module_add_constant(o->module, "", &tensor, &constant));
    CHECK_OK(sv_graph_add_constant(o->graph, constant, &o->node->in[index]));
}

static sv_tensor *counted_input(old *o, const sv_type *type)
{
    sv_tensor *tensor = sv_arena_alloc_zero(&o->arena, sizeof *tensor);
    assert_non_null(tensor);
    CHECK_OK(sv_tensor_create(&o->arena, type->dtype, &type->shape, tensor));
    for (int64_t i = 0; i < sv_tensor_count(tensor); i++)
        ((float *)tensor->data)[i] = (float)(i + 1);
    return tensor;
}

static void evaluate_node(old *o, const sv_node *node)
{
    const sv_tensor *in[8] = {0};
    sv_tensor *out = sv_arena_array(&o->arena, node->n_out, sizeof *out);
    assert_in_range(node->n_in, 0, 8);
    for (uint32_t i = 0; i < node->n_in; i++)
        if (node->in[i] != SV_NO_VALUE) in[i] = o->value[node->in[i]];
    CHECK_OK(sv_op_eval(o->module, node, in, out, &o->arena));
    for (uint32_t i = 0; i < node->n_out; i++)
        if (node->out[i] != SV_NO_VALUE) o->value[node->out[i]] = &out[i];
}

static void evaluate(old *o)
{
    sv_graph *graph = o->graph;
    o->value = sv_arena_array(&o->arena, graph->n_value, sizeof(sv_tensor *));
    assert_non_null(o->value);
    for (uint32_t v = 0; v < graph->n_value; v++)
        if (graph->value[v].constant != SV_NO_INDEX)
            o->value[v] = &o->module->constant[graph->value[v].constant].source;
    for (uint32_t i = 0; i < graph->n_in; i++)
        o->value[graph->in[i]] = counted_input(o, &graph->value[graph->in[i]].type.tensor);
    for (uint32_t n = 0; n < graph->n_node; n++)
        evaluate_node(o, graph->node[n]);
}

void old_lower(old *o)
{
    CHECK_OK(sv_graph_normalize(o->graph));
    CHECK_OK(sv_lower_versions(o->module));
    CHECK_OK(sv_module_verify(o->module));
    for (uint32_t n = 0; n < o->graph->n_node; n++)
        assert_int_equal(o->graph->node[n]->version, sv_op_get(o->graph->node[n]->op)->newest);
    evaluate(o);
}

void old_expect(const old *o, uint32_t index, int rank, const int64_t *dims, const float *data)
{
    const sv_tensor *found = o->value[o->graph->out[index]];
    sv_shape shape = sv_shape_make(rank, dims);
    char text[SV_SHAPE_TEXT];
    if (!sv_shape_equal(&found->shape, &shape))
        fail_msg("output %u has shape %s", index, sv_shape_text(&found->shape, text));
    assert_int_equal(found->dtype, SV_F32);
    for (int64_t i = 0; i < sv_tensor_count(found); i++) {
        float value = ((const float *)found->data)[i];
        if (fabsf(value - data[i]) > 1e-6f * fmaxf(1.0f, fabsf(data[i])))
            fail_msg("output %u, element %d: expected %g, found %g", index, (int)i, (double)data[i],
                     (double)value);
    }
}
