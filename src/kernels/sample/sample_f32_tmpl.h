/* Weighted sums of chosen pixels of channels-last maps: a vector holds channels. Included by one
 * file a level; meaning is that of sample_ref.c. */
#include "kernels/sample/points.h"
#include "kernels/simd_tmpl.h"

/* Pixels that are added in one pass over the channels. */
#define SAMPLE_TAPS 16

/* n pixels of x with their weights; y = (add ? y : 0) + their sum. */
typedef struct sample_taps {
    const float *x[SAMPLE_TAPS];
    float weight[SAMPLE_TAPS];
} sample_taps;

SV_INLINE sv_vf sample_sum(const sample_taps *taps, const int n, sv_vf sum, int64_t c, int64_t m)
{
    for (int t = 0; t < n; t++) {
        const float *x = taps->x[t] + c;
        sum = vf_fma(vf_set1(taps->weight[t]), m == SV_VF ? vf_load(x) : vf_load_n(x, m), sum);
    }
    return sum;
}

SV_INLINE void sample_add(const sample_taps *taps, const int n, bool add, float *y,
                          int64_t channels)
{
    int64_t c = 0;
    for (; c + SV_VF <= channels; c += SV_VF)
        vf_store(y + c, sample_sum(taps, n, add ? vf_load(y + c) : vf_zero(), c, SV_VF));
    if (c < channels) {
        const int64_t m = channels - c;
        vf_store_n(y + c, sample_sum(taps, n, add ? vf_load_n(y + c, m) : vf_zero(), c, m), m);
    }
}

/* One position. What has the weight 0 is not read: it might be no number. */
static void sample_position(const float *x, int64_t step, const int32_t *at, const float *weight,
                            int64_t n, float *y, int64_t channels)
{
    bool add = false;
    for (int64_t t = 0; t < n || !add; add = true) {
        sample_taps taps;
        int k = 0;
        for (; t < n && k < SAMPLE_TAPS; t++) {
            taps.x[k] = x + at[t] * step;
            taps.weight[k] = weight[t];
            k += weight[t] != 0;
        }
        if (k == 4) {
            sample_add(&taps, 4, add, y, channels);
        } else {
            sample_add(&taps, k, add, y, channels);
        }
    }
}

/* How the dimensions behind the channels step as one; 0: they do not. */
static int64_t sample_step(const sv_desc *desc)
{
    int64_t step = 0, size = 1;
    for (int32_t i = desc->rank - 1; i > 1; i--) {
        if (desc->dim[i] == 1) continue;
        if (!step) step = desc->stride[i];
        if (desc->stride[i] != step * size) return 0;
        size *= desc->dim[i];
    }
    return step ? step : 1;
}

static bool sample_supports(const sv_problem *problem)
{
    const sv_desc *x = &problem->desc[SV_SAMPLE_X], *y = &problem->desc[SV_SAMPLE_Y];
    bool beside = x->dim[1] == 1 || (x->stride[1] == 1 && y->stride[1] == 1);
    return x->dtype == SV_F32 && y->dtype == SV_F32 && !problem->epilogue.n && beside &&
           sample_step(x) && sample_step(y);
}

static void sample_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_desc *x = &call->desc[SV_SAMPLE_X], *y = &call->desc[SV_SAMPLE_Y];
    const int32_t *image = call->ptr[SV_SAMPLE_IMAGE];
    const int64_t x_step = sample_step(x), y_step = sample_step(y);
    sv_sample_points points;
    sv_sample_points_init(&points, call->desc);
    int64_t i = begin * points.per_unit, last = end * points.per_unit;
    const int64_t count = points.images * points.positions;
    for (; i < last && i < count; i++) {
        const int64_t m = i / points.positions, p = i % points.positions;
        const float *from =
            (const float *)call->ptr[SV_SAMPLE_X] + (image ? image[m] : m) * x->stride[0];
        float *to = (float *)call->ptr[SV_SAMPLE_Y] + m * y->stride[0] + p * y_step;
        sample_position(from, x_step, (const int32_t *)call->ptr[SV_SAMPLE_AT] + i * points.taps,
                        (const float *)call->ptr[SV_SAMPLE_WEIGHT] + i * points.taps, points.taps,
                        to, points.channels);
    }
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_sample_f32) = {
    .name = "sample_f32_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_sample,
    .level = SV_LEVEL,
    .supports = sample_supports,
    .units = sv_sample_units,
    .run = sample_run,
};
