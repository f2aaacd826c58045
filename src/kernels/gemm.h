/* GEMM: y = alpha * (a x b) with an epilogue; the family behind MatMul, Gemm and attention.
 *
 * Operands: {a [batch.., M, K], b [batch.., K, N], y [batch.., M, N], epilogue operands..}. All of
 * one rank R >= 2; leading dimensions are batch, of 1 or equal size (a dimension of 1 is repeated).
 * Any strides: transposition is a matter of strides. b may be packed (SV_FORMAT_gemm_panels) when
 * it is a constant of rank 2: then every row of a, over all batches, meets the same b, so that
 * equal leading strides merge into M. K = 0 gives zeros before the epilogue. y overlaps no other
 * operand: sums over parts of K wait in it. */
#ifndef SV_KERNELS_GEMM_H
#define SV_KERNELS_GEMM_H

#include "kernels/kernel.h"

/* f32, and i16 with a y of i32; the reference row also takes f64, f16, bf16 (accumulated in f32),
 * i32, i64, u32, u64. */
typedef struct sv_gemm_param {
    float alpha;
} sv_gemm_param;

#endif
