/* Tensors to JSON arrays. */
#include "base/status.h"
#include "base/base64.h"
#include "codec/json_tensor.h"

#include <string.h>

enum { EMPTY_LIMIT = 1 << 20 };

static void put_string(sv_text *text, const sv_string *string, bool base64)
{
    if (!base64) {
        sv_text_put_json(text, string->data, string->size);
        return;
    }
    sv_text_puts(text, "{\"b64\":\"");
    sv_base64_write(text, string->data, string->size);
    sv_text_puts(text, "\"}");
}

static void put_element(sv_text *text, sv_dtype dtype, const void *at, bool base64)
{
    float single;
    double wide;
    switch (sv_dtype_get(dtype)->class_) {
    case SV_CLASS_FLOAT:
        wide = sv_scalar_get_f64(dtype, at);
        single =
            (float)wide; /* exact but for float64: the smaller types print as short as they are */
        if (dtype == SV_F64)
            sv_text_put_f64(text, wide);
        else
            sv_text_put_f32(text, single);
        break;
    case SV_CLASS_INT:
        sv_text_put_i64(text, sv_scalar_get_i64(dtype, at));
        break;
    case SV_CLASS_UINT:
        sv_text_put_u64(text, sv_scalar_get_u64(dtype, at));
        break;
    case SV_CLASS_BOOL:
        sv_text_puts(text, sv_scalar_get_u64(dtype, at) ? "true" : "false");
        break;
    default:
        put_string(text, at, base64);
        break;
    }
}

static void put_f32_row(sv_text *text, const char *at, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        float value;
        memcpy(&value, at + i * (int64_t)sizeof value, sizeof value);
        if (i) sv_text_putc(text, ',');
        sv_text_put_f32(text, value);
    }
}

static void put_row(sv_text *text, const sv_tensor *tensor, const char *at, int64_t count,
                    bool base64)
{
    size_t size = sv_dtype_get(tensor->dtype)->size;
    sv_text_putc(text, '[');
    if (tensor->dtype == SV_F32) {
        put_f32_row(text, at, count);
    } else {
        for (int64_t i = 0; i < count; i++) {
            if (i) sv_text_putc(text, ',');
            put_element(text, tensor->dtype, at + i * (int64_t)size, base64);
        }
    }
    sv_text_putc(text, ']');
}

/* The array at `level`, which begins at element `at`; recursion ends at the rank. */
static const char *put_level(sv_text *text, const sv_tensor *tensor, int32_t level, const char *at,
                             bool base64)
{
    int64_t count = tensor->shape.dim[level];
    if (level == tensor->shape.rank - 1) {
        put_row(text, tensor, at, count, base64);
        return at + count * (int64_t)sv_dtype_get(tensor->dtype)->size;
    }
    sv_text_putc(text, '[');
    for (int64_t i = 0; i < count && !text->failed; i++) {
        if (i) sv_text_putc(text, ',');
        at = put_level(text, tensor, level + 1, at, base64);
    }
    sv_text_putc(text, ']');
    return at;
}

/* Arrays that are printed for a tensor without elements: [1000000000,0] would be a billion "[]". */
static sv_status check_empty(const sv_tensor *tensor)
{
    int64_t arrays = 1;
    char shape[SV_SHAPE_TEXT];
    for (int32_t i = 0; i < tensor->shape.rank && tensor->shape.dim[i] != 0; i++)
        if (__builtin_mul_overflow(arrays, tensor->shape.dim[i], &arrays) || arrays > EMPTY_LIMIT)
            return sv_error(
                SV_CODE_RESOURCE_EXHAUSTED,
                "an empty tensor of shape %s: expected at most %d arrays to print, found more",
                sv_shape_text(&tensor->shape, shape), EMPTY_LIMIT);
    return SV_OK;
}

sv_status sv_json_tensor_write(sv_text *text, const sv_tensor *tensor,
                               const sv_json_write_options *options)
{
    static const sv_json_write_options defaults;
    if (!options) options = &defaults;
    uint8_t class_ = sv_dtype_get(tensor->dtype)->class_;
    if (class_ == SV_CLASS_NONE || class_ == SV_CLASS_COMPLEX)
        return sv_error_unsupported("tensors of %s have no form in JSON",
                                    sv_dtype_get(tensor->dtype)->name);
    if (!options->flat && sv_tensor_count(tensor) == 0) SV_TRY(check_empty(tensor));
    if (tensor->shape.rank == 0)
        put_element(text, tensor->dtype, tensor->data, options->base64);
    else if (options->flat)
        put_row(text, tensor, tensor->data, sv_tensor_count(tensor), options->base64);
    else
        put_level(text, tensor, 0, tensor->data, options->base64);
    return sv_text_status(text, "JSON tensor");
}
