/* Unique: the different elements of a tensor, or the different slices along an axis. */
#include "base/status.h"
#include "ops/order.h"
#include "ops/support.h"

typedef struct sv_unique_param {
    int32_t axis; /* -1: single elements of the flattened input */
    bool sorted;
    bool indices, inverse, counts; /* which of the optional outputs are wanted */
} sv_unique_param;

/* What is compared: `span.axis` items, each of outer * inner elements. */
typedef struct sv_items {
    sv_dtype dtype;
    const char *data;
    sv_span span;
    size_t size;
    const uint64_t *key; /* of each item when it is one number, else NULL */
} sv_items;

static sv_items items_of(const sv_call *call)
{
    const sv_unique_param *p = call->param;
    const sv_desc *x = &call->desc[0];
    sv_items items = {x->dtype, call->ptr[0], {1, sv_desc_count(x), 1}, sv_desc_size(x), NULL};
    if (p->axis >= 0) items.span = sv_desc_span(x, p->axis);
    return items;
}

static sv_status unique_infer(sv_infer *x)
{
    const sv_shape *in = &x->in[0].shape;
    bool flat = !sv_node_attr(x->node, "axis");
    int64_t symbol = sv_infer_symbol(x), items = -1;
    int32_t axis = 0;
    x->out[0] = (sv_type){x->in[0].dtype, flat ? sv_infer_symbols(x, 1) : *in};
    sv_infer_dynamic(x, 0);
    for (uint32_t i = 1; i < x->n_out; i++) {
        x->out[i] = (sv_type){SV_I64, {.rank = 1, .dim = {symbol}}};
        if (i != 2) sv_infer_dynamic(x, i);
    }
    if (in->rank >= 0 && flat) items = sv_infer_product(x, in, 0, in->rank);
    if (in->rank >= 0 && !flat) {
        SV_TRY(sv_infer_axis(x, sv_node_int(x->node, "axis", 0), in->rank, &axis));
        items = in->dim[axis];
    }
    if (x->out[0].shape.rank > 0) x->out[0].shape.dim[axis] = symbol;
    if (x->n_out > 2) x->out[2].shape.dim[0] = in->rank >= 0 ? items : sv_infer_symbol(x);
    return SV_OK;
}

/* ---- sorting ----------------------------------------------------------------------------- */

/* Complex numbers are ordered by their real, then by their imaginary parts, as numpy does. */
static int compare_elements(const sv_items *items, const char *a, const char *b)
{
    if (items->dtype == SV_STRING) {
        const sv_string *x = (const sv_string *)a, *y = (const sv_string *)b;
        size_t shorter = x->size < y->size ? x->size : y->size;
        int order = shorter ? memcmp(x->data, y->data, shorter) : 0;
        return order ? order : (x->size > y->size) - (x->size < y->size);
    }
    sv_dtype part = sv_dtype_part(items->dtype);
    uint64_t x = 0, y = 0;
    for (size_t at = 0; x == y && at < items->size; at += sv_dtype_get(part)->size) {
        x = sv_order_key(part, a + at);
        y = sv_order_key(part, b + at);
    }
    return (x > y) - (x < y);
}

static int compare_items(const sv_items *items, int64_t a, int64_t b)
{
    const sv_span *s = &items->span;
    if (items->key) return (items->key[a] > items->key[b]) - (items->key[a] < items->key[b]);
    for (int64_t o = 0; o < s->outer; o++) {
        for (int64_t i = 0; i < s->inner; i++) {
            const char *x = items->data + (size_t)((o * s->axis + a) * s->inner + i) * items->size;
            const char *y = items->data + (size_t)((o * s->axis + b) * s->inner + i) * items->size;
            int order = compare_elements(items, x, y);
            if (order) return order;
        }
    }
    return 0;
}

static void merge(const sv_items *items, const int64_t *from, int64_t *to, int64_t a, int64_t b,
                  int64_t end)
{
    for (int64_t i = a, j = b, k = a; k < end; k++) {
        bool left = i < b && (j >= end || compare_items(items, from[i], from[j]) <= 0);
        to[k] = left ? from[i++] : from[j++];
    }
}

/* By merging runs of doubling length. */
static int64_t *merge_sorted(const sv_items *items, int64_t *from, int64_t *to)
{
    int64_t n = items->span.axis;
    for (int64_t run = 1; run < n; run *= 2) {
        for (int64_t a = 0; a < n; a += 2 * run) {
            int64_t b = a + run < n ? a + run : n, end = a + 2 * run < n ? a + 2 * run : n;
            merge(items, from, to, a, b, end);
        }
        int64_t *other = from;
        from = to;
        to = other;
    }
    return from;
}

/* By the bytes of keys, from the last to the first; those that all keys share change nothing. */
static int64_t *radix_sorted(const sv_items *items, int64_t *from, int64_t *to)
{
    int64_t n = items->span.axis;
    uint64_t different = 0;
    for (int64_t i = 1; i < n; i++)
        different |= items->key[i] ^ items->key[0];
    for (int shift = 0; shift < 64; shift += 8) {
        int64_t place[256] = {0}, sum = 0;
        if ((different >> shift & 255) == 0) continue;
        for (int64_t i = 0; i < n; i++)
            place[items->key[i] >> shift & 255]++;
        for (int i = 0; i < 256; i++) {
            int64_t count = place[i];
            place[i] = sum;
            sum += count;
        }
        for (int64_t i = 0; i < n; i++)
            to[place[items->key[from[i]] >> shift & 255]++] = from[i];
        int64_t *other = from;
        from = to;
        to = other;
    }
    return from;
}

/* Numbers get keys, in the last part of `work`; what is no single number has none. */
static void find_keys(sv_items *items, int64_t *work)
{
    const int64_t n = items->span.axis;
    uint64_t *key = (uint64_t *)(work + 3 * n);
    if (items->span.outer * items->span.inner != 1 || items->dtype == SV_STRING ||
        sv_dtype_part(items->dtype) != items->dtype)
        return;
    for (int64_t i = 0; i < n; i++)
        key[i] = sv_order_key(items->dtype, items->data + (size_t)i * items->size);
    items->key = key;
}

/* The items' indices in order, stable, in one of the first two parts of `work` (4 * n). */
static int64_t *sorted_items(sv_items *items, int64_t *work)
{
    int64_t n = items->span.axis;
    find_keys(items, work);
    for (int64_t i = 0; i < n; i++)
        work[i] = i;
    if (items->key && n) return radix_sorted(items, work, work + n);
    return merge_sorted(items, work, work + n);
}

static size_t unique_scratch(const sv_problem *problem)
{
    const sv_unique_param *p = problem->param;
    const sv_desc *x = &problem->desc[0];
    return (size_t)(p->axis < 0 ? sv_desc_count(x) : x->dim[p->axis]) * 4 * sizeof(int64_t);
}

/* ---- results ----------------------------------------------------------------------------- */

/* Operands: x, then the dims of each output. */
static void unique_measure_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_unique_param *p = call->param;
    const sv_desc *x = &call->desc[0];
    sv_items items = items_of(call);
    int64_t *order = sorted_items(&items, call->scratch), found = 0;
    (void)begin, (void)end;
    for (int64_t i = 0; i < items.span.axis; i++)
        found += i == 0 || compare_items(&items, order[i - 1], order[i]) != 0;
    if (p->axis >= 0) memcpy(call->ptr[1], x->dim, (size_t)x->rank * sizeof(int64_t));
    ((int64_t *)call->ptr[1])[p->axis >= 0 ? p->axis : 0] = found;
    uint32_t at = 2;
    if (p->indices) *(int64_t *)call->ptr[at++] = found;
    if (p->inverse) *(int64_t *)call->ptr[at++] = items.span.axis;
    if (p->counts) *(int64_t *)call->ptr[at] = found;
}

static void write_item(const sv_items *items, int64_t from, char *to, int64_t at, int64_t found)
{
    const sv_span *s = &items->span;
    size_t bytes = (size_t)s->inner * items->size;
    for (int64_t o = 0; o < s->outer; o++)
        memcpy(to + (size_t)(o * found + at) * bytes,
               items->data + (size_t)(o * s->axis + from) * bytes, bytes);
}

/* Gives each item the first item that equals it; `first` has room for all. */
static void first_equals(const sv_items *items, const int64_t *order, int64_t *first)
{
    int64_t leader = 0;
    for (int64_t i = 0; i < items->span.axis; i++) {
        if (i == 0 || compare_items(items, order[i - 1], order[i]) != 0) leader = order[i];
        first[order[i]] = leader;
    }
}

/* Operands: x, y, then the wanted ones of indices, inverse and counts. */
static void unique_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_unique_param *p = call->param;
    sv_items items = items_of(call);
    int64_t n = items.span.axis, *work = call->scratch, *first = work + 2 * n;
    int64_t *order = sorted_items(&items, work), *place = order == work ? work + n : work;
    int64_t found = call->desc[1].dim[p->axis >= 0 ? p->axis : 0], k = 0;
    uint32_t at = 2;
    int64_t *indices = p->indices ? call->ptr[at++] : NULL;
    int64_t *inverse = p->inverse ? call->ptr[at++] : NULL;
    int64_t *counts = p->counts ? call->ptr[at] : NULL;
    (void)begin, (void)end;
    first_equals(&items, order, first);
    for (int64_t i = 0; i < n && k < found; i++) {
        int64_t item = p->sorted ? order[i] : i;
        if (first[item] != item) continue;
        write_item(&items, item, call->ptr[1], k, found);
        if (indices) indices[k] = item;
        if (counts) counts[k] = 0;
        place[item] = k++;
    }
    for (int64_t i = 0; i < n; i++) {
        if (inverse) inverse[i] = place[first[i]];
        if (counts) counts[place[first[i]]]++;
    }
}

static const sv_kernel unique_measure_kernel = {.name = "custom_unique_count",
                                                .family = SV_FAMILY_custom,
                                                .scratch = unique_scratch,
                                                .run = unique_measure_run};
static const sv_kernel unique_kernel = {.name = "custom_unique",
                                        .family = SV_FAMILY_custom,
                                        .scratch = unique_scratch,
                                        .run = unique_run};

static sv_status unique_items(sv_emit *e, const sv_kernel *kernel)
{
    if (e->symbolic) return SV_OK;
    sv_unique_param param = {.axis = -1, .sorted = sv_node_int(e->node, "sorted", 1) != 0};
    if (sv_node_attr(e->node, "axis")) {
        int64_t axis = sv_node_int(e->node, "axis", 0);
        param.axis = (int32_t)(axis < 0 ? axis + sv_emit_type(e, 0)->shape.rank : axis);
    }
    sv_ref ref[5] = {sv_ref_dense(0)};
    uint32_t n = 1;
    for (uint32_t i = 0; i < e->n_out && i < 4; i++) {
        sv_slot slot = sv_emit_out(e, i);
        if (slot == SV_NO_SLOT) continue;
        ref[n++] = sv_ref_dense(slot);
        if (i == 1) param.indices = true;
        if (i == 2) param.inverse = true;
        if (i == 3) param.counts = true;
    }
    return sv_emit_custom(e, kernel, &param, sizeof(param), n, ref, ((1u << n) - 1) & ~1u);
}

static sv_status unique_measure(sv_emit *e)
{
    return unique_items(e, &unique_measure_kernel);
}
static sv_status unique_emit(sv_emit *e)
{
    return unique_items(e, &unique_kernel);
}

const sv_op_desc sv_op_desc_Unique = {.op = SV_OP_Unique,
                                      .min_in = 1,
                                      .max_in = 1,
                                      .min_out = 1,
                                      .max_out = 4,
                                      .infer = unique_infer,
                                      .emit = unique_emit,
                                      .measure = unique_measure};
