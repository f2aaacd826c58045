/* How the fast rows walk a resize: line by line of the result along the last resized dimension. A
 * line is made of lines of x, those that the taps of the other resized dimensions choose; positions
 * along it hold one element (planes), or elements side by side (channels-last maps).
 *
 * The arithmetic is the rows'. */
#ifndef SV_KERNELS_RESIZE_LINES_H
#define SV_KERNELS_RESIZE_LINES_H

#include "kernels/resize/taps.h"

typedef struct sv_resize_lines {
    sv_resize_plan plan;
    sv_cursor rows;     /* {x, y}: the dimensions that stay, then the resized ones but the last */
    int32_t n_outer;    /* how many those are */
    int32_t same;       /* dimensions of `rows` before them */
    int64_t outer_taps; /* combinations of their taps */
    int64_t xs, ys;     /* bytes from position to position of a line in x and in y */
    int64_t in, out;    /* positions of a line */
    int64_t taps;       /* of a position */
    int64_t inner;      /* elements of a position, side by side */
    bool wide;          /* a position's elements fill vectors; else positions follow without gaps */
    int64_t count, per_unit;
} sv_resize_lines;

/* False: the result's elements do not lie side by side along any dimension that would do, or
 * nothing is resized. `width`: lanes of a vector. */
bool sv_resize_lines_init(sv_resize_lines *lines, const sv_desc *desc, const sv_resize_param *param,
                          int64_t width);
/* Where the positions of a line find their taps: `tap[position * lines->taps]`. */
const sv_tap *sv_resize_line_taps(const sv_resize_lines *lines, const sv_tap *table);

/* Lines of x with their weights; room for lines->outer_taps of them. */
typedef struct sv_resize_sources {
    const char **x;
    float *weight;
    int64_t n; /* -1: the line lies outside of x */
} sv_resize_sources;

/* What makes the line that lines->rows stands at, without what counts nothing: it might be no
 * number. */
void sv_resize_take_sources(const sv_resize_lines *lines, const sv_tap *table,
                            sv_resize_sources *out);

/* Whether a line of the same plane before this one is the same; cheap, and not always found. */
static inline bool sv_resize_repeats(const sv_resize_lines *lines, const sv_tap *table)
{
    if (lines->n_outer != 1 || lines->plan.taps[0] != 1) return false;
    const int64_t i = lines->rows.index[lines->same];
    return i > 0 && table[i].position == table[i - 1].position;
}

#endif
