/* Vectors of the level that a file is compiled for: the only place with intrinsics of f32
 * arithmetic.
 *
 * Included by the files of a level (*_avx512.c, *_avx2.c, *_neon.c, *_baseline.c): the compiler's
 * flags, which come from the file's name, decide. Everything is static and inlined; nothing here
 * has a meaning of its own beyond one instruction or two. The baseline level is written in the
 * compilers' vector extensions, so it serves every architecture.
 *
 *   sv_vf, sv_vi, sv_vm   SV_VF floats, 32-bit integers, and truth values of as many lanes
 *   SV_REGISTERS          how many vectors the registers hold: what micro-kernels are cut to
 *   SV_LEVEL              the level's enumerator
 *   SV_LEVEL_NAME(name)   name with the level's suffix, for what the linker sees
 *   SV_LEVEL_TEXT         the suffix as a string */
#ifndef SV_KERNELS_SIMD_TMPL_H
#define SV_KERNELS_SIMD_TMPL_H

#include "base/cpu.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define SV_INLINE static inline __attribute__((always_inline, unused))

/* Before a loop that the compiler is to vectorise: its operands are the same memory or apart. */
#if defined(__clang__)
#define SV_APART _Pragma("clang loop vectorize(assume_safety)")
#else
#define SV_APART _Pragma("GCC ivdep")
#endif

#if defined(__AVX512F__)
#include <immintrin.h>
#define SV_LEVEL SV_CPU_AVX512
#define SV_LEVEL_NAME(name) name##_avx512
#define SV_LEVEL_TEXT "avx512"
#define SV_VF 16
#define SV_REGISTERS 32
typedef __m512 sv_vf;
typedef __mmask16 sv_vm;
#elif defined(__AVX2__)
#include <immintrin.h>
#define SV_LEVEL SV_CPU_AVX2
#define SV_LEVEL_NAME(name) name##_avx2
#define SV_LEVEL_TEXT "avx2"
#define SV_VF 8
#define SV_REGISTERS 16
typedef __m256 sv_vf;
typedef int32_t sv_vm __attribute__((vector_size(32)));
#elif defined(SV_SIMD_NEON)
#include <arm_neon.h>
#define SV_LEVEL SV_CPU_NEON
#define SV_LEVEL_NAME(name) name##_neon
#define SV_LEVEL_TEXT "neon"
#define SV_VF 4
#define SV_REGISTERS 32
typedef float sv_vf __attribute__((vector_size(16)));
typedef int32_t sv_vm __attribute__((vector_size(16)));
#else
#define SV_LEVEL SV_CPU_BASELINE
#define SV_LEVEL_NAME(name) name##_baseline
#define SV_LEVEL_TEXT "baseline"
#define SV_VF 4
#define SV_REGISTERS 16
typedef float sv_vf __attribute__((vector_size(16)));
typedef int32_t sv_vm __attribute__((vector_size(16)));
#endif

typedef int32_t sv_vi __attribute__((vector_size(SV_VF * 4)));
typedef uint32_t sv_vu __attribute__((vector_size(SV_VF * 4)));
typedef float sv_vf_unaligned __attribute__((vector_size(SV_VF * 4), aligned(4), may_alias));

SV_INLINE sv_vf vf_load(const float *from)
{
    return (sv_vf) * (const sv_vf_unaligned *)from;
}
SV_INLINE void vf_store(float *to, sv_vf x)
{
    *(sv_vf_unaligned *)to = (sv_vf_unaligned)x;
}
SV_INLINE sv_vf vf_zero(void)
{
    return (sv_vf){0};
}
SV_INLINE sv_vi vi_load(const int32_t *from)
{
    sv_vi x;
    memcpy(&x, from, sizeof x);
    return x;
}
SV_INLINE sv_vi vi_set1(int32_t x)
{
    return x - (sv_vi){0};
}
SV_INLINE sv_vi vf_bits(sv_vf x)
{
    return (sv_vi)x;
}
SV_INLINE sv_vf vi_bits(sv_vi x)
{
    return (sv_vf)x;
}
/* Wraps around, as the hardware does. */
SV_INLINE sv_vi vi_add(sv_vi a, sv_vi b)
{
    return (sv_vi)((sv_vu)a + (sv_vu)b);
}
SV_INLINE sv_vi vi_sub(sv_vi a, sv_vi b)
{
    return (sv_vi)((sv_vu)a - (sv_vu)b);
}
/* 0, 1, 2, ... */
SV_INLINE sv_vi vi_count(void)
{
#if SV_VF == 16
    return (sv_vi){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif SV_VF == 8
    return (sv_vi){0, 1, 2, 3, 4, 5, 6, 7};
#else
    return (sv_vi){0, 1, 2, 3};
#endif
}
SV_INLINE sv_vf vi_to_f(sv_vi x)
{
    return (sv_vf) __builtin_convertvector(x, sv_vf_unaligned);
}
SV_INLINE sv_vf vf_abs(sv_vf x)
{
    return vi_bits(vf_bits(x) & vi_set1(0x7fffffff));
}
SV_INLINE sv_vf vf_neg(sv_vf x)
{
    return vi_bits(vf_bits(x) ^ vi_set1(INT32_MIN));
}
/* The magnitude of `x` with the sign of `sign`. */
SV_INLINE sv_vf vf_copysign(sv_vf x, sv_vf sign)
{
    return vi_bits((vf_bits(x) & vi_set1(0x7fffffff)) | (vf_bits(sign) & vi_set1(INT32_MIN)));
}

/* ---- what differs by level --------------------------------------------------------------------
 *
 * vf_set1(x)            x in every lane
 * vf_fma(a, b, c)        a * b + c, rounded once where the level has it
 * vf_max(a, x), vf_min   x when either is NaN: put the value that may be NaN second
 * vf_sqrt(x), vf_floor, vf_ceil
 * vf_reciprocal(x)       1 / x to 1 ulp, for x >= 1
 * vf_less(a, b), vf_less_equal, vf_equal    false on NaN; vm_not; vm_all: whether all lanes hold
 * vf_select(m, a, b)     m ? a : b
 * vf_to_i(x)             nearest integer, halves to even; |x| < 2^22 (anything otherwise)
 * vf_permute(x, at)      x[at[i]] in lane i, 0 <= at[i] < SV_VF
 * vf_load_n, vf_store_n  the first n lanes (0 <= n <= SV_VF); others read as 0, are left alone
 * vf_gather(from, at)    from[at[i]] in lane i */
#if defined(__AVX512F__)

SV_INLINE sv_vf vf_set1(float x)
{
    return _mm512_set1_ps(x);
}
SV_INLINE sv_vf vf_fma(sv_vf a, sv_vf b, sv_vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
SV_INLINE sv_vf vf_max(sv_vf a, sv_vf x)
{
    return _mm512_max_ps(a, x);
}
SV_INLINE sv_vf vf_min(sv_vf a, sv_vf x)
{
    return _mm512_min_ps(a, x);
}
SV_INLINE sv_vf vf_sqrt(sv_vf x)
{
    return _mm512_sqrt_ps(x);
}
SV_INLINE sv_vf vf_floor(sv_vf x)
{
    return _mm512_floor_ps(x);
}
SV_INLINE sv_vf vf_ceil(sv_vf x)
{
    return _mm512_ceil_ps(x);
}
SV_INLINE sv_vf vf_reciprocal(sv_vf x)
{
    /* A step of Newton's takes the estimate's 14 bits to 28, in less time than a division. */
    sv_vf y = _mm512_rcp14_ps(x);
    sv_vm finite = _mm512_cmp_ps_mask(x, _mm512_set1_ps(__builtin_inff()), _CMP_NEQ_UQ);
    sv_vf rest = _mm512_fnmadd_ps(x, y, _mm512_set1_ps(1.0f));
    return _mm512_maskz_fmadd_ps(finite, y, rest, y);
}
SV_INLINE sv_vm vf_less(sv_vf a, sv_vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
SV_INLINE sv_vm vf_less_equal(sv_vf a, sv_vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
SV_INLINE sv_vm vf_equal(sv_vf a, sv_vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
SV_INLINE sv_vm vm_not(sv_vm m)
{
    return (sv_vm)~m;
}
SV_INLINE bool vm_all(sv_vm m)
{
    return m == 0xffff;
}
SV_INLINE sv_vf vf_select(sv_vm m, sv_vf a, sv_vf b)
{
    return _mm512_mask_blend_ps(m, b, a);
}
SV_INLINE sv_vi vf_to_i(sv_vf x)
{
    return (sv_vi)_mm512_cvtps_epi32(x);
}
SV_INLINE sv_vm vm_first(int64_t n)
{
    return (sv_vm)((1u << n) - 1);
}
SV_INLINE sv_vf vf_load_n(const float *from, int64_t n)
{
    return _mm512_maskz_loadu_ps(vm_first(n), from);
}
SV_INLINE void vf_store_n(float *to, sv_vf x, int64_t n)
{
    _mm512_mask_storeu_ps(to, vm_first(n), x);
}
SV_INLINE sv_vf vf_permute(sv_vf x, sv_vi at)
{
    return _mm512_permutexvar_ps((__m512i)at, x);
}
SV_INLINE sv_vf vf_gather(const float *from, sv_vi at)
{
    return _mm512_i32gather_ps((__m512i)at, from, 4);
}
/* table[at & 31] in each lane, and of two such tables the second where bit 5 of `at` is set; this
 * level alone has them. */
SV_INLINE sv_vf vf_look_up(const float table[32], sv_vi at)
{
    return _mm512_permutex2var_ps(vf_load(table), (__m512i)at, vf_load(table + 16));
}
SV_INLINE sv_vf vf_look_up_far(const float table[64], sv_vi at)
{
    sv_vm second = _mm512_test_epi32_mask((__m512i)at, _mm512_set1_epi32(32));
    return vf_select(second, vf_look_up(table + 32, at), vf_look_up(table, at));
}

#else

SV_INLINE sv_vf vf_reciprocal(sv_vf x)
{
    return 1.0f / x;
}
SV_INLINE sv_vm vf_less(sv_vf a, sv_vf b)
{
    return (sv_vm)(a < b);
}
SV_INLINE sv_vm vf_less_equal(sv_vf a, sv_vf b)
{
    return (sv_vm)(a <= b);
}
SV_INLINE sv_vm vf_equal(sv_vf a, sv_vf b)
{
    return (sv_vm)(a == b);
}
SV_INLINE sv_vm vm_not(sv_vm m)
{
    return ~m;
}
SV_INLINE sv_vf vf_select(sv_vm m, sv_vf a, sv_vf b)
{
    return vi_bits((m & vf_bits(a)) | (~m & vf_bits(b)));
}

#if defined(__AVX2__)

SV_INLINE sv_vf vf_set1(float x)
{
    return _mm256_set1_ps(x);
}
SV_INLINE sv_vf vf_fma(sv_vf a, sv_vf b, sv_vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
SV_INLINE sv_vf vf_max(sv_vf a, sv_vf x)
{
    return _mm256_max_ps(a, x);
}
SV_INLINE sv_vf vf_min(sv_vf a, sv_vf x)
{
    return _mm256_min_ps(a, x);
}
SV_INLINE sv_vf vf_sqrt(sv_vf x)
{
    return _mm256_sqrt_ps(x);
}
SV_INLINE sv_vf vf_floor(sv_vf x)
{
    return _mm256_floor_ps(x);
}
SV_INLINE sv_vf vf_ceil(sv_vf x)
{
    return _mm256_ceil_ps(x);
}
SV_INLINE sv_vi vf_to_i(sv_vf x)
{
    return (sv_vi)_mm256_cvtps_epi32(x);
}
SV_INLINE sv_vf vf_permute(sv_vf x, sv_vi at)
{
    return _mm256_permutevar8x32_ps(x, (__m256i)at);
}
SV_INLINE bool vm_all(sv_vm m)
{
    return _mm256_movemask_ps((sv_vf)m) == 0xff;
}
SV_INLINE sv_vi vi_first(int64_t n)
{
    return vi_set1((int32_t)n) > vi_count();
}
SV_INLINE sv_vf vf_load_n(const float *from, int64_t n)
{
    return _mm256_maskload_ps(from, (__m256i)vi_first(n));
}
SV_INLINE void vf_store_n(float *to, sv_vf x, int64_t n)
{
    _mm256_maskstore_ps(to, (__m256i)vi_first(n), x);
}
SV_INLINE sv_vf vf_gather(const float *from, sv_vi at)
{
    return _mm256_i32gather_ps(from, (__m256i)at, 4);
}

#else

SV_INLINE sv_vf vf_set1(float x)
{
    return (sv_vf){x, x, x, x};
}
SV_INLINE bool vm_all(sv_vm m)
{
    uint64_t half[2];
    memcpy(half, &m, sizeof half);
    return (half[0] & half[1]) == UINT64_MAX;
}
#if defined(SV_SIMD_NEON)
SV_INLINE sv_vf vf_fma(sv_vf a, sv_vf b, sv_vf c)
{
    return (sv_vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
SV_INLINE sv_vf vf_sqrt(sv_vf x)
{
    return (sv_vf)vsqrtq_f32((float32x4_t)x);
}
SV_INLINE sv_vf vf_floor(sv_vf x)
{
    return (sv_vf)vrndmq_f32((float32x4_t)x);
}
SV_INLINE sv_vf vf_ceil(sv_vf x)
{
    return (sv_vf)vrndpq_f32((float32x4_t)x);
}
SV_INLINE sv_vi vf_to_i(sv_vf x)
{
    return (sv_vi)vcvtnq_s32_f32((float32x4_t)x);
}
SV_INLINE sv_vf vf_permute(sv_vf x, sv_vi at)
{
    /* The four bytes of lane i are 4 i to 4 i + 3. */
    const sv_vi bytes = at * 0x04040404 + 0x03020100;
    return (sv_vf)vqtbl1q_u8((uint8x16_t)x, (uint8x16_t)bytes);
}
#else
SV_INLINE sv_vf vf_fma(sv_vf a, sv_vf b, sv_vf c)
{
    return a * b + c;
}
SV_INLINE sv_vf vf_sqrt(sv_vf x)
{
    for (int i = 0; i < SV_VF; i++)
        x[i] = __builtin_sqrtf(x[i]);
    return x;
}
SV_INLINE sv_vf vf_floor(sv_vf x)
{
    for (int i = 0; i < SV_VF; i++)
        x[i] = __builtin_floorf(x[i]);
    return x;
}
SV_INLINE sv_vf vf_ceil(sv_vf x)
{
    for (int i = 0; i < SV_VF; i++)
        x[i] = __builtin_ceilf(x[i]);
    return x;
}
SV_INLINE sv_vf vf_permute(sv_vf x, sv_vi at)
{
    return (sv_vf){x[at[0] & 3], x[at[1] & 3], x[at[2] & 3], x[at[3] & 3]};
}
SV_INLINE sv_vi vf_to_i(sv_vf x)
{
    /* In 1.5 * 2^23 + x the last bit of the significand stands for one. */
    const sv_vf magic = vf_set1(12582912.0f);
    return vi_sub(vf_bits(x + magic), vf_bits(magic));
}
#endif
SV_INLINE sv_vf vf_max(sv_vf a, sv_vf x)
{
    return vf_select(vf_less(x, a), a, x);
}
SV_INLINE sv_vf vf_min(sv_vf a, sv_vf x)
{
    return vf_select(vf_less(a, x), a, x);
}
/* Lane by lane: a call of memcpy would empty the registers. */
SV_INLINE sv_vf vf_load_n(const float *from, int64_t n)
{
    if (n >= SV_VF) return vf_load(from);
    sv_vf x = {0};
    if (n > 0) x[0] = from[0];
    if (n > 1) x[1] = from[1];
    if (n > 2) x[2] = from[2];
    return x;
}
SV_INLINE void vf_store_n(float *to, sv_vf x, int64_t n)
{
    if (n >= SV_VF) {
        vf_store(to, x);
        return;
    }
    if (n > 0) to[0] = x[0];
    if (n > 1) to[1] = x[1];
    if (n > 2) to[2] = x[2];
}
SV_INLINE sv_vf vf_gather(const float *from, sv_vi at)
{
    return (sv_vf){from[at[0]], from[at[1]], from[at[2]], from[at[3]]};
}

#endif
#endif

/* x within [low, high], low <= high; NaN stays. */
SV_INLINE sv_vf vf_clip(sv_vf x, sv_vf low, sv_vf high)
{
    return vf_min(high, vf_max(low, x));
}

/* The lanes turned by `by`, a constant. */
#define VF_LANE(i, by) (((i) + (by)) % SV_VF)
#define VF_TURNED_4(by, i)                                                                         \
    VF_LANE(i, by), VF_LANE(i + 1, by), VF_LANE(i + 2, by), VF_LANE(i + 3, by)
#if SV_VF == 16
#define VF_TURNED(x, by)                                                                           \
    __builtin_shufflevector(x, x, VF_TURNED_4(by, 0), VF_TURNED_4(by, 4), VF_TURNED_4(by, 8),      \
                            VF_TURNED_4(by, 12))
#elif SV_VF == 8
#define VF_TURNED(x, by) __builtin_shufflevector(x, x, VF_TURNED_4(by, 0), VF_TURNED_4(by, 4))
#else
#define VF_TURNED(x, by) __builtin_shufflevector(x, x, VF_TURNED_4(by, 0))
#endif

/* Lanes 0, 2, 4 .. of two vectors in a row, and lanes 1, 3, 5 .. */
#if SV_VF == 16
#define VF_PICKED(a, b, first)                                                                     \
    __builtin_shufflevector(a, b, first, first + 2, first + 4, first + 6, first + 8, first + 10,   \
                            first + 12, first + 14, first + 16, first + 18, first + 20,            \
                            first + 22, first + 24, first + 26, first + 28, first + 30)
#elif SV_VF == 8
#define VF_PICKED(a, b, first)                                                                     \
    __builtin_shufflevector(a, b, first, first + 2, first + 4, first + 6, first + 8, first + 10,   \
                            first + 12, first + 14)
#else
#define VF_PICKED(a, b, first) __builtin_shufflevector(a, b, first, first + 2, first + 4, first + 6)
#endif
SV_INLINE sv_vf vf_even(sv_vf a, sv_vf b)
{
    return VF_PICKED(a, b, 0);
}
SV_INLINE sv_vf vf_odd(sv_vf a, sv_vf b)
{
    return VF_PICKED(a, b, 1);
}

/* Sum and greatest of the lanes, in a fixed order: halves onto each other. */
SV_INLINE float vf_sum(sv_vf x)
{
    if (SV_VF > 8) x = x + VF_TURNED(x, 8);
    if (SV_VF > 4) x = x + VF_TURNED(x, 4);
    x = x + VF_TURNED(x, 2);
    x = x + VF_TURNED(x, 1);
    return x[0];
}
SV_INLINE float vf_greatest(sv_vf x)
{
    if (SV_VF > 8) x = vf_max(VF_TURNED(x, 8), x);
    if (SV_VF > 4) x = vf_max(VF_TURNED(x, 4), x);
    x = vf_max(VF_TURNED(x, 2), x);
    x = vf_max(VF_TURNED(x, 1), x);
    return x[0];
}

/* x * 2^n for whole n in [-300, 300]: exact, also where the result overflows; results below the
 * normal range are rounded once or twice, or flushed. */
SV_INLINE sv_vf vf_scale2(sv_vf x, sv_vf n)
{
#if defined(__AVX512F__)
    return _mm512_scalef_ps(x, n);
#else
    sv_vi whole = vf_to_i(n), half = whole >> 1;
    sv_vi bias = vi_set1(127);
    sv_vu low = (sv_vu)vi_add(half, bias), high = (sv_vu)vi_add(vi_sub(whole, half), bias);
    return x * vi_bits((sv_vi)(low << 23)) * vi_bits((sv_vi)(high << 23));
#endif
}

/* ---- low halves ----------------------------------------------------------------------------
 *
 * Where two half vectors take no longer than a whole one (SV_LOW_HALVES), whatever needs no more
 * than SV_VF / 2 lanes is done in half the time. The high lanes of results are anything, but for
 * vf_low_only, which clears them. Elsewhere these do all lanes. */
#if defined(__AVX512F__)
#define SV_LOW_HALVES 1
SV_INLINE sv_vf vf_low_load(const float *from)
{
    return _mm512_castps256_ps512(_mm256_loadu_ps(from));
}
SV_INLINE sv_vf vf_low_set1(float x)
{
    return _mm512_castps256_ps512(_mm256_set1_ps(x));
}
SV_INLINE sv_vf vf_low_fma(sv_vf a, sv_vf b, sv_vf c)
{
    return _mm512_castps256_ps512(_mm256_fmadd_ps(
        _mm512_castps512_ps256(a), _mm512_castps512_ps256(b), _mm512_castps512_ps256(c)));
}
SV_INLINE sv_vf vf_low_only(sv_vf x)
{
    return _mm512_zextps256_ps512(_mm512_castps512_ps256(x));
}
#else
#define SV_LOW_HALVES 0
SV_INLINE sv_vf vf_low_load(const float *from)
{
    return vf_load(from);
}
SV_INLINE sv_vf vf_low_set1(float x)
{
    return vf_set1(x);
}
SV_INLINE sv_vf vf_low_fma(sv_vf a, sv_vf b, sv_vf c)
{
    return vf_fma(a, b, c);
}
SV_INLINE sv_vf vf_low_only(sv_vf x)
{
    return x;
}
#endif

#endif
