/* Sine and cosine of f32, to 2 ulp, by blocks that the compiler vectorises: reduced in f64, so that
 * no place near a multiple of pi loses its digits. Included by unary_f32_tmpl.h. */
#ifndef SV_KERNELS_UNARY_TRIGONOMETRY_TMPL_H
#define SV_KERNELS_UNARY_TRIGONOMETRY_TMPL_H

#include "kernels/simd_tmpl.h"

#include <math.h>

#define TRIGONOMETRY_BLOCK 64

/* Up to here the number of quarter turns has 20 bits, and its product with the head of pi / 2 (33
 * bits) is exact; beyond, and for infinities and NaN, libm's functions reduce. */
#define TRIGONOMETRY_LIMIT 0x1p20f

/* By bits, because what a condition chooses from is not computed side by side. */
SV_INLINE float sine_choose(int32_t quarter, float sine, float cosine)
{
    int32_t s, c;
    memcpy(&s, &sine, sizeof s);
    memcpy(&c, &cosine, sizeof c);
    const int32_t odd = -(quarter & 1);
    const uint32_t bits = (uint32_t)((s & ~odd) | (c & odd)) ^ ((uint32_t)quarter >> 1 << 31);
    float value;
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
        const float r = (float)((v - n * 0x1.921fb544p0) - n * 0x1.0b4611a626331p-34);
        const float z = r * r;
        const float series =
            z * (-1.0f / 6 + z * (1.0f / 120 + z * (-1.0f / 5040 + z * (1.0f / 362880))));
        /* 0 more: it is not to be the zero of the other sign, which would take r's away. */
        const float sine = r + r * (series + 0.0f);
        const float cosine =
            1 + z * (-0.5f + z * (1.0f / 24 +
                                  z * (-1.0f / 720 + z * (1.0f / 40320 + z * (-1.0f / 3628800)))));
        y[i] = sine_choose((int32_t)n + turns, sine, cosine);
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

/* A whole block, or the last: loops of a length that is known become vectors. */
static void take_block(const float *x, float *to, int64_t n)
{
    if (n < TRIGONOMETRY_BLOCK) {
        memcpy(to, x, (size_t)n * sizeof *x);
        return;
    }
    for (int i = 0; i < TRIGONOMETRY_BLOCK; i += SV_VF)
        vf_store(to + i, vf_load(x + i));
}

/* `turns`: quarter turns that are added: 0 for the sine, 1 for the cosine. */
static void sine_loop(const float *x, float *y, int64_t n, int32_t turns)
{
    float near[TRIGONOMETRY_BLOCK] = {0}, out[TRIGONOMETRY_BLOCK];
    for (int64_t at = 0; at < n; at += TRIGONOMETRY_BLOCK) {
        const int64_t m = n - at < TRIGONOMETRY_BLOCK ? n - at : TRIGONOMETRY_BLOCK;
        take_block(x + at, near, m);
        const int far = take_far(near);
        sine_block(near, out, turns);
        for (int64_t i = 0; far && i < m; i++) {
            const float v = x[at + i];
            if (!(fabsf(v) <= TRIGONOMETRY_LIMIT)) out[i] = turns ? cosf(v) : sinf(v);
        }
        take_block(out, y + at, m);
    }
}

#endif
