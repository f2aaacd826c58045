/* Walking strided operands: cursors over outer dimensions, and one loop that gives elementwise rows
 * to a function whatever the strides are.
 *
 * Knows nothing of dtypes but their size; what happens to the elements is the caller's. */
#ifndef SV_KERNELS_STRIDED_H
#define SV_KERNELS_STRIDED_H

#include "kernels/kernel.h"

#define SV_STRIDED_MAX 6

/* ---- cursors ------------------------------------------------------------------------------- */

/* Addresses of `n` operands at one index of `rank` dimensions, stepped in row-major order. */
typedef struct sv_cursor {
    int32_t rank, n;
    int64_t dim[SV_MAX_RANK];
    int64_t step[SV_STRIDED_MAX][SV_MAX_RANK]; /* bytes */
    int64_t index[SV_MAX_RANK];
    char *at[SV_STRIDED_MAX];
} sv_cursor;

/* A cursor without dimensions over `n` operands; an operand that is absent stays NULL. */
void sv_cursor_init(sv_cursor *cursor, int32_t n);
/* Adds an inner dimension: `step[k]` bytes for operand k. Merges it into the one before where all
 * steps allow it, and drops sizes of 1. */
void sv_cursor_add(sv_cursor *cursor, int64_t dim, const int64_t *step);
int64_t sv_cursor_count(const sv_cursor *cursor);
/* To position `i` of sv_cursor_count, counted from `base[k]`. */
void sv_cursor_seek(sv_cursor *cursor, char *const *base, int64_t i);
/* One further; after the last it is at the first again. */
static inline void sv_cursor_next(sv_cursor *cursor)
{
    for (int32_t d = cursor->rank - 1; d >= 0; d--) {
        bool more = ++cursor->index[d] < cursor->dim[d];
        int64_t by = more ? 1 : 1 - cursor->dim[d];
        for (int32_t k = 0; k < cursor->n; k++)
            cursor->at[k] += by * cursor->step[k][d];
        if (more) return;
        cursor->index[d] = 0;
    }
}

/* Splits the dimensions of `n` operands of one rank (sizes are those of desc[shape]) in two
 * cursors: those whose bit is set in `mask`, in the order of falling strides of operand `order`,
 * and the rest likewise. Absent operands get steps of 0. Both have at least rank 0. */
void sv_cursor_split(const sv_desc *desc, int32_t n, int32_t shape, int32_t order, uint32_t mask,
                     sv_cursor *in, sv_cursor *out);

/* ---- elementwise --------------------------------------------------------------------------- */

/* Elements of a unit: 16 KiB of f32, a few microseconds of a cheap operation. */
#define SV_STRIDED_UNIT 4096

/* The dimensions of an elementwise problem, ordered so that the result is written in order of
 * memory, and merged. Rows are runs along the innermost one; along the one around it where rows
 * would be very short, unless they were asked for in order. */
typedef struct sv_strided {
    sv_cursor outer;
    int64_t step[SV_STRIDED_MAX]; /* bytes from element to element of a row */
    int64_t inner, rows;          /* elements of a row; rows */
    int64_t parts;                /* units of a row; 1 when a unit has whole rows */
    int64_t rows_per_unit;
} sv_strided;

/* `n` elements; at[k] is the first of operand k, step[k] bytes apart. */
typedef void (*sv_strided_row)(char *const *at, const int64_t *step, int64_t n,
                               const void *context);

/* `n` operands of equal dims, the result last. */
void sv_strided_init(sv_strided *strided, const sv_desc *desc, int32_t n);
void sv_strided_init_in_order(sv_strided *strided, const sv_desc *desc, int32_t n);
/* Rows become elements of rows along the dimension around them, if there is one. */
void sv_strided_join_rows(sv_strided *strided);
uint32_t sv_strided_units(const sv_strided *strided);
/* Calls `row` for the elements of units [begin, end). */
void sv_strided_run(sv_strided *strided, void *const *ptr, uint32_t begin, uint32_t end,
                    sv_strided_row row, const void *context);

/* ---- runs of elements ---------------------------------------------------------------------- */

/* Copies `n` elements of `size` bytes, aligned or not, the source's `xs` bytes apart (0: one
 * repeated), the destination's `ys`. */
void sv_strided_copy(const char *x, int64_t xs, char *y, int64_t ys, int64_t n, size_t size);

/* Elements that loops over operands side by side take at a time when an operand lies otherwise. */
#define SV_STRIDED_BLOCK 512

/* Elements [i, i + n) of a row, side by side: where they lie, or copied to `block` of
 * SV_STRIDED_BLOCK elements. A row is read from i = 0 on, so that what is repeated is copied once,
 * for the longest block. */
static inline const char *sv_strided_side_by_side(const char *at, int64_t step, int64_t i,
                                                  int64_t n, size_t size, char *block)
{
    if (step == (int64_t)size) return at + i * step;
    if (step || i == 0) sv_strided_copy(at + i * step, step, block, (int64_t)size, n, size);
    return block;
}

/* ---- for `units` of rows ------------------------------------------------------------------- */

/* Units of an elementwise problem whose operands are all its descriptors. */
uint32_t sv_strided_problem_units(const sv_problem *problem, uint32_t phase);

/* `count` pieces of `weight` elements each: pieces a unit so that it has about SV_STRIDED_UNIT. */
static inline int64_t sv_pieces_per_unit(int64_t weight)
{
    return weight >= SV_STRIDED_UNIT ? 1 : SV_STRIDED_UNIT / (weight > 0 ? weight : 1);
}
static inline int64_t sv_divide_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}
static inline int64_t sv_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
