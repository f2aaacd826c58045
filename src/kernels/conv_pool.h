/* conv_pool: a convolution and the pooling of its result, band by band: so many rows of the pool's
 * result, and those of the map between that they are taken from, while these are near.
 *
 * Operands {x, w, y, map, then those of the convolution's epilogue}. y is the pool's result; map is
 * the convolution's where others read it too, else absent: then a band's rows of it lie in scratch,
 * and no more. Rows here are positions along the first spatial dimension. Both parts are done by
 * the kernels that would do them as steps of their own, on problems of a band's size, and the
 * results are bit for bit those. */
#ifndef SV_KERNELS_CONV_POOL_H
#define SV_KERNELS_CONV_POOL_H

#include "kernels/nn.h"

enum { SV_CONV_POOL_X, SV_CONV_POOL_W, SV_CONV_POOL_Y, SV_CONV_POOL_MAP, SV_CONV_POOL_EPILOGUE };

typedef struct sv_conv_pool_param {
    sv_conv_param conv;
    sv_epilogue epilogue; /* of the convolution, with the numbers of its own operands */
    uint8_t n_operand;    /* of the convolution, as are the next two */
    sv_dtype w_dtype;
    uint16_t w_format;
    sv_pool_param pool;
    sv_desc map;                       /* where it is not kept, only pixels of a row lie so */
    int64_t rows;                      /* of y in a band; the last may have fewer */
    int64_t align;                     /* the map is cut at multiples of so many rows */
    uint16_t conv_kernel, pool_kernel; /* rows of sv_kernel_table */
    /* A thread's scratch: rows of the map, what the parts have as shared memory and as scratch. */
    uint64_t map_bytes, shared_bytes, scratch_bytes;
} sv_conv_pool_param;

/* A step: its problem, and the kernel that does it. */
typedef struct sv_conv_pool_part {
    const sv_problem *problem;
    const sv_kernel *kernel;
} sv_conv_pool_part;

typedef struct sv_conv_pool {
    sv_conv_pool_param param;
    sv_joined_operands operands; /* problem 0: the convolution, 1: the pool */
} sv_conv_pool;

/* Whether the convolution, and the pool that reads its result, can go by bands; `keeps`: the map is
 * stored as well. */
bool sv_conv_pool_make(const sv_conv_pool_part *conv, const sv_conv_pool_part *pool, bool keeps,
                       sv_conv_pool *out);

#endif
