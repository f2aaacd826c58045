/* A graph that is evaluated node by node, before and after optimisation: passes must keep its
 * answers. */
#ifndef SV_TESTS_OPTIMIZE_GRAPH_CASE_H
#define SV_TESTS_OPTIMIZE_GRAPH_CASE_H

#include "support/check.h"

#include "ops/op.h"
#include "optimize/optimize.h"

#define GRAPH_CASE_MAX 4

typedef struct graph_case {
    sv_module *module;
    sv_graph *graph;
    sv_arena arena;                /* of inputs and values */
    sv_tensor in[GRAPH_CASE_MAX];  /* the graph's inputs, filled with numbers */
    sv_tensor out[GRAPH_CASE_MAX]; /* outputs of the last evaluation */
} graph_case;

void graph_case_init(graph_case *c);
void graph_case_release(graph_case *c);

/* An input with numbers in it; `symbol` stands in the type wherever its bit in `symbols` is set. */
sv_value_id graph_case_input(graph_case *c, sv_dtype dtype, int32_t rank, const int64_t *dim,
                             uint32_t symbols);
/* A constant with numbers in it, or with `data`. */
sv_value_id graph_case_constant(graph_case *c, sv_dtype dtype, int32_t rank, const int64_t *dim,
                                const void *data);
sv_value_id graph_case_scalar(graph_case *c, float value);
/* A node with one output; `out` may be NULL. */
sv_value_id graph_case_node(graph_case *c, sv_op op, uint32_t n_in, const sv_value_id *in,
                            sv_node **out);
/* The shorthands for one and two inputs. */
sv_value_id graph_case_unary(graph_case *c, sv_op op, sv_value_id x);
sv_value_id graph_case_binary(graph_case *c, sv_op op, sv_value_id a, sv_value_id b);

/* The graph has these outputs: evaluates, optimises, evaluates again, and compares. */
void graph_case_check(graph_case *c, uint32_t n_out, const sv_value_id *out);
/* Nodes of `op`, and operators `op` fused behind others. */
uint32_t graph_case_count(const graph_case *c, sv_op op);
uint32_t graph_case_fused(const graph_case *c, sv_op op);

#endif
