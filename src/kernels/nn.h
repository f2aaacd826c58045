/* Parameters of the remaining neural-network families: pool, lrn, norm, softmax, reduce, resize,
 * sample, rnn. */
#ifndef SV_KERNELS_NN_H
#define SV_KERNELS_NN_H

#include "kernels/conv.h"

/* pool: {x [N, C, spatial..], y [N, C, spatial..], indices i64 (absent unless wanted)}; any
 * strides, fast where channels have stride 1. Indices count in the dense [N, C, spatial..] order,
 * or column-major within a plane if storage_order is 1. */
typedef enum sv_pool_kind { SV_POOL_MAX, SV_POOL_AVERAGE, SV_POOL_LP } sv_pool_kind;
typedef struct sv_pool_param {
    uint8_t kind;
    bool count_include_pad; /* average */
    uint8_t storage_order;  /* max, indices */
    int64_t p;              /* Lp */
    int32_t spatial;
    int64_t kernel[SV_SPATIAL_MAX], stride[SV_SPATIAL_MAX], dilation[SV_SPATIAL_MAX];
    int64_t pad[SV_SPATIAL_MAX], pad_end[SV_SPATIAL_MAX];
} sv_pool_param;

/* lrn: {x [N, C, ..], y}: ONNX LRN, any strides. */
typedef struct sv_lrn_param {
    int64_t size;
    float alpha, beta, bias;
} sv_lrn_param;

/* norm: {x, scale, shift, y, mean, inv_std}: normalises over the dimensions [axis, rank) of x;
 * scale and shift are expanded to x's dims (stride 0 where broadcast) or absent; mean and inv_std
 * are outputs or absent. rms: no mean is taken (RMSNormalization). Statistics in f32 (f64 for f64),
 * two passes. With groups, axis is 1, and dimension 1 falls into so many equal parts, each a set
 * with all dimensions behind it; then mean and inv_std are absent. */
typedef struct sv_norm_param {
    int32_t axis;
    float epsilon;
    bool rms;
    int64_t groups; /* 0: none */
} sv_norm_param;

/* softmax: {x, y} over one axis; kinds Softmax, LogSoftmax, Hardmax. */
typedef enum sv_softmax_kind { SV_SOFTMAX, SV_LOG_SOFTMAX, SV_HARDMAX } sv_softmax_kind;
typedef struct sv_softmax_param {
    uint8_t kind;
    int32_t axis;
} sv_softmax_param;

/* reduce: {x, y}: y has x's rank with 1 in the reduced dimensions. Kinds are ONNX's Reduce
 * operators; ArgMax and ArgMin write i64 and reduce one axis. Empty reductions give the operator's
 * neutral value. */
typedef enum sv_reduce_kind {
    SV_REDUCE_SUM,
    SV_REDUCE_MEAN,
    SV_REDUCE_MAX,
    SV_REDUCE_MIN,
    SV_REDUCE_PROD,
    SV_REDUCE_L1,
    SV_REDUCE_L2,
    SV_REDUCE_LOG_SUM,
    SV_REDUCE_LOG_SUM_EXP,
    SV_REDUCE_SUM_SQUARE,
    SV_REDUCE_ARGMAX,
    SV_REDUCE_ARGMIN,
} sv_reduce_kind;
typedef struct sv_reduce_param {
    uint8_t kind;
    uint32_t axes;   /* bit i: dimension i is reduced */
    bool last_index; /* ArgMax, ArgMin: select_last_index */
} sv_reduce_param;

/* resize: {x, y}: ONNX Resize (opset 19), coordinates per dimension already decoded. */
typedef enum sv_resize_mode { SV_RESIZE_NEAREST, SV_RESIZE_LINEAR, SV_RESIZE_CUBIC } sv_resize_mode;
typedef enum sv_resize_coordinate {
    SV_COORD_HALF_PIXEL,
    SV_COORD_HALF_PIXEL_SYMMETRIC,
    SV_COORD_PYTORCH_HALF_PIXEL,
    SV_COORD_ALIGN_CORNERS,
    SV_COORD_ASYMMETRIC,
    SV_COORD_TF_CROP_AND_RESIZE,
} sv_resize_coordinate;
typedef enum sv_resize_nearest {
    SV_NEAREST_ROUND_PREFER_FLOOR,
    SV_NEAREST_ROUND_PREFER_CEIL,
    SV_NEAREST_FLOOR,
    SV_NEAREST_CEIL,
} sv_resize_nearest;
typedef struct sv_resize_param {
    uint8_t mode, coordinate, nearest;
    bool antialias, exclude_outside;
    float cubic_a, extrapolation;
    double scale[SV_MAX_RANK]; /* output / input, as the specification rounds them */
    double roi_start[SV_MAX_RANK], roi_end[SV_MAX_RANK];
} sv_resize_param;

/* sample: {x [N, C, spatial..], image i32 [M], at i32 [M, P, T], weight f32 [M, P, T], y [M, C,
 * ..]}: each of the P positions behind y's channels is the weighted sum of T elements of x's image
 * image[m] (absent: m), which `at` counts row-major over the spatial dimensions. What has the
 * weight 0 is not read. Fast where channels have stride 1. No parameters. */

/* rnn: operands {x [T, B, I], w, r, bias, lengths, initial_h, initial_c, peepholes, y, y_h, y_c}
 * with ONNX's shapes for layout 0 ([D, G*H, I], [D, G*H, H], [D, 2*G*H], [B], [D, B, H] .., [D,
 * 3*H], [T, D, B, H]); absent ones have SV_DTYPE_NONE. Strides take care of layout 1. Without w, x
 * [T, B, D*G*H] holds the inputs' products with it. */
typedef enum sv_rnn_kind { SV_RNN_RNN, SV_RNN_LSTM, SV_RNN_GRU } sv_rnn_kind;
typedef enum sv_rnn_direction {
    SV_RNN_FORWARD,
    SV_RNN_REVERSE,
    SV_RNN_BIDIRECTIONAL
} sv_rnn_direction;
typedef struct sv_rnn_param {
    uint8_t kind, direction;
    bool linear_before_reset, input_forget;
    int64_t hidden;
    float clip;            /* 0: none */
    uint8_t activation[6]; /* sv_unary per direction: f, g, h */
    float alpha[6], beta[6];
} sv_rnn_param;

#endif
