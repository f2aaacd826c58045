/* The micro-kernels of tile_tmpl.h and the epilogues that they cannot do themselves. Included by
 * tile_<level>.c alone: these are large, and every family of the level shares them. */
#include "kernels/activation_tmpl.h"
#include "kernels/tile_tmpl.h"
#include "kernels/unary/unary_scalar.h"

/* ---- epilogues ----------------------------------------------------------------------------- */

#define TILE_ACTIVATION(name)                                                                      \
    case SV_UNARY_##name:                                                                          \
        if (!vf_activate_has(SV_UNARY_##name)) break;                                              \
        for (int32_t i = 0; i < rows; i++) {                                                       \
            float *to = row[i] + at;                                                               \
            int64_t j = 0;                                                                         \
            for (; j + SV_VF <= n; j += SV_VF)                                                     \
                vf_store(to + j, vf_activate(SV_UNARY_##name, vf_load(to + j), a, b));             \
            if (j < n) {                                                                           \
                const tile_lanes lanes = tile_lanes_of(n - j);                                     \
                sv_vf x = tile_load(to + j, lanes);                                                \
                tile_store(to + j, vf_activate(SV_UNARY_##name, x, a, b), lanes);                  \
            }                                                                                      \
        }                                                                                          \
        return;

/* In place over elements [at, at + n) of some rows. Without masks, n is a multiple of SV_VF. */
static void tile_activate(const sv_epilogue_item *item, float *const *row, int32_t rows, int64_t at,
                          int64_t n)
{
    const sv_vf a = vf_set1(item->a), b = vf_set1(item->b);
    const sv_unary op = (sv_unary)item->unary;
    switch (op) {
#define UNARY TILE_ACTIVATION
#include "kernels/unary.inc"
#undef UNARY
    default:
        break;
    }
    for (int32_t i = 0; i < rows; i++) {
        for (int64_t j = at; j < at + n; j++)
            row[i][j] = sv_unary_apply_f32(op, row[i][j], item->a, item->b);
    }
}

/* n values of an operand with a stride, n <= SV_VF. */
SV_INLINE sv_vf tile_side(const float *from, int64_t step, int64_t n)
{
    if (step == 1) return n == SV_VF ? vf_load(from) : vf_load_n(from, n);
    if (step == 0) return vf_set1(*from);
    float lane[SV_VF] = {0};
    for (int64_t i = 0; i < n; i++)
        lane[i] = from[i * step];
    return vf_load(lane);
}

/* Adds or multiplies item `index`'s operand into the tile x, [rows][pitch]. */
static void tile_combine(const tile_epilogue *epilogue, uint32_t index, const tile_rows *rows,
                         const tile_panel *panel, float *x, int64_t pitch)
{
    int8_t side = epilogue->side[index];
    bool multiply = epilogue->list->item[index].kind == SV_EPI_MUL;
    int64_t step = side < 0 ? 1 : epilogue->step[index];
    for (int32_t row = 0; row < rows->n; row++) {
        const float *from = side < 0 ? epilogue->operand[index] : rows->side[side * rows->n + row];
        from += panel->column * step;
        for (int64_t j = 0; j < panel->columns; j += SV_VF) {
            int64_t left = panel->columns - j;
            sv_vf other = tile_side(from + j * step, step, left < SV_VF ? left : SV_VF);
            sv_vf value = vf_load(x + row * pitch + j);
            vf_store(x + row * pitch + j, multiply ? value * other : value + other);
        }
    }
}

/* One row of a tile into y. */
static void tile_store_row(const float *from, float *to, int64_t y_step, int64_t columns)
{
    int64_t j = 0;
    for (; y_step == 1 && j + SV_VF <= columns; j += SV_VF)
        vf_store(to + j, vf_load(from + j));
    if (y_step == 1 && j < columns) {
        vf_store_n(to + j, vf_load(from + j), columns - j);
        return;
    }
    for (; j < columns; j++)
        to[j * y_step] = from[j];
}

/* The epilogue from item `first` on, on a tile of sums, [rows][pitch]; then y. */
static void tile_epilogue_run(const tile_epilogue *epilogue, uint32_t first, const tile_rows *rows,
                              const tile_panel *panel, float *x, int64_t pitch)
{
    for (uint32_t i = first; i < epilogue->list->n; i++) {
        const sv_epilogue_item *item = &epilogue->list->item[i];
        if (item->kind == SV_EPI_UNARY) {
            tile_activate(item, &x, 1, 0, rows->n * pitch);
        } else {
            tile_combine(epilogue, i, rows, panel, x, pitch);
        }
    }
    for (int32_t row = 0; row < rows->n; row++) {
        float *to = rows->y[row] + panel->column * panel->y_step;
        tile_store_row(x + row * pitch, to, panel->y_step, panel->columns);
    }
}

/* ---- micro-kernels ------------------------------------------------------------------------- */

#if TILE_MR == 12
#define TILE_EACH_ROW(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)
#define TILE_EACH_MORE(F) F(7) F(8) F(9) F(10) F(11) F(12)
#else
#define TILE_EACH_ROW(F) F(0) F(1) F(2) F(3) F(4) F(5)
#define TILE_EACH_MORE(F)
#endif
#define TILE_EACH_HEIGHT(F) F(1) F(2) F(3) F(4) F(5) F(6) TILE_EACH_MORE(F)

/* `mr` rows by so many `halves` of a vector of columns. The accumulators are named variables, not
 * an array: every compiler then keeps them in registers. */
SV_INLINE void tile_kernel(const int mr, const int halves, const tile_job *job)
{
    const int nv = (halves + 1) / 2;
    const bool low0 = halves == 1, low1 = halves == 3;
    const tile_lanes lanes0 = tile_lanes_of(job->columns);
    const tile_lanes lanes1 = tile_lanes_of(nv > 1 ? job->columns - SV_VF : 0);
    sv_vf start0 = vf_zero(), start1 = vf_zero();
    if (job->bias && !job->scaled && !job->resumed) {
        start0 = tile_load(job->bias, lanes0);
        if (nv > 1) start1 = tile_load(job->bias + SV_VF, lanes1);
    }
#define TILE_DECLARE(i) sv_vf c##i##_0 = start0, c##i##_1 = start1;
    TILE_EACH_ROW(TILE_DECLARE)
    const float *panel = job->panel, *const *x = job->x;
    const int64_t step = job->step, depth = job->depth;
    const float *ahead = job->ahead;
    /* Lines of y may be far off: they are asked for before the sums, so that stores find them. */
#define TILE_CLAIM(i)                                                                              \
    if (i < mr) {                                                                                  \
        __builtin_prefetch(job->y[i] + job->column, 1, 3);                                         \
        if (nv > 1) __builtin_prefetch(job->y[i] + job->column + SV_VF, 1, 3);                     \
    }
    TILE_EACH_ROW(TILE_CLAIM)
#define TILE_RESUME(i)                                                                             \
    if (i < mr) {                                                                                  \
        c##i##_0 = tile_load(job->y[i] + job->column, lanes0);                                     \
        if (nv > 1) c##i##_1 = tile_load(job->y[i] + job->column + SV_VF, lanes1);                 \
    }
    if (job->resumed) {
        TILE_EACH_ROW(TILE_RESUME)
    }
    for (int64_t tap = job->taps; tap > 0; tap--) {
#define TILE_POINT(i) const float *x##i = x[i < mr ? i : 0] + job->x_offset;
        TILE_EACH_ROW(TILE_POINT)
        x += mr;
#define TILE_STEP(i)                                                                               \
    if (i < mr) {                                                                                  \
        sv_vf a = low0 ? vf_low_set1(x##i[k]) : vf_set1(x##i[k]);                                  \
        c##i##_0 = tile_add(low0, a, b0, c##i##_0);                                                \
        if (nv > 1) c##i##_1 = tile_add(low1, a, b1, c##i##_1);                                    \
    }
#define TILE_DEPTH(step)                                                                           \
    const sv_vf b0 = tile_weights(low0, panel);                                                    \
    const sv_vf b1 = nv > 1 ? tile_weights(low1, panel + SV_VF) : b0;                              \
    if (TILE_NEAR) __builtin_prefetch(panel + TILE_NEAR * (step), 0, 3);                           \
    if (TILE_NEAR && nv > 1) __builtin_prefetch(panel + TILE_NEAR * (step) + SV_VF, 0, 3);         \
    panel += (step);                                                                               \
    TILE_EACH_ROW(TILE_STEP)
        int64_t k = 0;
        if (mr <= TILE_AHEAD_ROWS && ahead && job->ahead_lines == TILE_AHEAD_STEPS) {
            for (; k < depth; k++, ahead += TILE_LINE) {
                __builtin_prefetch(ahead, 0, 2);
                TILE_DEPTH(nv * SV_VF)
            }
        }
        while (ahead && k + TILE_AHEAD_STEPS <= depth) {
            for (int64_t i = job->ahead_lines; i > 0; i--, ahead += TILE_LINE)
                __builtin_prefetch(ahead, 0, 2);
            /* Unrolled, clang would no longer keep the sums in registers. */
            const int64_t stop = k + TILE_AHEAD_STEPS;
#pragma GCC unroll 1
            for (; k < stop; k++) {
                TILE_DEPTH(nv * SV_VF)
            }
        }
        for (; k < depth; k++) {
            TILE_DEPTH(step)
        }
    }
    if (job->scaled) {
        const sv_vf alpha = vf_set1(job->alpha);
        start0 = job->bias ? tile_load(job->bias, lanes0) : vf_zero();
        start1 = job->bias && nv > 1 ? tile_load(job->bias + SV_VF, lanes1) : vf_zero();
#define TILE_SCALE(i)                                                                              \
    c##i##_0 = c##i##_0 * alpha + start0;                                                          \
    if (nv > 1) c##i##_1 = c##i##_1 * alpha + start1;
        TILE_EACH_ROW(TILE_SCALE)
    }
    const tile_end end = tile_end_of(job);
#define TILE_FINISH(i)                                                                             \
    if (i < mr) {                                                                                  \
        tile_finish(&end, i, 0, lanes0, tile_sums(low0, c##i##_0));                                \
        if (nv > 1) tile_finish(&end, i, SV_VF, lanes1, tile_sums(low1, c##i##_1));                \
    }
    TILE_EACH_ROW(TILE_FINISH)
}

#define TILE_DEFINE_AS(halves, mr)                                                                 \
    static void tile_##mr##_##halves(const tile_job *job)                                          \
    {                                                                                              \
        tile_kernel(mr, halves, job);                                                              \
    }
#define TILE_NAME(halves, mr) tile_##mr##_##halves,
#define TILE_DEFINE(mr) TILE_EACH_WIDTH(TILE_DEFINE_AS, mr)
#define TILE_ROW(mr) {TILE_EACH_WIDTH(TILE_NAME, mr)},
TILE_EACH_HEIGHT(TILE_DEFINE)

static tile_fn *const tile_table[TILE_MR][TILE_KERNELS] = {TILE_EACH_HEIGHT(TILE_ROW)};

/* Sums so far, of real columns; those beyond are 0. */
static void tile_load_row(const float *from, float *to, int64_t columns, int64_t pitch)
{
    for (int64_t j = 0; j < pitch; j += SV_VF) {
        const int64_t left = columns - j;
        vf_store(to + j, left >= SV_VF ? vf_load(from + j) : vf_load_n(from + j, left));
    }
}

/* A tile by way of a buffer: what the micro-kernel cannot do itself follows there. */
static void tile_apply_buffered(tile_fn *kernel, tile_job *job, const tile_epilogue *epilogue,
                                const tile_rows *rows, const tile_panel *panel, int64_t pitch)
{
    float x[TILE_BUFFER * TILE_NR] __attribute__((aligned(64))), *to[TILE_BUFFER];
    for (int32_t i = 0; i < rows->n; i++) {
        to[i] = x + i * pitch;
        if (panel->resumed) tile_load_row(rows->y[i] + panel->column, to[i], panel->columns, pitch);
    }
    /* A leading bias starts the sums, unless it ends within a vector. */
    const bool bias = epilogue->bias && panel->columns == pitch;
    if (bias && !(job->scaled && panel->unfinished)) job->bias = epilogue->bias + panel->column;
    job->scaled = job->scaled && !panel->unfinished;
    job->y = to;
    job->columns = (int32_t)pitch;
    kernel(job);
    if (!panel->unfinished) {
        tile_epilogue_run(epilogue, bias ? 1 : 0, rows, panel, x, pitch);
        return;
    }
    for (int32_t i = 0; i < rows->n; i++)
        tile_store_row(to[i], rows->y[i] + panel->column, 1, panel->columns);
}

/* A tile straight into y, the whole epilogue with it. */
static void tile_apply_direct(tile_fn *kernel, tile_job *job, const tile_epilogue *epilogue,
                              const tile_rows *rows, const tile_panel *panel)
{
    job->y = rows->y;
    job->column = panel->column;
    job->columns = panel->columns;
    job->bias = epilogue->bias ? epilogue->bias + panel->column : NULL;
    if (panel->unfinished) {
        if (job->scaled) job->bias = NULL;
        job->scaled = false;
        kernel(job);
        return;
    }
    job->add = epilogue->add < 0 ? NULL : rows->side + epilogue->add * rows->n;
    job->low = epilogue->low;
    job->high = epilogue->high;
    kernel(job);
    if (epilogue->last)
        tile_activate(epilogue->last, rows->y, rows->n, panel->column, panel->columns);
}

void tile_apply(tile_fn *kernel, int vectors, const tile_epilogue *epilogue, const tile_rows *rows,
                const tile_panel *panel)
{
    const int64_t pitch = vectors * SV_VF;
    tile_job job = {.x = rows->x,
                    .panel = panel->at,
                    .step = panel->step,
                    .taps = panel->taps,
                    .depth = panel->depth,
                    .x_offset = panel->x_offset,
                    .group = panel->group,
                    .ahead = panel->ahead,
                    .ahead_lines = panel->ahead_lines,
                    .real_columns = panel->columns,
                    .scaled = epilogue->alpha != 1.0f,
                    .resumed = panel->resumed,
                    .alpha = epilogue->alpha,
                    .low = -__builtin_inff(),
                    .high = __builtin_inff()};
    const bool whole = TILE_MASKS || panel->columns == pitch;
    if (epilogue->direct && whole && panel->y_step == 1) {
        tile_apply_direct(kernel, &job, epilogue, rows, panel);
    } else {
        tile_apply_buffered(kernel, &job, epilogue, rows, panel, pitch);
    }
}

/* One row by TILE_WIDE panels: two accumulators alone would wait for each other's results. */
static void tile_wide(const tile_job *job)
{
    const float *x = job->x[0] + job->x_offset, *panel = job->panel, *bias = job->bias;
    const int64_t next = TILE_NR * job->depth;
#define TILE_EACH_WIDE(F) F(0) F(1) F(2) F(3)
#define TILE_WIDE_ZERO(j) sv_vf c##j##_0 = vf_zero(), c##j##_1 = vf_zero();
    TILE_EACH_WIDE(TILE_WIDE_ZERO)
#define TILE_WIDE_BIAS(j)                                                                          \
    c##j##_0 = vf_load(bias + j * TILE_NR);                                                        \
    c##j##_1 = vf_load(bias + j * TILE_NR + SV_VF);
    if (bias && !job->scaled) {
        TILE_EACH_WIDE(TILE_WIDE_BIAS)
    }
    for (int64_t k = 0; k < job->depth; k++, panel += TILE_NR) {
        const sv_vf a = vf_set1(x[k]);
#define TILE_WIDE_STEP(j)                                                                          \
    c##j##_0 = vf_fma(a, vf_load(panel + j * next), c##j##_0);                                     \
    c##j##_1 = vf_fma(a, vf_load(panel + j * next + SV_VF), c##j##_1);
        TILE_EACH_WIDE(TILE_WIDE_STEP)
    }
    const tile_end end = tile_end_of(job);
    const tile_lanes all = tile_lanes_of(SV_VF);
    const sv_vf alpha = vf_set1(job->alpha), zero = vf_zero();
#define TILE_WIDE_SCALE(j)                                                                         \
    c##j##_0 = c##j##_0 * alpha + (bias ? vf_load(bias + j * TILE_NR) : zero);                     \
    c##j##_1 = c##j##_1 * alpha + (bias ? vf_load(bias + j * TILE_NR + SV_VF) : zero);
    if (job->scaled) {
        TILE_EACH_WIDE(TILE_WIDE_SCALE)
    }
#define TILE_WIDE_FINISH(j)                                                                        \
    tile_finish(&end, 0, j *TILE_NR, all, c##j##_0);                                               \
    tile_finish(&end, 0, j *TILE_NR + SV_VF, all, c##j##_1);
    TILE_EACH_WIDE(TILE_WIDE_FINISH)
}

void tile_run_wide(const tile_epilogue *epilogue, const tile_rows *rows, const tile_panel *panel)
{
    tile_apply(tile_wide, 2 * TILE_WIDE, epilogue, rows, panel);
}

void tile_run(const tile_epilogue *epilogue, const tile_rows *rows, const tile_panel *panel)
{
    tile_apply(tile_table[rows->n - 1][tile_kernel_of(panel->columns)],
               panel->columns > SV_VF ? 2 : 1, epilogue, rows, panel);
}
