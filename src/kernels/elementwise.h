/* Elementwise problems: one result an element. All take operands of any strides.
 *
 * unary:  operands {x, y}; binary: {a, b, y}; where: {condition, a, b, y}; convert: {x, y} of two
 * dtypes; copy: {x, y} of one dtype, where y may be a window of a larger tensor; quantize: {x,
 * scale, zero point or absent, y}.
 * Inputs are already expanded: every operand has y's dims, with stride 0 where it is broadcast. */
#ifndef SV_KERNELS_ELEMENTWISE_H
#define SV_KERNELS_ELEMENTWISE_H

#include "kernels/kernel.h"

/* UNARY(name): meaning is ONNX's operator of that name; a and b are its attributes in the order
 * that the specification lists them (Clip: a = low, b = high; Elu: a = alpha; HardSigmoid: a =
 * alpha, b = beta; LeakyRelu: a; Selu: a = alpha, b = gamma; Celu, ThresholdedRelu, Swish: a;
 * Shrink: a = bias, b = lambd; Gelu: erf form, GeluTanh: tanh form; IsInf: a = detect negative, b =
 * positive; Affine: a * x + b; ScaledTanh, of recurrent networks: a * tanh(b * x)). dtypes: every
 * one that ONNX allows for the operator; f16, bf16 are computed in f32. */
typedef enum sv_unary {
#define UNARY(name) SV_UNARY_##name,
#include "kernels/unary.inc"
#undef UNARY
    SV_UNARY_COUNT
} sv_unary;

typedef struct sv_unary_param {
    uint8_t op; /* sv_unary */
    float a, b; /* as f64 below for double tensors */
    double da, db;
    int64_t ia, ib; /* Clip on integers */
} sv_unary_param;

/* BINARY(name): ONNX's operators; Mod and FMod differ in sign; comparisons write bool; PRelu's
 * slope is operand b; Pow may have operands of two dtypes. */
typedef enum sv_binary {
#define BINARY(name) SV_BINARY_##name,
#include "kernels/binary.inc"
#undef BINARY
    SV_BINARY_COUNT
} sv_binary;

typedef struct sv_binary_param {
    uint8_t op; /* sv_binary */
    bool left;  /* BitShift: to the left */
} sv_binary_param;

typedef struct sv_convert_param {
    bool saturate; /* Cast's attribute for the 8-bit floats */
} sv_convert_param;

/* y = saturate(round(x / scale) + zero), the quotient rounded to `precision` (an sv_dtype) and NaN
 * giving 0; to 8-bit floats and float4 x / scale + zero is converted, `saturate` being Cast's. The
 * inverse is y = (x - zero) * scale. As QuantizeLinear and DequantizeLinear have it. */
typedef struct sv_quantize_param {
    bool inverse;
    uint8_t precision;
    bool saturate;
} sv_quantize_param;

#endif
