/* The flat program: a model's main graph as one list of nodes, independent of shapes.
 *
 * Nested graphs of If are inlined between a branch and a join, captures have become plain values. A
 * graph that is run again and again (Loop, Scan) is a program of its own behind a call. Made once
 * at load; every specialisation reads it. Immutable afterwards. */
#ifndef SV_ENGINE_PROGRAM_H
#define SV_ENGINE_PROGRAM_H

#include "ir/module.h"
#include "ops/op.h"

typedef struct sv_program_value {
    const char *name;
    sv_value_type type; /* symbolic */
    uint32_t constant;  /* index in the module, or SV_NO_INDEX */
    uint32_t input;     /* index among the model's inputs, or SV_NO_INDEX */
    uint32_t held;      /* index among the values that sessions hold, or SV_NO_INDEX: results of
                           calls, and whatever is no tensor */
    uint32_t last_use;  /* index of the last program node that reads it; SV_NO_INDEX for outputs */
} sv_program_value;

typedef enum sv_program_kind {
    SV_PROGRAM_NODE,
    SV_PROGRAM_CALL,   /* made by the session between two segments: on values that are no tensors,
                          or by running `body`, whose captures follow the node's own inputs */
    SV_PROGRAM_BRANCH, /* in[0] false: go to target */
    SV_PROGRAM_MOVE,   /* out[0] = in[0]: a branch's result */
    SV_PROGRAM_JUMP,   /* go to target: end of the first branch */
    SV_PROGRAM_JOIN,   /* both branches meet */
} sv_program_kind;

typedef struct sv_program_node {
    uint8_t kind;
    const sv_node *node;
    const char *title; /* "Conv+Relu" */
    uint32_t n_in, n_out;
    uint32_t *in, *out; /* program values; SV_NO_VALUE: omitted */
    uint32_t
        *weight; /* [n_in]: entry in the constant store that a packed use reads, or SV_NO_INDEX */
    uint32_t table;       /* entry in the constant store that holds the node's table .. */
    sv_tensor table_view; /* .. and that as a tensor; or SV_NO_INDEX */
    uint32_t target;      /* BRANCH: first node of the second branch; JUMP: the join */
    uint32_t join;        /* BRANCH: the join */
    uint32_t body;        /* CALL: index in program->body, or SV_NO_INDEX */
} sv_program_node;

typedef struct sv_program sv_program;
struct sv_program {
    const sv_module *module;
    uint32_t n_value, n_node, n_in, n_out, n_held;
    uint32_t value_capacity, node_capacity;
    sv_program_value *value;
    sv_program_node *node;
    uint32_t *in, *out; /* program values */
    uint32_t
        *fallback; /* [n_in]: the constant that an input is when it is not bound, or SV_NO_INDEX */
    uint32_t n_body, body_capacity;
    sv_program **body;
    uint32_t n_capture; /* the last inputs of a body: values of the graph around it */
    sv_value_id *capture;
};

/* Memory comes from the arena. UNIMPLEMENTED lists every operator that cannot run, by name. */
SV_MUST_USE sv_status sv_program_create(const sv_module *module, const sv_graph *graph,
                                        sv_arena *arena, sv_program **out);
/* Whether a run may take any time, whatever its shapes are: a Loop's count is no constant. */
bool sv_program_is_open_ended(const sv_program *program);

#endif
