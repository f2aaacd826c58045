/* The operands of the sample family as its rows walk them: results position by position. */
#ifndef SV_KERNELS_SAMPLE_POINTS_H
#define SV_KERNELS_SAMPLE_POINTS_H

#include "kernels/nn.h"
#include "kernels/strided.h"

enum { SV_SAMPLE_X, SV_SAMPLE_IMAGE, SV_SAMPLE_AT, SV_SAMPLE_WEIGHT, SV_SAMPLE_Y };

typedef struct sv_sample_points {
    int64_t images, positions, taps, channels; /* of y; elements that one position is a sum of */
    int64_t per_unit;                          /* positions of a unit */
} sv_sample_points;

static inline void sv_sample_points_init(sv_sample_points *points, const sv_desc *desc)
{
    const sv_desc *at = &desc[SV_SAMPLE_AT];
    *points = (sv_sample_points){.images = at->dim[0],
                                 .positions = at->dim[1],
                                 .taps = at->dim[2],
                                 .channels = desc[SV_SAMPLE_Y].dim[1]};
    points->per_unit = sv_pieces_per_unit(points->taps * points->channels);
}

static inline uint32_t sv_sample_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    sv_sample_points points;
    sv_sample_points_init(&points, problem->desc);
    return (uint32_t)sv_divide_up(points.images * points.positions, points.per_unit);
}

/* Where element `flat` of the spatial dimensions of [.., C, spatial..] lies, in elements. */
static inline int64_t sv_sample_offset(const sv_desc *desc, int64_t flat)
{
    int64_t offset = 0;
    for (int32_t d = desc->rank - 1; d > 1; d--) {
        offset += flat % desc->dim[d] * desc->stride[d];
        flat /= desc->dim[d];
    }
    return offset;
}

#endif
