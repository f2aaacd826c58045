/* What exec.c (keys, plans, memory), region.c (running a plan's steps), call.c (work between two
 * segments) and loop.c (running a body again and again) share. */
#ifndef SV_ENGINE_EXEC_STATE_H
#define SV_ENGINE_EXEC_STATE_H

#include "engine/exec.h"

typedef struct sv_memory {
    void *data; /* 64-byte aligned */
    size_t size;
} sv_memory;

typedef struct sv_exec_port {
    void *bound; /* the caller's memory, or NULL */
    size_t bound_size;
    bool aside; /* `bound` is not aligned: results are made in `own` and moved there */
    sv_memory own;
    sv_type type; /* of the last run */
} sv_exec_port;

typedef struct sv_exec_time {
    uint64_t ns;
    uint32_t segment, step;
} sv_exec_time;

/* Results of the iterations of a loop, one behind another. */
typedef struct sv_stack {
    sv_memory memory, moved; /* `moved`: with the new dimension elsewhere than in front */
    sv_type item;            /* of the first; dtype NONE: there is none yet */
    int64_t count;
} sv_stack;

/* A body, with the memory that its loop keeps between iterations. */
typedef struct sv_exec_body {
    sv_exec *exec;
    sv_datum *value;   /* [n_state + n_item_in]: what the next iteration reads */
    sv_memory *memory; /* [n_state + n_item_in]: of states; of inputs with items moved in front */
    sv_stack *stack;   /* [n_item_out] */
    int64_t iteration;
    bool go_on;
} sv_exec_body;

struct sv_exec {
    sv_compiled *compiled;
    const sv_allocator *allocator;
    sv_team *team;
    uint32_t threads;
    sv_arena
        *arena; /* what the run makes besides tensors of plans; that of the exec around a body */
    sv_arena own_arena;
    sv_datum *bound;               /* [n_in] as the caller has bound them; dtype NONE: not bound */
    sv_datum *held;                /* [n_held] */
    sv_exec_body *body;            /* [n_body] */
    sv_memory operands;            /* of the call that is made: inputs and outputs */
    sv_tensor *input;              /* [n_in] as this run reads them */
    sv_memory *aligned;            /* [n_in]: copies of inputs that are not aligned */
    sv_type *input_type;           /* [n_in] of this run */
    const sv_tensor **input_value; /* [n_in] */
    sv_exec_port *output;          /* [n_out] */
    uint32_t capacity;
    sv_plan **plan;  /* [capacity]: held plans, some of an earlier run */
    sv_memory *slab; /* [capacity] */
    sv_memory scratch, shared, key;
    size_t key_size;
    sv_fault *fault; /* [threads] */
    bool done;       /* outputs are valid */
    _Atomic bool own_interrupted;
    const _Atomic bool *interrupted; /* own_interrupted; of a body, that of the exec around it */
    bool profile;
    sv_memory times; /* of sv_exec_time */
    uint32_t n_time;
};

/* Makes the call behind which the next segment begins; its results are held, `type` gets those of
 * them that are tensors. */
SV_MUST_USE sv_status sv_exec_call(sv_exec *exec, const sv_plan *plan, sv_type *type);
/* Runs the body of a Loop, Scan or SequenceMap as often as its node says. */
SV_MUST_USE sv_status sv_exec_loop(sv_exec *exec, const sv_program_node *node,
                                   const sv_datum *const *in, sv_datum *out);
/* Memory of the bodies, recursively. */
SV_MUST_USE sv_status sv_exec_create_bodies(sv_exec *exec);
void sv_exec_destroy_bodies(sv_exec *exec);
void sv_exec_release(const sv_exec *exec, sv_memory *memory);
/* As reserve, but the first `used` bytes stay. */
SV_MUST_USE sv_status sv_exec_extend(sv_exec *exec, sv_memory *memory, size_t used, size_t size,
                                     const char *what);

/* CANCELLED: the run has ended before its time. */
SV_MUST_USE sv_status sv_exec_interrupted_error(void);
/* Runs the steps of the plan, whose memory is ready. A data error comes back as a status. */
SV_MUST_USE sv_status sv_exec_region(sv_exec *exec, const sv_plan *plan);
/* Where the run makes an output. */
static inline void *sv_exec_port_data(const sv_exec_port *port)
{
    return port->bound && !port->aside ? port->bound : port->own.data;
}
/* The address of an operand. */
void *sv_exec_address(const sv_exec *exec, const sv_operand *operand);
/* Makes the block at least `size` bytes; its content is lost when it grows. */
SV_MUST_USE sv_status sv_exec_reserve(sv_exec *exec, sv_memory *memory, size_t size,
                                      const char *what);

#endif
