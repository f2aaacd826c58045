/* Shared checks; see the header. */
#include "ops/nn_check.h"

#include "base/status.h"
#include "ops/support.h"

sv_status sv_infer_one_dtype(const sv_infer *x, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        SV_TRY(sv_infer_same_dtype(x, 0, i));
    return SV_OK;
}

sv_status sv_infer_vector(const sv_infer *x, uint32_t i, int64_t size)
{
    return sv_infer_dims(x, i, 1, &size);
}

static bool dims_fit(const sv_shape *found, int32_t rank, const int64_t *want)
{
    bool fits = found->rank == rank;
    for (int32_t d = 0; fits && d < rank; d++)
        fits = want[d] < 0 || found->dim[d] < 0 || want[d] == found->dim[d];
    return fits;
}

static sv_status dims_error(const sv_node *node, uint32_t i, int32_t rank, const int64_t *want,
                            const sv_shape *found)
{
    char a[SV_SHAPE_TEXT], b[SV_SHAPE_TEXT];
    sv_shape expected = sv_shape_make(rank, want);
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT, "input %u: expected %s, found %s", i,
                         sv_shape_text(&expected, a), sv_shape_text(found, b));
}

sv_status sv_infer_dims(const sv_infer *x, uint32_t i, int32_t rank, const int64_t *want)
{
    if (!sv_infer_has(x, i) || x->in[i].shape.rank < 0) return SV_OK;
    const sv_shape *found = &x->in[i].shape;
    return dims_fit(found, rank, want) ? SV_OK : dims_error(x->node, i, rank, want, found);
}

sv_status sv_emit_dims(const sv_emit *e, uint32_t i, int32_t rank, const int64_t *want)
{
    if (sv_emit_in(e, i) == SV_NO_SLOT) return SV_OK;
    const sv_shape *found = &sv_emit_type(e, i)->shape;
    return dims_fit(found, rank, want) ? SV_OK : dims_error(e->node, i, rank, want, found);
}
