/* f32 to and from integers of 8 bits (to f32 also from 16) with the vectors of one level. Included
 * by one file a level; meaning is that of quantize_ref.c, to the bit. */
#include "kernels/elementwise.h"
#include "kernels/simd_tmpl.h"
#include "kernels/strided.h"

/* ---- to integers --------------------------------------------------------------------------- */

typedef uint8_t quantize_bytes __attribute__((vector_size(SV_VF)));

/* The low bytes of the lanes: of either sign. */
SV_INLINE quantize_bytes low_bytes(sv_vi x)
{
    return __builtin_convertvector((sv_vu)x & 255, quantize_bytes);
}

/* NaN gives 0, before the zero point counts. */
SV_INLINE quantize_bytes shifted(sv_vi whole, sv_vf quotient, sv_vf zero)
{
    sv_vi y = vi_add(whole, vf_to_i(zero));
    return low_bytes(vf_bits(vf_select(vf_equal(quotient, quotient), vi_bits(y), vf_zero())));
}

typedef struct quantize_scale {
    float low, high;         /* of y's type */
    float scale, reciprocal; /* 0: not to be relied on */
    float zero;
} quantize_scale;

/* What a quotient is rounded to, up to its zero point. */
SV_INLINE sv_vi rounded(sv_vf quotient, sv_vf zero, float low, float high)
{
    return vf_to_i(vf_clip(quotient, vf_set1(low) - zero, vf_set1(high) - zero));
}

/* Divisions are slow: the product with the reciprocal is 5e-5 away at most (three roundings of
 * what is less than 256), so it is rounded to the same integer unless it is that close to a half.
 */
SV_INLINE quantize_bytes quantize_vector(sv_vf x, const quantize_scale *s)
{
    const sv_vf zero = vf_set1(s->zero);
    if (s->reciprocal != 0) {
        sv_vf q = x * vf_set1(s->reciprocal);
        sv_vf c = vf_clip(q, vf_set1(s->low) - zero, vf_set1(s->high) - zero);
        sv_vi whole = vf_to_i(c);
        if (vm_all(vf_less(vf_abs(c - vi_to_f(whole)), vf_set1(0.4999f))))
            return low_bytes(vi_add(whole, vf_to_i(zero)));
    }
    sv_vf q = x / vf_set1(s->scale);
    return shifted(rounded(q, zero, s->low, s->high), q, zero);
}

/* One scale for all. */
static void quantize_one(const float *x, const quantize_scale *s, uint8_t *y, int64_t n)
{
    int64_t i = 0;
    quantize_bytes v;
    for (; i + SV_VF <= n; i += SV_VF) {
        v = quantize_vector(vf_load(x + i), s);
        memcpy(y + i, &v, sizeof v);
    }
    if (i == n) return;
    v = quantize_vector(vf_load_n(x + i, n - i), s);
    memcpy(y + i, &v, (size_t)(n - i));
}

/* A scale and a zero point each. */
static void quantize_each(const float *x, const float *scale, const float *zero, float low,
                          float high, uint8_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += SV_VF) {
        int64_t m = n - i < SV_VF ? n - i : SV_VF;
        sv_vf q = vf_load_n(x + i, m) / vf_load_n(scale + i, m), z = vf_load_n(zero + i, m);
        quantize_bytes v = shifted(rounded(q, z, low, high), q, z);
        memcpy(y + i, &v, (size_t)m);
    }
}

/* ---- from integers ------------------------------------------------------------------------- */

/* Differences of 16 bits are exact in f32, so the product alone rounds. */
#define DEQUANTIZE(name, T)                                                                        \
    static void name##_one(const void *from, float scale, float zero, float *y, int64_t n)         \
    {                                                                                              \
        const T *x = from;                                                                         \
        SV_APART                                                                                   \
        for (int64_t i = 0; i < n; i++)                                                            \
            y[i] = ((float)x[i] - zero) * scale;                                                   \
    }                                                                                              \
    static void name##_each(const void *from, const float *scale, const float *zero, float *y,     \
                            int64_t n)                                                             \
    {                                                                                              \
        const T *x = from;                                                                         \
        SV_APART                                                                                   \
        for (int64_t i = 0; i < n; i++)                                                            \
            y[i] = ((float)x[i] - zero[i]) * scale[i];                                             \
    }
DEQUANTIZE(i8, int8_t)
DEQUANTIZE(i16, int16_t)
DEQUANTIZE(u8, uint8_t)
DEQUANTIZE(u16, uint16_t)

static const struct dequantize_loops {
    void (*one)(const void *x, float scale, float zero, float *y, int64_t n);
    void (*each)(const void *x, const float *scale, const float *zero, float *y, int64_t n);
} dequantize_loops[SV_DTYPE_COUNT] = {
    [SV_I8] = {i8_one, i8_each},
    [SV_I16] = {i16_one, i16_each},
    [SV_U8] = {u8_one, u8_each},
    [SV_U16] = {u16_one, u16_each},
};

/* ---- the row ------------------------------------------------------------------------------- */

/* Zero points as floats; `n` of them. */
static void get_zeros(sv_dtype dtype, const char *at, int64_t step, float *zero, int64_t n)
{
    for (int64_t i = 0; i < n; i++, at += step) {
        switch (dtype) {
        case SV_I8:
            zero[i] = *(const int8_t *)at;
            break;
        case SV_U8:
            zero[i] = *(const uint8_t *)at;
            break;
        case SV_I16:
            zero[i] = *(const int16_t *)at;
            break;
        case SV_U16:
            zero[i] = *(const uint16_t *)at;
            break;
        default:
            zero[i] = 0;
            break;
        }
    }
}

/* Elements side by side: one value, or as many as there are of x. */
typedef struct quantize_part {
    const char *x;
    const float *scale, *zero;
    char *y;
    int64_t n;
    bool each;
} quantize_part;

static void quantize_part_run(const sv_desc *desc, const quantize_part *p)
{
    const bool is_signed = desc[3].dtype == SV_I8;
    quantize_scale s = {is_signed ? -128.0f : 0.0f, is_signed ? 127.0f : 255.0f, p->scale[0], 0,
                        p->zero[0]};
    if (p->each) {
        quantize_each((const float *)p->x, p->scale, p->zero, s.low, s.high, (uint8_t *)p->y, p->n);
        return;
    }
    const float reciprocal = 1.0f / s.scale, size = __builtin_fabsf(reciprocal);
    const float own = __builtin_fabsf(s.scale);
    if (own > 1e-37f && own < 1e37f && size > 1e-37f && size < 1e37f) s.reciprocal = reciprocal;
    quantize_one((const float *)p->x, &s, (uint8_t *)p->y, p->n);
}

static void dequantize_part_run(const sv_desc *desc, const quantize_part *p)
{
    const struct dequantize_loops *loops = &dequantize_loops[desc[0].dtype];
    if (p->each) {
        loops->each(p->x, p->scale, p->zero, (float *)p->y, p->n);
    } else {
        loops->one(p->x, p->scale[0], p->zero[0], (float *)p->y, p->n);
    }
}

static void f32_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    const sv_call *call = context;
    const sv_desc *desc = call->desc;
    const sv_quantize_param *param = call->param;
    const size_t size = sv_dtype_get(desc[0].dtype)->size,
                 y_size = sv_dtype_get(desc[3].dtype)->size;
    const bool each = step[1] || step[2], dense = step[3] == (int64_t)y_size;
    _Alignas(64) char x[SV_STRIDED_BLOCK * 4], scale[SV_STRIDED_BLOCK * 4];
    _Alignas(64) char y[SV_STRIDED_BLOCK * 4];
    float zero[SV_STRIDED_BLOCK];
    const int64_t most = !each && dense && step[0] == (int64_t)size ? n : SV_STRIDED_BLOCK;
    for (int64_t i = 0; i < n; i += most) {
        const int64_t m = n - i < most ? n - i : most, few = each ? m : 1;
        quantize_part p = {.zero = zero, .n = m, .each = each};
        p.x = sv_strided_side_by_side(at[0], step[0], i, m, size, x);
        p.scale = (const float *)sv_strided_side_by_side(at[1], step[1], i, few, 4, scale);
        if (each || i == 0) get_zeros(desc[2].dtype, at[2] + i * step[2], step[2], zero, few);
        p.y = dense ? at[3] + i * step[3] : y;
        if (param->inverse) {
            dequantize_part_run(desc, &p);
        } else {
            quantize_part_run(desc, &p);
        }
        if (!dense) sv_strided_copy(y, (int64_t)y_size, at[3] + i * step[3], step[3], m, y_size);
    }
}

static bool f32_supports(const sv_problem *problem)
{
    const sv_quantize_param *param = problem->param;
    const sv_desc *desc = problem->desc;
    const sv_desc *whole = &desc[param->inverse ? 0 : 3], *real = &desc[param->inverse ? 3 : 0];
    if (problem->epilogue.n || real->dtype != SV_F32 || desc[1].dtype != SV_F32) return false;
    if (desc[2].dtype != SV_DTYPE_NONE && desc[2].dtype != whole->dtype) return false;
    if (param->inverse) return dequantize_loops[whole->dtype].one;
    return param->precision == SV_F32 && (whole->dtype == SV_I8 || whole->dtype == SV_U8);
}

static void f32_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    sv_strided strided;
    sv_strided_init(&strided, call->desc, 4);
    sv_strided_run(&strided, call->ptr, begin, end, f32_row, call);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_quantize_f32) = {
    .name = "quantize_f32_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_quantize,
    .level = SV_LEVEL,
    .supports = f32_supports,
    .units = sv_strided_problem_units,
    .run = f32_run,
};
