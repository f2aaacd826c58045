/* Winograd's convolution: which problems have it, in which form, and when it is the cheaper way.
 *
 * F(m, r): a tile of m x m outputs of an r x r convolution with stride 1 comes from a transformed
 * tile of alpha x alpha inputs (alpha = m + r - 1), one product an element instead of r * r an
 * output (A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2015). The
 * products over all channels are alpha * alpha matrix products. Points: 0, +-1, infinity for alpha
 * 4; 0, +-3/4, +-3/2, infinity for alpha 6, whose rounding errors are a third of those of the
 * integers 0, +-1, +-2. What it does to accuracy is in docs/performance.md.
 *
 * With a dilation d along an axis, outputs d apart make a plain convolution of inputs d apart:
 * there are d of them along the axis, one for each remainder, whose tiles follow one another.
 *
 * In volumes the tiles are of slices, across the first axis, and the sums go over the kernel's
 * slices too.
 *
 * How the loops go is in winograd_tmpl.h. */
#ifndef SV_KERNELS_CONV_WINOGRAD_H
#define SV_KERNELS_CONV_WINOGRAD_H

#include "kernels/conv.h"

typedef enum winograd_form {
    WINOGRAD_4_3,
    WINOGRAD_2_3,
    WINOGRAD_2_5,
    WINOGRAD_FORMS,
    WINOGRAD_NONE = WINOGRAD_FORMS, /* the direct way */
} winograd_form;

/* Slices of a kernel, at most. */
#define WINOGRAD_SLICES 5

static inline int64_t winograd_m(winograd_form form)
{
    return form == WINOGRAD_4_3 ? 4 : 2;
}

static inline int64_t winograd_r(winograd_form form)
{
    return form == WINOGRAD_2_5 ? 5 : 3;
}

static inline int64_t winograd_alpha(winograd_form form)
{
    return winograd_m(form) + winograd_r(form) - 1;
}

/* Tiles of `m` outputs that cover those of remainder `r` of `count`, `dilation` apart. */
static inline int64_t winograd_tiles_of(int64_t count, int64_t dilation, int64_t m, int64_t r)
{
    const int64_t outputs = (count - r + dilation - 1) / dilation;
    return count > r ? (outputs + m - 1) / m : 0;
}

/* Those of all remainders: the first `count % dilation` have an output more than the others. */
static inline int64_t winograd_tiles(int64_t count, int64_t dilation, int64_t m)
{
    const int64_t longer = count % dilation;
    return longer * winograd_tiles_of(count, dilation, m, 0) +
           (dilation - longer) * winograd_tiles_of(count, dilation, m, dilation - 1);
}

/* Whether the problem can be done in this form: two dimensions, an r x r kernel, stride 1, one
 * group; or three, a kernel of up to WINOGRAD_SLICES times r x r, without dilation along the first.
 * Sizes of x and y may be symbols. */
bool sv_winograd_takes(const sv_problem *problem, winograd_form form);
/* What the products and transforms take; sizes of x and y that are symbols count as 32. */
double sv_winograd_ns(const sv_problem *problem, winograd_form form, sv_cpu_level level);
/* The cheapest form at `level`, WINOGRAD_NONE where that is another way or the problem is to be
 * computed exactly. Depends on sizes alone. */
winograd_form sv_winograd_choose(const sv_problem *problem, sv_cpu_level level);

#endif
