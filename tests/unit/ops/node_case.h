/* One node in a module of its own: what tests of operators infer and evaluate. */
#ifndef SV_TESTS_OPS_NODE_CASE_H
#define SV_TESTS_OPS_NODE_CASE_H

#include "ops/emit.h"

#define NODE_CASE_MAX 12

typedef struct node_case {
    sv_module *module;
    sv_graph *graph;
    sv_node *node;
    sv_arena arena;
    sv_type in[NODE_CASE_MAX], out[NODE_CASE_MAX];
    const sv_tensor *value[NODE_CASE_MAX];
    sv_tensor tensor[NODE_CASE_MAX], result[NODE_CASE_MAX];
    uint32_t asked;
} node_case;

/* A node "n" of `op` with all inputs present, of unknown type. */
void node_case_init(node_case *c, sv_op op, uint32_t n_in, uint32_t n_out);
void node_case_release(node_case *c);
void node_case_ints(node_case *c, const char *name, uint32_t n, const int64_t *v);
void node_case_int(node_case *c, const char *name, int64_t v);
void node_case_text(node_case *c, const char *name, const char *text);
/* The type of input `i`; negative dims are symbols. */
void node_case_type(node_case *c, uint32_t i, sv_dtype dtype, int32_t rank, const int64_t *dim);
/* Input `i` is this f32 or i64 tensor, with a known value. */
void node_case_f32(node_case *c, uint32_t i, int32_t rank, const int64_t *dim, const float *data);
void node_case_i64(node_case *c, uint32_t i, int64_t count, const int64_t *data);
/* Input `i` is left out. */
void node_case_omit(node_case *c, uint32_t i);
/* Fills out and asked. */
sv_status node_case_infer(node_case *c);
/* Fills result. */
sv_status node_case_eval(node_case *c);
/* The dims of output `i` are these; a negative one stands for any symbol. */
void node_case_check_shape(const node_case *c, uint32_t i, int32_t rank, const int64_t *dim);
/* The elements of f32 output `i` are these to 1e-5. */
void node_case_check_f32(const node_case *c, uint32_t i, int64_t n, const float *want);

#endif
