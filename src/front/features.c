/* Features to inputs. */
#include "front/features.h"

#include "base/status.h"
#include "front/feature_message.h"
#include "front/values.h"
#include "tensor/tensor.h"
#include <string.h>
#include <strings.h>

/* What one input has so far. */
typedef struct sv_feature_column {
    size_t bytes;
    int64_t width; /* elements of a row, from the first on */
} sv_feature_column;

sv_status sv_features_begin(sv_features *features, sv_request *request,
                            const sv_signature *signature)
{
    size_t count = signature->input_count;
    *features = (sv_features){.request = request, .signature = signature};
    features->column = sv_arena_array(&request->arena, count, sizeof *features->column);
    if (!features->column) return sv_error_memory("features", count * sizeof *features->column);
    return SV_OK;
}

/* A text as an element of a string tensor. */
static sv_status put_string(sv_request *request, size_t input, size_t offset, sv_string text)
{
    void *memory;
    SV_TRY(sv_request_grow_input(request, input, offset + sizeof text, &memory));
    sv_string copy = {sv_arena_copy_text(&request->arena, text.data, text.size), text.size};
    if (!copy.data) return sv_error_memory("a text", text.size);
    memcpy((char *)memory + offset, &copy, sizeof copy);
    return SV_OK;
}

static bool is_word(sv_string text, const char *word)
{
    return strlen(word) == text.size && strncasecmp(text.data, word, text.size) == 0;
}

/* What pandas and spreadsheets write in other words than JSON. */
static sv_string in_json(sv_string text)
{
    static const char *const words[][2] = {
        {"", "NaN"},           {"nan", "NaN"},   {"na", "NaN"},     {"inf", "Infinity"},
        {"-inf", "-Infinity"}, {"true", "true"}, {"false", "false"}};
    while (text.size && (text.data[0] == ' ' || text.data[0] == '+')) {
        text.data++;
        text.size--;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (is_word(text, words[i][0])) return (sv_string){words[i][1], strlen(words[i][1])};
    }
    return text;
}

/* Reads a plain text as the input's type wants it. */
static sv_status read_text(sv_request *request, size_t input, size_t offset, sv_string text,
                           sv_shape *out)
{
    const sv_port *port = sv_model_input(request->version->model, input);
    *out = (sv_shape){.rank = 0};
    if (port->dtype == SV_STRING && port->kind == SV_KIND_TENSOR) {
        return put_string(request, input, offset, text);
    }
    sv_json json;
    sv_string number = in_json(text);
    sv_json_init(&json, number.data, number.size, "field", NULL, NULL);
    json.allow_non_finite = true;
    if (sv_json_peek(&json) == SV_JSON_ARRAY) {
        return sv_error_invalid("input '%s': expected a number, found '%.*s'", port->name,
                                (int)(text.size < 64 ? text.size : 64), text.data);
    }
    SV_TRY(sv_values_read_part(request, input, offset, &json, out));
    return sv_json_end(&json);
}

/* What is missing is NaN, as in pandas, and as an empty field of CSV is. */
static sv_status read_null(sv_request *request, size_t input, size_t offset, sv_shape *out)
{
    const sv_port *port = sv_model_input(request->version->model, input);
    if (port->kind == SV_KIND_TENSOR && sv_dtype_is_float(port->dtype)) {
        return read_text(request, input, offset, (sv_string){"", 0}, out);
    }
    return sv_error_invalid("input '%s': expected a value, since its type %s has none for what is "
                            "missing, found null",
                            port->name, sv_dtype_name(port->dtype));
}

static bool is_null(sv_cell *cell)
{
    return cell->may_be_null && sv_json_peek(&cell->json) == SV_JSON_NULL;
}

static sv_status read_cell(sv_request *request, size_t input, size_t offset, sv_cell *cell,
                           int64_t *count)
{
    sv_shape shape;
    switch (cell->kind) {
    case SV_CELL_FEATURE:
        return sv_feature_read(request, input, offset, cell->feature, count);
    case SV_CELL_TEXT:
        SV_TRY(read_text(request, input, offset, cell->text, &shape));
        break;
    default:
        SV_TRY(is_null(cell) ? read_null(request, input, offset, &shape)
                             : sv_values_read_part(request, input, offset, &cell->json, &shape));
        break;
    }
    *count = 0;
    sv_shape_count(&shape, count);
    return SV_OK;
}

static sv_status add_value(sv_features *features, size_t index, sv_cell *cell, int64_t *width)
{
    size_t input = features->signature->input[index].input;
    sv_feature_column *column = &features->column[index];
    const sv_port *port = sv_model_input(features->request->version->model, input);
    int64_t count;
    SV_TRY(read_cell(features->request, input, column->bytes, cell, &count));
    column->bytes += (size_t)count * sv_dtype_size(port->dtype);
    *width += count;
    return SV_OK;
}

static sv_status add_feature(sv_features *features, size_t index, sv_string name, size_t number,
                             sv_cell_finder *find, const void *self, int64_t *width)
{
    sv_cell cell = {.kind = SV_CELL_JSON};
    sv_status status;
    if (find(self, name, number, &cell)) {
        status = add_value(features, index, &cell, width);
    } else {
        status = sv_error_invalid("expected a value, found none");
    }
    if (status == SV_OK) return SV_OK;
    return sv_status_annotate(status, "row %lld: feature '%.*s'", (long long)features->rows,
                              (int)(name.size < 128 ? name.size : 128), name.data);
}

sv_status sv_features_add(sv_features *features, sv_cell_finder *find, const void *self)
{
    size_t number = 0;
    for (size_t i = 0; i < features->signature->input_count; i++) {
        const sv_signature_input *input = &features->signature->input[i];
        sv_feature_column *column = &features->column[i];
        int64_t width = 0;
        for (size_t f = 0; f < input->count; f++) {
            SV_TRY(add_feature(features, i, input->feature[f], number++, find, self, &width));
        }
        if (features->rows == 0) column->width = width;
        if (width == column->width) continue;
        return sv_error_invalid("row %lld: expected %lld values as in the first, found %lld",
                                (long long)features->rows, (long long)column->width,
                                (long long)width);
    }
    features->rows++;
    return SV_OK;
}

/* The shape of one row in the model's input, where `axis` is left out. */
static sv_status row_shape(const sv_port *port, int32_t axis, int64_t width, sv_shape *out)
{
    int64_t known = 1, open = -1;
    bool good = axis < port->rank;
    *out = (sv_shape){.rank = 0};
    for (int32_t i = 0; good && i < port->rank; i++) {
        if (i == axis) continue;
        int64_t dim = port->dim[i];
        if (dim < 0) {
            good = open < 0;
            open = out->rank;
        } else {
            good = !__builtin_mul_overflow(known, dim, &known);
        }
        out->dim[out->rank++] = dim;
    }
    if (good && open >= 0 && known > 0) out->dim[open] = width / known;
    int64_t count;
    if (good && sv_shape_count(out, &count) && count == width) return SV_OK;
    return sv_error_invalid("input '%s': expected as many values a row as its shape has, found "
                            "%lld",
                            port->name, (long long)width);
}

/* Rows stand one after the other; the model wants them along `axis`. */
static sv_status move_axis(sv_request *request, size_t index, const sv_shape *shape, int32_t axis)
{
    const sv_port *port = sv_model_input(request->version->model, index);
    sv_type type = {port->dtype, *shape};
    size_t bytes;
    SV_TRY(sv_type_bytes(&type, port->name, &bytes));
    void *to = request->input[index].buffer.data;
    void *rows = sv_arena_alloc(&request->arena, bytes);
    if (!rows) return sv_error_memory("rows", bytes);
    memcpy(rows, to, bytes);
    sv_tensor tensor = {.dtype = port->dtype, .shape = *shape, .data = to};
    sv_view target = sv_tensor_view(&tensor), source = target;
    source.data = rows;
    /* In the source the batch comes first, then the other dimensions in their order. */
    int64_t stride = 1;
    for (int32_t i = shape->rank - 1; i >= 0; i--) {
        if (i == axis) continue;
        source.stride[i] = stride;
        stride *= shape->dim[i];
    }
    source.stride[axis] = stride;
    sv_view_copy(&target, &source);
    return SV_OK;
}

static sv_status seal(sv_features *features, size_t index)
{
    const sv_signatures *all = features->request->version->signatures;
    size_t input = features->signature->input[index].input;
    const sv_port *port = sv_model_input(features->request->version->model, input);
    sv_shape row, shape = {.rank = port->rank};
    int32_t axis = all ? all->batch_axis : 0, at = 0;
    SV_TRY(row_shape(port, axis, features->column[index].width, &row));
    for (int32_t i = 0; i < port->rank; i++)
        shape.dim[i] = i == axis ? features->rows : row.dim[at++];
    if (axis > 0) SV_TRY(move_axis(features->request, input, &shape, axis));
    return sv_request_seal_input(features->request, input, port->dtype, shape.rank, shape.dim);
}

sv_status sv_features_end(sv_features *features)
{
    if (features->rows == 0) return sv_error_invalid("expected at least one row, found none");
    for (size_t i = 0; i < features->signature->input_count; i++)
        SV_TRY(seal(features, i));
    return SV_OK;
}
