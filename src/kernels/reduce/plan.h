/* The dimensions of a reduction: those reduced, and those kept. */
#ifndef SV_KERNELS_REDUCE_PLAN_H
#define SV_KERNELS_REDUCE_PLAN_H

#include "kernels/nn.h"
#include "kernels/strided.h"

typedef struct sv_reduce_plan {
    sv_cursor in;    /* over the reduced dimensions but the innermost, {x} */
    sv_cursor outer; /* over the kept ones, {x, y} */
    int64_t n, step; /* the innermost reduced dimension: elements, bytes of x between them */
    int64_t runs;    /* times that it is walked for a result */
    int64_t size;    /* elements behind a result: n * runs, 0 when there are none */
    int64_t results, per_unit;
} sv_reduce_plan;

/* desc: {x, y}. */
static inline void sv_reduce_plan_init(sv_reduce_plan *plan, const sv_desc *desc, uint32_t axes)
{
    /* Kept dimensions in the order of y, so that results are written in order of memory. */
    sv_cursor kept, reduced;
    sv_cursor_split(desc, 2, 0, 1, ~axes, &plan->outer, &reduced);
    sv_cursor_split(desc, 1, 0, 0, axes, &plan->in, &kept);
    int32_t last = plan->in.rank - 1;
    plan->n = last >= 0 ? plan->in.dim[last] : 1;
    plan->step = last >= 0 ? plan->in.step[0][last] : 0;
    if (last >= 0) plan->in.rank--;
    plan->runs = sv_cursor_count(&plan->in);
    plan->size = plan->n * plan->runs;
    plan->results = sv_cursor_count(&plan->outer);
    plan->per_unit = sv_pieces_per_unit(plan->size);
}

#endif
