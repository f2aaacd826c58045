/* Resize of f32 by lines (lines.h), in two steps whatever the layout is: lines of x are summed up
 * with the weights of the dimensions before the last one, and of these sums the result takes those
 * that the last one's taps choose. Included by one file a level; meaning is that of resize_ref.c.
 *
 * Planes: the sums go by way of scratch, and a vector holds neighbouring positions, which a table
 * of indices finds. Channels-last maps: a vector holds channels, and nothing goes by way of
 * scratch. The operations and their order are the same. */
#include "kernels/resize/lines.h"
#include "kernels/simd_tmpl.h"

/* Elements that one look-up reaches, where the level has it, and those that two reach: cheaper than
 * a gathering still. */
#if defined(__AVX512F__)
#define RESIZE_NEAR 32
#define RESIZE_REACH 64
#else
#define RESIZE_NEAR 0
#define RESIZE_REACH 0
#endif

/* For each tap, the indices and weights of all elements of a line, behind the table of taps; room
 * for whole vectors. */
typedef struct resize_table {
    int64_t length;
    int32_t *at;   /* [taps][length]; from *base on where it is one */
    float *weight; /* [taps][length] */
    int32_t *base; /* [taps][length / SV_VF]: -1: gathered; twice the base, 1 more: two look-ups */
    int32_t *fringe; /* whether any position lies outside */
    int32_t *reach;  /* elements that a look-up may read: what a line must have */
} resize_table;

static resize_table resize_table_of(const sv_resize_lines *lines, void *shared)
{
    int64_t length = sv_divide_up(lines->out * lines->inner, SV_VF) * SV_VF;
    resize_table t = {.length = length};
    t.fringe = (int32_t *)((sv_tap *)shared + lines->plan.table_size);
    t.reach = t.fringe + 1;
    t.at = t.fringe + 2;
    t.weight = (float *)(t.at + lines->taps * length);
    t.base = (int32_t *)(t.weight + lines->taps * length);
    return t;
}

/* Turns the indices of one vector into distances from the least one. */
static void resize_find_base(int32_t *at, int64_t in, int32_t *base, int32_t *reach)
{
    int32_t low = at[0], high = at[0];
    for (int i = 1; i < SV_VF; i++) {
        if (at[i] < low) low = at[i];
        if (at[i] > high) high = at[i];
    }
    const int32_t need = high - low < RESIZE_NEAR ? RESIZE_NEAR : RESIZE_REACH;
    if (low > in - need) low = in > need ? (int32_t)in - need : 0;
    *base = -1;
    if (high - low >= need) return;
    *base = 2 * low + (need > RESIZE_NEAR);
    if (*reach < need) *reach = need;
    for (int i = 0; i < SV_VF; i++)
        at[i] -= low;
}

static void resize_fill_table(const sv_resize_lines *lines, const sv_tap *tap, resize_table *t)
{
    const int64_t n = lines->out * lines->inner;
    *t->fringe = *t->reach = 0;
    for (int64_t j = 0; j < lines->taps; j++) {
        for (int64_t i = 0; i < t->length; i++) {
            int64_t element = i < n ? i : n - 1;
            const sv_tap *from = tap + element / lines->inner * lines->taps + j;
            int64_t position = from->position < 0 ? 0 : from->position;
            if (from->position < 0) *t->fringe = 1;
            t->at[j * t->length + i] = (int32_t)(position * lines->inner + element % lines->inner);
            t->weight[j * t->length + i] = from->position < 0 ? 0 : (float)from->weight;
        }
        for (int64_t i = 0; i < t->length; i += SV_VF) {
            int64_t first = j * t->length + i;
            resize_find_base(t->at + first, lines->in * lines->inner, &t->base[first / SV_VF],
                             t->reach);
        }
    }
}

/* ---- planes ---------------------------------------------------------------------------------- */

/* What tap j of the vector at `i` finds in the line. */
SV_INLINE sv_vf resize_look(const resize_table *t, const float *line, int64_t i)
{
    const sv_vi at = vi_load(t->at + i);
#if RESIZE_REACH
    const int32_t base = t->base[i / SV_VF];
    if (base >= 0)
        return base & 1 ? vf_look_up_far(line + base / 2, at) : vf_look_up(line + base / 2, at);
#endif
    return vf_gather(line, at);
}

SV_INLINE void resize_pick(const resize_table *t, const int64_t taps, const float *line, float *y,
                           int64_t n)
{
    const sv_vf zero = vf_zero();
    for (int64_t i = 0; i < n; i += SV_VF) {
        sv_vf sum = zero;
        for (int64_t j = 0; j < taps; j++) {
            sv_vf w = vf_load(t->weight + j * t->length + i);
            sv_vf x = resize_look(t, line, j * t->length + i);
            /* What counts nothing might be no number. */
            sum = vf_fma(w, vf_select(vf_equal(w, zero), zero, x), sum);
        }
        vf_store_n(y + i, sum, n - i < SV_VF ? n - i : SV_VF);
    }
}

SV_INLINE void resize_move(const resize_table *t, const float *line, float *y, int64_t n)
{
    int64_t i = 0;
    for (; i + SV_VF <= n; i += SV_VF)
        vf_store(y + i, resize_look(t, line, i));
    if (i < n) vf_store_n(y + i, resize_look(t, line, i), n - i);
}

/* The weighted sum of `rows` lines of n elements that lie side by side. */
SV_INLINE void resize_sum_rows(const sv_resize_sources *from, const int64_t rows, float *to,
                               int64_t n)
{
    for (int64_t i = 0; i < n; i += SV_VF) {
        int64_t m = n - i < SV_VF ? n - i : SV_VF;
        sv_vf sum = vf_zero();
        for (int64_t k = 0; k < rows; k++)
            sum =
                vf_fma(vf_set1(from->weight[k]), vf_load_n((const float *)from->x[k] + i, m), sum);
        vf_store_n(to + i, sum, m);
    }
}

/* The same of elements `step` bytes apart: SV_VF of them at a time, in the same operations. */
static void resize_sum_apart(const sv_resize_sources *from, int64_t step, float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i += SV_VF) {
        int64_t m = n - i < SV_VF ? n - i : SV_VF;
        sv_vf sum = vf_zero();
        for (int64_t k = 0; k < from->n; k++) {
            float part[SV_VF] = {0};
            for (int64_t l = 0; l < m; l++)
                memcpy(&part[l], from->x[k] + (i + l) * step, sizeof(float));
            sum = vf_fma(vf_set1(from->weight[k]), vf_load(part), sum);
        }
        vf_store_n(to + i, sum, m);
    }
}

/* The line that positions are picked from; made in `room` unless it lies in x as it is wanted. */
static const float *resize_source_line(const sv_resize_lines *lines, const resize_table *t,
                                       const sv_resize_sources *from, float *room)
{
    const int64_t n = lines->in * lines->inner;
    const bool dense = lines->xs == lines->inner * (int64_t)sizeof(float);
    if (dense && from->n == 1 && from->weight[0] == 1 && n >= *t->reach)
        return (const float *)from->x[0];
    if (!dense) {
        resize_sum_apart(from, lines->xs, room, n);
    } else if (from->n == 2) {
        resize_sum_rows(from, 2, room, n);
    } else {
        resize_sum_rows(from, from->n, room, n);
    }
    return room;
}

static void resize_plane_line(const sv_resize_lines *lines, const sv_resize_param *param,
                              const resize_table *t, const sv_resize_sources *from,
                              const sv_tap *tap, float *room, float *y)
{
    const float *line = resize_source_line(lines, t, from, room);
    const int64_t n = lines->out * lines->inner;
    if (param->mode == SV_RESIZE_NEAREST) {
        resize_move(t, line, y, n);
    } else if (lines->taps == 2) {
        resize_pick(t, 2, line, y, n);
    } else if (lines->taps == 4) {
        resize_pick(t, 4, line, y, n);
    } else {
        resize_pick(t, lines->taps, line, y, n);
    }
    for (int64_t i = 0; *t->fringe && i < n; i++) {
        if (tap[i / lines->inner * lines->taps].position < 0) y[i] = param->extrapolation;
    }
}

/* ---- channels-last maps ---------------------------------------------------------------------- */

/* The taps of one position that count: their offsets in bytes along a line. */
typedef struct resize_taps {
    int64_t *offset;
    float *weight;
    int64_t n; /* -1: outside */
} resize_taps;

static void resize_take_taps(const sv_resize_lines *lines, const sv_tap *tap, resize_taps *out)
{
    out->n = tap->position < 0 ? -1 : 0;
    for (int64_t j = 0; out->n >= 0 && j < lines->taps; j++) {
        out->offset[out->n] = tap[j].position * lines->xs;
        out->weight[out->n] = (float)tap[j].weight;
        if (out->weight[out->n] != 0) out->n++;
    }
}

/* m lanes from channel c on. */
SV_INLINE sv_vf resize_at(const sv_resize_sources *from, const int64_t rows,
                          const resize_taps *taps, const int64_t n, int64_t c, int64_t m)
{
    sv_vf sum = vf_zero();
    for (int64_t j = 0; j < n; j++) {
        sv_vf line = vf_zero();
        for (int64_t k = 0; k < rows; k++) {
            const float *x = (const float *)(from->x[k] + taps->offset[j]) + c;
            line =
                vf_fma(vf_set1(from->weight[k]), m == SV_VF ? vf_load(x) : vf_load_n(x, m), line);
        }
        sum = vf_fma(vf_set1(taps->weight[j]), line, sum);
    }
    return sum;
}

SV_INLINE void resize_channels(const sv_resize_sources *from, const int64_t rows,
                               const resize_taps *taps, const int64_t n, float *y, int64_t channels)
{
    int64_t c = 0;
    for (; c + SV_VF <= channels; c += SV_VF)
        vf_store(y + c, resize_at(from, rows, taps, n, c, SV_VF));
    if (c < channels) {
        const int64_t m = channels - c;
        vf_store_n(y + c, resize_at(from, rows, taps, n, c, m), m);
    }
}

static void resize_position(const sv_resize_sources *from, const resize_taps *taps, float *y,
                            int64_t channels)
{
    if (from->n == 2 && taps->n == 2) {
        resize_channels(from, 2, taps, 2, y, channels);
    } else if (from->n == 2 && taps->n == 1) {
        resize_channels(from, 2, taps, 1, y, channels);
    } else if (from->n == 1 && taps->n == 2) {
        resize_channels(from, 1, taps, 2, y, channels);
    } else if (from->n == 4 && taps->n == 2) {
        resize_channels(from, 4, taps, 2, y, channels);
    } else {
        resize_channels(from, from->n, taps, taps->n, y, channels);
    }
}

SV_INLINE void resize_copy(const float *x, float *y, int64_t n)
{
    int64_t i = 0;
    for (; i + SV_VF <= n; i += SV_VF)
        vf_store(y + i, vf_load(x + i));
    if (i < n) vf_store_n(y + i, vf_load_n(x + i, n - i), n - i);
}

static void resize_fill(float *y, int64_t n, float value)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = value;
}

static void resize_wide_line(const sv_resize_lines *lines, const sv_resize_param *param,
                             const sv_resize_sources *from, const sv_tap *tap, resize_taps *taps,
                             char *y)
{
    for (int64_t o = 0; o < lines->out; o++, tap += lines->taps, y += lines->ys) {
        float *to = (float *)y;
        if (tap->position < 0) {
            resize_fill(to, lines->inner, param->extrapolation);
        } else if (param->mode == SV_RESIZE_NEAREST) {
            resize_copy((const float *)(from->x[0] + tap->position * lines->xs), to, lines->inner);
        } else {
            resize_take_taps(lines, tap, taps);
            resize_position(from, taps, to, lines->inner);
        }
    }
}

/* ---- the row --------------------------------------------------------------------------------- */

/* A thread's scratch: sources, taps, and a line with room for what a look-up reads beyond it. */
typedef struct resize_scratch {
    sv_resize_sources sources;
    resize_taps taps;
    float *line;
} resize_scratch;

static size_t resize_scratch_bytes(const sv_resize_lines *lines)
{
    size_t taps = (size_t)lines->taps * (sizeof(int64_t) + sizeof(float));
    size_t rows = (size_t)lines->outer_taps * (sizeof(char *) + sizeof(float));
    size_t line = lines->wide ? 0 : (size_t)(lines->in * lines->inner + RESIZE_REACH);
    return taps + rows + line * sizeof(float);
}

static resize_scratch resize_scratch_of(const sv_resize_lines *lines, void *memory)
{
    resize_scratch s;
    s.sources.x = memory;
    s.taps.offset = (int64_t *)(s.sources.x + lines->outer_taps);
    s.taps.weight = (float *)(s.taps.offset + lines->taps);
    s.sources.weight = s.taps.weight + lines->taps;
    s.line = s.sources.weight + lines->outer_taps;
    return s;
}

static void resize_outside_line(const sv_resize_lines *lines, float value, char *y)
{
    for (int64_t o = 0; o < lines->out; o++)
        resize_fill((float *)(y + o * lines->ys), lines->inner, value);
}

static bool resize_supports(const sv_problem *problem)
{
    const sv_desc *desc = problem->desc;
    sv_resize_lines lines;
    return !problem->epilogue.n && desc[0].dtype == SV_F32 && desc[1].dtype == SV_F32 &&
           sv_resize_lines_init(&lines, desc, problem->param, SV_VF);
}

static uint32_t resize_units(const sv_problem *problem, uint32_t phase)
{
    sv_resize_lines lines;
    if (phase == 0) return 1;
    sv_resize_lines_init(&lines, problem->desc, problem->param, SV_VF);
    return (uint32_t)sv_divide_up(lines.count, lines.per_unit);
}

static size_t resize_scratch_size(const sv_problem *problem)
{
    sv_resize_lines lines;
    sv_resize_lines_init(&lines, problem->desc, problem->param, SV_VF);
    return resize_scratch_bytes(&lines);
}

static size_t resize_shared(const sv_problem *problem)
{
    sv_resize_lines lines;
    sv_resize_lines_init(&lines, problem->desc, problem->param, SV_VF);
    size_t size = (size_t)lines.plan.table_size * sizeof(sv_tap);
    if (lines.wide) return size;
    size_t length = (size_t)sv_divide_up(lines.out * lines.inner, SV_VF), taps = (size_t)lines.taps;
    return size + sizeof(int32_t) * (2 + taps * length * (2 * SV_VF + 1));
}

/* The line that lines->rows stands at. */
static void resize_one_line(const sv_call *call, const sv_resize_lines *lines,
                            const resize_table *t, const sv_tap *tap, resize_scratch *s)
{
    const sv_resize_param *param = call->param;
    char *y = lines->rows.at[1];
    sv_resize_take_sources(lines, call->shared, &s->sources);
    if (s->sources.n < 0 || !lines->in) {
        resize_outside_line(lines, param->extrapolation, y);
    } else if (lines->wide) {
        resize_wide_line(lines, param, &s->sources, tap, &s->taps, y);
    } else {
        resize_plane_line(lines, param, t, &s->sources, tap, s->line, (float *)y);
    }
}

/* Lines [from, to). */
static void resize_walk(const sv_call *call, sv_resize_lines *lines, int64_t from, int64_t to)
{
    const sv_tap *table = call->shared, *tap = sv_resize_line_taps(lines, table);
    const resize_table t = resize_table_of(lines, call->shared);
    const bool dense = lines->ys == lines->inner * (int64_t)sizeof(float);
    resize_scratch s = resize_scratch_of(lines, call->scratch);
    const char *before = NULL;
    sv_cursor_seek(&lines->rows, (char *const[]){call->ptr[0], call->ptr[1]}, from);
    for (; from < to; from++, sv_cursor_next(&lines->rows)) {
        char *y = lines->rows.at[1];
        if (before && dense && sv_resize_repeats(lines, table)) {
            resize_copy((const float *)before, (float *)y, lines->out * lines->inner);
        } else {
            resize_one_line(call, lines, &t, tap, &s);
        }
        before = y;
    }
}

static void resize_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    sv_resize_lines lines;
    sv_resize_lines_init(&lines, call->desc, call->param, SV_VF);
    if (call->phase == 0) {
        sv_tap *table = call->shared;
        sv_resize_make_table(&lines.plan, call->param, table);
        if (lines.wide || !lines.out || !lines.inner) return;
        resize_table t = resize_table_of(&lines, call->shared);
        resize_fill_table(&lines, sv_resize_line_taps(&lines, table), &t);
        return;
    }
    int64_t from = begin * lines.per_unit, to = end * lines.per_unit;
    if (to > lines.count) to = lines.count;
    if (from < to && lines.inner) resize_walk(call, &lines, from, to);
}

const sv_kernel SV_LEVEL_NAME(sv_kernel_resize_f32) = {
    .name = "resize_f32_" SV_LEVEL_TEXT,
    .family = SV_FAMILY_resize,
    .level = SV_LEVEL,
    .supports = resize_supports,
    .units = resize_units,
    .scratch = resize_scratch_size,
    .shared = resize_shared,
    .phases = 2,
    .run = resize_run,
};
