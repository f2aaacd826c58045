/* Writing .npy, and the table of its element types. */
#include "base/alloc.h"
#include "base/status.h"
#include "codec/npy.h"
#include "codec/npy_types.h"

#include <stdio.h>
#include <string.h>

enum { ALIGNMENT = 64, PREAMBLE = 10 };

static const char kinds[SV_DTYPE_COUNT] = {
    [SV_BOOL] = 'b', [SV_U8] = 'u',  [SV_U16] = 'u', [SV_U32] = 'u',  [SV_U64] = 'u',
    [SV_I8] = 'i',   [SV_I16] = 'i', [SV_I32] = 'i', [SV_I64] = 'i',  [SV_F16] = 'f',
    [SV_F32] = 'f',  [SV_F64] = 'f', [SV_C64] = 'c', [SV_C128] = 'c',
};

char sv_npy_kind(sv_dtype dtype)
{
    return (unsigned)dtype < SV_DTYPE_COUNT ? kinds[dtype] : 0;
}

sv_dtype sv_npy_find(char kind, size_t bytes)
{
    for (int i = 1; i < SV_DTYPE_COUNT; i++)
        if (kinds[i] == kind && sv_dtype_get((sv_dtype)i)->size == bytes) return (sv_dtype)i;
    return SV_DTYPE_NONE;
}

/* Characters of a string; SIZE_MAX when it is not UTF-8. */
static size_t count_characters(const sv_string *string)
{
    size_t count = 0;
    for (size_t at = 0; at < string->size; count++) {
        size_t step = sv_utf8_step(string->data + at, string->size - at);
        if (step == 0) return SIZE_MAX;
        at += step;
    }
    return count;
}

/* The widest string, in characters of *kind 'U', or in bytes of 'S' when one is not UTF-8. NumPy
 * has no width 0. */
static size_t string_width(const sv_tensor *tensor, char *kind)
{
    const sv_string *string = tensor->data;
    int64_t count = sv_tensor_count(tensor);
    size_t characters = 1, bytes = 1;
    *kind = 'U';
    for (int64_t i = 0; i < count; i++) {
        size_t here = count_characters(&string[i]);
        if (here == SIZE_MAX)
            *kind = 'S';
        else if (here > characters)
            characters = here;
        if (string[i].size > bytes) bytes = string[i].size;
    }
    return *kind == 'U' ? characters : bytes;
}

static void put_header(sv_text *text, const char *descr, const sv_shape *shape)
{
    sv_text header;
    sv_text_init(&header, text->allocator);
    sv_text_printf(&header, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int32_t i = 0; i < shape->rank; i++) {
        /* Python's tuple of one needs its comma. */
        const char *separator = i + 1 < shape->rank ? ", " : shape->rank == 1 ? "," : "";
        sv_text_printf(&header, "%lld%s", (long long)shape->dim[i], separator);
    }
    sv_text_puts(&header, "), }");
    while ((PREAMBLE + header.size + 1) % ALIGNMENT != 0 && !header.failed)
        sv_text_putc(&header, ' ');
    sv_text_putc(&header, '\n');
    uint8_t preamble[PREAMBLE] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)header.size, (uint8_t)(header.size >> 8)};
    sv_text_append(text, preamble, sizeof preamble);
    sv_text_append(text, header.data, header.size);
    if (header.failed) text->failed = true;
    sv_text_release(&header);
}

/* The code point of the well-formed character at `at`. */
static uint32_t code_point(const char *at, size_t size)
{
    static const uint8_t mask[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t code = (uint8_t)at[0] & mask[size];
    for (size_t i = 1; i < size; i++)
        code = code << 6 | ((uint8_t)at[i] & 0x3F);
    return code;
}

static void put_string(sv_text *text, const sv_string *string, char kind, size_t width)
{
    size_t unit = kind == 'U' ? 4 : 1;
    char *out = sv_text_reserve(text, width * unit);
    if (!out) return;
    memset(out, 0, width * unit);
    if (kind == 'S') {
        if (string->size) memcpy(out, string->data, string->size);
    } else {
        for (size_t at = 0, step; at < string->size; at += step, out += 4) {
            step = sv_utf8_step(string->data + at, string->size - at);
            uint32_t code = code_point(string->data + at, step);
            for (int i = 0; i < 4; i++)
                out[i] = (char)(code >> (8 * i));
        }
    }
    text->size += width * unit;
}

static sv_status write_strings(sv_text *text, const sv_tensor *tensor)
{
    char kind, descr[32];
    size_t width = string_width(tensor, &kind), bytes;
    if (!sv_size_mul(width, 4, &bytes)) return sv_error_memory("npy", SIZE_MAX);
    snprintf(descr, sizeof descr, "%c%c%zu", kind == 'U' ? '<' : '|', kind, width);
    put_header(text, descr, &tensor->shape);
    const sv_string *string = tensor->data;
    for (int64_t i = 0, count = sv_tensor_count(tensor); i < count && !text->failed; i++)
        put_string(text, &string[i], kind, width);
    return sv_text_status(text, "npy");
}

sv_status sv_npy_write(sv_text *text, const sv_tensor *tensor)
{
    if (tensor->dtype == SV_STRING) return write_strings(text, tensor);
    const sv_dtype_info *row = sv_dtype_get(tensor->dtype);
    char kind = sv_npy_kind(tensor->dtype), descr[8];
    if (!kind) return sv_error_unsupported("npy: NumPy has no element type %s", row->name);
    snprintf(descr, sizeof descr, "%c%c%d", row->size == 1 ? '|' : '<', kind, row->size);
    put_header(text, descr, &tensor->shape);
    sv_text_append(text, tensor->data, (size_t)sv_tensor_count(tensor) * row->size);
    return sv_text_status(text, "npy");
}
