/* The conversions that models are full of (masks, token ids, images, halves), one loop a pair, with
 * the vectors of one level: written plainly where the compiler vectorises them. Included by one
 * file a level; meaning is that of element.c. Operands must run side by side. */
#include "kernels/elementwise.h"
#include "kernels/simd_tmpl.h"
#include "kernels/strided.h"

/* ---- halves -------------------------------------------------------------------------------- */

/* SV_VF halves in a vector of 16-bit lanes. */
typedef uint16_t pairs_u16 __attribute__((vector_size(SV_VF * 2)));

SV_INLINE pairs_u16 load_u16(const uint16_t *x, int64_t n)
{
    pairs_u16 y = {0};
    memcpy(&y, x, (size_t)n * sizeof *x);
    return y;
}

SV_INLINE sv_vf bf16_widen(pairs_u16 x)
{
    return vi_bits((sv_vi)(__builtin_convertvector(x, sv_vu) << 16));
}

/* To nearest even; NaN stays NaN and quiet. */
SV_INLINE pairs_u16 bf16_narrow(sv_vf x)
{
    sv_vu bits = (sv_vu)x;
    sv_vu rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    sv_vu nan = (sv_vu)((bits & 0x7fffffff) > 0x7f800000);
    sv_vu y = (nan & ((bits >> 16) | 0x40)) | (~nan & rounded);
    return __builtin_convertvector(y, pairs_u16);
}

#if defined(__AVX512F__)
SV_INLINE sv_vf f16_widen(pairs_u16 x)
{
    return _mm512_cvtph_ps((__m256i)x);
}
SV_INLINE pairs_u16 f16_narrow(sv_vf x)
{
    return (pairs_u16)_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);
}
#elif defined(SV_SIMD_NEON)
SV_INLINE sv_vf f16_widen(pairs_u16 x)
{
    return (sv_vf)vcvt_f32_f16((float16x4_t)x);
}
SV_INLINE pairs_u16 f16_narrow(sv_vf x)
{
    return (pairs_u16)vcvt_f16_f32((float32x4_t)x);
}
#else
SV_INLINE sv_vf f16_widen(pairs_u16 x)
{
    return _mm256_cvtph_ps((__m128i)x);
}
SV_INLINE pairs_u16 f16_narrow(sv_vf x)
{
    return (pairs_u16)_mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT);
}
#endif

#define PAIR_FROM_HALF(name, widen)                                                                \
    static void name(const void *from, void *to, int64_t n)                                        \
    {                                                                                              \
        const uint16_t *x = from;                                                                  \
        float *y = to;                                                                             \
        int64_t i = 0;                                                                             \
        for (; i + SV_VF <= n; i += SV_VF)                                                         \
            vf_store(y + i, widen(load_u16(x + i, SV_VF)));                                        \
        if (i < n) vf_store_n(y + i, widen(load_u16(x + i, n - i)), n - i);                        \
    }
#define PAIR_TO_HALF(name, narrow)                                                                 \
    static void name(const void *from, void *to, int64_t n)                                        \
    {                                                                                              \
        const float *x = from;                                                                     \
        uint16_t *y = to;                                                                          \
        int64_t i = 0;                                                                             \
        pairs_u16 v;                                                                               \
        for (; i + SV_VF <= n; i += SV_VF) {                                                       \
            v = narrow(vf_load(x + i));                                                            \
            memcpy(y + i, &v, sizeof v);                                                           \
        }                                                                                          \
        v = narrow(vf_load_n(x + i, n - i));                                                       \
        memcpy(y + i, &v, (size_t)(n - i) * sizeof *y);                                            \
    }
PAIR_FROM_HALF(f16_to_f32, f16_widen)
PAIR_FROM_HALF(bf16_to_f32, bf16_widen)
PAIR_TO_HALF(f32_to_f16, f16_narrow)
PAIR_TO_HALF(f32_to_bf16, bf16_narrow)

/* ---- plain pairs --------------------------------------------------------------------------- */

#define PAIR(name, X, Y, expression)                                                               \
    static void name(const void *from, void *to, int64_t n)                                        \
    {                                                                                              \
        const X *x = from;                                                                         \
        Y *y = to;                                                                                 \
        SV_APART                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                          \
            X v = x[i];                                                                            \
            y[i] = (Y)(expression);                                                                \
        }                                                                                          \
    }

/* Truncates what fits in [low, 2^k), both exact in f32; `high` from 2^k up, NaN gives 0. Selections
 * only, so that the loop vectorises. */
#define CLAMPED(Y, low, limit, high)                                                               \
    (v >= (limit) ? (Y)(high) : (Y)(v != v ? 0.0f : v < (low) ? (low) : v >= (limit) ? 0.0f : v))

PAIR(f32_to_bool, float, uint8_t, v != 0)
PAIR(f32_to_f64, float, double, v)
PAIR(f32_to_i8, float, int8_t, CLAMPED(int32_t, -128.0f, 128.0f, 127))
PAIR(f32_to_i32, float, int32_t, CLAMPED(int32_t, -0x1p31f, 0x1p31f, INT32_MAX))
PAIR(f32_to_i64, float, int64_t, CLAMPED(int64_t, -0x1p63f, 0x1p63f, INT64_MAX))
PAIR(f32_to_u8, float, uint8_t, CLAMPED(int32_t, 0.0f, 256.0f, 255))
PAIR(f64_to_f32, double, float, v)
PAIR(i8_to_f32, int8_t, float, v)
PAIR(i8_to_i16, int8_t, int16_t, v)
PAIR(i8_to_i32, int8_t, int32_t, v)
PAIR(i32_to_bool, int32_t, uint8_t, v != 0)
PAIR(i32_to_f32, int32_t, float, v)
PAIR(i32_to_i8, int32_t, int8_t, v)
PAIR(i32_to_i64, int32_t, int64_t, v)
PAIR(i64_to_bool, int64_t, uint8_t, v != 0)
PAIR(i64_to_f32, int64_t, float, v)
PAIR(i64_to_f64, int64_t, double, v)
PAIR(i64_to_i8, int64_t, int8_t, v)
PAIR(i64_to_i32, int64_t, int32_t, v)
PAIR(u8_to_bool, uint8_t, uint8_t, v != 0)
PAIR(u8_to_f32, uint8_t, float, v)
PAIR(u8_to_i16, uint8_t, int16_t, v)
PAIR(u8_to_i32, uint8_t, int32_t, v)
PAIR(u8_to_i64, uint8_t, int64_t, v)
PAIR(u8_to_u8, uint8_t, uint8_t, v)

typedef void (*pair_fn)(const void *x, void *y, int64_t n);

static const struct {
    uint8_t from, to;
    pair_fn fn;
} pairs[] = {
    {SV_F32, SV_F16, f32_to_f16}, {SV_F32, SV_BF16, f32_to_bf16}, {SV_F32, SV_BOOL, f32_to_bool},
    {SV_F32, SV_I32, f32_to_i32}, {SV_F32, SV_I64, f32_to_i64},   {SV_F32, SV_U8, f32_to_u8},
    {SV_F16, SV_F32, f16_to_f32}, {SV_BF16, SV_F32, bf16_to_f32}, {SV_I32, SV_BOOL, i32_to_bool},
    {SV_I32, SV_F32, i32_to_f32}, {SV_I32, SV_I64, i32_to_i64},   {SV_I64, SV_BOOL, i64_to_bool},
    {SV_I64, SV_F32, i64_to_f32}, {SV_I64, SV_I32, i64_to_i32},   {SV_U8, SV_F32, u8_to_f32},
    {SV_U8, SV_I32, u8_to_i32},   {SV_U8, SV_I64, u8_to_i64},     {SV_BOOL, SV_F32, u8_to_f32},
    {SV_BOOL, SV_I32, u8_to_i32}, {SV_BOOL, SV_I64, u8_to_i64},   {SV_F32, SV_F64, f32_to_f64},
    {SV_F32, SV_I8, f32_to_i8},   {SV_F64, SV_F32, f64_to_f32},   {SV_I8, SV_F32, i8_to_f32},
    {SV_I8, SV_I32, i8_to_i32},   {SV_I32, SV_I8, i32_to_i8},     {SV_I32, SV_U8, i32_to_i8},
    {SV_I64, SV_F64, i64_to_f64}, {SV_I64, SV_I8, i64_to_i8},     {SV_I64, SV_U8, i64_to_i8},
    {SV_U8, SV_BOOL, u8_to_bool}, {SV_I8, SV_I16, i8_to_i16},     {SV_U8, SV_I16, u8_to_i16},
    {SV_BOOL, SV_U8, u8_to_u8},
};

static pair_fn pair_of(const sv_desc *desc)
{
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (pairs[i].from == desc[0].dtype && pairs[i].to == desc[1].dtype) return pairs[i].fn;
    }
    return NULL;
}

/* ---- the row ------------------------------------------------------------------------------- */

static void pairs_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    (void)step;
    (*(const pair_fn *)context)(at[0], at[1], n);
}

/* Whether elements of all rows lie side by side in both operands. */
static bool pairs_supports(const sv_problem *problem)
{
    const sv_desc *desc = problem->desc;
    if (problem->epilogue.n || !pair_of(desc)) return false;
    sv_strided strided;
    sv_strided_init(&strided, desc, 2);
    return strided.inner <= 1 || (strided.step[0] == sv_dtype_get(desc[0].dtype)->size &&
                                  strided.step[1] == sv_dtype_get(desc[1].dtype)->size);
}

static void pairs_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    pair_fn fn = pair_of(call->desc);
    sv_strided strided;
    sv_strided_init(&strided, call->desc, 2);
    sv_strided_run(&strided, call->ptr, begin, end, pairs_row, &fn);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_convert_pairs) = {
    .name = "convert_pairs_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_convert,
    .level = SV_LEVEL,
    .supports = pairs_supports,
    .units = sv_strided_problem_units,
    .run = pairs_run,
};
