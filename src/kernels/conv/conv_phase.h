/* Phases: what makes a convolution and its transpose one loop.
 *
 * Outputs of a phase meet the same taps, and along each axis output i of the phase reads position i
 * * scale + offset + j * delta for its tap j. A convolution is one phase. The transpose has one for
 * each remainder of the output position by the stride: there every output gathers the few taps that
 * reach it, instead of every input scattering. */
#ifndef SV_KERNELS_CONV_PHASE_H
#define SV_KERNELS_CONV_PHASE_H

#include "kernels/conv/conv_shape.h"

typedef struct conv_axis {
    int64_t taps, first_tap, tap_step; /* tap j is number first_tap + j * tap_step of the kernel */
    int64_t first, step, count;        /* output i lies at first + i * step */
    int64_t scale, offset, delta;
} conv_axis;

typedef struct conv_phase {
    conv_axis axis[3];
    int64_t taps;
    int64_t taps_before; /* of the phases before this one: where its weights begin */
    int64_t positions;   /* of one image */
} conv_phase;

static inline int64_t conv_phase_count(const window_shape *shape, bool transpose)
{
    return transpose ? shape->stride[0] * shape->stride[1] * shape->stride[2] : 1;
}

static inline int64_t conv_gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Outputs o with (o + pad) % stride == remainder: tap t reaches them if stride divides
 * remainder - t * dilation. So which taps belong together does not depend on the padding. */
static inline conv_axis conv_axis_of_remainder(const window_shape *shape, int i, int64_t remainder)
{
    int64_t stride = shape->stride[i], dilation = shape->dilation[i], pad = shape->pad[i];
    int64_t common = conv_gcd(stride, dilation), step = stride / common;
    int64_t first = ((remainder - pad) % stride + stride) % stride;
    conv_axis axis = {.tap_step = step,
                      .first = first,
                      .step = stride,
                      .count = (shape->y.d[i] - first + stride - 1) / stride,
                      .scale = 1,
                      .delta = -(dilation / common)};
    if (axis.count < 0) axis.count = 0;
    for (int64_t t = 0; t < step && t < shape->kernel[i]; t++) {
        if ((remainder - t * dilation) % stride) continue;
        axis.first_tap = t;
        axis.offset = (first + pad - t * dilation) / stride;
        axis.taps = (shape->kernel[i] - t + step - 1) / step;
        break;
    }
    return axis;
}

static inline void conv_phase_init(const window_shape *shape, bool transpose, int64_t index,
                                   conv_phase *out)
{
    int64_t at[3];
    window_split(index, shape->stride, at);
    *out = (conv_phase){.taps = 1, .positions = 1};
    int64_t before = 0, rest = shape->taps;
    for (int i = 0; i < 3; i++) {
        conv_axis *axis = &out->axis[i];
        int64_t earlier = 0;
        if (transpose) {
            for (int64_t r = 0; r < at[i]; r++)
                earlier += conv_axis_of_remainder(shape, i, r).taps;
            *axis = conv_axis_of_remainder(shape, i, at[i]);
        } else {
            *axis = (conv_axis){.taps = shape->kernel[i],
                                .tap_step = 1,
                                .step = 1,
                                .count = shape->y.d[i],
                                .scale = shape->stride[i],
                                .offset = -shape->pad[i],
                                .delta = shape->dilation[i]};
        }
        rest /= shape->kernel[i];
        /* Taps so far in the outer axes' phase, times all taps of the inner axes. */
        before += out->taps * earlier * rest;
        out->taps *= axis->taps;
        out->positions *= axis->count;
    }
    out->taps_before = before;
}

#endif
