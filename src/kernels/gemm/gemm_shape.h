/* The shape of a GEMM with its leading dimensions sorted out: those that only repeat b's rows
 * become part of M, the rest are batches. */
#ifndef SV_KERNELS_GEMM_SHAPE_H
#define SV_KERNELS_GEMM_SHAPE_H

#include "kernels/gemm.h"

/* Operands that have rows: a, y, and the epilogue's sides (operands of y's shape) in order. */
enum { GEMM_A, GEMM_Y, GEMM_SIDE, GEMM_ROWED = GEMM_SIDE + SV_EPILOGUE_MAX };

typedef struct gemm_shape {
    int64_t m, n, k, batches;
    int64_t a_k, b_k, b_n, y_n;
    int32_t n_rowed;
    int64_t row[GEMM_ROWED]; /* strides over M */
    int32_t n_batch;
    int64_t batch[SV_MAX_RANK];
    int64_t batch_stride[GEMM_ROWED][SV_MAX_RANK], b_stride[SV_MAX_RANK];
} gemm_shape;

/* `packed`: b lies in panels, one for all batches. */
static void gemm_shape_init(const sv_desc *desc, const sv_epilogue *epilogue, bool packed,
                            gemm_shape *out)
{
    const sv_desc *rowed[GEMM_ROWED] = {&desc[0], &desc[2]}, *b = &desc[1], *y = &desc[2];
    int32_t last = y->rank - 1;
    *out = (gemm_shape){.n_rowed = GEMM_SIDE, .m = y->dim[last - 1], .batches = 1};
    for (uint32_t i = 0; i < epilogue->n; i++) {
        const sv_epilogue_item *item = &epilogue->item[i];
        if (item->kind == SV_EPI_UNARY || item->kind == SV_EPI_BIAS) continue;
        rowed[out->n_rowed++] = &desc[item->operand];
    }
    out->n = y->dim[last];
    out->k = desc[0].dim[last];
    out->a_k = out->k == 1 ? 1 : desc[0].stride[last];
    out->b_k = b->stride[b->rank - 2];
    out->b_n = b->stride[b->rank - 1];
    out->y_n = out->n == 1 ? 1 : y->stride[last];
    for (int32_t r = 0; r < out->n_rowed; r++) {
        out->row[r] = rowed[r]->dim[last - 1] == 1 ? 0 : rowed[r]->stride[last - 1];
    }
    bool merging = true;
    for (int32_t i = last - 2; i >= 0; i--) {
        if (y->dim[i] == 1) continue;
        int64_t stride[GEMM_ROWED];
        int64_t b_stride = packed || b->dim[i] == 1 ? 0 : b->stride[i];
        merging = merging && b_stride == 0;
        for (int32_t r = 0; r < out->n_rowed; r++) {
            stride[r] = rowed[r]->dim[i] == 1 ? 0 : rowed[r]->stride[i];
            merging = merging && (out->m == 1 || stride[r] == out->row[r] * out->m);
        }
        if (merging) {
            for (int32_t r = 0; r < out->n_rowed && out->m == 1; r++)
                out->row[r] = stride[r];
            out->m *= y->dim[i];
            continue;
        }
        for (int32_t r = 0; r < out->n_rowed; r++)
            out->batch_stride[r][out->n_batch] = stride[r];
        out->b_stride[out->n_batch] = b_stride;
        out->batch[out->n_batch++] = y->dim[i];
        out->batches *= y->dim[i];
    }
}

/* Where batch `index` begins in each rowed operand, and in b. */
static void gemm_batch_offsets(const gemm_shape *shape, int64_t index, int64_t offset[GEMM_ROWED],
                               int64_t *b)
{
    for (int32_t r = 0; r < shape->n_rowed; r++)
        offset[r] = 0;
    *b = 0;
    for (int32_t i = 0; i < shape->n_batch; i++) {
        int64_t at = index % shape->batch[i];
        index /= shape->batch[i];
        for (int32_t r = 0; r < shape->n_rowed; r++)
            offset[r] += at * shape->batch_stride[r][i];
        *b += at * shape->b_stride[i];
    }
}

#endif
