/* Operators that read elements or slices at indices: Gather, GatherElements, GatherND. */
#include "base/status.h"
#include "ops/support.h"

typedef struct sv_gather_param {
    int32_t axis; /* GatherND: batch dimensions */
} sv_gather_param;

/* An index from the back or the front; out of range: a fault, and false. */
static bool resolve(const sv_call *call, uint32_t unit, int64_t found, int64_t dim, int64_t *out)
{
    *out = found < 0 ? found + dim : found;
    if (*out >= 0 && *out < dim) return true;
    sv_call_fault(call, unit, "index", found, -dim, dim);
    return false;
}

/* ---- Gather ------------------------------------------------------------------------------ */

static sv_status gather_infer(sv_infer *x)
{
    const sv_shape *data = &x->in[0].shape, *index = &x->in[1].shape;
    int32_t axis;
    x->out[0].dtype = x->in[0].dtype;
    SV_TRY(sv_infer_index(x, 1));
    if (data->rank < 0) return SV_OK;
    SV_TRY(sv_infer_axis(x, sv_node_int(x->node, "axis", 0), data->rank, &axis));
    if (index->rank < 0) return SV_OK;
    if (data->rank + index->rank - 1 > SV_MAX_RANK) {
        return sv_infer_error(x, 1, "expected a result of rank %d at most, found %d", SV_MAX_RANK,
                              data->rank + index->rank - 1);
    }
    sv_shape out = {.rank = 0};
    for (int32_t i = 0; i < axis; i++)
        out.dim[out.rank++] = data->dim[i];
    for (int32_t i = 0; i < index->rank; i++)
        out.dim[out.rank++] = index->dim[i];
    for (int32_t i = axis + 1; i < data->rank; i++)
        out.dim[out.rank++] = data->dim[i];
    x->out[0].shape = out;
    return SV_OK;
}

/* Operands: data, indices, y. A row is one slice: y is [outer, indices, inner]. */
static sv_rows gather_rows(const sv_desc *desc, const sv_gather_param *p)
{
    sv_span span = sv_desc_span(&desc[0], p->axis);
    return sv_rows_make(span.outer * sv_desc_count(&desc[1]),
                        span.inner * (int64_t)sv_desc_size(&desc[0]));
}

static uint32_t gather_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(gather_rows(problem->desc, problem->param));
}

static void gather_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_gather_param *p = call->param;
    const sv_desc *data = &call->desc[0], *index = &call->desc[1];
    sv_rows rows = gather_rows(call->desc, p);
    sv_span span = sv_desc_span(data, p->axis);
    int64_t n = sv_desc_count(index);
    size_t bytes = (size_t)span.inner * sv_desc_size(data);
    for (int64_t r = sv_rows_first(rows, begin); r < sv_rows_last(rows, end); r++) {
        int64_t at;
        char *to = (char *)call->ptr[2] + (size_t)r * bytes;
        if (!resolve(call, begin, sv_index_at(index->dtype, call->ptr[1], r % n), span.axis, &at)) {
            memset(to, 0, bytes);
            continue;
        }
        const char *from = (const char *)call->ptr[0] + (size_t)(r / n * span.axis + at) * bytes;
        sv_element_move(to, from, bytes);
    }
}

static const sv_kernel gather_kernel = {
    .name = "custom_gather", .family = SV_FAMILY_custom, .units = gather_units, .run = gather_run};

/* A single known index is a window: it costs nothing. */
static sv_status gather_window(sv_emit *e, int32_t axis, int64_t index)
{
    const sv_type *data = sv_emit_type(e, 0);
    sv_shape shape = data->shape;
    int64_t start[SV_MAX_RANK] = {0}, dim = shape.dim[axis];
    if (index < -dim || index >= dim) {
        return sv_node_error(e->node, SV_CODE_INVALID_ARGUMENT,
                             "index: expected a value in [%lld, %lld), found %lld", (long long)-dim,
                             (long long)dim, (long long)index);
    }
    start[axis] = index < 0 ? index + dim : index;
    shape.dim[axis] = 1;
    sv_slot slice;
    SV_TRY(sv_emit_temp(e, data->dtype, &shape, &slice));
    SV_TRY(sv_emit_window(e, slice, 0, start, NULL));
    return sv_emit_reshape(e, sv_emit_out(e, 0), slice);
}

static sv_status gather_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_shape *data = &sv_emit_type(e, 0)->shape;
    int64_t axis = sv_node_int(e->node, "axis", 0);
    sv_gather_param param = {.axis = (int32_t)(axis < 0 ? axis + data->rank : axis)};
    const sv_tensor *index = sv_emit_value(e, 1);
    if (index && sv_tensor_count(index) == 1)
        return gather_window(e, param.axis, sv_tensor_get_i64(index, 0));
    return sv_emit_run(e, &gather_kernel, &param, sizeof(param));
}

const sv_op_desc sv_op_desc_Gather = {.op = SV_OP_Gather,
                                      .min_in = 2,
                                      .max_in = 2,
                                      .min_out = 1,
                                      .max_out = 1,
                                      .infer = gather_infer,
                                      .emit = gather_emit};

/* ---- GatherElements ---------------------------------------------------------------------- */

static sv_status elements_infer(sv_infer *x)
{
    const sv_shape *data = &x->in[0].shape, *index = &x->in[1].shape;
    int32_t axis;
    SV_TRY(sv_infer_index(x, 1));
    x->out[0] = (sv_type){x->in[0].dtype, *index};
    if (data->rank < 0) return SV_OK;
    SV_TRY(sv_infer_axis(x, sv_node_int(x->node, "axis", 0), data->rank, &axis));
    SV_TRY(sv_infer_rank(x, 1, data->rank, data->rank));
    for (int32_t i = 0; i < index->rank; i++) {
        if (i == axis || data->dim[i] < 0 || index->dim[i] <= data->dim[i]) continue;
        return sv_infer_error(x, 1, "expected at most %lld in dimension %d, found %lld",
                              (long long)data->dim[i], i, (long long)index->dim[i]);
    }
    return SV_OK;
}

/* Operands: data, indices, y. A row is the innermost dimension of the indices. */
static sv_rows elements_rows(const sv_desc *index)
{
    int64_t inner = index->dim[index->rank - 1];
    return sv_rows_make(inner ? sv_desc_count(index) / inner : 0, inner * 16);
}

static uint32_t elements_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(elements_rows(&problem->desc[1]));
}

/* Where row `row` of the indices lies in their other dimensions. */
static void row_index(const sv_desc *index, int64_t row, int64_t *at)
{
    for (int32_t d = index->rank - 2; d >= 0; d--, row /= index->dim[d + 1])
        at[d] = row % index->dim[d];
}

/* Where data's elements for a row of the indices begin, the axis left out. */
static int64_t elements_base(const sv_desc *data, int32_t axis, const int64_t *at)
{
    int64_t offset = 0, stride = data->dim[data->rank - 1];
    for (int32_t d = data->rank - 2; d >= 0; stride *= data->dim[d--])
        offset += d == axis ? 0 : at[d] * stride;
    return offset;
}

/* Elements that are read, index 0 for one out of range, before that is looked at. */
#define ELEMENTS_BLOCK 16

/* One line: element i is that at i * step + index * along. Ends before an index out of range; how
 * many elements there were. */
#define ELEMENTS_LINE(name, type, number)                                                          \
    static int64_t name(const void *from, const sv_elements_line *l, const void *indices,          \
                        void *to, int64_t n)                                                       \
    {                                                                                              \
        const type *x = from;                                                                      \
        const number *index = indices;                                                             \
        type *y = to;                                                                              \
        const int64_t dim = l->dim, step = l->step, along = l->along;                              \
        int64_t i = 0;                                                                             \
        for (; dim && i + ELEMENTS_BLOCK <= n; i += ELEMENTS_BLOCK) {                              \
            bool wrong = false;                                                                    \
            for (int64_t j = i; j < i + ELEMENTS_BLOCK; j++) {                                     \
                const int64_t found = index[j], at = found < 0 ? found + dim : found;              \
                const bool out = (uint64_t)at >= (uint64_t)dim;                                    \
                y[j] = x[j * step + (out ? 0 : at) * along];                                       \
                wrong |= out;                                                                      \
            }                                                                                      \
            if (wrong) break;                                                                      \
        }                                                                                          \
        for (; i < n; i++) {                                                                       \
            int64_t at = index[i];                                                                 \
            at += at < 0 ? dim : 0;                                                                \
            if ((uint64_t)at >= (uint64_t)dim) return i;                                           \
            y[i] = x[i * step + at * along];                                                       \
        }                                                                                          \
        return n;                                                                                  \
    }

typedef struct sv_elements_line {
    int64_t dim, step, along;
} sv_elements_line;

typedef struct sv_elements_pair {
    uint64_t half[2];
} sv_elements_pair;

typedef int64_t (*sv_elements_loop)(const void *from, const sv_elements_line *l,
                                    const void *indices, void *to, int64_t n);

ELEMENTS_LINE(line_8_i32, uint8_t, int32_t)
ELEMENTS_LINE(line_8_i64, uint8_t, int64_t)
ELEMENTS_LINE(line_16_i32, uint16_t, int32_t)
ELEMENTS_LINE(line_16_i64, uint16_t, int64_t)
ELEMENTS_LINE(line_32_i32, uint32_t, int32_t)
ELEMENTS_LINE(line_32_i64, uint32_t, int64_t)
ELEMENTS_LINE(line_64_i32, uint64_t, int32_t)
ELEMENTS_LINE(line_64_i64, uint64_t, int64_t)
ELEMENTS_LINE(line_128_i32, sv_elements_pair, int32_t)
ELEMENTS_LINE(line_128_i64, sv_elements_pair, int64_t)

static sv_elements_loop elements_loop(size_t size, bool narrow)
{
    switch (size) {
    case 1:
        return narrow ? line_8_i32 : line_8_i64;
    case 2:
        return narrow ? line_16_i32 : line_16_i64;
    case 4:
        return narrow ? line_32_i32 : line_32_i64;
    case 8:
        return narrow ? line_64_i32 : line_64_i64;
    default:
        return narrow ? line_128_i32 : line_128_i64;
    }
}

static void elements_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_gather_param *p = call->param;
    const sv_desc *data = &call->desc[0], *index = &call->desc[1];
    sv_rows rows = elements_rows(index);
    const int64_t inner = index->dim[index->rank - 1], size = (int64_t)sv_desc_size(data);
    const int64_t index_size = (int64_t)sv_desc_size(index);
    const sv_elements_line line = {data->dim[p->axis], p->axis == data->rank - 1 ? 0 : 1,
                                   sv_desc_product(data, p->axis + 1, data->rank)};
    const sv_elements_loop loop = elements_loop((size_t)size, index->dtype == SV_I32);
    int64_t at[SV_MAX_RANK];
    row_index(index, sv_rows_first(rows, begin), at);
    for (int64_t r = sv_rows_first(rows, begin); r < sv_rows_last(rows, end);
         r++, sv_index_next(index->rank - 1, index->dim, at)) {
        const char *from = (const char *)call->ptr[0] + elements_base(data, p->axis, at) * size;
        const char *indices = (const char *)call->ptr[1] + r * inner * index_size;
        char *to = (char *)call->ptr[2] + r * inner * size;
        for (int64_t i = 0, found; i < inner; i++) {
            i += loop(from + i * line.step * size, &line, indices + i * index_size, to + i * size,
                      inner - i);
            if (i == inner) break;
            resolve(call, begin, sv_index_at(index->dtype, indices, i), line.dim, &found);
            memset(to + i * size, 0, (size_t)size);
        }
    }
}

static const sv_kernel elements_kernel = {.name = "custom_gather_elements",
                                          .family = SV_FAMILY_custom,
                                          .units = elements_units,
                                          .run = elements_run};

static sv_status elements_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    const sv_shape *data = &sv_emit_type(e, 0)->shape;
    int64_t axis = sv_node_int(e->node, "axis", 0);
    sv_gather_param param = {.axis = (int32_t)(axis < 0 ? axis + data->rank : axis)};
    return sv_emit_run(e, &elements_kernel, &param, sizeof(param));
}

const sv_op_desc sv_op_desc_GatherElements = {.op = SV_OP_GatherElements,
                                              .min_in = 2,
                                              .max_in = 2,
                                              .min_out = 1,
                                              .max_out = 1,
                                              .infer = elements_infer,
                                              .emit = elements_emit};

/* ---- GatherND ---------------------------------------------------------------------------- */

static sv_status nd_error(const sv_infer *x, int64_t batch, int64_t tuple)
{
    char data[SV_SHAPE_TEXT], index[SV_SHAPE_TEXT];
    return sv_infer_error(x, 1,
                          "expected tuples that fit into %s, found %s (%lld batch dimensions, "
                          "%lld indices)",
                          sv_shape_text(&x->in[0].shape, data),
                          sv_shape_text(&x->in[1].shape, index), (long long)batch,
                          (long long)tuple);
}

static sv_status nd_infer(sv_infer *x)
{
    const sv_shape *data = &x->in[0].shape, *index = &x->in[1].shape;
    int64_t batch = sv_node_int(x->node, "batch_dims", 0);
    x->out[0].dtype = x->in[0].dtype;
    SV_TRY(sv_infer_index(x, 1));
    SV_TRY(sv_infer_rank(x, 0, 1, SV_MAX_RANK));
    SV_TRY(sv_infer_rank(x, 1, 1, SV_MAX_RANK));
    if (data->rank < 0 || index->rank < 0 || index->dim[index->rank - 1] < 0) return SV_OK;
    int64_t tuple = index->dim[index->rank - 1];
    if (batch < 0 || batch >= index->rank || tuple < 1 || tuple > data->rank - batch)
        return nd_error(x, batch, tuple);
    for (int64_t i = 0; i < batch; i++) {
        if (data->dim[i] >= 0 && index->dim[i] >= 0 && data->dim[i] != index->dim[i])
            return nd_error(x, batch, tuple);
    }
    int64_t rank = index->rank - 1 + data->rank - batch - tuple;
    if (rank > SV_MAX_RANK) return nd_error(x, batch, tuple);
    sv_shape out = {.rank = 0};
    for (int32_t i = 0; i < index->rank - 1; i++)
        out.dim[out.rank++] = index->dim[i];
    for (int64_t i = batch + tuple; i < data->rank; i++)
        out.dim[out.rank++] = data->dim[i];
    x->out[0].shape = out;
    return SV_OK;
}

/* Operands: data, indices, y. A row is the slice of one tuple. */
static sv_rows nd_rows(const sv_desc *desc, const sv_gather_param *p)
{
    const sv_desc *data = &desc[0], *index = &desc[1];
    int32_t tuple = (int32_t)index->dim[index->rank - 1];
    int64_t slice = sv_desc_product(data, p->axis + tuple, data->rank);
    return sv_rows_make(sv_desc_product(index, 0, index->rank - 1),
                        slice * (int64_t)sv_desc_size(data));
}

static uint32_t nd_units(const sv_problem *problem, uint32_t phase)
{
    (void)phase;
    return sv_rows_units(nd_rows(problem->desc, problem->param));
}

static void nd_run(const sv_call *call, uint32_t begin, uint32_t end)
{
    const sv_gather_param *p = call->param;
    const sv_desc *data = &call->desc[0], *index = &call->desc[1];
    sv_rows rows = nd_rows(call->desc, p);
    int32_t tuple = (int32_t)index->dim[index->rank - 1];
    int64_t tuples = sv_desc_product(index, p->axis, index->rank - 1); /* of one batch */
    size_t bytes = (size_t)sv_desc_product(data, p->axis + tuple, data->rank) * sv_desc_size(data);
    for (int64_t r = sv_rows_first(rows, begin); r < sv_rows_last(rows, end); r++) {
        int64_t slice = r / tuples;
        bool right = true;
        for (int32_t i = 0; i < tuple; i++) {
            int64_t at, dim = data->dim[p->axis + i];
            int64_t found = sv_index_at(index->dtype, call->ptr[1], r * tuple + i);
            right = resolve(call, begin, found, dim, &at) && right;
            slice = right ? slice * dim + at : 0;
        }
        char *to = (char *)call->ptr[2] + (size_t)r * bytes;
        if (right) {
            sv_element_move(to, (const char *)call->ptr[0] + (size_t)slice * bytes, bytes);
        } else {
            memset(to, 0, bytes);
        }
    }
}

static const sv_kernel nd_kernel = {
    .name = "custom_gather_nd", .family = SV_FAMILY_custom, .units = nd_units, .run = nd_run};

static sv_status nd_emit(sv_emit *e)
{
    if (e->symbolic) return SV_OK;
    sv_gather_param param = {.axis = (int32_t)sv_node_int(e->node, "batch_dims", 0)};
    return sv_emit_run(e, &nd_kernel, &param, sizeof(param));
}

const sv_op_desc sv_op_desc_GatherND = {.op = SV_OP_GatherND,
                                        .min_in = 2,
                                        .max_in = 2,
                                        .min_out = 1,
                                        .max_out = 1,
                                        .infer = nd_infer,
                                        .emit = nd_emit};
