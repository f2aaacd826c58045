/* Cursors and the elementwise walk; see the header. */
#include "kernels/strided.h"

#include <string.h>

void sv_cursor_init(sv_cursor *cursor, int32_t n)
{
    cursor->rank = 0;
    cursor->n = n;
}

void sv_cursor_add(sv_cursor *cursor, int64_t dim, const int64_t *step)
{
    if (dim == 1) return;
    int32_t last = cursor->rank - 1;
    bool merge = last >= 0;
    for (int32_t k = 0; merge && k < cursor->n; k++) {
        merge = cursor->step[k][last] == step[k] * dim;
    }
    if (!merge) {
        last = cursor->rank++;
        cursor->dim[last] = 1;
    }
    cursor->dim[last] *= dim;
    for (int32_t k = 0; k < cursor->n; k++)
        cursor->step[k][last] = step[k];
}

int64_t sv_cursor_count(const sv_cursor *cursor)
{
    int64_t count = 1;
    for (int32_t d = 0; d < cursor->rank; d++)
        count *= cursor->dim[d];
    return count;
}

void sv_cursor_seek(sv_cursor *cursor, char *const *base, int64_t i)
{
    for (int32_t k = 0; k < cursor->n; k++)
        cursor->at[k] = base[k];
    for (int32_t d = cursor->rank - 1; d >= 0; d--) {
        cursor->index[d] = i % cursor->dim[d];
        i /= cursor->dim[d];
        for (int32_t k = 0; k < cursor->n; k++) {
            cursor->at[k] += cursor->index[d] * cursor->step[k][d];
        }
    }
}

/* The dimensions by falling stride of `desc`; equal strides keep their order. */
static void order_dims(const sv_desc *desc, int32_t *order)
{
    for (int32_t i = 0; i < desc->rank; i++) {
        int32_t at = i;
        while (at > 0 && desc->stride[order[at - 1]] < desc->stride[i]) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
}

void sv_cursor_split(const sv_desc *desc, int32_t n, int32_t shape, int32_t order, uint32_t mask,
                     sv_cursor *in, sv_cursor *out)
{
    int32_t dims[SV_MAX_RANK];
    order_dims(&desc[order], dims);
    sv_cursor_init(in, n);
    sv_cursor_init(out, n);
    for (int32_t i = 0; i < desc[shape].rank; i++) {
        int32_t d = dims[i];
        int64_t step[SV_STRIDED_MAX];
        for (int32_t k = 0; k < n; k++) {
            bool absent = desc[k].dtype == SV_DTYPE_NONE;
            step[k] = absent ? 0 : desc[k].stride[d] * sv_dtype_get(desc[k].dtype)->size;
        }
        sv_cursor_add(mask >> d & 1 ? in : out, desc[shape].dim[d], step);
    }
}

/* The innermost dimension of the cursor becomes the row. */
static void take_row(sv_strided *strided)
{
    sv_cursor *outer = &strided->outer;
    strided->inner = 1;
    if (outer->rank == 0) {
        for (int32_t k = 0; k < outer->n; k++)
            strided->step[k] = 0;
        return;
    }
    int32_t last = --outer->rank;
    strided->inner = outer->dim[last];
    for (int32_t k = 0; k < outer->n; k++)
        strided->step[k] = outer->step[k][last];
}

/* A row of so few elements takes less than what is around it. */
#define SHORT_ROW 4

static void swap_dims(sv_cursor *cursor, int32_t a, int32_t b)
{
    const int64_t dim = cursor->dim[a];
    cursor->dim[a] = cursor->dim[b];
    cursor->dim[b] = dim;
    for (int32_t k = 0; k < cursor->n; k++) {
        const int64_t step = cursor->step[k][a];
        cursor->step[k][a] = cursor->step[k][b];
        cursor->step[k][b] = step;
    }
}

/* Where the innermost dimension is short, and the one around it much longer, rows run along that:
 * two coordinates of each of a thousand boxes. */
static void lengthen_rows(sv_cursor *cursor)
{
    const int32_t last = cursor->rank - 1;
    if (last < 1 || cursor->dim[last] > SHORT_ROW) return;
    if (cursor->dim[last - 1] >= SHORT_ROW * cursor->dim[last]) swap_dims(cursor, last, last - 1);
}

void sv_strided_join_rows(sv_strided *strided)
{
    take_row(strided);
    strided->rows = strided->inner ? sv_cursor_count(&strided->outer) : 0;
    strided->parts = sv_divide_up(strided->inner, SV_STRIDED_UNIT);
    if (strided->parts < 1) strided->parts = 1;
    strided->rows_per_unit = sv_pieces_per_unit(strided->inner);
}

/* All dimensions, as elements without rows. */
static void spread_out(sv_strided *strided, const sv_desc *desc, int32_t n)
{
    sv_cursor none;
    sv_cursor_split(desc, n, n - 1, n - 1, 0, &none, &strided->outer);
}

void sv_strided_init(sv_strided *strided, const sv_desc *desc, int32_t n)
{
    spread_out(strided, desc, n);
    lengthen_rows(&strided->outer);
    sv_strided_join_rows(strided);
}

void sv_strided_init_in_order(sv_strided *strided, const sv_desc *desc, int32_t n)
{
    spread_out(strided, desc, n);
    sv_strided_join_rows(strided);
}

uint32_t sv_strided_units(const sv_strided *strided)
{
    if (strided->parts > 1) return (uint32_t)(strided->rows * strided->parts);
    return (uint32_t)sv_divide_up(strided->rows, strided->rows_per_unit);
}

/* Rows longer than a unit: neighbouring units of one row go in one call. */
static void run_parts(sv_strided *strided, void *const *ptr, uint32_t begin, uint32_t end,
                      sv_strided_row row, const void *context)
{
    sv_cursor *outer = &strided->outer;
    while (begin < end) {
        int64_t first = begin % strided->parts;
        int64_t last =
            strided->parts - first < end - begin ? strided->parts : first + (end - begin);
        int64_t from = first * SV_STRIDED_UNIT, to = last * SV_STRIDED_UNIT;
        if (to > strided->inner) to = strided->inner;
        sv_cursor_seek(outer, (char *const *)ptr, begin / strided->parts);
        char *at[SV_STRIDED_MAX];
        for (int32_t k = 0; k < outer->n; k++)
            at[k] = outer->at[k] + from * strided->step[k];
        row(at, strided->step, to - from, context);
        begin += (uint32_t)(last - first);
    }
}

void sv_strided_run(sv_strided *strided, void *const *ptr, uint32_t begin, uint32_t end,
                    sv_strided_row row, const void *context)
{
    if (strided->parts > 1) {
        run_parts(strided, ptr, begin, end, row, context);
        return;
    }
    int64_t from = begin * strided->rows_per_unit, to = end * strided->rows_per_unit;
    if (to > strided->rows) to = strided->rows;
    if (from >= to) return;
    sv_cursor_seek(&strided->outer, (char *const *)ptr, from);
    for (; from < to; from++) {
        row(strided->outer.at, strided->step, strided->inner, context);
        sv_cursor_next(&strided->outer);
    }
}

uint32_t sv_strided_problem_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    sv_strided strided;
    sv_strided_init(&strided, problem->desc, problem->n_operand);
    return sv_strided_units(&strided);
}

/* Elements, or some side by side, as the bytes that they are: any alignment will do. */
#define EACH_SIZE(F) F(1) F(2) F(3) F(4) F(6) F(8) F(12) F(16) F(32)
#define BYTES(size)                                                                                \
    typedef struct bytes_##size {                                                                  \
        char byte[size];                                                                           \
    } bytes_##size;
EACH_SIZE(BYTES)

/* One value repeated. */
static void fill_row(const char *x, char *y, int64_t ys, int64_t n, size_t size)
{
    switch (size) {
#define FILL(size)                                                                                 \
    case size: {                                                                                   \
        const bytes_##size value = *(const bytes_##size *)x;                                       \
        for (int64_t i = 0; i < n; i++)                                                            \
            *(bytes_##size *)(y + i * ys) = value;                                                 \
        return;                                                                                    \
    }
        EACH_SIZE(FILL)
    default:
        for (int64_t i = 0; i < n; i++)
            memcpy(y + i * ys, x, size);
    }
}

static void move_row(const char *x, int64_t xs, char *y, int64_t ys, int64_t n, size_t size)
{
    switch (size) {
#define MOVE(size)                                                                                 \
    case size:                                                                                     \
        for (int64_t i = 0; i < n; i++)                                                            \
            *(bytes_##size *)(y + i * ys) = *(const bytes_##size *)(x + i * xs);                   \
        return;
        EACH_SIZE(MOVE)
    default:
        for (int64_t i = 0; i < n; i++)
            memcpy(y + i * ys, x + i * xs, size);
    }
}

void sv_strided_copy(const char *x, int64_t xs, char *y, int64_t ys, int64_t n, size_t size)
{
    if (n == 1 || (xs == (int64_t)size && ys == (int64_t)size)) {
        memcpy(y, x, (size_t)n * size);
    } else if (!xs) {
        fill_row(x, y, ys, n, size);
    } else {
        move_row(x, xs, y, ys, n, size);
    }
}
