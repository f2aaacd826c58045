/* Elementary functions on the vectors of simd_tmpl.h: exp, expm1, log, log1p, tanh, sigmoid, erf,
 * erfc.
 *
 * Each is a range reduction and a polynomial whose coefficients are our own minimax fits (weighted
 * least squares, reweighted until level, then rounded to f32 one by one). Bounds are in units in
 * the last place against the exact value, for normal results, where the level has fused
 * multiply-add; the baseline may add one. NaN gives NaN; infinities give the limits. Results below
 * the normal range may be flushed to zero. What an operator means is said in activation_tmpl.h and
 * unary/. */
#ifndef SV_KERNELS_VECMATH_TMPL_H
#define SV_KERNELS_VECMATH_TMPL_H

#include "kernels/function_tables.h"
#include "kernels/simd_tmpl.h"

/* Coefficients from the lowest power up. */
SV_INLINE sv_vf vf_polynomial(sv_vf x, const float *coefficient, int n)
{
    sv_vf sum = vf_set1(coefficient[n - 1]);
    for (int i = n - 2; i >= 0; i--)
        sum = vf_fma(sum, x, vf_set1(coefficient[i]));
    return sum;
}
#define VF_POLYNOMIAL(x, ...)                                                                      \
    vf_polynomial((x), (const float[]){__VA_ARGS__},                                               \
                  (int)(sizeof((const float[]){__VA_ARGS__}) / sizeof(float)))

/* Writes x = n * log(2) + r, |r| <= 0.347, and returns e^r - 1. */
SV_INLINE sv_vf vf_exp_reduce(sv_vf x, sv_vf *n)
{
    *n = vi_to_f(vf_to_i(x * vf_set1(1.44269504f)));
    /* log(2) in two parts, the first short enough that n times it is exact. */
    sv_vf r = vf_fma(*n, vf_set1(-0.693145752f), x);
    r = vf_fma(*n, vf_set1(-1.42860677e-6f), r);
    sv_vf q = VF_POLYNOMIAL(r, 4.999999404e-01f, 1.666652113e-01f, 4.166828096e-02f,
                            8.368690498e-03f, 1.381949056e-03f);
    return vf_fma(r * r, q, r);
}

/* e^x: 1 ulp. */
SV_INLINE sv_vf vf_exp(sv_vf x)
{
    /* Beyond these the result is infinite, or zero. */
    x = vf_max(vf_set1(-104.0f), vf_min(vf_set1(89.0f), x));
    sv_vf n, p = vf_exp_reduce(x, &n);
    return vf_scale2(p + vf_set1(1.0f), n);
}

/* e^x for x <= 0, as differences from the greatest are: 1 ulp. */
SV_INLINE sv_vf vf_exp_falling(sv_vf x)
{
    sv_vf n, p = vf_exp_reduce(vf_max(vf_set1(-104.0f), x), &n);
    return vf_scale2(p + vf_set1(1.0f), n);
}

/* e^x - 1 for x <= 88: 2 ulp. */
SV_INLINE sv_vf vf_expm1(sv_vf x)
{
    x = vf_max(vf_set1(-30.0f), vf_min(vf_set1(88.0f), x));
    sv_vf n, p = vf_exp_reduce(x, &n);
    sv_vf scale = vf_scale2(vf_set1(1.0f), n);
    return vf_fma(scale, p, scale - vf_set1(1.0f));
}

/* log(x): 1 ulp for normal x; subnormal x count as 0. */
SV_INLINE sv_vf vf_log(sv_vf x)
{
    /* x = 2^e * (1 + f), sqrt(1/2) <= 1 + f < sqrt(2). */
    const sv_vi half = vi_set1(0x3f3504f3);
    sv_vi shifted = vi_sub(vf_bits(x), half);
    sv_vf e = vi_to_f(shifted >> 23);
    sv_vf f = vi_bits(vi_add(shifted & vi_set1(0x007fffff), half)) - vf_set1(1.0f);
    sv_vf p = VF_POLYNOMIAL(f, 3.333331347e-01f, -2.500000894e-01f, 2.000207156e-01f,
                            -1.666798890e-01f, 1.422035843e-01f, -1.240623370e-01f,
                            1.188354865e-01f, -1.167009771e-01f, 6.749267876e-02f);
    sv_vf square = f * f;
    sv_vf tail = vf_fma(square * f, p, e * vf_set1(-2.12194440e-4f));
    sv_vf y = vf_fma(vf_set1(-0.5f), square, tail) + f;
    y = vf_fma(e, vf_set1(0.693359375f), y);
    y = vf_select(vf_less(x, vf_set1(1.17549435e-38f)), vf_set1(-__builtin_inff()), y);
    y = vf_select(vf_less(x, vf_zero()), vf_set1(__builtin_nanf("")), y);
    /* Infinity and NaN are their own logarithms. */
    return vf_select(vf_less_equal(x, vf_set1(3.40282347e38f)), y, x);
}

/* log(1 + x) for x >= 0: 2 ulp. */
SV_INLINE sv_vf vf_log1p(sv_vf x)
{
    sv_vf sum = x + vf_set1(1.0f);
    /* What the sum lost, carried to the first order. */
    sv_vf lost = (x - (sum - vf_set1(1.0f))) / sum;
    sv_vf y = vf_log(sum) + lost;
    return vf_select(vf_less_equal(x, vf_set1(3.40282347e38f)), y, x);
}

/* 1 / (1 + e^-x): 3 ulp for x >= -87, below that less than 1.2e-38 away. */
SV_INLINE sv_vf vf_sigmoid(sv_vf x)
{
    return vf_reciprocal(vf_set1(1.0f) + vf_exp(vf_neg(x)));
}

#if defined(__AVX512F__)

/* The polynomial that a table has at interval `at`. */
SV_INLINE sv_vf vf_polynomial_at(const float table[SV_TABLE_DEGREE + 1][SV_TABLE_INTERVALS],
                                 sv_vi at, sv_vf u)
{
    sv_vf sum = vf_look_up(table[SV_TABLE_DEGREE], at);
    for (int k = SV_TABLE_DEGREE - 1; k >= 0; k--)
        sum = vf_fma(sum, u, vf_look_up(table[k], at));
    return sum;
}

/* tanh(x): 1 ulp. From 9.02 on it is 1, to which the last interval's polynomial has come. */
SV_INLINE sv_vf vf_tanh(sv_vf x)
{
    sv_vf t = vf_min(vf_set1(9.9999f), vf_abs(x));
    sv_vi at = vf_bits(vf_max(vf_set1(SV_TANH_IN_FIRST), t)) >> 21;
    at = vi_sub(at, vi_set1(SV_TANH_FIRST));
    return vf_copysign(vf_polynomial_at(sv_tanh_table + 1, at, t - vf_look_up(*sv_tanh_table, at)),
                       x);
}

#else

/* tanh(x): 2 ulp. */
SV_INLINE sv_vf vf_tanh(sv_vf x)
{
    sv_vf square = x * x;
    sv_vf p = VF_POLYNOMIAL(square, -3.333332539e-01f, 1.333300024e-01f, -5.392228812e-02f,
                            2.157590911e-02f, -7.891555317e-03f, 1.900987467e-03f);
    sv_vf small = vf_fma(square * x, p, x);
    sv_vf t = vf_abs(x);
    const sv_vf one = vf_set1(1.0f), two = vf_set1(2.0f);
    sv_vf large = vf_fma(vf_neg(two), vf_reciprocal(vf_exp(t + t) + one), one);
    return vf_select(vf_less(t, vf_set1(0.7f)), small, vf_copysign(large, x));
}

#endif

/* erf(x) for |x| <= 0.95. */
SV_INLINE sv_vf vf_erf_small(sv_vf x)
{
    sv_vf p =
        VF_POLYNOMIAL(x * x, 1.283791661e-01f, -3.761262894e-01f, 1.128362566e-01f,
                      -2.685574070e-02f, 5.192460492e-03f, -8.050804609e-04f, 8.002782124e-05f);
    return vf_fma(x, p, x);
}

/* erfc(t) for t >= 0.9: absolute error 3e-9 up to 4, relative error 4e-5 up to 9.5, then 0. */
SV_INLINE sv_vf vf_erfc_tail(sv_vf t)
{
    /* log erfc is a smooth function, close to a parabola. */
    sv_vf capped = vf_min(vf_set1(9.5f), t);
    sv_vf q =
        VF_POLYNOMIAL(capped, -1.596228394e-04f, 1.129657507e+00f, 6.326014400e-01f,
                      1.096461937e-01f, -2.641877718e-02f, 4.884823691e-03f, -6.663921522e-04f,
                      6.420939462e-05f, -4.104047548e-06f, 1.553578102e-07f, -2.627257301e-09f);
    return vf_select(vf_less(vf_set1(9.5f), t), vf_zero(), vf_exp(vf_neg(q)));
}

/* erf(x): 2 ulp. */
SV_INLINE sv_vf vf_erf(sv_vf x)
{
    sv_vf t = vf_abs(x);
    sv_vf large = vf_set1(1.0f) - vf_erfc_tail(t);
    return vf_select(vf_less(t, vf_set1(0.92f)), vf_erf_small(x), vf_copysign(large, x));
}

/* x * Phi(x), Phi the normal distribution, from the tail's side, so that nothing cancels; -infinity
 * gives NaN, as the formula.
 * With AVX-512: 2 ulp for x >= -3, below that a relative error of 3e-5, and 0 below -7.6.
 * Others: 4 ulp for x >= -1.3, a relative error of 5e-5, and 0 below -7. */
#if defined(__AVX512F__)

SV_INLINE sv_vf vf_gelu(sv_vf x)
{
    const sv_vf end = vf_set1(-7.75f), magic = vf_set1(12582912.0f);
    /* -|x|, but no less than -7.75 for positive x, their own results: infinity must not meet 0. */
    sv_vf w = vf_min(vf_max(end, vf_neg(x)), x), t = vf_max(end, w);
    /* In 1.5 * 2^23 + i the last bits are those of the integer i, t rounded to -i / 4. */
    sv_vf shifted = vf_fma(t, vf_set1(-4.0f), magic);
    sv_vf u = vf_fma(shifted - magic, vf_set1(-0.25f), vf_neg(t));
    sv_vf tail = vf_polynomial_at(sv_normal_table, vf_bits(shifted), u);
    return vf_fma(w, tail, vf_max(vf_zero(), x));
}

#else

SV_INLINE sv_vf vf_gelu(sv_vf x)
{
    const sv_vf end = vf_set1(-7.0f), magic = vf_set1(12582912.0f);
    /* -|x|, but at least -7 where x is positive and so its own result: infinity must not meet 0. */
    sv_vf w = vf_min(vf_max(end, vf_neg(x)), x), t = vf_max(end, w);
    /* log2 of Phi is a smooth function, close to a parabola. */
    sv_vf q =
        VF_POLYNOMIAL(t, -1.0f, 1.151106000e+00f, -4.592030644e-01f, 5.250027031e-02f,
                      7.041129284e-03f, 8.351811266e-05f, -2.358357888e-04f, -6.259137444e-05f,
                      -8.388075003e-06f, -6.005333262e-07f, -1.813244310e-08f);
    /* 2^q: in 1.5 * 2^23 + q the last bits of the significand are those of the nearest integer. */
    sv_vf shifted = magic + q, f = q - (shifted - magic);
    sv_vf e = VF_POLYNOMIAL(f, 1.0f, 6.931471825e-01f, 2.402265966e-01f, 5.550349131e-02f,
                            9.617192671e-03f, 1.339547918e-03f, 1.565449493e-04f);
    sv_vf tail = vi_bits(vi_add(vf_bits(e), vf_bits(shifted) << 23));
    tail = vf_select(vf_less(w, end), vf_zero(), tail);
    return vf_fma(w, tail, vf_max(vf_zero(), x));
}

#endif

#endif
