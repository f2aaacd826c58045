/* Operators on the order of elements along an axis: TopK, and OneHot, CumSum, CumProd beside it,
 * which also work on one axis. */
#include "base/status.h"
#include "ops/order.h"
#include "ops/support.h"

/* ---- TopK -------------------------------------------------------------------------------- */

typedef struct sv_top_param {
    int32_t axis;
    bool largest;
} sv_top_param;

/* A candidate; smaller is better. Equal keys are decided by the index: the lower one first. */
typedef struct sv_top_item {
    uint64_t key;
    int64_t index;
} sv_top_item;

static sv_status top_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    int32_t axis;
    x->out[0] = x->in[0];
    if (x->n_out > 1) x->out[1] = (sv_type){SV_I64, *in};
    SV_TRY(sv_infer_scalar(x, 1, SV_I64));
    const sv_tensor *k = sv_infer_value(x, 1);
    if (in->rank < 0) return SV_OK;
    SV_TRY(sv_infer_axis(x, sv_node_int(x->node, "axis", -1), in->rank, &axis));
    int64_t size = k ? sv_tensor_get_i64(k, 0) : sv_infer_symbol(x);
    if (k && (size < 0 || (in->dim[axis] >= 0 && size > in->dim[axis]))) {
        return sv_infer_error(x, 1, "expected a number of at most %lld, found %lld",
                              (long long)in->dim[axis], (long long)size);
    }
    for (uint32_t i = 0; i < x->n_out; i++)
        x->out[i].shape.dim[axis] = size;
    return SV_OK;
}

/* Operands: x, values, indices. A row is one line along the axis. */
static sv_rows top_rows(const sv_desc *x, const sv_top_param *p)
{
    sv_span span = sv_desc_span(x, p->axis);
    return sv_rows_make(span.outer * span.inner, span.axis * (int64_t)sv_desc_size(x) * 2);
}

static uint32_t top_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(top_rows(&problem->desc[0], problem->param));
}

static size_t top_scratch(const sv_problem *problem)
{
    const sv_top_param *p = problem->param;
    return (size_t)problem->desc[1].dim[p->axis] * sizeof(sv_top_item);
}

static inline bool worse(const sv_top_item *a, const sv_top_item *b)
{
    return a->key > b->key || (a->key == b->key && a->index > b->index);
}

/* Restores the heap (the worst on top) below `at`. */
static void sift(sv_top_item *heap, int64_t n, int64_t at)
{
    sv_top_item item = heap[at];
    for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && worse(&heap[child + 1], &heap[child])) child++;
        if (!worse(&heap[child], &item)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = item;
}

/* One more candidate, number `index` of the line: indices rise, so that of equal keys the first
 * stays. */
static void top_offer(uint64_t key, int64_t index, int64_t k, sv_top_item *heap)
{
    const sv_top_item item = {key, index};
    if (index < k) {
        heap[index] = item;
        for (int64_t j = k / 2 - 1; index == k - 1 && j >= 0; j--)
            sift(heap, k, j);
    } else if (key < heap[0].key) {
        heap[0] = item;
        sift(heap, k, 0);
    }
}

/* Keys of f32 that are made, and held against the worst of the best, at a time. */
#define TOP_BLOCK 64

/* Numbers in the order of `n` f32, or in the other if `flip` is -1; those behind are anything. */
static void top_keys(const char *from, int64_t step, int64_t n, int32_t flip, int32_t *key)
{
    if (step == 4 && n == TOP_BLOCK) {
        memcpy(key, from, TOP_BLOCK * sizeof(*key));
    } else {
        for (int64_t i = 0; i < n; i++)
            memcpy(&key[i], from + i * step, sizeof(*key));
    }
    for (int i = 0; i < TOP_BLOCK; i++) {
        /* Of a negative number all bits but the sign are turned; -0 is 0, and NaN the greatest. */
        const int32_t bits = key[i] & -(key[i] != INT32_MIN);
        const int32_t nan = -((bits & INT32_MAX) > 0x7f800000);
        const int32_t ordered = bits ^ (bits >> 31 & INT32_MAX);
        key[i] = ((ordered & ~nan) | (nan & INT32_MAX)) ^ flip;
    }
}

static bool top_better(const int32_t *key, int32_t worst)
{
    int better = 0;
    for (int i = 0; i < TOP_BLOCK; i++)
        better += key[i] < worst;
    return better > 0;
}

/* Which of the keys are better than `worst`; without a branch, which would be guessed wrong. */
static int top_candidates(const int32_t *key, int64_t n, int32_t worst, uint8_t *out)
{
    int found = 0;
    for (int i = 0; i < n; i++) {
        out[found] = (uint8_t)i;
        found += key[i] < worst;
    }
    return found;
}

static inline uint64_t unsigned_order(int32_t key)
{
    return (uint32_t)key ^ (uint32_t)1 << 31;
}

static void top_line_f32(const char *from, int64_t step, int64_t n, int64_t k, bool largest,
                         sv_top_item *heap)
{
    int32_t key[TOP_BLOCK] = {0};
    for (int64_t first = 0; first < n; first += TOP_BLOCK) {
        const int64_t m = n - first < TOP_BLOCK ? n - first : TOP_BLOCK;
        top_keys(from + first * step, step, m, largest ? -1 : 0, key);
        if (first < k) {
            for (int64_t i = 0; i < m; i++)
                top_offer(unsigned_order(key[i]), first + i, k, heap);
            continue;
        }
        const int32_t worst = (int32_t)((uint32_t)heap[0].key ^ (uint32_t)1 << 31);
        if (!top_better(key, worst)) continue;
        uint8_t candidate[TOP_BLOCK];
        const int found = top_candidates(key, m, worst, candidate);
        for (int i = 0; i < found; i++)
            top_offer(unsigned_order(key[candidate[i]]), first + candidate[i], k, heap);
    }
}

/* The `k` best of a line of `n`, best first: a heap of the best so far, then sorted in place. */
static void top_line(sv_dtype dtype, const char *from, int64_t step, int64_t n, int64_t k,
                     bool largest, sv_top_item *heap)
{
    if (dtype == SV_F32) {
        top_line_f32(from, step, n, k, largest, heap);
    } else {
        for (int64_t i = 0; i < n; i++) {
            const uint64_t key = sv_order_key(dtype, from + i * step);
            top_offer(largest ? ~key : key, i, k, heap);
        }
    }
    for (int64_t left = k - 1; left > 0; left--) {
        sv_top_item item = heap[0];
        heap[0] = heap[left];
        heap[left] = item;
        sift(heap, left, 0);
    }
}

static void top_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_top_param *p = call->param;
    const sv_desc *x = &call->desc[0];
    sv_rows rows = top_rows(x, p);
    sv_span span = sv_desc_span(x, p->axis);
    int64_t k = call->desc[1].dim[p->axis];
    size_t size = sv_desc_size(x);
    if (k == 0) return;
    sv_top_item *heap = call->scratch;
    for (int64_t r = sv_rows_first(rows, begin); r < sv_rows_last(rows, end); r++) {
        int64_t outer = r / span.inner, inner = r % span.inner;
        const char *from =
            (const char *)call->ptr[0] + (size_t)(outer * span.axis * span.inner + inner) * size;
        int64_t to = outer * k * span.inner + inner;
        top_line(x->dtype, from, span.inner * (int64_t)size, span.axis, k, p->largest, heap);
        for (int64_t i = 0; i < k; i++, to += span.inner) {
            const char *value = from + (size_t)(heap[i].index * span.inner) * size;
            sv_element_move((char *)call->ptr[1] + (size_t)to * size, value, size);
            if (call->ptr[2]) ((int64_t *)call->ptr[2])[to] = heap[i].index;
        }
    }
}

static const sv_kernel top_kernel = {.name = "custom_top_k",
                                     .family = SV_FAMILY_custom,
                                     .units = top_units,
                                     .scratch = top_scratch,
                                     .run = top_run};

static sv_status top_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    int64_t axis = sv_node_int(e->node, "axis", -1);
    sv_top_param param = {.largest = sv_node_int(e->node, "largest", 1) != 0};
    param.axis = (int32_t)(axis < 0 ? axis + sv_emit_type(e, 0)->shape.rank : axis);
    sv_ref ref[3] = {sv_ref_dense(0), sv_ref_dense(e->n_in), sv_ref_dense(sv_emit_out(e, 1))};
    uint32_t mask = ref[2].slot == SV_NO_SLOT ? 2 : 6;
    return sv_emit_custom(e, &top_kernel, &param, sizeof(param), 3, ref, mask);
}

const sv_op_desc sv_op_desc_TopK = {.op = SV_OP_TopK,
                                    .min_in = 2,
                                    .max_in = 2,
                                    .min_out = 1,
                                    .max_out = 2,
                                    .infer = top_infer,
                                    .emit = top_emit};

/* ---- OneHot ------------------------------------------------------------------------------ */

typedef struct sv_hot_param {
    int32_t axis;
} sv_hot_param;

static sv_status hot_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    int32_t axis;
    x->out[0].dtype = x->in[2].dtype;
    SV_TRY(sv_infer_scalar(x, 1, SV_DTYPE_NONE));
    SV_TRY(sv_infer_rank(x, 2, 1, 1));
    int64_t values = sv_infer_length(x, 2);
    if (values >= 0 && values != 2)
        return sv_infer_error(x, 2, "expected 2 elements (off, on), found %lld", (long long)values);
    const sv_tensor *depth = sv_infer_value(x, 1);
    if (in->rank < 0) return SV_OK;
    SV_TRY(sv_infer_rank(x, 0, 0, SV_MAX_RANK - 1));
    SV_TRY(sv_infer_axis(x, sv_node_int(x->node, "axis", -1), in->rank + 1, &axis));
    int64_t size = sv_infer_symbol(x);
    if (depth) size = sv_scalar_get_i64(depth->dtype, depth->data);
    if (depth && size < 0)
        return sv_infer_error(x, 1, "expected a size, found %lld", (long long)size);
    sv_shape out = {.rank = in->rank + 1};
    for (int32_t i = 0; i < out.rank; i++)
        out.dim[i] = i == axis ? size : in->dim[i < axis ? i : i - 1];
    x->out[0].shape = out;
    return SV_OK;
}

/* Operands: indices, values, y. A row of y is [depth, inner]. */
static sv_rows hot_rows(const sv_desc *y, const sv_hot_param *p)
{
    sv_span span = sv_desc_span(y, p->axis);
    return sv_rows_make(span.outer, span.axis * span.inner * (int64_t)sv_desc_size(y));
}

static uint32_t hot_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(hot_rows(&problem->desc[2], problem->param));
}

static void hot_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_hot_param *p = call->param;
    const sv_desc *index = &call->desc[0], *y = &call->desc[2];
    sv_rows rows = hot_rows(y, p);
    sv_span span = sv_desc_span(y, p->axis);
    size_t size = sv_desc_size(y), from_size = sv_desc_size(index);
    const char *off = call->ptr[1], *on = off + size;
    for (int64_t r = sv_rows_first(rows, begin); r < sv_rows_last(rows, end); r++) {
        char *row = (char *)call->ptr[2] + (size_t)(r * span.axis * span.inner) * size;
        for (int64_t i = 0; i < span.axis * span.inner; i++)
            sv_element_move(row + (size_t)i * size, off, size);
        for (int64_t i = 0; i < span.inner; i++) {
            const char *from =
                (const char *)call->ptr[0] + (size_t)(r * span.inner + i) * from_size;
            int64_t at = sv_scalar_get_i64(index->dtype, from);
            if (at < 0) at += span.axis;
            if (at >= 0 && at < span.axis)
                sv_element_move(row + (size_t)(at * span.inner + i) * size, on, size);
        }
    }
}

static const sv_kernel hot_kernel = {
    .name = "custom_one_hot", .family = SV_FAMILY_custom, .units = hot_units, .run = hot_run};

static sv_status hot_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_slot y = sv_emit_out(e, 0);
    int64_t axis = sv_node_int(e->node, "axis", -1);
    sv_hot_param param = {.axis =
                              (int32_t)(axis < 0 ? axis + sv_emit_type(e, y)->shape.rank : axis)};
    sv_ref ref[3] = {sv_ref_dense(0), sv_ref_dense(2), sv_ref_dense(y)};
    return sv_emit_custom(e, &hot_kernel, &param, sizeof(param), 3, ref, 4);
}

const sv_op_desc sv_op_desc_OneHot = {.op = SV_OP_OneHot,
                                      .min_in = 3,
                                      .max_in = 3,
                                      .min_out = 1,
                                      .max_out = 1,
                                      .infer = hot_infer,
                                      .emit = hot_emit};

/* ---- CumSum, CumProd --------------------------------------------------------------------- */

typedef struct sv_running_param {
    int32_t axis;
    bool exclusive, reverse, product;
} sv_running_param;

static sv_status running_infer(sv_infer *x)
{
    int64_t axis[64];
    uint32_t n;
    int32_t at;
    SV_TRY(sv_infer_index(x, 1));
    SV_TRY(sv_infer_scalar(x, 1, SV_DTYPE_NONE));
    SV_TRY(sv_infer_same(x));
    uint8_t class_ = sv_dtype_get(x->in[0].dtype)->class_;
    if (class_ == SV_CLASS_STRING || class_ == SV_CLASS_COMPLEX || class_ == SV_CLASS_BOOL)
        return sv_infer_error(x, 0, "expected numbers, found %s", sv_dtype_name(x->in[0].dtype));
    if (!sv_infer_ints(x, 1, axis, &n) || n != 1 || x->in[0].shape.rank < 0) return SV_OK;
    return sv_infer_axis(x, axis[0], x->in[0].shape.rank, &at);
}

/* Neighbouring lines that are followed together. */
#define RUNNING_LINES 32

/* Operands: x, y. A row is up to RUNNING_LINES lines along the axis, side by side. */
static int64_t running_groups(sv_span span)
{
    return (span.inner + RUNNING_LINES - 1) / RUNNING_LINES;
}

static sv_rows running_rows(const sv_desc *x, const sv_running_param *p)
{
    sv_span span = sv_desc_span(x, p->axis);
    int64_t lines = span.inner < RUNNING_LINES ? span.inner : RUNNING_LINES;
    return sv_rows_make(span.outer * running_groups(span),
                        span.axis * lines * (int64_t)sv_desc_size(x) * 2);
}

static uint32_t running_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(running_rows(&problem->desc[0], problem->param));
}

/* Lines of `n` elements, `step` apart (in elements; negative: from the back): a whole group, whose
 * lines lie side by side, or one. */
#define RUNNING_LINE(name, type, add, multiply)                                                    \
    typedef type name##_group __attribute__((vector_size(RUNNING_LINES * sizeof(type))));          \
    static void name##_lines(const sv_running_param *p, const type *x, type *y, int64_t step,      \
                             int64_t n)                                                            \
    {                                                                                              \
        name##_group sum = {0}, value;                                                             \
        if (p->product) sum = sum + 1;                                                             \
        for (int64_t i = 0; i < n; i++, x += step, y += step) {                                    \
            memcpy(&value, x, sizeof value);                                                       \
            if (p->exclusive) memcpy(y, &sum, sizeof sum);                                         \
            sum = p->product ? (multiply) : (add);                                                 \
            if (!p->exclusive) memcpy(y, &sum, sizeof sum);                                        \
        }                                                                                          \
    }                                                                                              \
    static void name##_line(const sv_running_param *p, const type *x, type *y, int64_t step,       \
                            int64_t n)                                                             \
    {                                                                                              \
        type sum = p->product ? 1 : 0;                                                             \
        for (int64_t i = 0; i < n; i++) {                                                          \
            type before = sum, value = x[i * step];                                                \
            sum = p->product ? (multiply) : (add);                                                 \
            y[i * step] = p->exclusive ? before : sum;                                             \
        }                                                                                          \
    }                                                                                              \
    static void name(const sv_running_param *p, const void *from, void *to, int64_t step,          \
                     int64_t n, int64_t lines)                                                     \
    {                                                                                              \
        const type *x = from;                                                                      \
        type *y = to;                                                                              \
        if (lines == RUNNING_LINES) {                                                              \
            name##_lines(p, x, y, step, n);                                                        \
            return;                                                                                \
        }                                                                                          \
        for (int64_t k = 0; k < lines; k++)                                                        \
            name##_line(p, x + k, y + k, step, n);                                                 \
    }

RUNNING_LINE(running_f32, float, sum + value, sum *value)
RUNNING_LINE(running_f64, double, sum + value, sum *value)
RUNNING_LINE(running_32, uint32_t, sum + value, sum *value)
RUNNING_LINE(running_64, uint64_t, sum + value, sum *value)

/* Narrow floats are summed in f32 and rounded at each store; narrow integers wrap there. */
static void running_other(const sv_running_param *p, sv_dtype dtype, const char *from, char *to,
                          int64_t step, int64_t n)
{
    float sum = p->product ? 1 : 0;
    uint64_t whole = p->product ? 1 : 0;
    int64_t bytes = step * (int64_t)sv_dtype_get(dtype)->size;
    for (int64_t i = 0; i < n; i++, from += bytes, to += bytes) {
        if (sv_dtype_is_float(dtype)) {
            float before = sum, value = (float)sv_scalar_get_f64(dtype, from);
            sum = p->product ? sum * value : sum + value;
            sv_scalar_set_f64(dtype, to, (double)(p->exclusive ? before : sum));
        } else {
            uint64_t before = whole, value = (uint64_t)sv_scalar_get_i64(dtype, from);
            whole = p->product ? whole * value : whole + value;
            sv_scalar_set_i64(dtype, to, (int64_t)(p->exclusive ? before : whole));
        }
    }
}

static void running_group(const sv_running_param *p, sv_dtype dtype, const char *from, char *to,
                          int64_t step, int64_t n, int64_t lines)
{
    const size_t size = sv_dtype_get(dtype)->size;
    switch (dtype) {
    case SV_F32:
        running_f32(p, from, to, step, n, lines);
        break;
    case SV_F64:
        running_f64(p, from, to, step, n, lines);
        break;
    case SV_I32:
    case SV_U32:
        running_32(p, from, to, step, n, lines);
        break;
    case SV_I64:
    case SV_U64:
        running_64(p, from, to, step, n, lines);
        break;
    default:
        for (int64_t k = 0; k < lines; k++, from += size, to += size)
            running_other(p, dtype, from, to, step, n);
        break;
    }
}

static void running_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_running_param *p = call->param;
    const sv_desc *x = &call->desc[0];
    sv_rows rows = running_rows(x, p);
    sv_span span = sv_desc_span(x, p->axis);
    const int64_t groups = running_groups(span), size = (int64_t)sv_desc_size(x);
    const int64_t step = p->reverse ? -span.inner : span.inner;
    if (span.axis == 0) return;
    for (int64_t r = sv_rows_first(rows, begin); r < sv_rows_last(rows, end); r++) {
        const int64_t line = r % groups * RUNNING_LINES, left = span.inner - line;
        int64_t first = r / groups * span.axis * span.inner + line;
        if (p->reverse) first += (span.axis - 1) * span.inner;
        running_group(p, x->dtype, (const char *)call->ptr[0] + first * size,
                      (char *)call->ptr[1] + first * size, step, span.axis,
                      left < RUNNING_LINES ? left : RUNNING_LINES);
    }
}

static const sv_kernel running_kernel = {.name = "custom_cumulative",
                                         .family = SV_FAMILY_custom,
                                         .units = running_units,
                                         .run = running_run};

static sv_status running_emit(sv_emit *e)
{
    int64_t axis[64];
    uint32_t n;
    if (e->symbolic) return SV_OK;
    if (!sv_emit_ints(e, 1, axis, &n) || n != 1)
        return sv_node_error(e->node, SV_CODE_INTERNAL, "the axis is not known");
    int32_t rank = sv_emit_type(e, 0)->shape.rank;
    sv_running_param param = {.axis = (int32_t)(axis[0] < 0 ? axis[0] + rank : axis[0]),
                              .exclusive = sv_node_int(e->node, "exclusive", 0) != 0,
                              .reverse = sv_node_int(e->node, "reverse", 0) != 0,
                              .product = e->node->op == SV_OP_CumProd};
    sv_ref ref[2] = {sv_ref_dense(0), sv_ref_dense(sv_emit_out(e, 0))};
    return sv_emit_custom(e, &running_kernel, &param, sizeof(param), 2, ref, 2);
}

const sv_op_desc sv_op_desc_CumProd = {.op = SV_OP_CumProd,
                                       .min_in = 2,
                                       .max_in = 2,
                                       .min_out = 1,
                                       .max_out = 1,
                                       .infer = running_infer,
                                       .emit = running_emit};
const sv_op_desc sv_op_desc_CumSum = {.op = SV_OP_CumSum,
                                      .min_in = 2,
                                      .max_in = 2,
                                      .min_out = 1,
                                      .max_out = 1,
                                      .infer = running_infer,
                                      .emit = running_emit};
