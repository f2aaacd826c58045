/* What quantising means, one block of values at a time: for the reference row, and for loops whose
 * scales lie in blocks, which no strides can say. */
#ifndef SV_KERNELS_QUANTIZE_VALUES_H
#define SV_KERNELS_QUANTIZE_VALUES_H

#include "kernels/elementwise.h"

#define SV_QUANTIZE_BLOCK 256

/* The values that an integer type of at most 32 bits holds; false for other types. */
bool sv_quantize_range(sv_dtype dtype, double *low, double *high);

/* `n` values, at most SV_QUANTIZE_BLOCK, with the scale and zero point that belong to each: those
 * at i * step. */
typedef struct sv_quantize_values {
    double value[SV_QUANTIZE_BLOCK], scale[SV_QUANTIZE_BLOCK], zero[SV_QUANTIZE_BLOCK];
    int64_t n, step;
} sv_quantize_values;

/* The results, of type `dtype` and `ys` bytes apart. Overwrites the values. */
void sv_quantize_put(const sv_quantize_param *param, sv_quantize_values *v, sv_dtype dtype, char *y,
                     int64_t ys);

/* The least and the greatest of `n` numbers and 0; NaN does not count. */
typedef struct sv_quantize_extent {
    float low, high;
} sv_quantize_extent;
sv_quantize_extent sv_quantize_extent_of(const float *x, int64_t n);

#endif
