/* Convolution and its transpose, channels-last inside.
 *
 * conv: operands {x [N, C, spatial..], w [O, C/groups, kernel..], y [N, O, spatial..], epilogue..}.
 * conv_transpose: {x [N, C, spatial..], w [C, O/groups, kernel..], y [N, O, spatial..],
 * epilogue..}. One to three spatial dimensions, the logical order is always ONNX's. Fast rows want
 * channels with stride 1 in x and y (pixels any regular stride); the reference row takes any
 * strides. w may be packed (conv_panels; conv_depthwise when C = O = groups; conv_groups where
 * several groups fit into a vector; conv_few where output channels do not fill one; winograd). */
#ifndef SV_KERNELS_CONV_H
#define SV_KERNELS_CONV_H

#include "kernels/kernel.h"

#define SV_SPATIAL_MAX 3

typedef struct sv_conv_param {
    int32_t spatial; /* 1..3 */
    int64_t groups;
    int64_t kernel[SV_SPATIAL_MAX], stride[SV_SPATIAL_MAX], dilation[SV_SPATIAL_MAX];
    int64_t pad[SV_SPATIAL_MAX]; /* before; what lies behind follows from y's size */
    /* The operand [units, O], dense, that also gets the sum of y over the pixels of each unit; 0:
     * none. For kernels that say so (sv_kernel.sums). */
    uint8_t sums;
} sv_conv_param;

/* Whether a product of each pixel's channels with packed weights, of whatever stride: the weights'
 * window is one pixel, and nothing stands before x. */
bool sv_conv_is_1x1(const sv_problem *problem);
/* Only biases and unary operations: nothing of the result's shape has to be read. */
bool sv_conv_epilogue_is_plain(const sv_epilogue *epilogue);

/* Where the operands of a problem come from that is made of several. */
typedef struct sv_joined_operands {
    uint8_t n;
    struct {
        uint8_t problem, operand; /* problem SV_JOINED_NONE: absent */
    } from[SV_OPERAND_MAX];
} sv_joined_operands;

#define SV_JOINED_NONE UINT8_MAX

/* conv_chain: a depthwise convolution with the pointwise one before it, the one behind it, or both,
 * as one problem whose results between them are never stored as a whole. Operands {x, y, then
 * weights (conv_panels, conv_depthwise) and the operands of all epilogues}; the numbers in a stage
 * are of these, and the problem itself has no epilogue. Results are bit for bit those of the
 * separate problems. */
#define SV_CONV_STAGES 3

typedef struct sv_conv_stage {
    sv_conv_param conv;
    uint8_t weight; /* operand */
    sv_epilogue epilogue;
} sv_conv_stage;

typedef struct sv_conv_chain_param {
    uint32_t n;         /* 2 or 3 */
    uint32_t depthwise; /* which stage is it: 0 or 1 */
    uint8_t sums;       /* as in sv_conv_param; only where the depthwise stage is the last */
    sv_conv_stage stage[SV_CONV_STAGES];
} sv_conv_chain_param;

typedef struct sv_conv_chain {
    sv_conv_chain_param param;
    sv_joined_operands operands;
} sv_conv_chain;

/* Whether `n` problems, each of which reads the one before as its x, can be a chain. */
bool sv_conv_chain_make(const sv_problem *const *problem, uint32_t n, sv_conv_chain *out);

#endif
