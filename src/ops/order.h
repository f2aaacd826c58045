/* One order for numbers of all types: keys whose unsigned comparison is the comparison of the
 * values. What sorting operators compare; strings have no key. */
#ifndef SV_OPS_ORDER_H
#define SV_OPS_ORDER_H

#include "tensor/dtype.h"

#include <string.h>

/* The key of one element. Zeros are equal; NaN (of either sign) comes last, equal to itself. */
static inline uint64_t sv_order_key(sv_dtype dtype, const void *at)
{
    const uint64_t top = (uint64_t)1 << 63;
    if (dtype == SV_I64) { /* the usual one: without a call */
        uint64_t own;
        memcpy(&own, at, sizeof(own));
        return own ^ top;
    }
    if (!sv_dtype_is_float(dtype)) {
        if (dtype == SV_U64) return sv_scalar_get_u64(dtype, at);
        return (uint64_t)sv_scalar_get_i64(dtype, at) ^ top;
    }
    double value = sv_scalar_get_f64(dtype, at);
    uint64_t bits;
    if (value != value) return UINT64_MAX;
    if (value == 0) value = 0;
    memcpy(&bits, &value, sizeof(bits));
    return bits & top ? ~bits : bits | top;
}

#endif
