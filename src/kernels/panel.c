/* Packing of weight panels. The order of a family's panels is the family's business. */
#include "kernels/panel.h"

size_t sv_panel_floats(int64_t k, int64_t n, int64_t width)
{
    size_t floats;
    if (__builtin_mul_overflow((size_t)k, (size_t)sv_panel_stored(n, width), &floats)) return 0;
    return floats <= SIZE_MAX / 64 ? floats : 0;
}

static float source_value(const sv_panel_source *source, int64_t k, int64_t n)
{
    float value = source->data[k * source->k_stride + n * source->n_stride];
    int64_t i = k * source->scale_k + n * source->scale_n;
    if (source->scale) value *= source->scale[i];
    if (source->shift) value += source->shift[i];
    return value;
}

int64_t sv_panel_pack(const sv_panel_source *source, int64_t column, int64_t width, float *to)
{
    int64_t stored = sv_panel_columns(source->n, column, width);
    int64_t there = source->n - column < stored ? source->n - column : stored;
    for (int64_t k = 0; k < source->k; k++) {
        for (int64_t j = 0; j < there; j++)
            *to++ = source_value(source, k, column + j);
        for (int64_t j = there; j < stored; j++)
            *to++ = 0;
    }
    return source->k * stored;
}
