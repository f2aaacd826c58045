/* Values in files. */
#include "cli/value.h"

#include "base/blob.h"
#include "base/status.h"
#include "codec/json_tensor.h"
#include "codec/npy.h"
#include "codec/tensor_proto.h"
#include <string.h>

#define MAX_FILE_BYTES ((size_t)16 << 30)
#define SUMMARY_ELEMENTS 8

static const char *const format_names[] = {
    [SV_FORMAT_NPY] = "npy", [SV_FORMAT_PB] = "pb", [SV_FORMAT_JSON] = "json"};

sv_status sv_value_format_parse(const char *name, sv_value_format *out)
{
    for (size_t i = 0; i < sizeof format_names / sizeof format_names[0]; i++) {
        if (strcmp(format_names[i], name) != 0) continue;
        *out = (sv_value_format)i;
        return SV_OK;
    }
    return sv_error_invalid("--format: expected npy, pb or json, found '%s'", name);
}

const char *sv_value_format_name(sv_value_format format)
{
    return format_names[format];
}

static sv_status read_npy(const sv_blob *blob, sv_arena *arena, sv_datum *out)
{
    sv_budget budget = SV_BUDGET_DEFAULT;
    sv_reader reader;
    sv_reader_init(&reader, blob->data, blob->size, blob->origin, 0, &budget);
    out->kind = SV_KIND_TENSOR;
    return sv_npy_read(&reader, arena, &out->tensor);
}

/* Without the blob as a source, raw data are copied into the arena and the file can go. */
static sv_status read_pb(const sv_blob *blob, const sv_port *port, sv_arena *arena, sv_datum *out)
{
    sv_budget budget = SV_BUDGET_DEFAULT;
    sv_reader reader;
    sv_tensor_source source = {.arena = arena};
    sv_reader_init(&reader, blob->data, blob->size, blob->origin, 0, &budget);
    return sv_datum_proto_read(&reader, port->kind, &source, out, NULL);
}

static sv_status read_json(const sv_blob *blob, const sv_port *port, sv_arena *arena, sv_datum *out)
{
    sv_json json;
    sv_json_tensor_options options = {.allow_base64 = true, .copy_strings = true};
    sv_json_init(&json, blob->data, blob->size, blob->origin, arena, NULL);
    json.allow_non_finite = true;
    out->kind = SV_KIND_TENSOR;
    SV_TRY(sv_json_tensor_read_arena(&json, port->dtype, &options, arena, &out->tensor));
    return sv_json_end(&json);
}

static bool ends_with(const char *text, const char *ending)
{
    size_t size = strlen(text), n = strlen(ending);
    return size > n && strcmp(text + size - n, ending) == 0;
}

sv_status sv_value_read(const char *path, const sv_port *port, sv_arena *arena, sv_datum *out)
{
    sv_blob *blob;
    sv_datum value = {0};
    SV_TRY(sv_blob_read_file(path, MAX_FILE_BYTES, NULL, &blob));
    sv_status status;
    if (ends_with(path, ".npy")) {
        status = read_npy(blob, arena, &value);
    } else if (ends_with(path, ".pb")) {
        status = read_pb(blob, port, arena, &value);
    } else if (ends_with(path, ".json")) {
        status = read_json(blob, port, arena, &value);
    } else {
        status = sv_error_invalid("'%s': expected a file that ends in .npy, .pb or .json", path);
    }
    sv_blob_unref(blob);
    if (status == SV_OK) *out = value;
    return status;
}

sv_status sv_value_encode(sv_value_format format, const char *name, const sv_datum *value,
                          sv_text *out)
{
    if (format == SV_FORMAT_PB) {
        sv_datum_proto_write(out, value, name);
        return SV_OK;
    }
    if (value->kind != SV_KIND_TENSOR) {
        return sv_error_unsupported("output '%s': expected a tensor for --format %s, found a %s; "
                                    "use pb",
                                    name, format_names[format], sv_kind_name(value->kind));
    }
    sv_status status = format == SV_FORMAT_NPY ? sv_npy_write(out, &value->tensor)
                                               : sv_json_tensor_write(out, &value->tensor, NULL);
    if (status != SV_OK) return sv_status_annotate(status, "output '%s'", name);
    return SV_OK;
}

static void put_element(const sv_tensor *tensor, int64_t i, sv_text *out)
{
    const sv_dtype_info *row = sv_dtype_get(tensor->dtype);
    const char *at = (const char *)tensor->data + (size_t)i * row->size;
    if (tensor->dtype == SV_STRING) {
        sv_string s;
        memcpy(&s, at, sizeof s);
        sv_text_put_json(out, s.data, s.size < 40 ? s.size : 40);
    } else if (row->class_ == SV_CLASS_FLOAT) {
        sv_text_printf(out, "%.6g", sv_scalar_get_f64(tensor->dtype, at));
    } else if (row->class_ == SV_CLASS_UINT) {
        sv_text_put_u64(out, sv_scalar_get_u64(tensor->dtype, at));
    } else {
        sv_text_put_i64(out, sv_scalar_get_i64(tensor->dtype, at));
    }
}

void sv_value_summary(const sv_datum *value, sv_text *out)
{
    char shape[SV_SHAPE_TEXT];
    if (value->kind != SV_KIND_TENSOR) {
        sv_text_printf(out, "%s of %zu", sv_kind_name(value->kind), value->count);
        return;
    }
    const sv_tensor *tensor = &value->tensor;
    int64_t count = sv_tensor_count(tensor);
    sv_text_printf(out, "%s%s", sv_dtype_name(tensor->dtype), sv_shape_text(&tensor->shape, shape));
    for (int64_t i = 0; i < count && i < SUMMARY_ELEMENTS; i++) {
        sv_text_putc(out, ' ');
        put_element(tensor, i, out);
    }
    if (count > SUMMARY_ELEMENTS) sv_text_puts(out, " ...");
}
