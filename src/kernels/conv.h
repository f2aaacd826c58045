/* Convolution and its transpose, channels-last inside.
 *
 * conv: operands {x [N, C, spatial..], w [O, C/groups, kernel..], y [N, O, spatial..], epilogue..}.
 * conv_transpose: {x [N, C, spatial..], w [C, O/groups, kernel..], y [N, O, spatial..],
 * epilogue..}. One to three spatial dimensions, the logical order is always ONNX's. Fast rows want
 * channels with stride 1 in x and y (pixels any regular stride); the reference row takes any
 * strides. w may be packed (conv_panels; conv_depthwise when C = O = groups). */
#ifndef SV_KERNELS_CONV_H
#define SV_KERNELS_CONV_H

#include "kernels/kernel.h"

#define SV_SPATIAL_MAX 3

typedef struct sv_conv_param {
    int32_t spatial; /* 1..3 */
    int64_t groups;
    int64_t kernel[SV_SPATIAL_MAX], stride[SV_SPATIAL_MAX], dilation[SV_SPATIAL_MAX];
    int64_t pad[SV_SPATIAL_MAX]; /* before; what lies behind follows from y's size */
} sv_conv_param;

#endif
