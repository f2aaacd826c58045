/* Small graphs for the engine's tests, built by hand. */
#ifndef SV_TESTS_ENGINE_GRAPHS_H
#define SV_TESTS_ENGINE_GRAPHS_H

#include "ir/module.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static inline void must(sv_status status)
{
    if (status != SV_OK) fail_msg("%s", sv_status_message(status));
}

static inline sv_value_id graph_input(sv_graph *graph, const char *name, sv_dtype dtype,
                                      int32_t rank, const int64_t *dim)
{
    sv_value_id value;
    must(sv_graph_add_value(graph, name, &value));
    graph->value[value].type.tensor = (sv_type){dtype, sv_shape_make(rank, dim)};
    must(sv_graph_add_input(graph, value));
    return value;
}

/* A node with one output. */
static inline sv_value_id graph_node(sv_graph *graph, sv_op op, uint32_t n_in,
                                     const sv_value_id *in, sv_node **out)
{
    sv_node *node;
    must(sv_graph_add_node(graph, op, sv_op_get(op)->name, n_in, 1, &node));
    for (uint32_t i = 0; i < n_in; i++)
        node->in[i] = in[i];
    if (out) *out = node;
    return node->out[0];
}

static inline sv_value_id graph_constant(sv_graph *graph, const float *data, int32_t rank,
                                         const int64_t *dim)
{
    sv_tensor tensor;
    sv_shape shape = sv_shape_make(rank, dim);
    uint32_t constant;
    sv_value_id value;
    must(sv_tensor_create(&graph->module->arena, SV_F32, &shape, &tensor));
    for (int64_t i = 0; i < sv_tensor_count(&tensor); i++)
        ((float *)tensor.data)[i] = data[i];
    must(sv_module_add_constant(graph->module, "constant", &tensor, &constant));
    must(sv_graph_add_constant(graph, constant, &value));
    return value;
}

#endif
