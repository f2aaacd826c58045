/* The micro-kernel of every matrix-shaped family: a tile of rows times a panel of columns, over the
 * whole of K (or part after part of it), then the epilogue.
 *
 * A panel is [K][width], width TILE_NR columns, or TILE_NR / 2 in the last panel where that is
 * enough; columns beyond the last are 0. A row of the left side is given by a pointer per tap:
 * `depth` elements lie there with stride 1; K = taps * depth. So a GEMM is one tap, and a
 * convolution needs neither copies nor borders. Every result is one chain of multiply-adds in the
 * order of K, whatever the tile's height: results do not depend on how work is divided.
 *
 * How rows are found, and how work is divided, is the families' business. */
#ifndef SV_KERNELS_TILE_TMPL_H
#define SV_KERNELS_TILE_TMPL_H

#include "kernels/elementwise.h"
#include "kernels/panel.h"
#include "kernels/prices.h"
#include "kernels/simd_tmpl.h"

#define TILE_NR (2 * SV_VF)
/* TILE_NEAR: how many steps of depth ahead a panel is read into the first-level cache; 0: left to
 * the processor. Deeper panels than that cache holds come from the second level at 128 bytes a
 * step, and a dozen rows besides are more streams than the processor follows by itself.
 * TILE_GRAIN: operations of about a microsecond, by which work is cut into units: how it is cut
 * belongs to the level, not to the CPU's family. */
#if defined(__AVX512F__)
#define TILE_MR 12
#define TILE_NEAR 8
#define TILE_MASKS 1
#define TILE_GRAIN 1e5
#elif defined(__AVX2__)
#define TILE_MR 6
#define TILE_NEAR 0
#define TILE_MASKS 1
#define TILE_GRAIN 6e4
#elif defined(SV_SIMD_NEON)
#define TILE_MR 12
#define TILE_NEAR 0
#define TILE_MASKS 0
#define TILE_GRAIN 3e4
#else
#define TILE_MR 6
#define TILE_NEAR 0
#define TILE_MASKS 0
#define TILE_GRAIN 1.2e4
#endif

/* Most rows of a micro-kernel of another family (tile_apply). */
#define TILE_BUFFER 16

/* Floats of a cache line. */
#define TILE_LINE 16

/* All operands are f32, or absent. */
static inline bool tile_all_f32(const sv_problem *problem)
{
    for (uint32_t i = 0; i < problem->n_operand; i++) {
        sv_dtype dtype = problem->desc[i].dtype;
        if (dtype != SV_F32 && dtype != SV_DTYPE_NONE) return false;
    }
    return true;
}

/* ---- epilogues ----------------------------------------------------------------------------- */

/* An epilogue made ready for a run. A side is an operand of the result's shape (or repeated along
 * some of its dimensions): one pointer a row. */
typedef struct tile_epilogue {
    const sv_epilogue *list;
    const float *operand[SV_EPILOGUE_MAX]; /* of item i: the bias, or the side's first element */
    int64_t step[SV_EPILOGUE_MAX];         /* of item i: the side's stride over columns */
    int8_t side[SV_EPILOGUE_MAX];          /* of item i: its number among the sides, or -1 */
    int32_t n_side;
    float alpha;
    /* Where the list is [bias] [add] [clamp], in this order, the tile itself applies it; one unary
     * operation more, `last` (or NULL), is applied to what lies in y. */
    bool direct;
    const sv_epilogue_item *last;
    const float *bias;
    int8_t add; /* side, or -1 */
    float low, high;
} tile_epilogue;

/* Limits of the operations that are a clamp. */
static inline bool tile_clamp(const sv_epilogue_item *item, float *low, float *high)
{
    if (item->kind != SV_EPI_UNARY) return false;
    if (item->unary == SV_UNARY_Relu) {
        *low = 0;
        return true;
    }
    if (item->unary != SV_UNARY_Clip) return false;
    *low = item->a;
    *high = item->b;
    return true;
}

/* `channel` is the dimension of columns. */
static inline void tile_epilogue_init(const sv_call *call, int32_t channel, float alpha,
                                      tile_epilogue *out)
{
    const sv_epilogue *list = call->epilogue;
    *out = (tile_epilogue){.list = list,
                           .alpha = alpha,
                           .add = -1,
                           .low = -__builtin_inff(),
                           .high = __builtin_inff()};
    uint32_t at = 0;
    for (uint32_t i = 0; i < list->n; i++) {
        const sv_epilogue_item *item = &list->item[i];
        out->side[i] = -1;
        if (item->kind == SV_EPI_UNARY) continue;
        const sv_desc *desc = &call->desc[item->operand];
        out->operand[i] = call->ptr[item->operand];
        if (item->kind == SV_EPI_BIAS) continue;
        out->step[i] = desc->dim[channel] == 1 ? 0 : desc->stride[channel];
        out->side[i] = (int8_t)out->n_side++;
    }
    if (at < list->n && list->item[at].kind == SV_EPI_BIAS) out->bias = out->operand[at++];
    if (at < list->n && list->item[at].kind == SV_EPI_ADD && out->step[at] == 1) {
        out->add = out->side[at++];
    }
    if (at < list->n && tile_clamp(&list->item[at], &out->low, &out->high)) at++;
    if (at + 1 == list->n && list->item[at].kind == SV_EPI_UNARY) out->last = &list->item[at++];
    out->direct = at == list->n;
}

/* The rows of a tile: where they read and write. */
typedef struct tile_rows {
    int32_t n;                /* rows, 1..TILE_MR */
    const float *const *x;    /* [taps][n] */
    float *const *y;          /* [n]: column 0 of the result */
    const float *const *side; /* [n_side][n]: column 0 */
} tile_rows;

/* One column panel: where its weights lie and which columns it makes. */
typedef struct tile_panel {
    const float *at;
    int64_t step; /* floats from one k to the next */
    int64_t taps, depth;
    int64_t x_offset; /* from a row's pointers to what this panel reads: of a group's channels */
    int64_t group;    /* columns that read the same channels, for micro-kernels that ask */
    int64_t column;   /* the first; of y, bias and sides */
    int32_t columns;
    int64_t y_step; /* stride of y over columns */
    /* What the tile reads into the second-level cache meanwhile, `ahead_lines` at a time, every
     * TILE_AHEAD_STEPS of depth: weights that come next, from further off than the processor looks.
     * Or NULL; else the panel itself is packed. */
    const float *ahead;
    int64_t ahead_lines;
    /* A depth in parts: y holds the sums of the parts before (resumed), is left with those so far
     * (unfinished). The chains of multiply-adds are those of the whole depth, bit by bit. */
    bool resumed, unfinished;
} tile_panel;

/* Steps of depth that are done in one go where lines are read ahead. Where that is a line a step,
 * tiles of up to TILE_AHEAD_ROWS have a register left to do it step by step. */
#define TILE_AHEAD_STEPS 4
#define TILE_AHEAD_ROWS 10

/* Lets tile `i` of `n`, which all multiply the panel, read its part of `next` ahead, a panel of the
 * same size (NULL: nothing), evenly: in a burst, weights would come no faster than unasked. A
 * single tile reads half, and leaves the rest to the processor. */
static inline void tile_read_ahead(tile_panel *panel, const float *next, int64_t i, int64_t n)
{
    panel->ahead = NULL;
    if (!next) return;
    const int64_t all = TILE_AHEAD_STEPS * panel->step, each = (n > 1 ? n : 2) * TILE_LINE;
    panel->ahead_lines = (all + each - 1) / each;
    const int64_t lines = panel->taps * (panel->depth / TILE_AHEAD_STEPS) * panel->ahead_lines;
    const int64_t at = i * lines * TILE_LINE;
    if (at < panel->taps * panel->depth * panel->step) panel->ahead = next + at;
}

/* What one micro-kernel needs. */
typedef struct tile_job {
    const float *const *x;
    const float *panel;
    int64_t step, taps, depth, x_offset, group;
    const float *ahead;
    int64_t ahead_lines;
    float *const *y;
    const float *const *add; /* or NULL */
    const float *bias;       /* of the first column, or NULL */
    int64_t column;
    int32_t columns;      /* to store */
    int32_t real_columns; /* that have weights: fewer when the tile goes to a buffer */
    bool scaled;          /* alpha is not 1 */
    bool resumed;         /* sums go on from what lies in y */
    float alpha, low, high;
} tile_job;

typedef void tile_fn(const tile_job *job);

/* One tile: rows times panel, through the epilogue, into y. Compiled once a level, in
 * tile_<level>.c. */
void SV_LEVEL_NAME(sv_tile_run)(const tile_epilogue *epilogue, const tile_rows *rows,
                                const tile_panel *panel);
#define tile_run SV_LEVEL_NAME(sv_tile_run)
/* The same for one row and TILE_WIDE whole packed panels, one behind the other, of a single tap. */
#define TILE_WIDE 4
void SV_LEVEL_NAME(sv_tile_run_wide)(const tile_epilogue *epilogue, const tile_rows *rows,
                                     const tile_panel *panel);
#define tile_run_wide SV_LEVEL_NAME(sv_tile_run_wide)
/* The same with a micro-kernel of the caller's, which makes `vectors` vectors of columns for up to
 * TILE_BUFFER rows: straight into y where the kernel can do the whole epilogue (tile_finish), else,
 * for up to TILE_NR columns, by way of a buffer. */
void SV_LEVEL_NAME(sv_tile_apply)(tile_fn *kernel, int vectors, const tile_epilogue *epilogue,
                                  const tile_rows *rows, const tile_panel *panel);
#define tile_apply SV_LEVEL_NAME(sv_tile_apply)

/* ---- widths of micro-kernels --------------------------------------------------------------- */

/* Micro-kernels compute one or two vectors of columns: all of them, or (SV_LOW_HALVES) the low half
 * of the last one. They are made for numbers of half vectors, TILE_KERNELS of them, each of which
 * has TILE_KERNEL_COLUMNS more columns than the one before. */
#if SV_LOW_HALVES
#define TILE_EACH_WIDTH(F, ...)                                                                    \
    F(1, __VA_ARGS__) F(2, __VA_ARGS__) F(3, __VA_ARGS__) F(4, __VA_ARGS__)
#else
#define TILE_EACH_WIDTH(F, ...) F(2, __VA_ARGS__) F(4, __VA_ARGS__)
#endif
#define TILE_KERNELS (2 << SV_LOW_HALVES)
#define TILE_KERNEL_COLUMNS (TILE_NR / TILE_KERNELS)

/* Which of TILE_KERNELS makes so many columns, 1 to TILE_NR. */
static inline int tile_kernel_of(int64_t columns)
{
    return (int)((columns - 1) / TILE_KERNEL_COLUMNS);
}

/* Weights of one vector of columns, and a step of its sums; `low`: of the low half. */
SV_INLINE sv_vf tile_weights(const bool low, const float *from)
{
    return low ? vf_low_load(from) : vf_load(from);
}
SV_INLINE sv_vf tile_add(const bool low, sv_vf a, sv_vf b, sv_vf sum)
{
    return low ? vf_low_fma(a, b, sum) : vf_fma(a, b, sum);
}
/* The sums as a vector to store: 0 where nothing was computed. */
SV_INLINE sv_vf tile_sums(const bool low, sv_vf sum)
{
    return low ? vf_low_only(sum) : sum;
}

/* ---- ends of micro-kernels ----------------------------------------------------------------- */

/* How many lanes of a vector are stored: a mask where masks cost nothing, else a count. */
#if SV_VF == 16
typedef sv_vm tile_lanes;
SV_INLINE tile_lanes tile_lanes_of(int64_t n)
{
    return vm_first(n < 0 ? 0 : n > SV_VF ? SV_VF : n);
}
SV_INLINE sv_vf tile_load(const float *from, tile_lanes lanes)
{
    return _mm512_maskz_loadu_ps(lanes, from);
}
SV_INLINE void tile_store(float *to, sv_vf x, tile_lanes lanes)
{
    _mm512_mask_storeu_ps(to, lanes, x);
}
#else
typedef int64_t tile_lanes;
SV_INLINE tile_lanes tile_lanes_of(int64_t n)
{
    return n < 0 ? 0 : n;
}
SV_INLINE sv_vf tile_load(const float *from, tile_lanes lanes)
{
    return !TILE_MASKS || lanes >= SV_VF ? vf_load(from) : vf_load_n(from, lanes);
}
SV_INLINE void tile_store(float *to, sv_vf x, tile_lanes lanes)
{
    if (!TILE_MASKS || lanes >= SV_VF) {
        vf_store(to, x);
    } else {
        vf_store_n(to, x, lanes);
    }
}
#endif

/* What follows the sums, in variables of its own: stores into y might change the job otherwise. */
typedef struct tile_end {
    float *const *y;
    const float *const *add;
    int64_t column;
    sv_vf low, high;
} tile_end;

SV_INLINE tile_end tile_end_of(const tile_job *job)
{
    return (tile_end){.y = job->y,
                      .add = job->add,
                      .column = job->column,
                      .low = vf_set1(job->low),
                      .high = vf_set1(job->high)};
}

/* Residual, clamp and store of row `i`'s vector that begins `at` columns into the panel. */
SV_INLINE void tile_finish(const tile_end *end, int i, int64_t at, tile_lanes lanes, sv_vf sum)
{
    if (end->add) sum = sum + tile_load(end->add[i] + end->column + at, lanes);
    tile_store(end->y[i] + end->column + at, vf_clip(sum, end->low, end->high), lanes);
}

/* ---- division of work ---------------------------------------------------------------------- */

/* How rows x panels are cut into units: blocks of rows by groups of panels, each as even as it can
 * be. Depends on sizes alone. */
typedef struct tile_split {
    int64_t rows, blocks, height; /* height: rows of a tile, at most */
    int64_t block_tiles;          /* tiles of a block, at most */
    int64_t panels, groups;
    bool tiles_outside; /* a group's weights stay in the first-level cache: tile by tile */
} tile_split;

/* Weights up to this size stay in the second-level cache together with what a block reads. */
#define TILE_WEIGHTS_L2 (1 << 19)
#define TILE_WEIGHTS_L1 (3 << 13)
/* Weights that one tile of rows alone uses come from afar: so many bytes in the time of a grain. */
#define TILE_WEIGHTS_GRAIN 1.2e4

static inline int64_t tile_clamp_count(double value, int64_t most)
{
    if (value < 1) return 1;
    return value < (double)most ? (int64_t)value : most;
}

/* A unit takes about 20 microseconds at most, less where that gives too few of them; blocks have at
 * most `max_tiles` tiles of `height` rows. A panel has `depth` rows of `width` columns. Small
 * weights are not cut first, so that rows are listed once; large ones are, so that a part of them
 * is read often while it is near. rows, panels >= 1. */
static inline void tile_split_init(int64_t rows, int64_t height, double depth, int64_t width,
                                   int64_t panels, int64_t max_tiles, tile_split *out)
{
    int64_t tiles = (rows + height - 1) / height;
    double bytes = depth * (double)width * (double)sizeof(float);
    double work = 2 * (double)width * (depth + 8);
    double tile = work * (double)(rows < height ? rows : height);
    const double fetch = bytes * TILE_GRAIN / TILE_WEIGHTS_GRAIN;
    double want = work * (double)rows * (double)panels / 32;
    if (tiles == 1 && tile < fetch) {
        tile = fetch;
        want = fetch * (double)panels / 32;
    }
    const double least = TILE_GRAIN, most = 20 * TILE_GRAIN;
    want = want < least ? least : want > most ? most : want;
    int64_t block = 1, group = panels, most_tiles = tiles < max_tiles ? tiles : max_tiles;
    if (bytes * (double)panels <= TILE_WEIGHTS_L2) {
        group = tile_clamp_count(want / tile, panels);
        block = tile_clamp_count(want / (tile * (double)group), most_tiles);
    } else {
        block = tile_clamp_count(want / tile, most_tiles);
        group = tile_clamp_count(want / (tile * (double)block), panels);
    }
    /* Most of a group counts as all: one group too many would be listed for little. */
    out->groups = tile_clamp_count((double)panels / (double)group, panels);
    out->rows = rows;
    out->height = height;
    out->blocks = (tiles + block - 1) / block;
    out->block_tiles = (tiles + out->blocks - 1) / out->blocks + 1;
    out->panels = panels;
    out->tiles_outside = bytes * (double)group <= TILE_WEIGHTS_L1;
}

/* Where part `i` of `parts` begins when `count` things are divided as evenly as they can be. */
static inline int64_t tile_part(int64_t count, int64_t parts, int64_t i)
{
    return count / parts * i + count % parts * i / parts;
}

#endif
