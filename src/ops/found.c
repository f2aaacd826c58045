/* Operators whose result is as large as what they find: NonZero and Compress. Each has two loops:
 * one that counts (measure), one that writes. */
#include "base/status.h"
#include "ops/support.h"

/* ---- NonZero ----------------------------------------------------------------------------- */

/* Whether an element is something; minus zero is not, nor is an empty string. */
static bool nonzero(sv_dtype dtype, const char *at)
{
    static const char zero[16];
    if (dtype == SV_STRING) return ((const sv_string *)at)->size > 0;
    if (sv_dtype_is_float(dtype)) return sv_scalar_get_f64(dtype, at) != 0;
    if (dtype == SV_C64) return ((const float *)at)[0] != 0 || ((const float *)at)[1] != 0;
    if (dtype == SV_C128) return ((const double *)at)[0] != 0 || ((const double *)at)[1] != 0;
    return memcmp(at, zero, sv_dtype_get(dtype)->size) != 0;
}

/* A scalar counts as a vector of one element, as numpy does it. */
static sv_status nonzero_infer(sv_infer *x)
{
    int32_t rank = x->in[0].shape.rank;
    x->out[0].dtype = SV_I64;
    x->out[0].shape = sv_infer_symbols(x, 2);
    if (rank >= 0) x->out[0].shape.dim[0] = rank > 0 ? rank : 1;
    sv_infer_dynamic(x, 0);
    return SV_OK;
}

#define NONZERO_BLOCK 256

/* Which of `n` elements (at most NONZERO_BLOCK) are something; how many. */
#define NONZERO_LOOP(name, type)                                                                   \
    static int64_t name(const void *from, int64_t n, uint8_t *is)                                  \
    {                                                                                              \
        const type *x = from;                                                                      \
        int64_t found = 0;                                                                         \
        for (int64_t i = 0; i < n; i++) {                                                          \
            is[i] = x[i] != 0;                                                                     \
            found += is[i];                                                                        \
        }                                                                                          \
        return found;                                                                              \
    }
NONZERO_LOOP(nonzero_f32, float)
NONZERO_LOOP(nonzero_i32, int32_t)
NONZERO_LOOP(nonzero_i64, int64_t)
NONZERO_LOOP(nonzero_u8, uint8_t)

static int64_t nonzero_block(sv_dtype dtype, const char *from, int64_t n, uint8_t *is)
{
    int64_t found = 0;
    size_t size = sv_dtype_get(dtype)->size;
    switch (dtype) {
    case SV_F32:
        return nonzero_f32(from, n, is);
    case SV_I32:
        return nonzero_i32(from, n, is);
    case SV_I64:
        return nonzero_i64(from, n, is);
    case SV_BOOL:
    case SV_U8:
        return nonzero_u8(from, n, is);
    default:
        for (int64_t i = 0; i < n; i++) {
            is[i] = nonzero(dtype, from + (size_t)i * size);
            found += is[i];
        }
        return found;
    }
}

static int64_t nonzero_count(const sv_desc *x, const char *from)
{
    int64_t count = sv_desc_count(x), found = 0;
    size_t size = sv_desc_size(x);
    uint8_t is[NONZERO_BLOCK];
    for (int64_t i = 0; i < count; i += NONZERO_BLOCK) {
        int64_t n = count - i < NONZERO_BLOCK ? count - i : NONZERO_BLOCK;
        found += nonzero_block(x->dtype, from + (size_t)i * size, n, is);
    }
    return found;
}

/* Operands: x, dims. */
static void nonzero_measure_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_desc *x = &call->desc[0];
    int64_t *dims = call->ptr[1];
    (void)begin, (void)end;
    dims[0] = x->rank > 0 ? x->rank : 1;
    dims[1] = nonzero_count(x, call->ptr[0]);
}

/* Element `i`, as number `k` of `n`: a coordinate a row of y. */
static void nonzero_put(const sv_desc *x, int64_t i, int64_t *y, int64_t n, int64_t k)
{
    if (x->rank == 0) y[k] = 0;
    for (int32_t d = x->rank - 1; d > 0; d--) {
        y[d * n + k] = i % x->dim[d];
        i /= x->dim[d];
    }
    if (x->rank > 0) y[k] = i;
}

/* Operands: x, y [rank, found]. */
static void nonzero_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_desc *x = &call->desc[0];
    int64_t count = sv_desc_count(x), n = call->desc[1].dim[1], k = 0;
    size_t size = sv_desc_size(x);
    uint8_t is[NONZERO_BLOCK];
    (void)begin, (void)end;
    for (int64_t i = 0; i < count && k < n; i += NONZERO_BLOCK) {
        int64_t m = count - i < NONZERO_BLOCK ? count - i : NONZERO_BLOCK;
        const char *from = (const char *)call->ptr[0] + (size_t)i * size;
        if (!nonzero_block(x->dtype, from, m, is)) continue;
        for (int64_t j = 0; j < m && k < n; j++)
            if (is[j]) nonzero_put(x, i + j, call->ptr[1], n, k++);
    }
}

static const sv_kernel nonzero_measure_kernel = {
    .name = "custom_non_zero_count", .family = SV_FAMILY_custom, .run = nonzero_measure_run};
static const sv_kernel nonzero_kernel = {
    .name = "custom_non_zero", .family = SV_FAMILY_custom, .run = nonzero_run};

static sv_status nonzero_measure(sv_emit *e)
{
    return e->symbolic ? SV_OK : sv_emit_run(e, &nonzero_measure_kernel, NULL, 0);
}

static sv_status nonzero_emit(sv_emit *e)
{
    return e->symbolic ? SV_OK : sv_emit_run(e, &nonzero_kernel, NULL, 0);
}

const sv_op_desc sv_op_desc_NonZero = {.op = SV_OP_NonZero,
                                       .min_in = 1,
                                       .max_in = 1,
                                       .min_out = 1,
                                       .max_out = 1,
                                       .infer = nonzero_infer,
                                       .emit = nonzero_emit,
                                       .measure = nonzero_measure};

/* ---- Compress ---------------------------------------------------------------------------- */

typedef struct sv_compress_param {
    int32_t axis; /* -1: over the flattened input */
} sv_compress_param;

static int64_t trues(const bool *condition, int64_t n)
{
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++)
        found += condition[i];
    return found;
}

/* A condition that is known (a constant) decides the size at once. */
static sv_status compress_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    const sv_tensor *condition = x->known ? x->known[1] : NULL;
    bool flat = !sv_node_attr(x->node, "axis");
    int32_t axis = 0;
    x->out[0] = x->in[0];
    SV_TRY(sv_infer_rank(x, 1, 1, 1));
    if (x->in[1].dtype && x->in[1].dtype != SV_BOOL)
        return sv_infer_error(x, 1, "expected bool, found %s", sv_dtype_name(x->in[1].dtype));
    int64_t found =
        condition ? trues(condition->data, sv_tensor_count(condition)) : sv_infer_symbol(x);
    if (!condition) sv_infer_dynamic(x, 0);
    if (flat) x->out[0].shape = sv_infer_symbols(x, 1);
    if (!flat && in->rank < 0) return SV_OK;
    if (!flat) SV_TRY(sv_infer_axis(x, sv_node_int(x->node, "axis", 0), in->rank, &axis));
    int64_t limit = -1, length = sv_infer_length(x, 1);
    if (in->rank >= 0) limit = flat ? sv_infer_product(x, in, 0, in->rank) : in->dim[axis];
    if (limit >= 0 && length > limit) {
        return sv_infer_error(x, 1, "expected at most %lld conditions, found %lld",
                              (long long)limit, (long long)length);
    }
    x->out[0].shape.dim[axis] = found;
    return SV_OK;
}

/* Operands: x, condition, dims. */
static void compress_measure_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_compress_param *p = call->param;
    const sv_desc *x = &call->desc[0];
    int64_t *dims = call->ptr[2], found = trues(call->ptr[1], call->desc[1].dim[0]);
    (void)begin, (void)end;
    if (p->axis < 0) {
        dims[0] = found;
        return;
    }
    memcpy(dims, x->dim, (size_t)x->rank * sizeof(*dims));
    dims[p->axis] = found;
}

/* Operands: x, condition, y. */
static void compress_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_compress_param *p = call->param;
    const sv_desc *x = &call->desc[0];
    sv_span span = {1, sv_desc_count(x), 1};
    if (p->axis >= 0) span = sv_desc_span(x, p->axis);
    const bool *condition = call->ptr[1];
    int64_t conditions = call->desc[1].dim[0];
    size_t bytes = (size_t)span.inner * sv_desc_size(x);
    const char *from = call->ptr[0];
    char *to = call->ptr[2];
    (void)begin, (void)end;
    for (int64_t o = 0; o < span.outer; o++) {
        for (int64_t i = 0; i < conditions; i++) {
            if (!condition[i]) continue;
            sv_element_move(to, from + (size_t)(o * span.axis + i) * bytes, bytes);
            to += bytes;
        }
    }
}

static const sv_kernel compress_measure_kernel = {
    .name = "custom_compress_count", .family = SV_FAMILY_custom, .run = compress_measure_run};
static const sv_kernel compress_kernel = {
    .name = "custom_compress", .family = SV_FAMILY_custom, .run = compress_run};

static sv_status compress_items(sv_emit *e, const sv_kernel *kernel)
{
    if (e->symbolic) return SV_OK;
    int64_t axis = sv_node_int(e->node, "axis", 0);
    if (axis < 0) axis += sv_emit_type(e, 0)->shape.rank;
    sv_compress_param param = {.axis = sv_node_attr(e->node, "axis") ? (int32_t)axis : -1};
    return sv_emit_run(e, kernel, &param, sizeof(param));
}

static sv_status compress_measure(sv_emit *e)
{
    return compress_items(e, &compress_measure_kernel);
}
static sv_status compress_emit(sv_emit *e)
{
    return compress_items(e, &compress_kernel);
}

const sv_op_desc sv_op_desc_Compress = {.op = SV_OP_Compress,
                                        .min_in = 2,
                                        .max_in = 2,
                                        .min_out = 1,
                                        .max_out = 1,
                                        .infer = compress_infer,
                                        .emit = compress_emit,
                                        .measure = compress_measure};
