/* What the rows of the norm family share: the operands, and the sets as dimensions. */
#ifndef SV_KERNELS_NORM_SETS_H
#define SV_KERNELS_NORM_SETS_H

#include "kernels/nn.h"
#include "kernels/strided.h"

enum {
    SV_NORM_X,
    SV_NORM_SCALE,
    SV_NORM_SHIFT,
    SV_NORM_Y,
    SV_NORM_MEAN,
    SV_NORM_INV_STD,
    SV_NORM_OPERANDS
};

/* The operands seen so that each set is the dimensions [axis, rank). */
typedef struct sv_norm_sets {
    sv_desc desc[SV_NORM_OPERANDS];
    int32_t axis;
} sv_norm_sets;

/* Dimension 1 as `groups` by what each has. */
static inline void sv_norm_split_channels(sv_desc *desc, int64_t groups)
{
    if (desc->dtype == SV_DTYPE_NONE) return;
    for (int32_t i = desc->rank++; i > 1; i--) {
        desc->dim[i] = desc->dim[i - 1];
        desc->stride[i] = desc->stride[i - 1];
    }
    desc->dim[2] = desc->dim[1] / groups;
    desc->dim[1] = groups;
    desc->stride[2] = desc->stride[1];
    desc->stride[1] *= desc->dim[2];
}

/* With groups the rank is below SV_MAX_RANK. */
static inline void sv_norm_sets_init(sv_norm_sets *sets, const sv_desc *desc,
                                     const sv_norm_param *param)
{
    sets->axis = param->groups ? 2 : param->axis;
    for (int i = 0; i < SV_NORM_OPERANDS; i++) {
        sets->desc[i] = desc[i];
        if (param->groups) sv_norm_split_channels(&sets->desc[i], param->groups);
    }
}

#endif
