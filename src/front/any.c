/* Telling bodies apart and reading them. */
#include "front/any.h"

#include "base/status.h"
#include "codec/npy.h"
#include "front/common.h"
#include "front/image.h"
#include "front/elements.h"
#include "front/table.h"
#include "front/values.h"
#include "wire/multipart.h"
#include <string.h>
#include <strings.h>

static const char *const keys[] = {"dataframe_records", "dataframe_split", "input_data", "inputs",
                                   "instances"};
enum { KEY_RECORDS, KEY_SPLIT, KEY_DATA, KEY_INPUTS, KEY_INSTANCES, KEYS };

static const sv_port *port_of(const sv_request *request, size_t index)
{
    return sv_model_input(request->version->model, index);
}

bool sv_any_is_type(sv_string content_type, const char *type)
{
    size_t size = strlen(type);
    if (content_type.size < size || strncasecmp(content_type.data, type, size) != 0) return false;
    return content_type.size == size || content_type.data[size] == ';' ||
           content_type.data[size] == ' ';
}

static sv_status expect_only(const sv_request *request, const char *what)
{
    if (request->input_count == 1) return SV_OK;
    return sv_error_invalid("body: expected values of %zu inputs by name, found %s",
                            request->input_count, what);
}

/* Seals an input with the shape that a value has, or as one row where a dimension is missing. */
static sv_status seal(sv_request *request, size_t index, const sv_shape *shape, sv_any_form *form)
{
    const sv_port *port = port_of(request, index);
    int64_t dim[SV_MAX_RANK] = {1};
    bool row = port->rank == shape->rank + 1;
    if (row) *form = SV_ANY_ROW;
    memcpy(dim + row, shape->dim, (size_t)shape->rank * sizeof *dim);
    return sv_request_seal_input(request, index, port->dtype, shape->rank + row, dim);
}

/* ---- JSON -------------------------------------------------------------------------------- */

/* The key of an object that says what form it has; KEYS when none does. */
static sv_status find_form(sv_json json, size_t *key, sv_json *value)
{
    sv_json_fields fields = {.names = keys, .count = KEYS};
    sv_string name;
    size_t index;
    bool more;
    *key = KEYS;
    SV_TRY(sv_json_object_begin(&json));
    for (;;) {
        SV_TRY(sv_json_field_next(&json, &fields, &name, &index, &more));
        if (!more) break;
        if (index < KEYS && *key < KEYS) {
            return sv_json_error(&json, "expected one of \"%s\" and \"%s\", found both", keys[*key],
                                 keys[index]);
        }
        if (index < KEYS) {
            *key = index;
            *value = json;
        }
        SV_TRY(sv_json_skip(&json));
    }
    return sv_json_end(&json);
}

static sv_status read_form(sv_request *request, size_t key, sv_json *json, sv_any_form *form)
{
    *form = key == KEY_INSTANCES ? SV_ANY_INSTANCES
            : key == KEY_INPUTS  ? SV_ANY_INPUTS
                                 : SV_ANY_TABLE;
    switch (key) {
    case KEY_RECORDS:
        return sv_table_read_records(request, json);
    case KEY_SPLIT:
        return sv_table_read_split(request, json);
    case KEY_DATA:
        return sv_json_peek(json) == SV_JSON_OBJECT ? sv_table_read_split(request, json)
                                                    : sv_values_read_rows(request, json);
    case KEY_INPUTS:
        return sv_values_read_columns(request, json);
    default:
        return sv_values_read_rows(request, json);
    }
}

static sv_status begin_json(sv_request *request, sv_string body, sv_json *json)
{
    SV_TRY(sv_front_json(body, &request->arena, json));
    json->allow_non_finite = true;
    return SV_OK;
}

sv_status sv_any_read_keyed(sv_request *request, sv_string body, sv_any_form *form)
{
    sv_json json, value;
    size_t key;
    SV_TRY(begin_json(request, body, &json));
    value = json;
    SV_TRY(find_form(json, &key, &value));
    if (key < KEYS) return read_form(request, key, &value, form);
    return sv_error_invalid("body: expected one of the keys \"dataframe_split\", "
                            "\"dataframe_records\", \"instances\" and \"inputs\", found none");
}

static sv_status read_json(sv_request *request, sv_string body, sv_any_form *form)
{
    sv_json json, value;
    size_t key = KEYS;
    SV_TRY(begin_json(request, body, &json));
    *form = SV_ANY_BARE;
    if (sv_json_peek(&json) == SV_JSON_OBJECT) {
        value = json;
        SV_TRY(find_form(json, &key, &value));
        if (key < KEYS) return read_form(request, key, &value, form);
        SV_TRY(sv_values_read_columns(request, &json));
        return sv_json_end(&json);
    }
    sv_shape shape;
    SV_TRY(expect_only(request, "a value without a name"));
    SV_TRY(sv_values_read_input(request, 0, &json, true, &shape));
    SV_TRY(sv_json_end(&json));
    return seal(request, 0, &shape, form);
}

/* ---- one input --------------------------------------------------------------------------- */

static sv_status read_npy(sv_request *request, size_t index, sv_string body, sv_any_form *form)
{
    const sv_port *port = port_of(request, index);
    sv_budget budget = SV_BUDGET_DEFAULT;
    sv_reader reader;
    sv_tensor tensor;
    void *to;
    budget.bytes = body.size * 32 + 4096; /* a letter may become a string */
    sv_reader_init(&reader, body.data, body.size, "body", 0, &budget);
    SV_TRY(sv_npy_read(&reader, &request->arena, &tensor));
    if (tensor.dtype != port->dtype) {
        return sv_request_seal_input(request, index, tensor.dtype, tensor.shape.rank,
                                     tensor.shape.dim);
    }
    size_t size = (size_t)sv_tensor_count(&tensor) * sv_dtype_size(tensor.dtype);
    SV_TRY(sv_request_grow_input(request, index, size, &to));
    if (size) memcpy(to, tensor.data, size);
    for (size_t i = 0; tensor.dtype == SV_BOOL && i < size; i++)
        ((uint8_t *)to)[i] = ((uint8_t *)to)[i] != 0;
    return seal(request, index, &tensor.shape, form);
}

static sv_status read_text(sv_request *request, size_t index, sv_string body, sv_any_form *form)
{
    const sv_port *port = port_of(request, index);
    sv_string *to;
    int64_t ones[SV_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
    SV_TRY(sv_request_grow_input(request, index, sizeof *to, (void **)&to));
    to->data = sv_arena_copy_text(&request->arena, body.data, body.size);
    to->size = body.size;
    if (!to->data) return sv_error_memory("a text", body.size);
    *form = SV_ANY_ROW;
    return sv_request_seal_input(request, index, SV_STRING, port->rank < 0 ? 1 : port->rank, ones);
}

/* One row of numbers, where the model says how many a row has. */
static sv_status read_raw(sv_request *request, size_t index, sv_string body, sv_any_form *form)
{
    const sv_port *port = port_of(request, index);
    sv_shape shape = sv_shape_make(port->rank < 0 ? 0 : port->rank, port->dim);
    int64_t count;
    if (shape.rank > 0 && shape.dim[0] < 0) shape.dim[0] = 1;
    /* Types that take a part of a byte have no raw form. */
    bool known = port->kind == SV_KIND_TENSOR && sv_dtype_get(port->dtype)->oip_name &&
                 sv_shape_count(&shape, &count);
    if (!known || (uint64_t)count * sv_dtype_size(port->dtype) != body.size) {
        return sv_error_invalid(
            "body: expected JSON, CSV, an image, .npy or the %lld bytes of a row "
            "of '%s', found %zu bytes of something else",
            known ? (long long)count * (long long)sv_dtype_size(port->dtype) : 0, port->name,
            body.size);
    }
    *form = SV_ANY_ROW;
    return sv_elements_read_bytes(request, index, port->dtype, &shape, body);
}

static bool is_npy(sv_string body)
{
    return body.size >= 6 && memcmp(body.data, "\x93NUMPY", 6) == 0;
}

/* A body, or part, that is no JSON: the value of one input. */
static sv_status read_bytes(sv_request *request, size_t index, sv_string body, sv_any_form *form)
{
    if (is_npy(body)) return read_npy(request, index, body, form);
    if (port_of(request, index)->dtype == SV_STRING) {
        return read_text(request, index, body, form);
    }
    if (!sv_image_is(body)) return read_raw(request, index, body, form);
    *form = SV_ANY_ROW;
    return sv_image_read_input(request, index, body);
}

static bool looks_like_json(sv_string body)
{
    for (size_t i = 0; i < body.size; i++) {
        char c = body.data[i];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
        return c == '[' || c == '{';
    }
    return false;
}

/* ---- multipart --------------------------------------------------------------------------- */

/* A part whose name is an input's. */
static sv_status read_part(sv_request *request, const sv_part *part, sv_any_form *form)
{
    size_t index;
    SV_TRY(sv_request_find_input(request, part->name, &index));
    if (request->input[index].given) {
        return sv_error_invalid("input '%.*s': expected one part, found several",
                                (int)part->name.size, part->name.data);
    }
    if (!looks_like_json(part->body)) return read_bytes(request, index, part->body, form);
    sv_json json;
    sv_shape shape;
    SV_TRY(begin_json(request, part->body, &json));
    SV_TRY(sv_values_read_input(request, index, &json, true, &shape));
    SV_TRY(sv_json_end(&json));
    return seal(request, index, &shape, form);
}

static sv_status read_single(sv_request *request, sv_string content_type, sv_string body,
                             sv_any_form *form)
{
    if (looks_like_json(body)) return read_json(request, body, form);
    if (sv_any_is_type(content_type, "text/csv")) {
        *form = SV_ANY_TABLE;
        return sv_table_read_csv(request, body);
    }
    SV_TRY(expect_only(request, "something without a name"));
    return read_bytes(request, 0, body, form);
}

/* Parts by the inputs' names; a single part may have any. */
static sv_status read_multipart(sv_request *request, sv_string content_type, sv_string body,
                                sv_any_form *form)
{
    sv_multipart multipart;
    sv_part part, next;
    bool more;
    SV_TRY(sv_multipart_init(&multipart, content_type, body));
    SV_TRY(sv_multipart_next(&multipart, &part, &more));
    if (!more) return sv_error_invalid("multipart body: expected a part, found none");
    SV_TRY(sv_multipart_next(&multipart, &next, &more));
    if (!more) return read_single(request, part.content_type, part.body, form);
    *form = SV_ANY_BARE;
    SV_TRY(read_part(request, &part, form));
    while (more) {
        SV_TRY(read_part(request, &next, form));
        SV_TRY(sv_multipart_next(&multipart, &next, &more));
    }
    return SV_OK;
}

sv_status sv_any_read(sv_request *request, sv_string content_type, sv_string body,
                      sv_any_form *form)
{
    *form = SV_ANY_BARE;
    if (request->input_count == 0) return SV_OK;
    if (body.size == 0) return sv_error_invalid("body: expected an input, found nothing");
    if (sv_multipart_is(content_type)) return read_multipart(request, content_type, body, form);
    return read_single(request, content_type, body, form);
}

sv_status sv_any_write(const sv_request *request, sv_any_form form, sv_text *out)
{
    bool rows = sv_values_are_rows(request);
    if (form == SV_ANY_ROW && rows) return sv_values_write_row(request, 0, out);
    bool columns = form == SV_ANY_INPUTS || form == SV_ANY_BARE || !rows;
    return columns ? sv_values_write_columns(request, out) : sv_values_write_rows(request, out);
}

sv_status sv_any_decode(sv_call *call, sv_string body)
{
    sv_request *request;
    sv_any_form *form = sv_arena_alloc(call->arena, sizeof *form);
    if (!form) return sv_error_memory("a call", sizeof *form);
    call->state = form;
    SV_TRY(sv_call_begin(call, (sv_string){0}, &request));
    SV_TRY(sv_any_read(request, call->x->head.content_type, body, form));
    return sv_call_submit(call);
}

sv_status sv_any_encode(sv_call *call, const sv_request *request, sv_text *out)
{
    sv_any_form form = *(const sv_any_form *)call->state;
    bool wrapped = form == SV_ANY_INSTANCES || form == SV_ANY_INPUTS;
    if (wrapped) {
        sv_text_puts(out, form == SV_ANY_INSTANCES ? "{\"predictions\":" : "{\"outputs\":");
    }
    SV_TRY(sv_any_write(request, form, out));
    if (wrapped) sv_text_putc(out, '}');
    return SV_OK;
}
