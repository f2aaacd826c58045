/* What the rows of the pool family share: the taps of a window that lie in x, and how a value joins
 * what has been taken. Included by one file a level. */
#include "kernels/conv/conv_shape.h"
#include "kernels/simd_tmpl.h"

/* The taps of one axis that lie in x: [first, last), and how many lie in x with its padding. */
typedef struct pool_range {
    int64_t first, last, padded;
} pool_range;

/* How many taps `hop` apart lie below `limit`. */
SV_INLINE int64_t pool_taps_below(int64_t limit, int64_t hop)
{
    if (limit <= 0) return 0;
    return hop == 1 ? limit : (limit + hop - 1) / hop;
}

static pool_range pool_range_of(const sv_pool_param *pool, const window_shape *shape, int axis,
                                int64_t out)
{
    int32_t param = axis - (3 - pool->spatial);
    int64_t end = param < 0 ? 0 : pool->pad_end[param];
    int64_t from = out * shape->stride[axis] - shape->pad[axis], hop = shape->dilation[axis];
    pool_range range = {0, 0, 0};
    range.first = pool_taps_below(-from, hop);
    int64_t taps = shape->kernel[axis];
    /* Taps t with from + t * hop < limit. */
    int64_t inside = shape->x.d[axis] - from, padded = inside + end;
    range.last = pool_taps_below(inside, hop);
    range.padded = pool_taps_below(padded, hop);
    if (range.last > taps) range.last = taps;
    if (range.padded > taps) range.padded = taps;
    if (range.first > range.last) range.first = range.last;
    return range;
}

/* NaN wins a maximum, as in the reference. */
SV_INLINE sv_vf pool_take(uint8_t kind, int64_t p, sv_vf sum, sv_vf x)
{
    if (kind == SV_POOL_MAX) {
        /* Whether x is a number is known before the sum is. */
        return vf_select(vf_equal(x, x), vf_max(x, sum), x);
    }
    if (kind == SV_POOL_AVERAGE) return sum + x;
    if (p == 1) return sum + vf_abs(x);
    return vf_fma(x, x, sum);
}
