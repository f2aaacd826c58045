/* Layouts: strides for dense and channels-last storage, and views of storage as other shapes. */
#include "engine/build.h"

#include "base/alloc.h"

#include <string.h>

sv_desc sv_layout_dense(const sv_type *type)
{
    sv_desc desc = {.dtype = type->dtype, .rank = type->shape.rank};
    memcpy(desc.dim, type->shape.dim, sizeof(desc.dim));
    sv_shape_strides(&type->shape, desc.stride);
    return desc;
}

static int64_t pixels(const int64_t *dim, int32_t rank)
{
    int64_t n = 1;
    for (int32_t i = 2; i < rank; i++)
        n *= dim[i];
    return n;
}

static int64_t padded_channels(int64_t channels, int64_t n_pixels)
{
    if (n_pixels <= 1 || channels < 16) return channels;
    int64_t padded = (channels + 15) & ~(int64_t)15;
    return padded >= 512 ? padded + 16 : padded;
}

/* Strides for pixels `row` elements apart. */
static void clast_strides(sv_desc *desc, int64_t row)
{
    desc->stride[1] = 1;
    int64_t stride = row;
    for (int32_t i = desc->rank - 1; i >= 2; i--) {
        desc->stride[i] = stride;
        stride *= desc->dim[i];
    }
    desc->stride[0] = stride;
}

sv_desc sv_layout_clast(const sv_type *type)
{
    sv_desc desc = sv_layout_dense(type);
    if (desc.rank < 3) return desc;
    clast_strides(&desc, padded_channels(desc.dim[1], pixels(desc.dim, desc.rank)));
    return desc;
}

uint64_t sv_layout_extent(const sv_desc *desc)
{
    uint64_t extent = 1;
    for (int32_t i = 0; i < desc->rank; i++) {
        if (desc->dim[i] == 0) return 0;
        extent += (uint64_t)((desc->dim[i] - 1) * desc->stride[i]);
    }
    return extent;
}

bool sv_layout_is_clast(sv_desc *desc)
{
    if (desc->rank < 3) return true;
    int64_t row = 0;
    for (int32_t i = desc->rank - 1; i >= 2 && row == 0; i--) {
        if (desc->dim[i] != 1) row = desc->stride[i];
    }
    if (row == 0) row = desc->dim[1];
    if (desc->dim[1] != 1 && (desc->stride[1] != 1 || row < desc->dim[1])) return false;
    int64_t stride = row;
    for (int32_t i = desc->rank - 1; i >= 2; i--) {
        if (desc->dim[i] != 1 && desc->stride[i] != stride) return false;
        stride *= desc->dim[i];
    }
    int64_t image = desc->dim[0] == 1 ? stride : desc->stride[0];
    clast_strides(desc, row);
    desc->stride[0] = image;
    return true;
}

/* Walks both shapes from the left in groups of equal size; within a group the old strides must be
 * contiguous among themselves (the method of numpy's reshape without copying). */
bool sv_layout_reshape(const sv_desc *from, const sv_shape *to, sv_desc *out)
{
    int64_t dim[SV_MAX_RANK], stride[SV_MAX_RANK];
    int32_t n = 0;
    *out = (sv_desc){.dtype = from->dtype, .rank = to->rank};
    memcpy(out->dim, to->dim, sizeof(out->dim));
    sv_shape_strides(to, out->stride);
    for (int32_t i = 0; i < from->rank; i++) {
        if (from->dim[i] == 0) return true;
        if (from->dim[i] == 1) continue;
        dim[n] = from->dim[i];
        stride[n++] = from->stride[i];
    }
    int32_t o = 0, t = 0;
    while (o < n && t < to->rank) {
        int32_t o_end = o + 1, t_end = t + 1;
        int64_t left = dim[o], right = to->dim[t];
        while (left != right) {
            if (left < right) {
                if (o_end == n) return false;
                left *= dim[o_end++];
            } else {
                if (t_end == to->rank) return false;
                right *= to->dim[t_end++];
            }
        }
        for (int32_t i = o; i + 1 < o_end; i++) {
            if (stride[i] != dim[i + 1] * stride[i + 1]) return false;
        }
        int64_t s = stride[o_end - 1];
        for (int32_t i = t_end - 1; i >= t; i--) {
            out->stride[i] = s;
            s *= to->dim[i];
        }
        o = o_end;
        t = t_end;
    }
    for (; t < to->rank; t++)
        out->stride[t] = 1; /* trailing dimensions of 1 */
    return true;
}
