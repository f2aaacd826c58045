/* Shared by the families of tensor operators; see the header. */
#include "ops/support.h"

#include "base/status.h"
#include "kernels/elementwise.h"

/* ---- inference ------------------------------------------------------------------------------- */

sv_status sv_infer_rank(const sv_infer *x, uint32_t input, int32_t low, int32_t high)
{
    if (input >= x->n_in) return SV_OK;
    int32_t rank = x->in[input].shape.rank;
    if (rank < 0 || (rank >= low && rank <= high)) return SV_OK;
    if (low == high) return sv_infer_error(x, input, "expected a rank of %d, found %d", low, rank);
    return sv_infer_error(x, input, "expected a rank of %d to %d, found %d", low, high, rank);
}

sv_status sv_infer_same_dtype(const sv_infer *x, uint32_t a, uint32_t b)
{
    if (a >= x->n_in || b >= x->n_in) return SV_OK;
    sv_dtype expected = x->in[a].dtype, found = x->in[b].dtype;
    if (expected == found || !expected || !found) return SV_OK;
    return sv_infer_error(x, b, "expected %s as input %u, found %s", sv_dtype_name(expected), a,
                          sv_dtype_name(found));
}

sv_status sv_infer_scalar(const sv_infer *x, uint32_t input, sv_dtype dtype)
{
    if (!sv_infer_has(x, input)) return SV_OK;
    const sv_type *in = &x->in[input];
    if (dtype && in->dtype && in->dtype != dtype) {
        return sv_infer_error(x, input, "expected %s, found %s", sv_dtype_name(dtype),
                              sv_dtype_name(in->dtype));
    }
    int64_t count;
    if (!sv_shape_count(&in->shape, &count) || count == 1) return SV_OK;
    return sv_infer_error(x, input, "expected one element, found %lld", (long long)count);
}

sv_status sv_infer_index(const sv_infer *x, uint32_t input)
{
    sv_dtype dtype = input < x->n_in ? x->in[input].dtype : SV_DTYPE_NONE;
    if (!dtype || dtype == SV_I32 || dtype == SV_I64) return SV_OK;
    return sv_infer_error(x, input, "expected int32 or int64, found %s", sv_dtype_name(dtype));
}

sv_status sv_infer_dtype_attr(const sv_infer *x, const char *name, sv_dtype otherwise,
                              sv_dtype *out)
{
    int64_t value = sv_node_int(x->node, name, otherwise);
    if (value >= 0 && value < SV_DTYPE_COUNT) {
        *out = (sv_dtype)value;
        return SV_OK;
    }
    return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                         "attribute '%s': expected a data type's number in [0, %d), found %lld",
                         name, (int)SV_DTYPE_COUNT, (long long)value);
}

int64_t sv_infer_product(sv_infer *x, const sv_shape *shape, int32_t first, int32_t last)
{
    int64_t product = 1, symbol = 0;
    bool known = true;
    for (int32_t i = first; i < last; i++) {
        int64_t dim = shape->dim[i];
        if (dim == 0) return 0;
        if (dim < 0) {
            known = known && symbol == 0;
            symbol = dim;
        } else if (__builtin_mul_overflow(product, dim, &product)) {
            known = false;
            product = 2;
        }
    }
    if (!known) return sv_infer_symbol(x);
    if (symbol == 0) return product;
    return product == 1 ? symbol : sv_infer_symbol(x);
}

int64_t sv_infer_length(const sv_infer *x, uint32_t input)
{
    if (input >= x->n_in) return -1;
    const sv_shape *shape = &x->in[input].shape;
    if (shape->rank == 0) return 1;
    return shape->rank == 1 && shape->dim[0] >= 0 ? shape->dim[0] : -1;
}

sv_status sv_infer_axes(const sv_infer *x, const int64_t *axis, uint32_t n, int32_t rank,
                        uint32_t *mask)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i++) {
        int32_t at;
        SV_TRY(sv_infer_axis(x, axis[i], rank, &at));
        if (found >> at & 1) {
            return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                                 "axes: expected each once, found %d again", at);
        }
        found |= 1u << at;
    }
    *mask = found;
    return SV_OK;
}

/* ---- emission -------------------------------------------------------------------------------- */

bool sv_emit_ints(const sv_emit *e, uint32_t input, int64_t out[64], uint32_t *count)
{
    const sv_tensor *value = sv_emit_value(e, input);
    if (!value || !sv_dtype_is_integer(value->dtype) || sv_tensor_count(value) > 64) return false;
    *count = (uint32_t)sv_tensor_count(value);
    for (uint32_t i = 0; i < *count; i++)
        out[i] = sv_tensor_get_i64(value, i);
    return true;
}

sv_status sv_emit_custom(sv_emit *e, const sv_kernel *kernel, const void *param, size_t size,
                         uint32_t n, const sv_ref *ref, uint32_t write_mask)
{
    SV_TRY(sv_emit_problem(e, SV_FAMILY_custom, param, size, n, ref, write_mask));
    e->item[e->n_item - 1].kernel = kernel;
    return SV_OK;
}

sv_status sv_emit_fill(sv_emit *e, sv_slot to, sv_slot from)
{
    sv_ref ref[2] = {sv_ref_expand(from, &e->slot[to].shape), sv_ref_any(to)};
    return sv_emit_problem(e, SV_FAMILY_copy, NULL, 0, 2, ref, 2);
}

sv_status sv_emit_scalar(sv_emit *e, sv_dtype dtype, double number, sv_slot *out)
{
    _Alignas(16) char value[16] = {0};
    sv_shape scalar = {.rank = 0};
    if (dtype != SV_STRING) sv_scalar_set_f64(dtype, value, number);
    return sv_emit_constant(e, dtype, &scalar, value, out);
}

/* One slab of the border of `to`: `size` elements from `start` on. */
static sv_status border(sv_emit *e, sv_slot to, sv_slot fill, const int64_t *start,
                        const int64_t *size)
{
    sv_shape shape = sv_shape_make(e->slot[to].shape.rank, size);
    int64_t count;
    if (sv_shape_count(&shape, &count) && count == 0) return SV_OK;
    sv_slot slab;
    SV_TRY(sv_emit_temp(e, e->slot[to].dtype, &shape, &slab));
    SV_TRY(sv_emit_expand(e, slab, fill));
    return sv_emit_copy(e, to, slab, start);
}

sv_status sv_emit_surround(sv_emit *e, sv_slot to, sv_slot from, sv_slot fill,
                           const int64_t *before)
{
    sv_shape whole = e->slot[to].shape, inside = e->slot[from].shape;
    int64_t start[SV_MAX_RANK] = {0}, size[SV_MAX_RANK];
    memcpy(size, whole.dim, sizeof(size));
    for (int32_t i = 0; i < whole.rank; i++) {
        /* Dimensions before i are already narrowed to the inside: no slab meets another. */
        start[i] = 0;
        size[i] = before[i];
        SV_TRY(border(e, to, fill, start, size));
        start[i] = before[i] + inside.dim[i];
        size[i] = whole.dim[i] - start[i];
        SV_TRY(border(e, to, fill, start, size));
        start[i] = before[i];
        size[i] = inside.dim[i];
    }
    int64_t count;
    if (sv_shape_count(&inside, &count) && count == 0) return SV_OK;
    return sv_emit_copy(e, to, from, before);
}

sv_status sv_emit_sample(sv_emit *e, sv_slot x, sv_slot image, sv_slot at, sv_slot weight,
                         sv_slot y)
{
    sv_ref ref[5] = {sv_ref_clast(x), sv_ref_dense(image), sv_ref_dense(at), sv_ref_dense(weight),
                     sv_ref_clast(y)};
    return sv_emit_problem(e, SV_FAMILY_sample, NULL, 0, 5, ref, 16);
}
