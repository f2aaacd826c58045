/* Runs of elements of any numeric dtype (or bool) to and from the four types that loops compute in:
 * f32, f64, i64, u64. How other families take narrow floats and strided operands.
 *
 * Strides are in bytes and may be 0 for what is read. Strings are not elements here. */
#ifndef SV_KERNELS_CONVERT_ELEMENT_H
#define SV_KERNELS_CONVERT_ELEMENT_H

#include "kernels/kernel.h"

/* The type that holds every value of a dtype: f32 for floats up to 32 bits, f64, i64 for bool and
 * integers, u64 for u64 alone. SV_DTYPE_NONE for strings; complex numbers give f64 (their real
 * part). */
sv_dtype sv_element_wide(sv_dtype dtype);

/* Reads `n` elements. Integers from floats truncate, NaN gives 0 and what is out of range clamps;
 * between integers modulo 2^64. */
void sv_element_get_f32(sv_dtype dtype, const char *x, int64_t step, float *y, int64_t n);
void sv_element_get_f64(sv_dtype dtype, const char *x, int64_t step, double *y, int64_t n);
void sv_element_get_i64(sv_dtype dtype, const char *x, int64_t step, int64_t *y, int64_t n);
void sv_element_get_u64(sv_dtype dtype, const char *x, int64_t step, uint64_t *y, int64_t n);

/* Writes `n` elements by the rules of ONNX's Cast: floats round to nearest even, once (float8e8m0
 * up, the operator's default); integers from integers keep their low bits, from floats truncate and
 * clamp (4 and 2 bits: keep their low bits); bool is whether the value differs from zero.
 * `saturate` is of 8-bit floats. */
void sv_element_put_f32(sv_dtype dtype, const float *x, char *y, int64_t step, int64_t n,
                        bool saturate);
void sv_element_put_f64(sv_dtype dtype, const double *x, char *y, int64_t step, int64_t n,
                        bool saturate);
void sv_element_put_i64(sv_dtype dtype, const int64_t *x, char *y, int64_t step, int64_t n,
                        bool saturate);
void sv_element_put_u64(sv_dtype dtype, const uint64_t *x, char *y, int64_t step, int64_t n,
                        bool saturate);

#endif
