/* The lines along one axis of {x, y}: what softmax works on. */
#ifndef SV_KERNELS_SOFTMAX_LINES_H
#define SV_KERNELS_SOFTMAX_LINES_H

#include "kernels/nn.h"
#include "kernels/strided.h"

typedef struct sv_lines {
    sv_cursor outer;  /* over the lines */
    int64_t n;        /* elements of a line */
    int64_t step[2];  /* bytes along a line */
    int64_t count;    /* lines; 0 when they are empty */
    int64_t per_unit; /* lines of a unit */
} sv_lines;

static inline void sv_lines_init(sv_lines *lines, const sv_desc *desc, int32_t axis)
{
    sv_cursor in;
    sv_cursor_split(desc, 2, 0, 1, 1u << axis, &in, &lines->outer);
    lines->n = desc[0].dim[axis];
    for (int k = 0; k < 2; k++)
        lines->step[k] = in.rank ? in.step[k][0] : 0;
    lines->count = lines->n ? sv_cursor_count(&lines->outer) : 0;
    lines->per_unit = sv_pieces_per_unit(lines->n);
}

static inline uint32_t sv_lines_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    const sv_softmax_param *param = problem->param;
    sv_lines lines;
    sv_lines_init(&lines, problem->desc, param->axis);
    return (uint32_t)sv_divide_up(lines.count, lines.per_unit);
}

#endif
