/* Plans: what a model does for one key (input shapes, asked values), as plain data.
 *
 * A plan is a list of steps; a step names a kernel, its parameters and its operands by number, and
 * holds no pointer, so that plans can be shared by all sessions and, later, saved. Immutable once
 * made; reference-counted; thread-safe. */
#ifndef SV_ENGINE_PLAN_H
#define SV_ENGINE_PLAN_H

#include "engine/program.h"
#include "kernels/kernel.h"

#include <stdatomic.h>

/* Where an operand's bytes are. */
typedef enum sv_space {
    SV_SPACE_NONE,     /* absent: a NULL pointer */
    SV_SPACE_SLAB,     /* index: segment; the session's memory */
    SV_SPACE_WEIGHT,   /* index: entry of the constant store */
    SV_SPACE_CONSTANT, /* index: constant of the module, raw */
    SV_SPACE_INPUT,    /* index: model input; the caller's memory */
    SV_SPACE_OUTPUT,   /* index: model output; the caller's memory or the session's */
    SV_SPACE_PLAN,     /* index: segment whose plan holds the bytes */
    SV_SPACE_HELD,     /* index: value that the session holds, a tensor */
} sv_space;

typedef struct sv_operand {
    uint32_t space, index;
    uint64_t offset; /* bytes */
} sv_operand;

typedef enum sv_step_flag {
    SV_STEP_BARRIER = 1 << 0, /* all threads have finished what came before */
    SV_STEP_BRANCH = 1 << 1, /* operand 0 is a bool that all threads read: false goes to `target` */
    SV_STEP_JUMP = 1 << 2,   /* goes to `target` */
    SV_STEP_SINGLE = 1 << 3, /* the first thread does all of it, the others go on */
} sv_step_flag;

typedef struct sv_step {
    uint16_t run; /* index in plan->kernel */
    uint8_t flags, n_operand;
    uint32_t units;   /* of phase 0; further phases ask the kernel's table entry */
    uint32_t operand; /* first in plan->operand and plan->desc */
    uint32_t param;   /* offset in plan->param */
    uint32_t target;  /* BRANCH, JUMP: the step where it goes on */
    uint32_t node;    /* program node, for messages */
} sv_step;

/* What a step needs beyond its 24 hot bytes: read by steps with phases, epilogues, and profiles. */
typedef struct sv_step_detail {
    sv_epilogue epilogue;
    uint32_t phase_units[3]; /* of phases 1.. */
    uint32_t rounds;         /* of the last phase */
    double flops, bytes;
    uint32_t result; /* index of the operand that it writes, the first of several */
} sv_step_detail;

/* Where a program value is after its segment: what later segments and the session read. */
typedef struct sv_place {
    sv_type type; /* dtype NONE: not made yet, or gone */
    sv_operand at;
    sv_desc desc;
    const sv_tensor *known; /* value known at specialisation; lies in a plan's arena */
} sv_place;

/* Why a segment ends. */
typedef enum sv_break {
    SV_BREAK_END,   /* the program is done */
    SV_BREAK_VALUE, /* the next segment's plan depends on the value of break_value */
    SV_BREAK_SIZE,  /* .. on sizes that measuring steps have written */
    SV_BREAK_CALL,  /* .. on the types that the call of node `next` gives */
} sv_break;

typedef struct sv_plan sv_plan;
struct sv_plan {
    _Atomic uint32_t refs;
    uint64_t hash, tick; /* of the key; last use, for eviction */
    uint8_t *key;
    size_t key_size, bytes; /* memory that the plan takes */
    sv_arena arena;
    sv_plan *parent; /* the segment before; counted */
    uint32_t segment, n_step, n_operand, n_kernel;
    sv_step *step;
    sv_step_detail *detail;
    sv_operand *operand;
    sv_desc *desc;
    uint8_t *param;
    const sv_kernel **kernel;
    uint8_t *constants;           /* SV_SPACE_PLAN */
    size_t slab, scratch, shared; /* bytes: of the segment, per thread, of one step */
    double cost_ns;
    sv_place *place; /* [program->n_value] */
    sv_type *output; /* [program->n_out]: types of outputs written here; dtype NONE: not here */
    uint8_t break_kind;
    uint32_t at, next;    /* first program node; node where the next segment begins */
    uint32_t break_value; /* VALUE */
    uint32_t n_size;      /* SIZE: outputs of node `next` */
    sv_operand *size_at;  /* [n_size]: each output's dims as i64; space NONE: omitted */
    sv_type *size_type;   /* [n_size]: what is known of the outputs */
    uint32_t n_argument;  /* CALL: inputs of node `next` */
    sv_place *argument;   /* [n_argument]: dense; space NONE and nothing known: omitted */
};

sv_plan *sv_plan_ref(sv_plan *plan);
void sv_plan_unref(sv_plan *plan);

#endif
