/* RotaryEmbedding: pairs of elements of each head turned by angles that depend on the position. */
#include "kernels/ref.h"

#include "base/status.h"
#include "ops/nn_check.h"
#include "ops/support.h"

enum { X, COS, SIN, POSITIONS, OUT };

/* Operands: x [B, H, S, E] or [B, S, H * E], cos and sin [P, R / 2] or [B, S, R / 2], positions [B,
 * S] or absent, y as x. */
typedef struct sv_rotary_param {
    bool interleaved, by_heads; /* by_heads: rank 4 */
    int64_t batch, heads, length, head;
    int64_t rotated; /* elements of a head that turn, even */
} sv_rotary_param;

static sv_status read_param(const sv_node *node, const sv_shape *x, sv_rotary_param *out)
{
    sv_rotary_param p = {.interleaved = sv_node_int(node, "interleaved", 0) != 0,
                         .by_heads = x->rank == 4,
                         .batch = x->dim[0]};
    p.heads = p.by_heads ? x->dim[1] : sv_node_int(node, "num_heads", 0);
    p.length = p.by_heads ? x->dim[2] : x->dim[1];
    if (!p.by_heads && (p.heads < 1 || (x->dim[2] >= 0 && x->dim[2] % p.heads != 0))) {
        return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                             "num_heads: expected a divisor of the hidden size, found %lld",
                             (long long)p.heads);
    }
    p.head = p.by_heads ? x->dim[3] : (x->dim[2] < 0 ? -1 : x->dim[2] / p.heads);
    p.rotated = sv_node_int(node, "rotary_embedding_dim", 0);
    if (p.rotated == 0) p.rotated = p.head;
    bool fits = p.head < 0 || (p.rotated >= 0 && p.rotated % 2 == 0 && p.rotated <= p.head);
    *out = p;
    if (fits) return SV_OK;
    return sv_node_error(
        node, SV_CODE_INVALID_ARGUMENT,
        "rotary_embedding_dim: expected an even number of at most %lld, found %lld",
        (long long)p.head, (long long)p.rotated);
}

static sv_status rotary_infer(sv_infer *x)
{
    sv_rotary_param param;
    bool positions = sv_infer_has(x, POSITIONS);
    SV_TRY(sv_infer_same(x));
    SV_TRY(sv_infer_rank(x, X, 3, 4));
    SV_TRY(sv_infer_rank(x, POSITIONS, 2, 2));
    for (uint32_t i = COS; i <= SIN; i++) {
        SV_TRY(sv_infer_rank(x, i, positions ? 2 : 3, positions ? 2 : 3));
        SV_TRY(sv_infer_same_dtype(x, X, i));
    }
    return x->in[X].shape.rank < 0 ? SV_OK : read_param(x->node, &x->in[X].shape, &param);
}

static sv_rows rotary_rows(const sv_rotary_param *p, const sv_desc *x)
{
    return sv_rows_make(p->batch * p->heads * p->length, p->head * (int64_t)sv_desc_size(x));
}

static uint32_t rotary_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(rotary_rows(problem->param, &problem->desc[X]));
}

/* The row of the caches for token `token` of the batch; a position outside is a fault and becomes
 * 0. */
static int64_t cache_row(const sv_call *call, uint32_t unit, int64_t token)
{
    if (!call->ptr[POSITIONS]) return token;
    int64_t rows = call->desc[COS].dim[0], row = ((const int64_t *)call->ptr[POSITIONS])[token];
    if (row >= 0 && row < rows) return row;
    sv_call_fault(call, unit, "position", row, 0, rows);
    return 0;
}

static void rotate_head(const sv_call *call, int64_t at, int64_t angle)
{
    const sv_rotary_param *p = call->param;
    sv_dtype dtype = call->desc[X].dtype;
    int64_t half = p->rotated / 2;
    for (int64_t i = 0; i < half; i++) {
        int64_t first = at + (p->interleaved ? 2 * i : i);
        int64_t second = at + (p->interleaved ? 2 * i + 1 : half + i);
        double a = ref_get(dtype, call->ptr[X], first), b = ref_get(dtype, call->ptr[X], second);
        double c = ref_get(dtype, call->ptr[COS], angle + i),
               s = ref_get(dtype, call->ptr[SIN], angle + i);
        ref_put(dtype, call->ptr[OUT], first, c * a - s * b);
        ref_put(dtype, call->ptr[OUT], second, s * a + c * b);
    }
    size_t size = sv_dtype_get(dtype)->size, from = (size_t)(at + p->rotated) * size;
    memcpy((char *)call->ptr[OUT] + from, (const char *)call->ptr[X] + from,
           (size_t)(p->head - p->rotated) * size);
}

static void rotary_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_rotary_param *p = call->param;
    sv_rows rows = rotary_rows(p, &call->desc[X]);
    if (call->desc[COS].dim[0] == 0) return;
    for (int64_t row = sv_rows_first(rows, begin); row < sv_rows_last(rows, end); row++) {
        int64_t b, s;
        if (p->by_heads) {
            s = row % p->length;
            b = row / p->length / p->heads;
        } else {
            s = row / p->heads % p->length;
            b = row / p->heads / p->length;
        }
        int64_t token = b * p->length + s;
        uint32_t unit = (uint32_t)(row / rows.per_unit);
        rotate_head(call, row * p->head, cache_row(call, unit, token) * (p->rotated / 2));
    }
}

static const sv_kernel rotary_kernel = {.name = "custom_rotary_embedding",
                                        .family = SV_FAMILY_custom,
                                        .units = rotary_units,
                                        .run = rotary_run};

static sv_status rotary_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_rotary_param p;
    sv_slot positions = sv_emit_in(e, POSITIONS);
    SV_TRY(read_param(e->node, &sv_emit_type(e, X)->shape, &p));
    for (uint32_t i = COS; i <= SIN; i++) {
        if (positions == SV_NO_SLOT) {
            SV_TRY(sv_emit_dims(e, i, 3, (int64_t[]){p.batch, p.length, p.rotated / 2}));
        } else {
            SV_TRY(sv_emit_dims(e, i, 2,
                                (int64_t[]){sv_emit_type(e, COS)->shape.dim[0], p.rotated / 2}));
        }
    }
    if (positions != SV_NO_SLOT) {
        SV_TRY(sv_emit_dims(e, POSITIONS, 2, (int64_t[]){p.batch, p.length}));
        if (p.batch * p.length > 0 && sv_emit_type(e, COS)->shape.dim[0] == 0)
            return sv_node_error(e->node, SV_CODE_INVALID_ARGUMENT,
                                 "input 1: expected rows, found none");
    }
    sv_ref ref[5] = {sv_ref_dense(X), sv_ref_dense(COS), sv_ref_dense(SIN), sv_ref_dense(positions),
                     sv_ref_dense(sv_emit_out(e, 0))};
    return sv_emit_custom(e, &rotary_kernel, &p, sizeof(p), 5, ref, 1u << OUT);
}

const sv_op_desc sv_op_desc_RotaryEmbedding = {.op = SV_OP_RotaryEmbedding,
                                               .min_in = 3,
                                               .max_in = 4,
                                               .min_out = 1,
                                               .max_out = 1,
                                               .infer = rotary_infer,
                                               .emit = rotary_emit};
