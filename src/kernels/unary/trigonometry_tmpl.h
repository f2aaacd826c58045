/* Sine and cosine of f32, to 1 ulp, by blocks that the compiler vectorises: reduced and summed in
 * f64, so that no place near a multiple of pi loses its digits. Included by unary_f32_tmpl.h. */
#ifndef SV_KERNELS_UNARY_TRIGONOMETRY_TMPL_H
#define SV_KERNELS_UNARY_TRIGONOMETRY_TMPL_H

#include "kernels/simd_tmpl.h"

#include <math.h>

#define TRIGONOMETRY_BLOCK 64

/* Up to here the number of quarter turns has 20 bits, and its product with the head of pi / 2 (33
 * bits) is exact; beyond, and for infinities and NaN, libm's functions reduce. */
#define TRIGONOMETRY_LIMIT 0x1p20f

/* By bits, because what a condition chooses from is not computed side by side. */
SV_INLINE double sine_choose(int64_t quarter, double sine, double cosine)
{
    int64_t s, c;
    memcpy(&s, &sine, sizeof s);
    memcpy(&c, &cosine, sizeof c);
    const int64_t odd = -(quarter & 1);
    const uint64_t bits = (uint64_t)((s & ~odd) | (c & odd)) ^ ((uint64_t)quarter >> 1 << 63);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* sin(x + turns * pi / 2) of a whole block: Taylor's series on [-pi/4, pi/4], cut where a term is
 * less than 2^-28 of the result, and which of the two it is by the quarter. Without a branch. */
static void sine_block(const float *x, float *y, int32_t turns)
{
    SV_APART
    for (int i = 0; i < TRIGONOMETRY_BLOCK; i++) {
        const double v = (double)x[i];
        /* In 1.5 * 2^52 + t the last bit of the significand stands for one. */
        const double n = (v * 0x1.45f306dc9c883p-1 + 0x1.8p52) - 0x1.8p52;
        const double r = (v - n * 0x1.921fb544p0) - n * 0x1.0b4611a626331p-34;
        const double z = r * r;
        const double sine =
            r * (1 + z * (-1.0 / 6 +
                          z * (1.0 / 120 +
                               z * (-1.0 / 5040 + z * (1.0 / 362880 + z * (-1.0 / 39916800))))));
        const double cosine =
            1 + z * (-0.5 +
                     z * (1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 + z * (-1.0 / 3628800)))));
        const int64_t quarter = (int32_t)n + turns;
        y[i] = (float)sine_choose(quarter, sine, cosine);
    }
}

/* Elements beyond the limit become 0; returns how many they are. */
static int take_far(float *x)
{
    int far = 0;
    for (int i = 0; i < TRIGONOMETRY_BLOCK; i++) {
        const bool inside = fabsf(x[i]) <= TRIGONOMETRY_LIMIT;
        x[i] = inside ? x[i] : 0;
        far += !inside;
    }
    return far;
}

/* `turns`: quarter turns that are added: 0 for the sine, 1 for the cosine. */
static void sine_loop(const float *x, float *y, int64_t n, int32_t turns)
{
    for (int64_t at = 0; at < n; at += TRIGONOMETRY_BLOCK) {
        float near[TRIGONOMETRY_BLOCK] = {0}, out[TRIGONOMETRY_BLOCK];
        const int64_t m = n - at < TRIGONOMETRY_BLOCK ? n - at : TRIGONOMETRY_BLOCK;
        memcpy(near, x + at, (size_t)m * sizeof *near);
        const int far = take_far(near);
        sine_block(near, out, turns);
        for (int64_t i = 0; far && i < m; i++) {
            const float v = x[at + i];
            if (!(fabsf(v) <= TRIGONOMETRY_LIMIT)) out[i] = turns ? cosf(v) : sinf(v);
        }
        memcpy(y + at, out, (size_t)m * sizeof *out);
    }
}

#endif
