/* Pooling over windows (MaxPool, AveragePool, LpPool), over whole planes (Global..Pool), and the
 * inverse of MaxPool. Pooling over regions of interest is in nn_roi.c. */
#include "kernels/nn.h"

#include "base/status.h"
#include "ops/nn_window.h"
#include "ops/support.h"

/* ---- pooling over windows -------------------------------------------------------------------- */

static sv_status pool_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    x->out[0].dtype = x->in[0].dtype;
    if (x->n_out > 1) x->out[1].dtype = SV_I64;
    uint32_t n;
    int32_t rank = in->rank;
    if (rank < 0 && sv_node_ints(x->node, "kernel_shape", &n)) rank = (int32_t)n + 2;
    if (rank < 0) return SV_OK;
    if (rank < 3) return sv_infer_error(x, 0, "expected a rank of at least 3, found %d", rank);
    sv_window window;
    SV_TRY(sv_window_read(x->node, rank - 2, NULL, &window));
    SV_TRY(sv_window_infer(x, &window, in->rank >= 0 ? in->dim[1] : -1, &x->out[0].shape));
    if (x->n_out > 1) x->out[1].shape = x->out[0].shape;
    return SV_OK;
}

static sv_status pool_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_shape *x = &sv_emit_type(e, 0)->shape;
    sv_window window;
    int64_t size;
    SV_TRY(sv_window_read(e->node, x->rank - 2, NULL, &window));
    for (int32_t i = 0; i < window.spatial; i++)
        SV_TRY(sv_window_size(e->node, &window, i, x->dim[2 + i], &size));
    sv_pool_param param = {.kind = SV_POOL_MAX, .spatial = window.spatial};
    if (e->node->op == SV_OP_AveragePool) param.kind = SV_POOL_AVERAGE;
    if (e->node->op == SV_OP_LpPool) param.kind = SV_POOL_LP;
    param.count_include_pad = sv_node_int(e->node, "count_include_pad", 0) != 0;
    param.storage_order = sv_node_int(e->node, "storage_order", 0) != 0;
    param.p = sv_node_int(e->node, "p", 2);
    for (int32_t i = 0; i < window.spatial; i++) {
        param.kernel[i] = window.kernel[i];
        param.stride[i] = window.stride[i];
        param.dilation[i] = window.dilation[i];
        param.pad[i] = window.pad[i];
        param.pad_end[i] = window.pad_end[i];
    }
    sv_ref ref[3] = {sv_ref_clast(0), sv_ref_clast(sv_emit_out(e, 0)),
                     sv_ref_any(sv_emit_out(e, 1))};
    bool indexed = ref[2].slot != SV_NO_SLOT;
    uint32_t mask = indexed ? 6 : 2;
    /* These have rows for planes too. */
    if (param.kind != SV_POOL_LP && !indexed && sv_emit_type(e, 0)->dtype == SV_F32) {
        ref[0] = sv_ref_any(0);
        ref[1] = sv_ref_follow(sv_emit_out(e, 0));
    }
    return sv_emit_problem(e, SV_FAMILY_pool, &param, sizeof(param), 3, ref, mask);
}

const sv_op_desc sv_op_desc_MaxPool = {.op = SV_OP_MaxPool,
                                       .min_in = 1,
                                       .max_in = 1,
                                       .min_out = 1,
                                       .max_out = 2,
                                       .infer = pool_infer,
                                       .emit = pool_emit};
const sv_op_desc sv_op_desc_AveragePool = {.op = SV_OP_AveragePool,
                                           .min_in = 1,
                                           .max_in = 1,
                                           .min_out = 1,
                                           .max_out = 1,
                                           .infer = pool_infer,
                                           .emit = pool_emit};
const sv_op_desc sv_op_desc_LpPool = {.op = SV_OP_LpPool,
                                      .min_in = 1,
                                      .max_in = 1,
                                      .min_out = 1,
                                      .max_out = 1,
                                      .infer = pool_infer,
                                      .emit = pool_emit};

/* ---- pooling over whole planes --------------------------------------------------------------- */

static sv_status global_infer(sv_infer *x)
{
    sv_shape shape = x->in[0].shape;
    SV_TRY(sv_infer_rank(x, 0, 2, SV_MAX_RANK));
    for (int32_t i = 2; i < shape.rank; i++)
        shape.dim[i] = 1;
    x->out[0] = (sv_type){x->in[0].dtype, shape};
    return SV_OK;
}

static sv_status global_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    int32_t rank = sv_emit_type(e, 0)->shape.rank;
    sv_reduce_param param = {.kind = SV_REDUCE_MEAN, .axes = ((1u << rank) - 1) & ~3u};
    if (e->node->op == SV_OP_GlobalMaxPool) param.kind = SV_REDUCE_MAX;
    sv_ref ref[2] = {sv_ref_any(0), sv_ref_any(sv_emit_out(e, 0))};
    return sv_emit_problem(e, SV_FAMILY_reduce, &param, sizeof(param), 2, ref, 2);
}

/* One window over the plane as a line. */
static sv_status global_lp_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_type *x = sv_emit_type(e, 0);
    sv_shape lines = {.rank = 3, .dim = {x->shape.dim[0], x->shape.dim[1], 1}}, points = lines;
    if (!sv_shape_count_range(&x->shape, 2, x->shape.rank, &lines.dim[2]))
        return sv_node_error(e->node, SV_CODE_RESOURCE_EXHAUSTED, "input 0: its size overflows");
    sv_pool_param param = {.kind = SV_POOL_LP,
                           .p = sv_node_int(e->node, "p", 2),
                           .spatial = 1,
                           .kernel = {lines.dim[2]},
                           .stride = {1},
                           .dilation = {1}};
    sv_dtype dtype = x->dtype;
    sv_slot line, point;
    SV_TRY(sv_emit_temp(e, dtype, &lines, &line));
    SV_TRY(sv_emit_temp(e, dtype, &points, &point));
    SV_TRY(sv_emit_reshape(e, line, 0));
    sv_ref ref[3] = {sv_ref_any(line), sv_ref_any(point), sv_ref_any(SV_NO_SLOT)};
    SV_TRY(sv_emit_problem(e, SV_FAMILY_pool, &param, sizeof(param), 3, ref, 2));
    return sv_emit_reshape(e, sv_emit_out(e, 0), point);
}

const sv_op_desc sv_op_desc_GlobalAveragePool = {.op = SV_OP_GlobalAveragePool,
                                                 .min_in = 1,
                                                 .max_in = 1,
                                                 .min_out = 1,
                                                 .max_out = 1,
                                                 .infer = global_infer,
                                                 .emit = global_emit};
const sv_op_desc sv_op_desc_GlobalMaxPool = {.op = SV_OP_GlobalMaxPool,
                                             .min_in = 1,
                                             .max_in = 1,
                                             .min_out = 1,
                                             .max_out = 1,
                                             .infer = global_infer,
                                             .emit = global_emit};
const sv_op_desc sv_op_desc_GlobalLpPool = {.op = SV_OP_GlobalLpPool,
                                            .min_in = 1,
                                            .max_in = 1,
                                            .min_out = 1,
                                            .max_out = 1,
                                            .infer = global_infer,
                                            .emit = global_lp_emit};

/* ---- MaxUnpool ------------------------------------------------------------------------------- */

/* Indices count in the dense result of the plain inverse, [N, C, spatial..]; a larger result that
 * output_shape asks for keeps each value at its place in that smaller one. */
typedef struct sv_unpool_param {
    int32_t rank;
    int64_t plain[SV_MAX_RANK];
} sv_unpool_param;

static sv_status unpool_plain(const sv_node *node, const sv_shape *in, sv_shape *out)
{
    sv_window window;
    sv_shape shape = *in;
    SV_TRY(sv_window_read(node, in->rank - 2, NULL, &window));
    for (int32_t i = 0; i < window.spatial; i++) {
        int64_t *dim = &shape.dim[2 + i], pads = window.pad[i] + window.pad_end[i];
        if (*dim < 0) continue;
        bool overflow = __builtin_mul_overflow(*dim - 1, window.stride[i], dim);
        *dim += window.kernel[i] - pads;
        if (overflow || *dim < 0)
            return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                                 "expected a size of at least 0 along dimension %d, found %lld",
                                 i + 2, (long long)*dim);
    }
    *out = shape;
    return SV_OK;
}

static sv_status unpool_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    int64_t dims[64];
    uint32_t n;
    x->out[0].dtype = x->in[0].dtype;
    SV_TRY(sv_infer_rank(x, 0, 3, 2 + SV_SPATIAL_MAX));
    if (in->rank < 0) return SV_OK;
    sv_shape shape;
    SV_TRY(unpool_plain(x->node, in, &shape));
    if (sv_infer_has(x, 2)) {
        if (!sv_infer_ints(x, 2, dims, &n)) {
            x->out[0].shape = sv_infer_symbols(x, in->rank);
            return SV_OK;
        }
        if (n != (uint32_t)in->rank)
            return sv_infer_error(x, 2, "expected %d values, found %u", in->rank, n);
        for (int32_t i = 0; i < in->rank; i++) {
            if (dims[i] < 0)
                return sv_infer_error(x, 2, "expected sizes of at least 0, found %lld",
                                      (long long)dims[i]);
            shape.dim[i] = dims[i];
        }
    } else {
        for (int32_t i = 2; i < shape.rank; i++) {
            if (shape.dim[i] < 0) shape.dim[i] = sv_infer_symbol(x);
        }
    }
    x->out[0].shape = shape;
    return SV_OK;
}

/* Where index `flat` of the plain result lies in y; -1 when y does not reach there. */
static int64_t unpool_place(const sv_unpool_param *p, const sv_desc *y, int64_t flat)
{
    int64_t at = 0;
    for (int32_t i = p->rank - 1; i >= 0; i--) {
        int64_t index = flat % p->plain[i];
        flat /= p->plain[i];
        if (index >= y->dim[i]) return -1;
        at += index * y->stride[i];
    }
    return at;
}

static void unpool_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    (void)begin;
    (void)end;
    const sv_unpool_param *p = call->param;
    const sv_desc *x = &call->desc[0], *y = &call->desc[2];
    char *to = call->ptr[2];
    const int64_t *index = call->ptr[1];
    size_t size = sv_desc_size(x);
    int64_t limit = 1, count = sv_desc_count(x);
    for (int32_t i = 0; i < p->rank; i++)
        limit *= p->plain[i];
    memset(to, 0, (size_t)sv_desc_count(y) * size);
    for (int64_t i = 0; i < count; i++) {
        if (index[i] < 0 || index[i] >= limit) {
            sv_call_fault(call, 0, "index", index[i], 0, limit);
            continue;
        }
        int64_t at = unpool_place(p, y, index[i]);
        if (at >= 0)
            memcpy(to + at * (int64_t)size, (const char *)call->ptr[0] + i * (int64_t)size, size);
    }
}

static const sv_kernel unpool_kernel = {
    .name = "custom_max_unpool", .family = SV_FAMILY_custom, .run = unpool_run};

static sv_status unpool_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_shape *x = &sv_emit_type(e, 0)->shape, *index = &sv_emit_type(e, 1)->shape;
    if (!sv_shape_equal(x, index)) {
        char a[SV_SHAPE_TEXT], b[SV_SHAPE_TEXT];
        return sv_node_error(e->node, SV_CODE_INVALID_ARGUMENT,
                             "input 1: expected %s as input 0, found %s", sv_shape_text(x, a),
                             sv_shape_text(index, b));
    }
    sv_shape plain;
    SV_TRY(unpool_plain(e->node, x, &plain));
    sv_unpool_param param = {.rank = plain.rank};
    memcpy(param.plain, plain.dim, sizeof(param.plain));
    sv_ref ref[3] = {sv_ref_dense(0), sv_ref_dense(1), sv_ref_dense(sv_emit_out(e, 0))};
    return sv_emit_custom(e, &unpool_kernel, &param, sizeof(param), 3, ref, 4);
}

const sv_op_desc sv_op_desc_MaxUnpool = {.op = SV_OP_MaxUnpool,
                                         .min_in = 2,
                                         .max_in = 3,
                                         .min_out = 1,
                                         .max_out = 1,
                                         .infer = unpool_infer,
                                         .emit = unpool_emit};
