/* Sliding windows: what convolution and pooling operators read from their attributes, and the sizes
 * that follow. Only decoding; what happens inside a window is said where the operator is. */
#ifndef SV_OPS_NN_WINDOW_H
#define SV_OPS_NN_WINDOW_H

#include "kernels/conv.h"
#include "ops/op.h"

typedef enum sv_auto_pad {
    SV_PAD_EXPLICIT, /* NOTSET: the attribute pads */
    SV_PAD_VALID,
    SV_PAD_SAME_UPPER,
    SV_PAD_SAME_LOWER,
} sv_auto_pad;

/* Kernel, stride, dilation and padding of a window; kernel sizes may be symbols (negative). */
typedef struct sv_window {
    int32_t spatial; /* 1..SV_SPATIAL_MAX */
    uint8_t auto_pad;
    bool ceil; /* pooling: a last window may begin inside and end beyond the padding */
    int64_t kernel[SV_SPATIAL_MAX], stride[SV_SPATIAL_MAX], dilation[SV_SPATIAL_MAX];
    int64_t pad[SV_SPATIAL_MAX], pad_end[SV_SPATIAL_MAX]; /* SAME: 0 until the sizes are known */
} sv_window;

/* Reads kernel_shape, strides, dilations, pads, auto_pad and ceil_mode for `spatial` dimensions;
 * `kernel` (NULL: kernel_shape is needed) are the sizes of the weights, to be confirmed by
 * kernel_shape. UNIMPLEMENTED beyond three dimensions. */
SV_MUST_USE sv_status sv_window_read(const sv_node *node, int32_t spatial, const int64_t *kernel,
                                     sv_window *out);
/* Size of dimension i of the result of a window over `in` elements, with its padding resolved in
 * `window`; -1 while `in` or the kernel is a symbol. */
SV_MUST_USE sv_status sv_window_size(const sv_node *node, sv_window *window, int32_t i, int64_t in,
                                     int64_t *out);
/* The shape of a whole result: [x.dim[0], channels, sizes..]; symbols where sizes cannot be told.
 * x's rank may be unknown. */
SV_MUST_USE sv_status sv_window_infer(sv_infer *x, sv_window *window, int64_t channels,
                                      sv_shape *out);

#endif
