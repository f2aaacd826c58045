/* A plan in the making: the values and items that specialisation produces, on which storage, memory
 * and schedule are decided one after another. Lives only while one plan is made; one thread. */
#ifndef SV_ENGINE_BUILD_H
#define SV_ENGINE_BUILD_H

#include "engine/compiled.h"
#include "ops/emit.h"

/* A piece of memory that values lie in. */
typedef struct sv_base {
    uint32_t space, index;
    uint64_t bytes, offset;
    uint32_t first, last; /* steps that write and read it; first > last: unused */
    uint32_t merged;      /* the base that it shares memory with, or SV_NO_INDEX */
    uint32_t constant;    /* the value whose known elements it holds (space PLAN), or SV_NO_INDEX */
    bool live_out;        /* read by a later segment or after the run */
} sv_base;

typedef struct sv_storage {
    uint32_t base;
    int64_t offset; /* elements from the base's start */
    sv_desc desc;
} sv_storage;

typedef struct sv_build_value {
    sv_type type;
    const sv_tensor *known;
    uint32_t program; /* program value, or SV_NO_INDEX for a temporary */
    uint32_t table;   /* entry of the constant store that it is, or SV_NO_INDEX */
    bool stored;
    sv_storage storage;
    bool needed, live_out;
    bool overwritten; /* a problem writes it as a whole: sources cannot live in it */
    bool produced;    /* by a problem or copies of this segment, in `region` */
    uint32_t region;
    uint8_t layout;   /* sv_layout that the problems need which write it */
    uint32_t into;    /* the value in whose window it lies, or SV_NO_INDEX */
    uint32_t nesting; /* of windows that it lies in */
    int64_t into_start[SV_MAX_RANK];
    uint32_t output; /* model output that it may be stored in directly, or SV_NO_INDEX */
    uint32_t as_dense, as_clast; /* values that hold copies in that layout, or SV_NO_INDEX .. */
    uint32_t copied_in;          /* .. as long as this is the build's stretch */
} sv_build_value;

/* Control items stand among the others in program order. */
typedef enum sv_build_kind {
    SV_BUILD_ITEM,
    SV_BUILD_BRANCH, /* item.from: the condition; false goes to `label` */
    SV_BUILD_JUMP,   /* goes to `label` */
    SV_BUILD_TARGET, /* `label` is here */
} sv_build_kind;

typedef struct sv_build_item {
    sv_item item; /* as emitted; slots are build values */
    uint8_t kind;
    uint32_t label;
    uint32_t region;  /* the branch that it belongs to; 0: none */
    uint32_t node;    /* program node */
    uint32_t *weight; /* PROBLEM, [n_operand]: entry of the constant store, or SV_NO_INDEX */
} sv_build_item;

/* A step with its operands bound to storage, not yet to addresses. */
typedef struct sv_build_step {
    uint32_t node;
    uint8_t kind; /* sv_build_kind; a TARGET step does nothing and is left out of the plan */
    uint32_t label;
    bool barrier;
    sv_problem problem;
    const sv_kernel *kernel; /* custom loops; else chosen later */
    sv_storage *operand;     /* [problem.n_operand]; base SV_NO_INDEX: absent */
    uint32_t *value;         /* [problem.n_operand]: build values */
    uint32_t units;
    bool window; /* writes a window of a base that others write too */
} sv_build_step;

typedef struct sv_build {
    sv_compiled *compiled;
    const sv_plan_request *request;
    sv_arena *arena; /* scratch of this build */
    sv_plan *plan;   /* what is made; its arena keeps what stays */
    uint32_t n_value, value_capacity, n_item, item_capacity, n_base, base_capacity, n_step,
        step_capacity;
    sv_build_value *value;
    sv_build_item *item;
    sv_base *base;
    sv_build_step *step;
    uint32_t *program_value; /* [program->n_value]: build value, or SV_NO_INDEX */
    int64_t next_symbol;
    uint32_t n_label, n_region, region; /* given out; `region` is the one being walked */
    uint32_t stretch;     /* of steps that run one after another, whatever the branches */
    uint32_t *size_value; /* [n_size]: build values of measured dims */
    uint32_t *argument;   /* [n_argument]: build values made for a call, or SV_NO_INDEX */
} sv_build;

/* Layouts (layout.c). Channels-last strides: channels rounded up to 16 elements, 16 more from 512
 * channels on (against 4 KiB aliasing); none where there is one pixel. */
sv_desc sv_layout_dense(const sv_type *type);
sv_desc sv_layout_clast(const sv_type *type);
/* Elements from the first to behind the last. */
uint64_t sv_layout_extent(const sv_desc *desc);
/* Whether the operand lies in channels-last order; makes the strides of dimensions of 1 canonical.
 */
bool sv_layout_is_clast(sv_desc *desc);
/* The same elements with other dims, without moving them; false when strides do not allow it. */
bool sv_layout_reshape(const sv_desc *from, const sv_shape *to, sv_desc *out);

/* The passes, in order. */
SV_MUST_USE sv_status sv_build_specialise(sv_build *build, bool *retry);
SV_MUST_USE sv_status sv_build_storage(sv_build *build);
SV_MUST_USE sv_status sv_build_schedule(sv_build *build);    /* kernels, units */
SV_MUST_USE sv_status sv_build_join(sv_build *build);        /* several steps as one */
SV_MUST_USE sv_status sv_build_join_excite(sv_build *build); /* the part of it in join_excite.c */
SV_MUST_USE sv_status sv_build_memory(sv_build *build);      /* liveness, in place, offsets */
SV_MUST_USE sv_status sv_build_finish(sv_build *build);      /* barriers, steps, places */

/* Shared by the passes. */
SV_MUST_USE sv_status sv_build_add_value(sv_build *build, const sv_type *type, uint32_t program,
                                         uint32_t *out);
/* The build value of a program value, made when it is met first. */
SV_MUST_USE sv_status sv_build_program_value(sv_build *build, uint32_t program_value,
                                             uint32_t *out);
SV_MUST_USE sv_status sv_build_add_base(sv_build *build, uint32_t space, uint32_t index,
                                        uint64_t bytes, uint32_t *out);
SV_MUST_USE sv_status sv_build_add_step(sv_build *build, sv_build_step **out);
/* First and last step that touch each base, and whether it is read after the segment; merged bases
 * count for their root. */
void sv_build_liveness(sv_build *build);
/* Whether operand `read` of step `to` is, as it is, what step `from` writes as operand `written`, a
 * later one, and nobody else reads it. After liveness. */
bool sv_build_passes(const sv_build *build, uint32_t from, uint32_t written, uint32_t to,
                     uint32_t read);
/* Whether two operands of one base are the same elements, and lie alike. */
bool sv_build_same_elements(const sv_storage *a, const sv_desc *da, const sv_storage *b,
                            const sv_desc *db);
/* Nanoseconds of a step on one thread, by its kernel's account. */
double sv_build_cost(const sv_build_step *step);
/* The base that this one's memory lies in. */
uint32_t sv_build_root(const sv_build *build, uint32_t base);

#endif
