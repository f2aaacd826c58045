/* Shapes: dimensions, symbolic or known, and the rules on them.
 *
 * A negative dimension is a symbol: equal numbers are equal sizes within one module. A shape of
 * rank -1 is wholly unknown. */
#ifndef SV_TENSOR_SHAPE_H
#define SV_TENSOR_SHAPE_H

#include <serval/types.h>

typedef struct sv_shape {
    int32_t rank; /* 0..SV_MAX_RANK; -1: unknown */
    int64_t dim[SV_MAX_RANK];
} sv_shape;

sv_shape sv_shape_unknown(void);
/* `rank` within bounds. */
sv_shape sv_shape_make(int32_t rank, const int64_t *dim);
bool sv_shape_equal(const sv_shape *a, const sv_shape *b);
/* All dimensions known (rank too). */
bool sv_shape_known(const sv_shape *shape);
/* Elements of a known shape, 1 for rank 0; false when symbolic or beyond 2^62. */
bool sv_shape_count(const sv_shape *shape, int64_t *out);
/* Product of dim[first..last). */
bool sv_shape_count_range(const sv_shape *shape, int32_t first, int32_t last, int64_t *out);
/* Row-major strides in elements. */
void sv_shape_strides(const sv_shape *shape, int64_t stride[SV_MAX_RANK]);
/* axis in [-rank, rank) becomes [0, rank); false otherwise. */
bool sv_shape_axis(const sv_shape *shape, int64_t axis, int32_t *out);
/* Multidirectional broadcasting (ONNX "Broadcasting"): symbols that differ give the symbol `fresh`
 * unless one side is 1 or a known size above 1. false when the sizes conflict. */
bool sv_shape_broadcast(const sv_shape *a, const sv_shape *b, int64_t fresh, sv_shape *out);
/* "[1,3,224,224]", symbols as "?": at most 8 * 22 + 3 bytes with the NUL. */
#define SV_SHAPE_TEXT 180
const char *sv_shape_text(const sv_shape *shape, char out[SV_SHAPE_TEXT]);

#endif
