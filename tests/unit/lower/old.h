/* One-node graphs of old opsets, lowered and evaluated with the reference kernels. */
#ifndef TESTS_UNIT_LOWER_OLD_H
#define TESTS_UNIT_LOWER_OLD_H

#include "ir/module.h"
#include "support/check.h"

typedef struct old {
    sv_module *module;
    sv_graph *graph;
    sv_node *node;
    sv_arena arena;    /* of what evaluation makes */
    sv_tensor **value; /* [n_value] after evaluate() */
} old;

/* A module whose graph has one node, `version` old, with `n_in` inputs (not yet set) and one output
 * that is the graph's. */
void old_init(old *o, sv_op op, int32_t version, uint32_t n_in);
void old_release(old *o);
/* Input `index` of the node becomes a graph input of float32 [dims], counted up from 1. */
void old_input(old *o, uint32_t index, int rank, const int64_t *dims);
/* ... or a float32 constant. */
void old_constant(old *o, uint32_t index, int rank, const int64_t *dims, const float *data);
/* Adds `node`'s output to the graph's, lowers versions, verifies, and evaluates everything. */
void old_lower(old *o);
/* The graph's output `index` is float32 with exactly these dims and values within 1e-6. */
void old_expect(const old *o, uint32_t index, int rank, const int64_t *dims, const float *data);

#endif
