/* What the families of tensor operators share: checks of inputs, symbolic products, rows of work
 * for an operator's own loops. What one operator means is in its family's file. */
#ifndef SV_OPS_SUPPORT_H
#define SV_OPS_SUPPORT_H

#include "ops/emit.h"

#include <string.h>

/* ---- inference ------------------------------------------------------------------------------- */

/* The rank of an input is unknown or within [low, high]; otherwise an error that names the input.
 */
SV_MUST_USE sv_status sv_infer_rank(const sv_infer *x, uint32_t input, int32_t low, int32_t high);
/* Inputs `a` and `b` have one dtype, as far as both are known. */
SV_MUST_USE sv_status sv_infer_same_dtype(const sv_infer *x, uint32_t a, uint32_t b);
/* The input, unless omitted, has one element (of rank 0, or 1 as some exporters write it), as far
 * as is known, and the given dtype (NONE: any). */
SV_MUST_USE sv_status sv_infer_scalar(const sv_infer *x, uint32_t input, sv_dtype dtype);
/* The input's dtype is unknown, omitted, or i32 or i64. */
SV_MUST_USE sv_status sv_infer_index(const sv_infer *x, uint32_t input);
/* The dtype that an integer attribute names; `otherwise` when it is absent. */
SV_MUST_USE sv_status sv_infer_dtype_attr(const sv_infer *x, const char *name, sv_dtype otherwise,
                                          sv_dtype *out);
/* Product of dim[first..last): a known number, the one symbol among ones, or a fresh symbol.
 * `shape` has a known rank. */
int64_t sv_infer_product(sv_infer *x, const sv_shape *shape, int32_t first, int32_t last);
/* Elements of an input of rank 1 (rank 0 counts as 1); -1 when not known. */
int64_t sv_infer_length(const sv_infer *x, uint32_t input);
/* Axes in [-rank, rank) become a mask of dimensions; a repeated one is an error. */
SV_MUST_USE sv_status sv_infer_axes(const sv_infer *x, const int64_t *axis, uint32_t n,
                                    int32_t rank, uint32_t *mask);

/* The shape of numpy's matmul of two inputs (in matmul.c). */
SV_MUST_USE sv_status sv_infer_matmul(sv_infer *x, uint32_t left, uint32_t right, sv_shape *out);

/* ---- emission -------------------------------------------------------------------------------- */

/* Ints of an input's known value, up to 64; false when there is no value. */
bool sv_emit_ints(const sv_emit *e, uint32_t input, int64_t out[64], uint32_t *count);
/* An operator's own loop over chosen operands. */
SV_MUST_USE sv_status sv_emit_custom(sv_emit *e, const sv_kernel *kernel, const void *param,
                                     size_t size, uint32_t n, const sv_ref *ref,
                                     uint32_t write_mask);
/* Every element of `to` becomes that of `from`, broadcast. */
SV_MUST_USE sv_status sv_emit_fill(sv_emit *e, sv_slot to, sv_slot from);
/* A constant of rank 0 with the value `number` (false, the empty string ..). */
SV_MUST_USE sv_status sv_emit_scalar(sv_emit *e, sv_dtype dtype, double number, sv_slot *out);
/* `to` lies around `from` with before[i] elements in front of dimension i; the rest of `to` becomes
 * the single element of `fill`. */
SV_MUST_USE sv_status sv_emit_surround(sv_emit *e, sv_slot to, sv_slot from, sv_slot fill,
                                       const int64_t *before);

/* y = sums of elements of x by the tables of the sample family (kernels/nn.h); no `image`:
 * SV_NO_SLOT. */
SV_MUST_USE sv_status sv_emit_sample(sv_emit *e, sv_slot x, sv_slot image, sv_slot at,
                                     sv_slot weight, sv_slot y);

/* y = a x b by numpy's rules, for known shapes (in matmul.c). */
SV_MUST_USE sv_status sv_emit_matmul(sv_emit *e, sv_slot a, sv_slot b, sv_slot y);

/* ---- an operator's own loops ------------------------------------------------------------- */

/* Rows of work, gathered in units of some ten microseconds. */
typedef struct sv_rows {
    int64_t count, per_unit;
} sv_rows;

#define SV_ROWS_UNIT_BYTES 32768

/* `count` rows that touch `bytes` each. */
static inline sv_rows sv_rows_make(int64_t count, int64_t bytes)
{
    int64_t per_unit = bytes > 0 ? SV_ROWS_UNIT_BYTES / bytes : SV_ROWS_UNIT_BYTES;
    return (sv_rows){count, per_unit > 0 ? per_unit : 1};
}
static inline uint32_t sv_rows_units(sv_rows rows)
{
    return (uint32_t)((rows.count + rows.per_unit - 1) / rows.per_unit);
}
static inline int64_t sv_rows_first(sv_rows rows, uint32_t begin)
{
    return begin * rows.per_unit;
}
static inline int64_t sv_rows_last(sv_rows rows, uint32_t end)
{
    int64_t last = end * rows.per_unit;
    return last < rows.count ? last : rows.count;
}

/* The dims of a dense operand around one axis. */
typedef struct sv_span {
    int64_t outer, axis, inner;
} sv_span;

static inline int64_t sv_desc_product(const sv_desc *desc, int32_t first, int32_t last)
{
    int64_t product = 1;
    for (int32_t i = first; i < last; i++)
        product *= desc->dim[i];
    return product;
}
static inline sv_span sv_desc_span(const sv_desc *desc, int32_t axis)
{
    return (sv_span){sv_desc_product(desc, 0, axis), desc->dim[axis],
                     sv_desc_product(desc, axis + 1, desc->rank)};
}
static inline size_t sv_desc_size(const sv_desc *desc)
{
    return sv_dtype_get(desc->dtype)->size;
}

/* Element i of a dense i32 or i64 operand. */
static inline int64_t sv_index_at(sv_dtype dtype, const void *data, int64_t i)
{
    return dtype == SV_I32 ? ((const int32_t *)data)[i] : ((const int64_t *)data)[i];
}

/* Moves one element; the sizes that occur become single moves. */
static inline void sv_element_move(char *to, const char *from, size_t size)
{
    switch (size) {
    case 1:
        *to = *from;
        break;
    case 2:
        memcpy(to, from, 2);
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    case 8:
        memcpy(to, from, 8);
        break;
    default:
        memcpy(to, from, size);
        break;
    }
}

#endif
