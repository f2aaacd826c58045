/* The quantize row for every dtype and stride: values, scales and zero points are read as f64. */
#include "kernels/convert/element.h"
#include "kernels/quantize/values.h"
#include "kernels/strided.h"

#include <math.h>

bool sv_quantize_range(sv_dtype dtype, double *low, double *high)
{
    int bits = sv_dtype_get(dtype)->bits;
    if (!sv_dtype_is_integer(dtype) || bits > 32) return false;
    bool is_signed = sv_dtype_get(dtype)->class_ == SV_CLASS_INT;
    *low = is_signed ? -ldexp(1, bits - 1) : 0;
    *high = ldexp(1, is_signed ? bits - 1 : bits) - 1;
    return true;
}

/* Narrow floats divide in f32 and round the quotient once. */
static double rounded_to(sv_dtype precision, double value)
{
    if (precision == SV_F16) return (double)sv_f16_to_f32(sv_f32_to_f16((float)value));
    if (precision == SV_BF16) return (double)sv_bf16_to_f32(sv_f32_to_bf16((float)value));
    return value;
}

static double quotient(sv_dtype precision, double x, double scale)
{
    return precision == SV_F64 ? x / scale
                               : rounded_to(precision, (double)((float)x / (float)scale));
}

/* To the nearest integer, shifted and saturated; 8-bit floats and float4 are converted instead. */
static void quantize(const sv_quantize_param *p, sv_quantize_values *v, sv_dtype dtype)
{
    double low, high;
    const bool whole = sv_quantize_range(dtype, &low, &high);
    for (int64_t i = 0; i < v->n; i++) {
        double q = quotient((sv_dtype)p->precision, v->value[i], v->scale[i * v->step]);
        double value = (whole ? rint(q) : q) + v->zero[i * v->step];
        if (whole) value = value != value ? 0 : value < low ? low : value > high ? high : value;
        v->value[i] = value;
    }
}

/* The difference is exact in f64, the product rounds once. */
static void dequantize(sv_quantize_values *v)
{
    for (int64_t i = 0; i < v->n; i++)
        v->value[i] = (v->value[i] - v->zero[i * v->step]) * v->scale[i * v->step];
}

void sv_quantize_put(const sv_quantize_param *param, sv_quantize_values *v, sv_dtype dtype, char *y,
                     int64_t ys)
{
    if (param->inverse) {
        dequantize(v);
    } else {
        quantize(param, v, dtype);
    }
    sv_element_put_f64(dtype, v->value, y, ys, v->n, param->saturate);
}

#define LANES 64

static inline float less_of(float low, float x)
{
    return x < low ? x : low;
}
static inline float greater_of(float high, float x)
{
    return x > high ? x : high;
}

/* Lanes that widen side by side: what compilers vectorise without changing what NaN does. */
static void widen(float *restrict low, float *restrict high, const float *x)
{
    for (int k = 0; k < LANES; k++) {
        low[k] = less_of(low[k], x[k]);
        high[k] = greater_of(high[k], x[k]);
    }
}

sv_quantize_extent sv_quantize_extent_of(const float *x, int64_t n)
{
    float low[LANES] = {0}, high[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        widen(low, high, x + i);
    sv_quantize_extent all = {0, 0};
    for (; i < n; i++)
        all = (sv_quantize_extent){less_of(all.low, x[i]), greater_of(all.high, x[i])};
    for (int k = 0; k < LANES; k++)
        all = (sv_quantize_extent){less_of(all.low, low[k]), greater_of(all.high, high[k])};
    return all;
}

typedef struct ref_context {
    const sv_quantize_param *param;
    sv_dtype x, scale, zero, y;
} ref_context;

static void ref_row(char *const *at, const int64_t *step, int64_t n, const void *context)
{
    const ref_context *c = context;
    sv_quantize_values v = {.step = 1};
    for (int64_t i = 0; i < n; i += SV_QUANTIZE_BLOCK) {
        v.n = n - i < SV_QUANTIZE_BLOCK ? n - i : SV_QUANTIZE_BLOCK;
        sv_element_get_f64(c->x, at[0] + i * step[0], step[0], v.value, v.n);
        sv_element_get_f64(c->scale, at[1] + i * step[1], step[1], v.scale, v.n);
        if (c->zero != SV_DTYPE_NONE)
            sv_element_get_f64(c->zero, at[2] + i * step[2], step[2], v.zero, v.n);
        sv_quantize_put(c->param, &v, c->y, at[3] + i * step[3], step[3]);
    }
}

static bool supports(const sv_problem *problem)
{
    const sv_desc *desc = problem->desc;
    return problem->epilogue.n == 0 && sv_element_wide(desc[0].dtype) != SV_DTYPE_NONE &&
           sv_element_wide(desc[1].dtype) != SV_DTYPE_NONE &&
           sv_element_wide(desc[3].dtype) != SV_DTYPE_NONE;
}

static void run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_desc *desc = call->desc;
    ref_context context = {call->param, desc[0].dtype, desc[1].dtype, desc[2].dtype, desc[3].dtype};
    sv_strided strided;
    sv_strided_init(&strided, desc, 4);
    sv_strided_run(&strided, call->ptr, begin, end, ref_row, &context);
}

const sv_kernel sv_kernel_quantize_ref = {
    .name = "quantize_ref",
    .family = SV_FAMILY_quantize,
    .level = SV_CPU_BASELINE,
    .supports = supports,
    .units = sv_strided_problem_units,
    .run = run,
};
