/* Regions of a convolution: rectangles of outputs that meet the same taps, all of them within x.
 *
 * With paddings as wide as a dilated kernel most taps read zeros somewhere. Along each axis, runs
 * of outputs share their taps; a region is a run along every axis, and as a phase of its own
 * (conv_phase.h) it does without the others. Which outputs are tiles together changes nothing in
 * their values. */
#ifndef SV_KERNELS_CONV_REGIONS_H
#define SV_KERNELS_CONV_REGIONS_H

#include "kernels/conv/conv_phase.h"

/* Runs of an axis, at most; an axis with more of them is one run, with all taps. */
#define CONV_RUNS 8
/* What decides whether regions are worth while: rows of a tile, and how many rows more each tile
 * takes than it has. */
#define CONV_REGION_TILE 12
#define CONV_REGION_ROWS 3
/* The share of the work that must be left at most: a region has weights to read of its own. */
#define CONV_REGION_WORTH 0.9

/* Outputs [first, first + count) meet taps [tap, tap + taps). */
typedef struct conv_axis_run {
    int64_t first, count, tap, taps;
} conv_axis_run;

typedef struct conv_regions {
    int64_t n[3], count; /* runs of an axis; regions */
    conv_axis_run run[3][CONV_RUNS];
} conv_regions;

static inline int64_t conv_ceil(int64_t a, int64_t b)
{
    return a <= 0 ? 0 : (a + b - 1) / b;
}

/* The taps of output i along an axis, and how many outputs from there on have the same. */
static inline conv_axis_run conv_axis_run_at(const window_shape *shape, int axis, int64_t i)
{
    const int64_t size = shape->x.d[axis], pad = shape->pad[axis], taps = shape->kernel[axis];
    const int64_t stride = shape->stride[axis], dilation = shape->dilation[axis];
    const int64_t at = i * stride - pad, rest = shape->y.d[axis] - i;
    conv_axis_run run = {.first = i, .tap = conv_ceil(-at, dilation), .count = rest};
    int64_t end = conv_ceil(size - at, dilation);
    if (end > taps) end = taps;
    if (run.tap > end) run.tap = end;
    run.taps = end - run.tap;
    /* Until the tap before the first comes in, and until the last leaves. */
    const int64_t in = run.tap > 0 ? conv_ceil(pad - (run.tap - 1) * dilation, stride) - i : rest;
    const int64_t out = end > 0 ? conv_ceil(size + pad - (end - 1) * dilation, stride) - i : rest;
    if (in > 0 && in < run.count) run.count = in;
    if (out > 0 && out < run.count) run.count = out;
    return run;
}

static inline void conv_axis_runs(const window_shape *shape, int axis, conv_regions *out)
{
    const int64_t count = shape->y.d[axis];
    int64_t n = 0, i = 0;
    for (; i < count && n < CONV_RUNS && shape->stride[axis] > 0; n++) {
        out->run[axis][n] = conv_axis_run_at(shape, axis, i);
        i += out->run[axis][n].count;
    }
    if (i < count) {
        n = 1;
        out->run[axis][0] = (conv_axis_run){.count = count, .taps = shape->kernel[axis]};
    }
    out->n[axis] = n;
    out->count *= n;
}

/* Region `index`: its runs, and its positions in an image. */
static inline int64_t conv_region_at(const conv_regions *regions, int64_t index,
                                     const conv_axis_run *run[3])
{
    int64_t at[3], positions = 1;
    window_split(index, regions->n, at);
    for (int a = 0; a < 3; a++) {
        run[a] = &regions->run[a][at[a]];
        positions *= run[a]->count;
    }
    return positions;
}

/* Rows times taps, as they take time. */
static inline double conv_region_work(int64_t positions, int64_t taps)
{
    const int64_t tiles = (positions + CONV_REGION_TILE - 1) / CONV_REGION_TILE;
    return (double)(positions + CONV_REGION_ROWS * tiles) * (double)taps;
}

/* Cuts a convolution's outputs; returns the share of the work that is left, 1 and no regions where
 * they are not worth while. */
static inline double conv_regions_init(const window_shape *shape, conv_regions *out)
{
    int64_t positions = shape->y.n;
    *out = (conv_regions){.count = 1};
    for (int a = 0; a < 3; a++) {
        conv_axis_runs(shape, a, out);
        positions *= shape->y.d[a];
    }
    double work = 0, all = conv_region_work(positions, shape->taps);
    for (int64_t i = 0; i < out->count; i++) {
        const conv_axis_run *run[3];
        const int64_t some = conv_region_at(out, i, run) * shape->y.n;
        work += conv_region_work(some, run[0]->taps * run[1]->taps * run[2]->taps);
    }
    if (out->count > 1 && work < CONV_REGION_WORTH * all) return work / all;
    out->count = 0;
    return 1;
}

/* Region `index` as a phase. */
static inline void conv_region_phase(const window_shape *shape, const conv_regions *regions,
                                     int64_t index, conv_phase *out)
{
    const conv_axis_run *run[3];
    *out = (conv_phase){.taps = 1, .positions = conv_region_at(regions, index, run)};
    for (int a = 0; a < 3; a++) {
        out->axis[a] = (conv_axis){.taps = run[a]->taps,
                                   .first_tap = run[a]->tap,
                                   .tap_step = 1,
                                   .first = run[a]->first,
                                   .step = 1,
                                   .count = run[a]->count,
                                   .scale = shape->stride[a],
                                   .offset = run[a]->first * shape->stride[a] - shape->pad[a] +
                                             run[a]->tap * shape->dilation[a],
                                   .delta = shape->dilation[a]};
        out->taps *= run[a]->taps;
    }
}

#endif
