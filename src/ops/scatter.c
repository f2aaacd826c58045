/* Operators that write elements or slices at indices into a copy of their input: ScatterElements
 * (and its older name Scatter), ScatterND, TensorScatter. The copy is an item of its own, so that
 * it can be removed where nobody else reads the input. */
#include "base/status.h"
#include "ops/support.h"

#include <math.h>

typedef enum sv_combine {
    COMBINE_NONE,
    COMBINE_ADD,
    COMBINE_MUL,
    COMBINE_MAX,
    COMBINE_MIN
} sv_combine;

typedef struct sv_scatter_param {
    int32_t axis;
    uint8_t combine; /* sv_combine; TensorScatter: whether it is circular */
} sv_scatter_param;

static sv_status combine_of(const sv_node *node, uint8_t *out)
{
    static const char *const name[] = {"none", "add", "mul", "max", "min"};
    const char *reduction = sv_node_text(node, "reduction", "none");
    for (uint8_t i = 0; i < 5; i++) {
        if (strcmp(reduction, name[i]) != 0) continue;
        *out = i;
        return SV_OK;
    }
    return sv_node_error(node, SV_CODE_INVALID_ARGUMENT,
                         "attribute 'reduction': expected none, add, mul, max or min, found '%s'",
                         reduction);
}

/* What both operators check: dtypes, and that the elements can be combined. */
static sv_status scatter_check(sv_infer *x)
{
    uint8_t combine;
    SV_TRY(combine_of(x->node, &combine));
    SV_TRY(sv_infer_index(x, 1));
    SV_TRY(sv_infer_same_dtype(x, 0, 2));
    SV_TRY(sv_infer_rank(x, 0, 1, SV_MAX_RANK));
    uint8_t class_ = sv_dtype_get(x->in[0].dtype)->class_;
    if (combine == COMBINE_NONE || (class_ != SV_CLASS_STRING && class_ != SV_CLASS_COMPLEX))
        return sv_infer_same(x);
    return sv_infer_error(x, 0, "expected elements that can be reduced, found %s",
                          sv_dtype_name(x->in[0].dtype));
}

/* ---- combining elements ------------------------------------------------------------------ */

/* One element, and `n` of them in a loop of each kind's own. */
#define COMBINE_FLOAT(name, type)                                                                  \
    static inline type name##_one(sv_combine combine, type y, type x)                              \
    {                                                                                              \
        switch (combine) {                                                                         \
        case COMBINE_ADD:                                                                          \
            return y + x;                                                                          \
        case COMBINE_MUL:                                                                          \
            return y * x;                                                                          \
        case COMBINE_MAX:                                                                          \
            return isnan(x) || x > y ? x : y;                                                      \
        case COMBINE_MIN:                                                                          \
            return isnan(x) || x < y ? x : y;                                                      \
        default:                                                                                   \
            return x;                                                                              \
        }                                                                                          \
    }                                                                                              \
    static inline __attribute__((always_inline)) void name##_loop(sv_combine combine, type *y,     \
                                                                  const type *x, int64_t n)        \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                            \
            y[i] = name##_one(combine, y[i], x[i]);                                                \
    }                                                                                              \
    static void name(sv_combine combine, void *to, const void *from, int64_t n)                    \
    {                                                                                              \
        switch (combine) {                                                                         \
        case COMBINE_ADD:                                                                          \
            name##_loop(COMBINE_ADD, to, from, n);                                                 \
            break;                                                                                 \
        case COMBINE_MUL:                                                                          \
            name##_loop(COMBINE_MUL, to, from, n);                                                 \
            break;                                                                                 \
        case COMBINE_MAX:                                                                          \
            name##_loop(COMBINE_MAX, to, from, n);                                                 \
            break;                                                                                 \
        default:                                                                                   \
            name##_loop(COMBINE_MIN, to, from, n);                                                 \
            break;                                                                                 \
        }                                                                                          \
    }

COMBINE_FLOAT(combine_f32, float)
COMBINE_FLOAT(combine_f64, double)

/* Integers wrap around; bool counts as a number of one bit, so that sums are "or". */
static int64_t combine_integer(sv_combine combine, int64_t y, int64_t x, bool is_unsigned)
{
    bool less = is_unsigned ? (uint64_t)x < (uint64_t)y : x < y;
    switch (combine) {
    case COMBINE_ADD:
        return (int64_t)((uint64_t)y + (uint64_t)x);
    case COMBINE_MUL:
        return (int64_t)((uint64_t)y * (uint64_t)x);
    case COMBINE_MAX:
        return less ? y : x;
    case COMBINE_MIN:
        return less ? x : y;
    default:
        return x;
    }
}

static void combine_other(sv_dtype dtype, sv_combine combine, char *to, const char *from, int64_t n)
{
    size_t size = sv_dtype_get(dtype)->size;
    for (int64_t i = 0; i < n; i++, to += size, from += size) {
        if (sv_dtype_is_float(dtype)) {
            float y = (float)sv_scalar_get_f64(dtype, to),
                  x = (float)sv_scalar_get_f64(dtype, from);
            sv_scalar_set_f64(dtype, to, (double)combine_f32_one(combine, y, x));
        } else if (dtype == SV_U64) {
            sv_scalar_set_u64(
                dtype, to,
                (uint64_t)combine_integer(combine, (int64_t)sv_scalar_get_u64(dtype, to),
                                          (int64_t)sv_scalar_get_u64(dtype, from), true));
        } else {
            sv_scalar_set_i64(dtype, to,
                              combine_integer(combine, sv_scalar_get_i64(dtype, to),
                                              sv_scalar_get_i64(dtype, from), false));
        }
    }
}

/* `n` elements of `from` into `to`. */
static void combine_run(sv_dtype dtype, sv_combine combine, char *to, const char *from, int64_t n)
{
    if (combine == COMBINE_NONE) {
        sv_element_move(to, from, (size_t)n * sv_dtype_get(dtype)->size);
    } else if (dtype == SV_F32) {
        combine_f32(combine, to, from, n);
    } else if (dtype == SV_F64) {
        combine_f64(combine, to, from, n);
    } else {
        combine_other(dtype, combine, to, from, n);
    }
}

/* The input copied to the result, then the loop over {indices, updates, result}. */
static sv_status scatter_items(sv_emit *e, const sv_kernel *kernel, const sv_scatter_param *param,
                               sv_ref index, sv_slot update)
{
    sv_slot y = sv_emit_out(e, 0);
    SV_TRY(sv_emit_copy(e, y, 0, NULL));
    sv_ref ref[3] = {index, sv_ref_dense(update), sv_ref_dense(y)};
    return sv_emit_custom(e, kernel, param, sizeof(*param), 3, ref, 4);
}

/* ---- ScatterElements --------------------------------------------------------------------- */

static sv_status elements_infer(sv_infer *x)
{
    const sv_shape *data = &x->in[0].shape, *index = &x->in[1].shape, *update = &x->in[2].shape;
    int32_t axis;
    SV_TRY(scatter_check(x));
    if (data->rank < 0) return SV_OK;
    SV_TRY(sv_infer_axis(x, sv_node_int(x->node, "axis", 0), data->rank, &axis));
    SV_TRY(sv_infer_rank(x, 1, data->rank, data->rank));
    SV_TRY(sv_infer_rank(x, 2, data->rank, data->rank));
    for (int32_t i = 0; i < index->rank; i++) {
        if (i != axis && data->dim[i] >= 0 && index->dim[i] > data->dim[i]) {
            return sv_infer_error(x, 1, "expected at most %lld in dimension %d, found %lld",
                                  (long long)data->dim[i], i, (long long)index->dim[i]);
        }
        if (update->rank < 0 || update->dim[i] < 0 || index->dim[i] < 0) continue;
        if (update->dim[i] != index->dim[i]) {
            return sv_infer_error(x, 2, "expected %lld in dimension %d as the indices, found %lld",
                                  (long long)index->dim[i], i, (long long)update->dim[i]);
        }
    }
    return SV_OK;
}

/* A line of the indices, their innermost dimension, `hop` from one to the next: element i of the
 * updates goes to i * step + index * along. */
typedef struct sv_elements_line {
    int64_t dim, step, along, n, hop;
    uint8_t combine;
    sv_dtype dtype, index;
} sv_elements_line;

typedef enum sv_elements_kind { ELEMENTS_MOVE, ELEMENTS_SUM_F32, ELEMENTS_OTHER } sv_elements_kind;

/* The place along the axis that index `i` names; false: none. */
static inline bool elements_place(const sv_call *call, uint32_t unit, const sv_elements_line *l,
                                  const char *index, int64_t i, int64_t *at)
{
    const int64_t found = sv_index_at(l->index, index, i * l->hop);
    *at = found < 0 ? found + l->dim : found;
    if (*at >= 0 && *at < l->dim) return true;
    sv_call_fault(call, unit, "index", found, -l->dim, l->dim);
    return false;
}

/* `size` and `kind`: constants where that is worth a loop. */
static inline __attribute__((always_inline)) void
elements_line(const sv_call *call, uint32_t unit, const sv_elements_line *l, const char *index,
              const char *from, char *to, size_t size, sv_elements_kind kind)
{
    for (int64_t i = 0; i < l->n; i++, from += size) {
        int64_t at;
        if (!elements_place(call, unit, l, index, i, &at)) continue;
        char *y = to + (size_t)(i * l->step + at * l->along) * size;
        if (kind == ELEMENTS_MOVE) {
            sv_element_move(y, from, size);
        } else if (kind == ELEMENTS_SUM_F32) {
            *(float *)y += *(const float *)from;
        } else {
            combine_run(l->dtype, l->combine, y, from, 1);
        }
    }
}

/* Loops of their own where f32 are added up, and where elements of four or eight bytes take the
 * place of others. An index that is the same for the whole line, as where it is broadcast, moves
 * neighbours to neighbours. */
static void elements_line_any(const sv_call *call, uint32_t unit, const sv_elements_line *l,
                              const char *index, const char *from, char *to)
{
    const size_t size = sv_dtype_get(l->dtype)->size;
    int64_t at;
    if (l->hop == 0 && l->step == 1) {
        if (elements_place(call, unit, l, index, 0, &at))
            combine_run(l->dtype, l->combine, to + (size_t)(at * l->along) * size, from, l->n);
    } else if (l->dtype == SV_F32 && l->combine == COMBINE_ADD) {
        elements_line(call, unit, l, index, from, to, sizeof(float), ELEMENTS_SUM_F32);
    } else if (l->combine != COMBINE_NONE) {
        elements_line(call, unit, l, index, from, to, size, ELEMENTS_OTHER);
    } else if (size == 4) {
        elements_line(call, unit, l, index, from, to, 4, ELEMENTS_MOVE);
    } else if (size == 8) {
        elements_line(call, unit, l, index, from, to, 8, ELEMENTS_MOVE);
    } else {
        elements_line(call, unit, l, index, from, to, size, ELEMENTS_MOVE);
    }
}

/* Operands: indices of any strides, updates, y. One unit: duplicate indices are combined in order.
 */
static void elements_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_scatter_param *p = call->param;
    const sv_desc *index = &call->desc[0], *y = &call->desc[2];
    const int32_t last = y->rank - 1;
    const size_t size = sv_desc_size(y), index_size = sv_desc_size(index);
    int64_t stride[SV_MAX_RANK], at[SV_MAX_RANK] = {0};
    stride[last] = 1;
    for (int32_t i = last; i > 0; i--)
        stride[i - 1] = stride[i] * y->dim[i];
    const sv_elements_line line = {y->dim[p->axis],
                                   p->axis == last ? 0 : 1,
                                   stride[p->axis],
                                   index->dim[last],
                                   index->stride[last],
                                   p->combine,
                                   y->dtype,
                                   index->dtype};
    const int64_t lines = line.n ? sv_desc_count(index) / line.n : 0;
    (void)end;
    for (int64_t r = 0; r < lines; r++, sv_index_next(last, index->dim, at)) {
        int64_t offset = 0, indices = 0;
        for (int32_t d = 0; d < last; d++) {
            offset += d == p->axis ? 0 : at[d] * stride[d];
            indices += at[d] * index->stride[d];
        }
        elements_line_any(call, begin, &line,
                          (const char *)call->ptr[0] + indices * (int64_t)index_size,
                          (const char *)call->ptr[1] + (size_t)(r * line.n) * size,
                          (char *)call->ptr[2] + (size_t)offset * size);
    }
}

static const sv_kernel elements_kernel = {
    .name = "custom_scatter_elements", .family = SV_FAMILY_custom, .run = elements_run};

static sv_status elements_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    int64_t axis = sv_node_int(e->node, "axis", 0);
    sv_scatter_param param = {0};
    param.axis = (int32_t)(axis < 0 ? axis + sv_emit_type(e, 0)->shape.rank : axis);
    SV_TRY(combine_of(e->node, &param.combine));
    return scatter_items(e, &elements_kernel, &param, sv_ref_any(1), 2);
}

const sv_op_desc sv_op_desc_Scatter = {.op = SV_OP_Scatter,
                                       .min_in = 3,
                                       .max_in = 3,
                                       .min_out = 1,
                                       .max_out = 1,
                                       .infer = elements_infer,
                                       .emit = elements_emit};
const sv_op_desc sv_op_desc_ScatterElements = {.op = SV_OP_ScatterElements,
                                               .min_in = 3,
                                               .max_in = 3,
                                               .min_out = 1,
                                               .max_out = 1,
                                               .infer = elements_infer,
                                               .emit = elements_emit};

/* ---- ScatterND --------------------------------------------------------------------------- */

static sv_status nd_updates_error(const sv_infer *x)
{
    char data[SV_SHAPE_TEXT], index[SV_SHAPE_TEXT], update[SV_SHAPE_TEXT];
    return sv_infer_error(x, 2, "expected updates for indices %s into %s, found %s",
                          sv_shape_text(&x->in[1].shape, index),
                          sv_shape_text(&x->in[0].shape, data),
                          sv_shape_text(&x->in[2].shape, update));
}

static sv_status nd_infer(sv_infer *x)
{
    const sv_shape *data = &x->in[0].shape, *index = &x->in[1].shape, *update = &x->in[2].shape;
    SV_TRY(scatter_check(x));
    SV_TRY(sv_infer_rank(x, 1, 1, SV_MAX_RANK));
    if (data->rank < 0 || index->rank < 0 || index->dim[index->rank - 1] < 0) return SV_OK;
    int64_t tuple = index->dim[index->rank - 1];
    if (tuple < 0 || tuple > data->rank) return nd_updates_error(x);
    if (update->rank < 0) return SV_OK;
    if (update->rank != index->rank - 1 + data->rank - tuple) return nd_updates_error(x);
    for (int32_t i = 0; i < update->rank; i++) {
        int32_t q = index->rank - 1;
        int64_t expected = i < q ? index->dim[i] : data->dim[tuple + i - q];
        if (expected >= 0 && update->dim[i] >= 0 && expected != update->dim[i])
            return nd_updates_error(x);
    }
    return SV_OK;
}

/* Operands: indices, updates, y. */
static void nd_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_scatter_param *p = call->param;
    const sv_desc *index = &call->desc[0], *y = &call->desc[2];
    int32_t tuple = (int32_t)index->dim[index->rank - 1];
    int64_t rows = sv_desc_product(index, 0, index->rank - 1);
    int64_t slice = sv_desc_product(y, tuple, y->rank);
    size_t bytes = (size_t)slice * sv_desc_size(y);
    (void)end;
    for (int64_t r = 0; r < rows; r++) {
        int64_t to = 0;
        bool right = true;
        for (int32_t i = 0; i < tuple; i++) {
            int64_t found = sv_index_at(index->dtype, call->ptr[0], r * tuple + i);
            int64_t dim = y->dim[i], at = found < 0 ? found + dim : found;
            if (at < 0 || at >= dim) {
                sv_call_fault(call, begin, "index", found, -dim, dim);
                right = false;
                break;
            }
            to = to * dim + at;
        }
        if (!right) continue;
        combine_run(y->dtype, p->combine, (char *)call->ptr[2] + (size_t)to * bytes,
                    (const char *)call->ptr[1] + (size_t)r * bytes, slice);
    }
}

static const sv_kernel nd_kernel = {
    .name = "custom_scatter_nd", .family = SV_FAMILY_custom, .run = nd_run};

static sv_status nd_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_scatter_param param = {0};
    SV_TRY(combine_of(e->node, &param.combine));
    return scatter_items(e, &nd_kernel, &param, sv_ref_dense(1), 2);
}

const sv_op_desc sv_op_desc_ScatterND = {.op = SV_OP_ScatterND,
                                         .min_in = 3,
                                         .max_in = 3,
                                         .min_out = 1,
                                         .max_out = 1,
                                         .infer = nd_infer,
                                         .emit = nd_emit};

/* ---- TensorScatter ----------------------------------------------------------------------- */

static sv_status cache_infer(sv_infer *x)
{
    const sv_shape *cache = &x->in[0].shape, *update = &x->in[1].shape;
    const char *mode = sv_node_text(x->node, "mode", "linear");
    int32_t axis;
    if (strcmp(mode, "linear") != 0 && strcmp(mode, "circular") != 0) {
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "attribute 'mode': expected linear or circular, found '%s'", mode);
    }
    SV_TRY(sv_infer_same_dtype(x, 0, 1));
    SV_TRY(sv_infer_rank(x, 2, 1, 1));
    SV_TRY(sv_infer_same(x));
    if (cache->rank < 0) return SV_OK;
    SV_TRY(sv_infer_axis(x, sv_node_int(x->node, "axis", -2), cache->rank, &axis));
    if (axis == 0)
        return sv_node_error(x->node, SV_CODE_INVALID_ARGUMENT,
                             "axis: expected a dimension behind the batch, found 0");
    SV_TRY(sv_infer_rank(x, 1, cache->rank, cache->rank));
    for (int32_t i = 0; i < update->rank; i++) {
        int64_t have = cache->dim[i], found = update->dim[i];
        if (have < 0 || found < 0 || (i == axis ? found <= have : found == have)) continue;
        return sv_infer_error(x, 1, "expected %s%lld in dimension %d, found %lld",
                              i == axis ? "at most " : "", (long long)have, i, (long long)found);
    }
    int64_t indices = sv_infer_has(x, 2) ? sv_infer_length(x, 2) : -1;
    if (indices >= 0 && cache->dim[0] >= 0 && indices != cache->dim[0])
        return sv_infer_error(x, 2, "expected %lld indices, one a sample, found %lld",
                              (long long)cache->dim[0], (long long)indices);
    return SV_OK;
}

/* Operands: write indices, update, y. A row is one step of one sequence. */
static sv_rows cache_rows(const sv_desc *update, const sv_scatter_param *p)
{
    sv_span span = sv_desc_span(update, p->axis);
    return sv_rows_make(span.outer * span.axis, span.inner * (int64_t)sv_desc_size(update));
}

static uint32_t cache_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(cache_rows(&problem->desc[1], problem->param));
}

static void cache_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_scatter_param *p = call->param;
    const int64_t *write = call->ptr[0];
    const sv_desc *update = &call->desc[1];
    sv_rows rows = cache_rows(update, p);
    sv_span span = sv_desc_span(update, p->axis);
    int64_t limit = call->desc[2].dim[p->axis], in_sample = span.outer / update->dim[0];
    size_t bytes = (size_t)span.inner * sv_desc_size(update);
    for (int64_t r = sv_rows_first(rows, begin); r < sv_rows_last(rows, end); r++) {
        int64_t prefix = r / span.axis, step = r % span.axis;
        int64_t first = write ? write[prefix / in_sample] : 0;
        int64_t last = p->combine ? INT64_MAX - limit : limit - span.axis + 1;
        if (first < 0 || first >= last) {
            sv_call_fault(call, begin, "write index", first, 0, last);
            continue;
        }
        int64_t to = p->combine ? (first + step) % limit : first + step;
        memcpy((char *)call->ptr[2] + (size_t)(prefix * limit + to) * bytes,
               (const char *)call->ptr[1] + (size_t)r * bytes, bytes);
    }
}

static const sv_kernel cache_kernel = {.name = "custom_tensor_scatter",
                                       .family = SV_FAMILY_custom,
                                       .units = cache_units,
                                       .run = cache_run};

static sv_status cache_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    int64_t axis = sv_node_int(e->node, "axis", -2);
    sv_scatter_param param = {0};
    param.axis = (int32_t)(axis < 0 ? axis + sv_emit_type(e, 0)->shape.rank : axis);
    param.combine = strcmp(sv_node_text(e->node, "mode", "linear"), "circular") == 0;
    return scatter_items(e, &cache_kernel, &param, sv_ref_dense(sv_emit_in(e, 2)), 1);
}

const sv_op_desc sv_op_desc_TensorScatter = {.op = SV_OP_TensorScatter,
                                             .min_in = 2,
                                             .max_in = 3,
                                             .min_out = 1,
                                             .max_out = 1,
                                             .infer = cache_infer,
                                             .emit = cache_emit};
