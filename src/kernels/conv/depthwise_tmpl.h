/* The micro-kernels of depthwise convolutions, and of those of narrow groups: a tile of positions
 * by vectors of channels, each channel with weights of its own. How positions are found is in
 * conv_tmpl.h. */
#ifndef SV_KERNELS_DEPTHWISE_TMPL_H
#define SV_KERNELS_DEPTHWISE_TMPL_H

#include "kernels/conv/group_lanes.h"

/* Rows and vectors of a depthwise tile: its accumulators fill the registers. */
#if SV_VF == 16
#define DEPTHWISE_ROWS 7
#define DEPTHWISE_VECTORS 4
#elif SV_REGISTERS == 32 /* without operands in memory, some of them hold inputs */
#define DEPTHWISE_ROWS 7
#define DEPTHWISE_VECTORS 3
#else
#define DEPTHWISE_ROWS 4
#define DEPTHWISE_VECTORS 3
#endif
#define DEPTHWISE_COLUMNS (DEPTHWISE_VECTORS * SV_VF)

#if DEPTHWISE_ROWS == 7
#define DEPTHWISE_EACH_ROW(F, j) F(0, j) F(1, j) F(2, j) F(3, j) F(4, j) F(5, j) F(6, j)
#define DEPTHWISE_EACH_HEIGHT(F) F(1) F(2) F(3) F(4) F(5) F(6) F(7)
#else
#define DEPTHWISE_EACH_ROW(F, j) F(0, j) F(1, j) F(2, j) F(3, j)
#define DEPTHWISE_EACH_HEIGHT(F) F(1) F(2) F(3) F(4)
#endif
#if DEPTHWISE_VECTORS == 4
#define DEPTHWISE_EACH_VECTOR(F) F(0) F(1) F(2) F(3)
#else
#define DEPTHWISE_EACH_VECTOR(F) F(0) F(1) F(2)
#endif

/* `mr` positions by `nv` vectors of channels; with `part`, one vector of job->real_columns lanes.
 * Weights of the taps lie job->step floats apart. */
SV_INLINE void depthwise_kernel(const int mr, const int nv, const bool part, const tile_job *job)
{
#define DEPTHWISE_ZERO(i, j) sv_vf c##i##_##j = vf_zero();
#define DEPTHWISE_ZEROS(j) DEPTHWISE_EACH_ROW(DEPTHWISE_ZERO, j)
    DEPTHWISE_EACH_VECTOR(DEPTHWISE_ZEROS)
    const float *weight = job->panel, *const *x = job->x;
    for (int64_t tap = job->taps; tap > 0; tap--) {
#define DEPTHWISE_POINT(i, j) const float *x##i = x[i < mr ? i : 0] + job->x_offset;
        DEPTHWISE_EACH_ROW(DEPTHWISE_POINT, 0)
#define DEPTHWISE_STEP(i, j)                                                                       \
    if (i < mr) {                                                                                  \
        sv_vf a = part ? vf_load_n(x##i, job->real_columns) : vf_load(x##i + j * SV_VF);           \
        c##i##_##j = vf_fma(a, w, c##i##_##j);                                                     \
    }
#define DEPTHWISE_STEPS(j)                                                                         \
    if (j < nv) {                                                                                  \
        sv_vf w = vf_load(weight + j * SV_VF);                                                     \
        DEPTHWISE_EACH_ROW(DEPTHWISE_STEP, j)                                                      \
    }
        DEPTHWISE_EACH_VECTOR(DEPTHWISE_STEPS)
        x += mr;
        weight += job->step;
    }
    const tile_end end = tile_end_of(job);
#define DEPTHWISE_FINISH(i, j)                                                                     \
    if (i < mr) tile_finish(&end, i, j *SV_VF, lanes, c##i##_##j + bias);
#define DEPTHWISE_FINISHES(j)                                                                      \
    if (j < nv) {                                                                                  \
        const tile_lanes lanes = tile_lanes_of(job->columns - j * SV_VF);                          \
        const sv_vf bias = job->bias ? tile_load(job->bias + j * SV_VF, lanes) : vf_zero();        \
        DEPTHWISE_EACH_ROW(DEPTHWISE_FINISH, j)                                                    \
    }
    DEPTHWISE_EACH_VECTOR(DEPTHWISE_FINISHES)
}

#define DEPTHWISE_DEFINE(mr)                                                                       \
    static void depthwise_##mr##_part(const tile_job *job)                                         \
    {                                                                                              \
        depthwise_kernel(mr, 1, true, job);                                                        \
    }                                                                                              \
    static void depthwise_##mr##_1(const tile_job *job)                                            \
    {                                                                                              \
        depthwise_kernel(mr, 1, false, job);                                                       \
    }                                                                                              \
    static void depthwise_##mr##_2(const tile_job *job)                                            \
    {                                                                                              \
        depthwise_kernel(mr, 2, false, job);                                                       \
    }                                                                                              \
    static void depthwise_##mr##_3(const tile_job *job)                                            \
    {                                                                                              \
        depthwise_kernel(mr, 3, false, job);                                                       \
    }                                                                                              \
    static void depthwise_##mr##_most(const tile_job *job)                                         \
    {                                                                                              \
        depthwise_kernel(mr, DEPTHWISE_VECTORS, false, job);                                       \
    }
DEPTHWISE_EACH_HEIGHT(DEPTHWISE_DEFINE)

/* `mr` positions by a vector of channels in groups of job->group, each of which sums job->depth
 * channels of x. */
SV_INLINE void groups_kernel(const int mr, const tile_job *job)
{
#define GROUPS_ZERO(i, j) sv_vf c##i = vf_zero();
    DEPTHWISE_EACH_ROW(GROUPS_ZERO, 0)
    const group_lanes groups = group_lanes_of(job, 0);
    const float *weight = job->panel;
    for (int64_t g = 0; g < job->depth; g++) {
        const float *const *x = job->x;
        const sv_vi lane = group_lanes_at(&groups, g);
        for (int64_t tap = job->taps; tap > 0; tap--, x += mr, weight += job->step) {
            const sv_vf w = vf_load(weight);
#define GROUPS_STEP(i, j)                                                                          \
    if (i < mr) {                                                                                  \
        sv_vf a = vf_load_n(x[i < mr ? i : 0] + job->x_offset, groups.n);                          \
        c##i = vf_fma(vf_permute(a, lane), w, c##i);                                               \
    }
            DEPTHWISE_EACH_ROW(GROUPS_STEP, 0)
        }
    }
    const tile_end end = tile_end_of(job);
    const tile_lanes lanes = tile_lanes_of(job->columns);
    const sv_vf bias = job->bias ? tile_load(job->bias, lanes) : vf_zero();
#define GROUPS_FINISH(i, j)                                                                        \
    if (i < mr) tile_finish(&end, i, 0, lanes, c##i + bias);
    DEPTHWISE_EACH_ROW(GROUPS_FINISH, 0)
}

#define GROUPS_DEFINE(mr)                                                                          \
    static void groups_##mr(const tile_job *job)                                                   \
    {                                                                                              \
        groups_kernel(mr, job);                                                                    \
    }
DEPTHWISE_EACH_HEIGHT(GROUPS_DEFINE)

#define GROUPS_ENTRY(mr) groups_##mr,
static tile_fn *const groups_table[DEPTHWISE_ROWS] = {DEPTHWISE_EACH_HEIGHT(GROUPS_ENTRY)};

#define DEPTHWISE_ENTRY(mr)                                                                        \
    {depthwise_##mr##_part, depthwise_##mr##_1, depthwise_##mr##_2, depthwise_##mr##_3,            \
     depthwise_##mr##_most},
static tile_fn *const depthwise_table[DEPTHWISE_ROWS][5] = {DEPTHWISE_EACH_HEIGHT(DEPTHWISE_ENTRY)};

#endif
