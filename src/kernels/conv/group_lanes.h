/* Narrow groups of channels side by side in a vector: which lanes of x the lanes of a result read,
 * at one CPU level. Groups have as many output channels as divide a vector, and at most as many
 * input channels, so that all that a vector of results reads lies in one vector of x. */
#ifndef SV_KERNELS_CONV_GROUP_LANES_H
#define SV_KERNELS_CONV_GROUP_LANES_H

#include "kernels/tile_tmpl.h"

typedef struct group_lanes {
    sv_vi first; /* of its group in x, for each lane */
    int64_t n;   /* lanes of x that are there */
} group_lanes;

/* For the vector of results that begins at column `c` of a job. */
SV_INLINE group_lanes group_lanes_of(const tile_job *job, int64_t c)
{
    const int64_t left = job->real_columns - c, columns = left < SV_VF ? left : SV_VF;
    const int32_t shift = __builtin_ctzll((unsigned long long)job->group);
    return (group_lanes){.first = (vi_count() >> shift) * (int32_t)job->depth,
                         .n = (columns + job->group - 1) / job->group * job->depth};
}

/* Where the lanes find channel `g` of their groups. */
SV_INLINE sv_vi group_lanes_at(const group_lanes *lanes, int64_t g)
{
    return vi_add(lanes->first, vi_set1((int32_t)g));
}

#endif
