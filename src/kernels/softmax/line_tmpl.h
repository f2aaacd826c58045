/* Softmax of one line whose elements lie side by side: for the rows of softmax and of attention.
 *
 * Three passes: the greatest value, the exponentials and their sum, the division. The sum's lanes
 * are added in a fixed order, so results depend neither on threads nor on addresses. */
#ifndef SV_KERNELS_SOFTMAX_LINE_TMPL_H
#define SV_KERNELS_SOFTMAX_LINE_TMPL_H

#include "kernels/vecmath_tmpl.h"

SV_INLINE sv_vf load_lowest(const float *x, int64_t n)
{
    float lane[SV_VF];
    vf_store(lane, vf_set1(-__builtin_inff()));
    for (int64_t i = 0; i < n; i++)
        lane[i] = x[i];
    return vf_load(lane);
}

SV_INLINE float line_greatest(const float *x, int64_t n)
{
    sv_vf a = vf_set1(-__builtin_inff()), b = a;
    int64_t i = 0;
    for (; i + 2 * SV_VF <= n; i += 2 * SV_VF) {
        a = vf_max(a, vf_load(x + i));
        b = vf_max(b, vf_load(x + i + SV_VF));
    }
    if (i + SV_VF <= n) {
        a = vf_max(a, vf_load(x + i));
        i += SV_VF;
    }
    if (i < n) b = vf_max(b, load_lowest(x + i, n - i));
    return vf_greatest(vf_max(a, b));
}

/* Stores e^(x - max), unless y is NULL, and returns the sum. */
SV_INLINE float line_exponentials(const float *x, float *y, int64_t n, float max)
{
    const sv_vf shift = vf_set1(max);
    sv_vf sum = vf_zero();
    int64_t i = 0;
    for (; i + SV_VF <= n; i += SV_VF) {
        sv_vf e = vf_exp_falling(vf_load(x + i) - shift);
        if (y) vf_store(y + i, e);
        sum += e;
    }
    if (i < n) {
        sv_vf e = vf_exp_falling(load_lowest(x + i, n - i) - shift);
        if (y) vf_store_n(y + i, e, n - i);
        sum += e;
    }
    return vf_sum(sum);
}

SV_INLINE void line_softmax(const float *x, float *y, int64_t n)
{
    float sum = line_exponentials(x, y, n, line_greatest(x, n));
    const sv_vf scale = vf_set1(1.0f / sum);
    int64_t i = 0;
    for (; i + SV_VF <= n; i += SV_VF)
        vf_store(y + i, vf_load(y + i) * scale);
    if (i < n) vf_store_n(y + i, vf_load_n(y + i, n - i) * scale, n - i);
}

#endif
