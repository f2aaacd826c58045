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

/* Neighbouring results that are found together: the width of a unit, the same at every level. */
#define SV_REDUCE_COLUMNS 64

/* Elements of `size` bytes behind a result lie side by side. */
static inline bool sv_reduce_side_by_side(const sv_reduce_plan *plan, int64_t size)
{
    return plan->step == size || plan->size == 1;
}

/* Neighbouring results, of `y_size` bytes, are those of neighbouring elements. */
static inline bool sv_reduce_in_columns(const sv_reduce_plan *plan, int64_t size, int64_t y_size)
{
    int32_t last = plan->outer.rank - 1;
    return last >= 0 && plan->outer.step[0][last] == size && plan->outer.step[1][last] == y_size;
}

/* Units of f32 in either of the two shapes. */
static inline uint32_t sv_reduce_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    const sv_reduce_param *param = problem->param;
    sv_reduce_plan plan;
    sv_reduce_plan_init(&plan, problem->desc, param->axes);
    if (!plan.results) return 0;
    if (sv_reduce_side_by_side(&plan, 4))
        return (uint32_t)sv_divide_up(plan.results, plan.per_unit);
    int64_t side = plan.outer.dim[plan.outer.rank - 1];
    return (uint32_t)(plan.results / side * sv_divide_up(side, SV_REDUCE_COLUMNS));
}

/* Finds a result of elements side by side (columns 0), or `columns` neighbouring ones. */
typedef void (*sv_reduce_results)(const sv_reduce_plan *plan, char *x, char *y, int64_t columns,
                                  const void *context);

/* Calls `results` for those of units [begin, end) of sv_reduce_units; a y takes `y_size` bytes. */
static inline void sv_reduce_visit(const sv_call *call, uint32_t begin, uint32_t end,
                                   int64_t y_size, sv_reduce_results results, const void *context)
{
    const sv_reduce_param *param = call->param;
    sv_reduce_plan plan;
    sv_reduce_plan_init(&plan, call->desc, param->axes);
    sv_cursor *outer = &plan.outer;
    if (sv_reduce_side_by_side(&plan, 4)) {
        int64_t at = begin * plan.per_unit, to = end * plan.per_unit;
        if (to > plan.results) to = plan.results;
        if (at < to) sv_cursor_seek(outer, (char *const *)call->ptr, at);
        for (; at < to; at++, sv_cursor_next(outer))
            results(&plan, outer->at[0], outer->at[1], 0, context);
        return;
    }
    const int64_t side = outer->dim[--outer->rank];
    const uint32_t blocks = (uint32_t)sv_divide_up(side, SV_REDUCE_COLUMNS);
    for (uint32_t u = begin; u < end; u++) {
        sv_cursor_seek(outer, (char *const *)call->ptr, u / blocks);
        const int64_t at = u % blocks * SV_REDUCE_COLUMNS;
        results(&plan, outer->at[0] + at * 4, outer->at[1] + at * y_size,
                side - at < SV_REDUCE_COLUMNS ? side - at : SV_REDUCE_COLUMNS, context);
    }
}

#endif
