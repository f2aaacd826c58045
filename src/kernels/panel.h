/* Weight panels: how the packed right side of the matrix-shaped families is laid out.
 *
 * A matrix [K, N] becomes ceil(N / width) panels of [K][width] floats, one after the other; the
 * last is half as wide where that is enough. Columns beyond N are 0. The width belongs to the CPU
 * level, so that every problem size shares one copy. */
#ifndef SV_KERNELS_PANEL_H
#define SV_KERNELS_PANEL_H

#include "kernels/kernel.h"

/* Columns of a panel at `level`: two vectors. */
static inline int64_t sv_panel_width(sv_cpu_level level)
{
#if defined(__x86_64__)
    if (level >= SV_CPU_AVX512) return 32;
    if (level >= SV_CPU_AVX2) return 16;
#else
    (void)level;
#endif
    return 8;
}

/* Columns stored for the panel that begins at `column` of n. */
static inline int64_t sv_panel_columns(int64_t n, int64_t column, int64_t width)
{
    return n - column <= width / 2 ? width / 2 : width;
}

/* Columns stored for all panels of n. */
static inline int64_t sv_panel_stored(int64_t n, int64_t width)
{
    int64_t rest = n % width, whole = n - rest;
    return rest ? whole + sv_panel_columns(rest, 0, width) : whole;
}

/* Columns that products with all panels of n take the time of: where vectors have 16 lanes, half of
 * the last one takes half the time (tile_kernel_tmpl.h). */
static inline int64_t sv_panel_computed(int64_t n, int64_t width)
{
    const int64_t step = width / 2 == 16 ? 8 : width / 2;
    return (n + step - 1) / step * step;
}

/* Channels stored by conv_depthwise: whole vectors of every level. */
static inline int64_t sv_depthwise_channels(int64_t channels)
{
    return (channels + 15) / 16 * 16;
}

/* Floats of the panels of [k, n]; 0 when they are too many to count. */
size_t sv_panel_floats(int64_t k, int64_t n, int64_t width);

/* A matrix to pack: element (k, n) is data[k * k_stride + n * n_stride], times scale[i] plus
 * shift[i] (either may be NULL) with i = k * scale_k + n * scale_n. */
typedef struct sv_panel_source {
    const float *data;
    int64_t k, n, k_stride, n_stride;
    const float *scale, *shift;
    int64_t scale_k, scale_n;
} sv_panel_source;

/* What a part of packing reads at once: it fits into a core's cache, with what is written. */
#define SV_PANEL_PART_BYTES ((int64_t)256 << 10)

/* Writes all rows of the panel that begins at `column` to `to`; returns the floats written. */
int64_t sv_panel_pack(const sv_panel_source *source, int64_t column, int64_t width, float *to);

#endif
