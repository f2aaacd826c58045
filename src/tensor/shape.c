/* Shapes. */
#include "tensor/shape.h"

#include <stdio.h>
#include <string.h>

#define LARGEST_COUNT ((int64_t)1 << 62)

sv_shape sv_shape_unknown(void)
{
    return (sv_shape){.rank = -1};
}

sv_shape sv_shape_make(int32_t rank, const int64_t *dim)
{
    sv_shape shape = {.rank = rank};
    for (int32_t i = 0; i < rank; i++)
        shape.dim[i] = dim[i];
    return shape;
}

bool sv_shape_equal(const sv_shape *a, const sv_shape *b)
{
    if (a->rank != b->rank) return false;
    for (int32_t i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

bool sv_shape_known(const sv_shape *shape)
{
    if (shape->rank < 0) return false;
    for (int32_t i = 0; i < shape->rank; i++)
        if (shape->dim[i] < 0) return false;
    return true;
}

bool sv_shape_count_range(const sv_shape *shape, int32_t first, int32_t last, int64_t *out)
{
    int64_t count = 1;
    bool empty = false, fits = true;
    for (int32_t i = first; i < last; i++) {
        if (shape->dim[i] < 0) return false;
        if (shape->dim[i] == 0) empty = true;
        if (__builtin_mul_overflow(count, shape->dim[i], &count) || count > LARGEST_COUNT) {
            fits = false;
            count = 1;
        }
    }
    /* A dimension of 0 makes the others' product harmless, in whatever order they stand. */
    if (!fits && !empty) return false;
    *out = empty ? 0 : count;
    return true;
}

bool sv_shape_count(const sv_shape *shape, int64_t *out)
{
    return shape->rank >= 0 && sv_shape_count_range(shape, 0, shape->rank, out);
}

void sv_shape_strides(const sv_shape *shape, int64_t stride[SV_MAX_RANK])
{
    uint64_t step = 1; /* wraps without harm where an empty shape's other dimensions are huge */
    for (int32_t i = shape->rank - 1; i >= 0; i--) {
        stride[i] = (int64_t)step;
        step *= (uint64_t)shape->dim[i];
    }
}

bool sv_shape_axis(const sv_shape *shape, int64_t axis, int32_t *out)
{
    if (axis < -(int64_t)shape->rank || axis >= shape->rank) return false;
    *out = (int32_t)(axis < 0 ? axis + shape->rank : axis);
    return true;
}

static bool broadcast_dim(int64_t a, int64_t b, int64_t fresh, int64_t *out)
{
    if (a == b || b == 1)
        *out = a;
    else if (a == 1)
        *out = b;
    else if (a >= 0 && b >= 0)
        return false;
    else if (a >= 0 || b >= 0)
        *out = a >= 0 ? a : b; /* the symbol is this size, or 1 */
    else
        *out = fresh;
    return true;
}

bool sv_shape_broadcast(const sv_shape *a, const sv_shape *b, int64_t fresh, sv_shape *out)
{
    if (a->rank < 0 || b->rank < 0) {
        *out = sv_shape_unknown();
        return true;
    }
    sv_shape result = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int32_t i = 1; i <= result.rank; i++) {
        int64_t da = i <= a->rank ? a->dim[a->rank - i] : 1;
        int64_t db = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (!broadcast_dim(da, db, fresh, &result.dim[result.rank - i])) return false;
    }
    *out = result;
    return true;
}

const char *sv_shape_text(const sv_shape *shape, char out[SV_SHAPE_TEXT])
{
    if (shape->rank < 0) {
        memcpy(out, "unknown", sizeof "unknown");
        return out;
    }
    size_t size = 0;
    out[size++] = '[';
    for (int32_t i = 0; i < shape->rank; i++) {
        if (i) out[size++] = ',';
        if (shape->dim[i] < 0)
            out[size++] = '?';
        else
            size += (size_t)snprintf(out + size, SV_SHAPE_TEXT - size, "%lld",
                                     (long long)shape->dim[i]);
    }
    out[size++] = ']';
    out[size] = '\0';
    return out;
}
