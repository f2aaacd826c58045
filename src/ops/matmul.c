/* Matrix products: MatMul (numpy's rules) and Gemm (alpha A' B' + beta C). */
#include "kernels/gemm.h"

#include "base/status.h"
#include "kernels/elementwise.h"
#include "ops/support.h"

static sv_status dim_mismatch(const sv_infer *x, uint32_t input, int64_t a, int64_t b)
{
    return sv_infer_error(x, input, "expected %lld rows as the left side has columns, found %lld",
                          (long long)a, (long long)b);
}

static bool conflict(int64_t a, int64_t b)
{
    return a >= 0 && b >= 0 && a != b;
}

sv_status sv_infer_matmul(sv_infer *x, uint32_t left, uint32_t right, sv_shape *out)
{
    sv_shape a = x->in[left].shape, b = x->in[right].shape;
    *out = sv_shape_unknown();
    if (a.rank < 0 || b.rank < 0) return SV_OK;
    if (a.rank == 0 || b.rank == 0) {
        return sv_infer_error(x, a.rank == 0 ? left : right,
                              "expected a rank of at least 1, found 0");
    }
    int64_t k_a = a.dim[a.rank - 1], k_b = b.dim[b.rank > 1 ? b.rank - 2 : 0];
    if (conflict(k_a, k_b)) return dim_mismatch(x, right, k_a, k_b);
    sv_shape batch_a = a, batch_b = b, batch;
    batch_a.rank = a.rank > 2 ? a.rank - 2 : 0;
    batch_b.rank = b.rank > 2 ? b.rank - 2 : 0;
    if (!sv_infer_broadcast_shapes(x, &batch_a, &batch_b, &batch)) {
        char ta[SV_SHAPE_TEXT], tb[SV_SHAPE_TEXT];
        return sv_infer_error(x, right,
                              "expected batch dimensions that broadcast with %s, found %s",
                              sv_shape_text(&a, ta), sv_shape_text(&b, tb));
    }
    if (a.rank > 1) batch.dim[batch.rank++] = a.dim[a.rank - 2];
    if (b.rank > 1) batch.dim[batch.rank++] = b.dim[b.rank - 1];
    *out = batch;
    return SV_OK;
}

static sv_status matmul_infer(sv_infer *x)
{
    x->out[0].dtype = x->in[0].dtype;
    SV_TRY(sv_infer_same_dtype(x, 0, 1));
    return sv_infer_matmul(x, 0, 1, &x->out[0].shape);
}

/* Vectors become matrices: a gets a leading 1, b a trailing one. */
static sv_status as_matrix(sv_emit *e, sv_slot *slot, bool left)
{
    const sv_type *type = sv_emit_type(e, *slot);
    if (type->shape.rank != 1) return SV_OK;
    sv_shape shape = {.rank = 2, .dim = {1, 1}};
    shape.dim[left ? 1 : 0] = type->shape.dim[0];
    sv_slot matrix;
    SV_TRY(sv_emit_temp(e, type->dtype, &shape, &matrix));
    SV_TRY(sv_emit_reshape(e, matrix, *slot));
    *slot = matrix;
    return SV_OK;
}

/* The operand with its batch dimensions repeated to `rank`; a matrix stays a matrix. */
static sv_ref batched(const sv_emit *e, sv_slot slot, const sv_shape *batch)
{
    sv_shape shape = *batch;
    const sv_shape *own = &sv_emit_type(e, slot)->shape;
    shape.dim[shape.rank++] = own->dim[own->rank - 2];
    shape.dim[shape.rank++] = own->dim[own->rank - 1];
    return sv_ref_expand(slot, &shape);
}

/* While shapes are symbolic only the constant right side matters, and how many rows meet it, where
 * that is known. */
static sv_status matmul_emit_symbolic(sv_emit *e)
{
    const sv_type *b = sv_emit_type(e, 1);
    const sv_shape *left = &sv_emit_type(e, 0)->shape;
    int64_t m;
    if (left->rank < 1 || !sv_shape_count_range(left, 0, left->rank - 1, &m)) m = -1;
    sv_slot a, y;
    sv_shape rows = {.rank = 2, .dim = {m, b->shape.dim[0]}},
             result = {.rank = 2, .dim = {m, b->shape.dim[1]}};
    SV_TRY(sv_emit_temp(e, b->dtype, &rows, &a));
    SV_TRY(sv_emit_temp(e, b->dtype, &result, &y));
    sv_ref ref[3] = {sv_ref_any(a), sv_ref_any(1), sv_ref_apart(y)};
    ref[1].weight = true;
    sv_gemm_param param = {.alpha = 1.0f};
    return sv_emit_problem(e, SV_FAMILY_gemm, &param, sizeof(param), 3, ref, 4);
}

sv_status sv_emit_matmul(sv_emit *e, sv_slot a, sv_slot b, sv_slot y)
{
    sv_slot result = y;
    sv_shape batch = sv_emit_type(e, y)->shape;
    bool vector = sv_emit_type(e, a)->shape.rank == 1 || sv_emit_type(e, b)->shape.rank == 1;
    batch.rank -= (sv_emit_type(e, a)->shape.rank > 1) + (sv_emit_type(e, b)->shape.rank > 1);
    SV_TRY(as_matrix(e, &a, true));
    SV_TRY(as_matrix(e, &b, false));
    sv_ref left = batched(e, a, &batch), right = batched(e, b, &batch);
    if (vector) {
        sv_shape shape = left.shape;
        shape.dim[shape.rank - 1] = right.shape.dim[right.shape.rank - 1];
        SV_TRY(sv_emit_temp(e, sv_emit_type(e, y)->dtype, &shape, &result));
    }
    right.weight = sv_emit_type(e, b)->shape.rank == 2;
    sv_ref ref[3] = {left, right, sv_ref_apart(result)};
    sv_gemm_param param = {.alpha = 1.0f};
    SV_TRY(sv_emit_problem(e, SV_FAMILY_gemm, &param, sizeof(param), 3, ref, 4));
    return vector ? sv_emit_reshape(e, y, result) : SV_OK;
}

static sv_status matmul_emit(sv_emit *e)
{
    if (e->symbolic) return sv_emit_type(e, 1)->shape.rank == 2 ? matmul_emit_symbolic(e) : SV_OK;
    return sv_emit_matmul(e, 0, 1, sv_emit_out(e, 0));
}

const sv_op_desc sv_op_desc_MatMul = {.op = SV_OP_MatMul,
                                      .min_in = 2,
                                      .max_in = 2,
                                      .min_out = 1,
                                      .max_out = 1,
                                      .traits = SV_TRAIT_FUSE_BASE,
                                      .infer = matmul_infer,
                                      .emit = matmul_emit};

/* ---- Gemm -------------------------------------------------------------------------------- */

static sv_status gemm_infer(sv_infer *x)
{
    const sv_shape *a = &x->in[0].shape, *b = &x->in[1].shape;
    bool ta = sv_node_int(x->node, "transA", 0), tb = sv_node_int(x->node, "transB", 0);
    x->out[0].dtype = x->in[0].dtype;
    x->out[0].shape = sv_infer_symbols(x, 2);
    for (uint32_t i = 0; i < 2; i++) {
        int32_t rank = x->in[i].shape.rank;
        if (rank >= 0 && rank != 2)
            return sv_infer_error(x, i, "expected a rank of 2, found %d", rank);
    }
    if (a->rank == 2) x->out[0].shape.dim[0] = a->dim[ta];
    if (b->rank == 2) x->out[0].shape.dim[1] = b->dim[!tb];
    if (a->rank == 2 && b->rank == 2 && conflict(a->dim[!ta], b->dim[tb]))
        return dim_mismatch(x, 1, a->dim[!ta], b->dim[tb]);
    if (!sv_infer_has(x, 2)) return SV_OK;
    sv_shape all;
    if (!sv_infer_broadcast_shapes(x, &x->out[0].shape, &x->in[2].shape, &all) || all.rank > 2) {
        char text[SV_SHAPE_TEXT], want[SV_SHAPE_TEXT];
        return sv_infer_error(x, 2, "expected a shape that broadcasts to %s, found %s",
                              sv_shape_text(&x->out[0].shape, want),
                              sv_shape_text(&x->in[2].shape, text));
    }
    return SV_OK;
}

static sv_ref transposed(sv_slot slot, bool on)
{
    sv_ref ref = sv_ref_any(slot);
    ref.permuted = on;
    ref.perm[0] = 1;
    ref.perm[1] = 0;
    return ref;
}

/* beta * C as an operand of its own, unless beta is 1. */
static sv_status scaled_c(sv_emit *e, sv_slot *c)
{
    float beta = sv_node_float(e->node, "beta", 1.0f);
    if (beta == 1.0f) return SV_OK;
    const sv_type *type = sv_emit_type(e, *c);
    sv_slot scaled;
    SV_TRY(sv_emit_temp(e, type->dtype, &type->shape, &scaled));
    SV_TRY(sv_emit_unary(e, SV_UNARY_Affine, *c, scaled, (double)beta, 0.0));
    *c = scaled;
    return SV_OK;
}

static sv_status gemm_emit(sv_emit *e)
{
    sv_gemm_param param = {.alpha = sv_node_float(e->node, "alpha", 1.0f)};
    sv_slot y = sv_emit_out(e, 0), c = sv_emit_in(e, 2);
    sv_epilogue epilogue = {0};
    sv_ref ref[4] = {transposed(0, sv_node_int(e->node, "transA", 0)),
                     transposed(1, sv_node_int(e->node, "transB", 0)), sv_ref_apart(y)};
    ref[1].weight = true;
    uint32_t n = 3;
    if (c != SV_NO_SLOT && sv_node_float(e->node, "beta", 1.0f) != 0.0f) {
        SV_TRY(scaled_c(e, &c));
        const sv_shape *shape = &sv_emit_type(e, c)->shape, *result = &sv_emit_type(e, y)->shape;
        bool bias = sv_emit_type(e, y)->dtype == SV_F32 && shape->rank == 1 &&
                    shape->dim[0] == result->dim[1];
        ref[n] = bias ? sv_ref_dense(c) : sv_ref_expand(c, result);
        epilogue.item[epilogue.n++] =
            (sv_epilogue_item){.kind = bias ? SV_EPI_BIAS : SV_EPI_ADD, .operand = (uint8_t)n};
        n++;
    }
    return sv_emit_problem_epilogue(e, SV_FAMILY_gemm, &param, sizeof(param), n, ref, 4, &epilogue);
}

const sv_op_desc sv_op_desc_Gemm = {.op = SV_OP_Gemm,
                                    .min_in = 2,
                                    .max_in = 3,
                                    .min_out = 1,
                                    .max_out = 1,
                                    .traits = SV_TRAIT_FUSE_BASE,
                                    .infer = gemm_infer,
                                    .emit = gemm_emit};
