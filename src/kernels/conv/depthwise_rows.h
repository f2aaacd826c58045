/* One or two output rows of a depthwise convolution in blocks, from rows of input that may lie
 * anywhere: in a tensor, or in the scratch of a chain of convolutions. The loops are in
 * depthwise_block_tmpl.h; here is only what its callers of one level see. */
#ifndef SV_KERNELS_DEPTHWISE_ROWS_H
#define SV_KERNELS_DEPTHWISE_ROWS_H

#include "kernels/conv/conv_parts.h"

/* Rows of input that two rows of output meet, at most: 9 x 9. */
#define DEPTHWISE_ROWS_IN (1 + 9)
/* Columns of input that a block meets, at most: seven, 5 x 5 with stride 2. */
#define DEPTHWISE_ROWS_WIDE (6 * 2 + 5)

typedef struct depthwise_rows {
    const window_shape *shape; /* sizes and strides along rows, of channels, and the window */
    const float *weights;      /* conv_depthwise or conv_groups */
    int64_t group, depth;      /* output channels of a group, and channels that it sums: 1, 1 */
    const tile_epilogue *epilogue;
    const conv_sides *sides;
    float *zero;                        /* as many zeros as x has channels */
    float *last;                        /* [DEPTHWISE_ROWS_LAST] */
    int64_t high;                       /* output rows, 1 or 2 */
    const float *in[DEPTHWISE_ROWS_IN]; /* their window's rows; NULL: outside x */
    float *out[2];
    const float *side[SV_EPILOGUE_MAX][2];
} depthwise_rows;

/* Floats of scratch: the gathered last channels of a window, at most. */
#define DEPTHWISE_ROWS_LAST (DEPTHWISE_ROWS_IN * DEPTHWISE_ROWS_WIDE * SV_VF)

/* Whether the loops do a convolution's window, without dilation, in a chain. */
static inline bool depthwise_rows_support(const sv_conv_param *param)
{
    return param->spatial == 2 && (param->kernel[0] == 3 || param->kernel[0] == 5) &&
           (param->stride[0] == 1 || param->stride[0] == 2) &&
           param->kernel[0] == param->kernel[1] && param->stride[0] == param->stride[1] &&
           param->dilation[0] == 1 && param->dilation[1] == 1;
}

/* Input rows that `high` rows of output meet. */
static inline int64_t depthwise_rows_in(const window_shape *shape, int64_t high)
{
    return (high - 1) * shape->stride[1] + shape->kernel[1];
}

static inline double depthwise_rows_ns(const sv_problem *problem, double flops)
{
    return flops * sv_price(problem, SV_LEVEL, SV_PRICE_depthwise);
}

/* Floats of zeros: all channels. */
static inline int64_t depthwise_rows_zeros(int64_t channels)
{
    return (channels + 15) / 16 * 16;
}

void SV_LEVEL_NAME(sv_depthwise_rows)(const depthwise_rows *rows);
/* The sums of the output rows, as they were stored, over their pixels: to [channels]. */
void SV_LEVEL_NAME(sv_depthwise_sums)(const depthwise_rows *rows, float *to);

#endif
