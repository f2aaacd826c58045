/* Reading .npy. The header is a Python dictionary, of which exactly what numpy.save writes is read.
 */
#include "codec/npy.h"

#include "base/alloc.h"
#include "base/status.h"
#include "base/text.h"
#include "codec/npy_types.h"

#include <string.h>

enum { HEADER_LIMIT = 64 << 10 };

/* What the header says. */
typedef struct {
    sv_dtype dtype;
    char kind;    /* 'S' and 'U': fixed-width strings */
    size_t width; /* of those, in characters */
    bool fortran;
    sv_shape shape;
    unsigned seen;
} npy_header;

enum { SEEN_DESCR = 1, SEEN_ORDER = 2, SEEN_SHAPE = 4, SEEN_ALL = 7 };

/* ---- the header's syntax ------------------------------------------------------------------ */

static void skip_space(sv_reader *header)
{
    while (header->at < header->end && (*header->at == ' ' || *header->at == '\n'))
        header->at++;
}

static bool accept(sv_reader *header, const char *token)
{
    size_t size = strlen(token);
    skip_space(header);
    if (sv_reader_left(header) < size || memcmp(header->at, token, size) != 0) return false;
    header->at += size;
    return true;
}

static sv_status expect(sv_reader *header, const char *token)
{
    if (accept(header, token)) return SV_OK;
    return sv_reader_error(header, "npy header: expected \"%s\"", token);
}

/* A string in single or double quotes, without escapes. */
static sv_status read_quoted(sv_reader *header, sv_string *out)
{
    skip_space(header);
    if (sv_reader_left(header) == 0 || (*header->at != '\'' && *header->at != '"'))
        return sv_reader_error(header, "npy header: expected a string");
    const uint8_t *begin = header->at + 1;
    const uint8_t *end = memchr(begin, *header->at, (size_t)(header->end - begin));
    if (!end) return sv_reader_error(header, "npy header: expected the end of a string");
    *out = (sv_string){(const char *)begin, (size_t)(end - begin)};
    header->at = end + 1;
    return SV_OK;
}

static sv_status read_count(sv_reader *header, int64_t *out)
{
    skip_space(header);
    const uint8_t *begin = header->at;
    int64_t value = 0;
    for (; header->at < header->end && *header->at >= '0' && *header->at <= '9'; header->at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *header->at - '0', &value))
            return sv_reader_error(header, "npy header: expected a size below 2^63");
    if (header->at == begin) return sv_reader_error(header, "npy header: expected a size");
    *out = value;
    return SV_OK;
}

/* ---- the header's entries ----------------------------------------------------------------- */

/* "<U10": byte order, kind, width. */
static sv_status parse_descr(sv_reader *header, sv_string descr, npy_header *out)
{
    int shown = descr.size < 20 ? (int)descr.size : 20;
    char order = descr.size ? descr.data[0] : '\0';
    if (order == '>')
        return sv_error_unsupported("%s: npy: expected little-endian elements, found %.*s",
                                    header->origin, shown, descr.data);
    size_t prefix = order == '<' || order == '|' || order == '=';
    if (descr.size < prefix + 2 || descr.size > prefix + 10)
        return sv_reader_error(header, "npy header: expected an element type, found '%.*s'", shown,
                               descr.data);
    char kind = descr.data[prefix];
    size_t width = 0;
    for (size_t i = prefix + 1; i < descr.size; i++) {
        if (descr.data[i] < '0' || descr.data[i] > '9')
            return sv_reader_error(header, "npy header: expected an element type, found '%.*s'",
                                   shown, descr.data);
        width = width * 10 + (size_t)(descr.data[i] - '0');
    }
    out->kind = kind;
    out->width = width;
    out->dtype = kind == 'S' || kind == 'U' ? SV_STRING : sv_npy_find(kind, width);
    if (out->dtype != SV_DTYPE_NONE) return SV_OK;
    return sv_error_unsupported(
        "%s: npy: expected booleans, integers, floats, complex numbers or strings, found '%.*s'",
        header->origin, shown, descr.data);
}

static sv_status read_descr(sv_reader *header, npy_header *out)
{
    skip_space(header);
    if (sv_reader_left(header) && *header->at == '[')
        return sv_error_unsupported("%s: npy: expected plain elements, found a structured type",
                                    header->origin);
    sv_string descr;
    SV_TRY(read_quoted(header, &descr));
    return parse_descr(header, descr, out);
}

static sv_status read_order(sv_reader *header, npy_header *out)
{
    if (accept(header, "True"))
        out->fortran = true;
    else if (!accept(header, "False"))
        return sv_reader_error(header, "npy header: expected True or False");
    return SV_OK;
}

/* "()", "(3,)", "(3, 4)". */
static sv_status read_shape(sv_reader *header, npy_header *out)
{
    int32_t rank = 0;
    SV_TRY(expect(header, "("));
    while (!accept(header, ")")) {
        if (rank == SV_MAX_RANK)
            return sv_reader_error(header, "npy header: expected at most %d dimensions, found more",
                                   SV_MAX_RANK);
        SV_TRY(read_count(header, &out->shape.dim[rank++]));
        if (accept(header, ",")) continue;
        SV_TRY(expect(header, ")"));
        break;
    }
    out->shape.rank = rank;
    return SV_OK;
}

static bool is_key(sv_string key, const char *name)
{
    return key.size == strlen(name) && memcmp(key.data, name, key.size) == 0;
}

static sv_status read_entry(sv_reader *header, npy_header *out)
{
    sv_string key;
    sv_reader begin = *header;
    SV_TRY(read_quoted(header, &key));
    unsigned which = is_key(key, "descr")           ? SEEN_DESCR
                     : is_key(key, "fortran_order") ? SEEN_ORDER
                     : is_key(key, "shape")         ? SEEN_SHAPE
                                                    : 0;
    if (which == 0 || (out->seen & which))
        return sv_reader_error(&begin,
                               "npy header: expected descr, fortran_order and shape once each");
    out->seen |= which;
    SV_TRY(expect(header, ":"));
    if (which == SEEN_DESCR) return read_descr(header, out);
    return which == SEEN_ORDER ? read_order(header, out) : read_shape(header, out);
}

static sv_status read_dictionary(sv_reader *header, npy_header *out)
{
    SV_TRY(expect(header, "{"));
    while (!accept(header, "}")) {
        SV_TRY(read_entry(header, out));
        if (accept(header, ",")) continue;
        SV_TRY(expect(header, "}"));
        break;
    }
    skip_space(header);
    if (sv_reader_left(header))
        return sv_reader_error(header, "npy header: expected the end of the header");
    if (out->seen != SEEN_ALL)
        return sv_reader_error(header, "npy header: expected descr, fortran_order and shape");
    return SV_OK;
}

static sv_status read_header(sv_reader *reader, npy_header *out)
{
    static const uint8_t magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y'};
    const uint8_t *found;
    uint8_t major, minor;
    uint16_t short_size;
    uint32_t size;
    sv_reader header, begin = *reader;
    SV_TRY(sv_reader_bytes(reader, sizeof magic, "npy magic", &found));
    if (memcmp(found, magic, sizeof magic) != 0)
        return sv_reader_error(&begin, "expected an npy file, found another beginning");
    SV_TRY(sv_reader_u8(reader, "npy version", &major));
    SV_TRY(sv_reader_u8(reader, "npy version", &minor));
    if (major < 1 || major > 3 || minor != 0)
        return sv_error_unsupported("%s: npy: expected version 1.0, 2.0 or 3.0, found %d.%d",
                                    reader->origin, major, minor);
    if (major == 1) {
        SV_TRY(sv_reader_u16(reader, "npy header size", &short_size));
        size = short_size;
    } else {
        SV_TRY(sv_reader_u32(reader, "npy header size", &size));
    }
    if (size > HEADER_LIMIT)
        return sv_reader_error(reader, "npy header: expected at most %d bytes, found %u",
                               HEADER_LIMIT, size);
    SV_TRY(sv_reader_sub(reader, size, "npy header", &header));
    return read_dictionary(&header, out);
}

/* ---- elements ----------------------------------------------------------------------------- */

/* One "U" string: code points of 4 bytes. `at` NULL: only counts. */
static sv_status put_code_points(const sv_reader *reader, const uint8_t *from, size_t width,
                                 char *at, size_t *size)
{
    size_t used = 0;
    for (size_t i = 0; i < width; i++) {
        const uint8_t *p = from + 4 * i;
        uint32_t code = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
            return sv_reader_error(reader, "npy: expected Unicode, found the code point 0x%X",
                                   code);
        char character[4];
        size_t bytes = sv_utf8_put(character, code);
        if (at) memcpy(at + used, character, bytes);
        used += bytes;
    }
    *size = used;
    return SV_OK;
}

static sv_status read_one_string(const sv_reader *reader, const npy_header *header,
                                 const uint8_t *from, sv_arena *arena, sv_string *out)
{
    size_t unit = header->kind == 'U' ? 4 : 1, width = header->width, size = 0;
    static const uint8_t zero[4];
    while (width > 0 && memcmp(from + (width - 1) * unit, zero, unit) == 0)
        width--;
    if (unit == 4)
        SV_TRY(put_code_points(reader, from, width, NULL, &size));
    else
        size = width;
    SV_TRY(sv_budget_take_bytes(reader->budget, size, "npy string"));
    char *text = sv_arena_alloc(arena, size);
    if (!text) return sv_error_memory("npy string", size);
    if (unit == 4)
        SV_TRY(put_code_points(reader, from, width, text, &size));
    else if (size)
        memcpy(text, from, size);
    *out = (sv_string){text, size};
    return SV_OK;
}

/* Bytes of an element in the file. */
static size_t stored_size(const npy_header *header)
{
    if (header->kind == 'U') return header->width * 4;
    return header->kind == 'S' ? header->width : sv_dtype_get(header->dtype)->size;
}

static sv_status take_elements(sv_reader *reader, const npy_header *header, const uint8_t **out)
{
    int64_t count;
    size_t bytes;
    if (!sv_shape_count(&header->shape, &count) ||
        !sv_size_mul((size_t)count, stored_size(header), &bytes))
        return sv_reader_error(reader, "npy: the shape's size overflows");
    /* Elements without bytes are backed by nothing. */
    if (stored_size(header) == 0 && count > 0)
        return sv_reader_error(reader, "npy: expected strings of at least a byte, found '%c0'",
                               header->kind);
    return sv_reader_bytes(reader, bytes, "npy elements", out);
}

/* Fortran's order is C's order of the dimensions reversed. */
static void copy_fortran(const void *from, sv_tensor *out)
{
    sv_view to = sv_tensor_view(out), turned = to;
    turned.data = (void *)(uintptr_t)from; /* views do not say that they are only read */
    uint64_t step = 1;                     /* wraps without harm in empty arrays */
    for (int32_t i = 0; i < to.rank; i++) {
        turned.stride[i] = (int64_t)step;
        step *= (uint64_t)to.dim[i];
    }
    sv_view_copy(&to, &turned);
}

static sv_status read_strings(sv_reader *reader, const npy_header *header, const uint8_t *elements,
                              sv_arena *arena, sv_tensor *out)
{
    int64_t count = sv_tensor_count(out);
    size_t bytes = (size_t)count * sizeof(sv_string);
    sv_string *string = header->fortran ? sv_arena_alloc(arena, bytes) : out->data;
    if (!string) return sv_error_memory("npy", bytes);
    for (int64_t i = 0; i < count; i++)
        SV_TRY(read_one_string(reader, header, elements + (size_t)i * stored_size(header), arena,
                               &string[i]));
    if (header->fortran) copy_fortran(string, out);
    return SV_OK;
}

sv_status sv_npy_read(sv_reader *reader, sv_arena *arena, sv_tensor *out)
{
    npy_header header = {0};
    const uint8_t *elements;
    size_t bytes;
    sv_reader at = *reader;
    SV_TRY(read_header(&at, &header));
    sv_reader begin = at;
    SV_TRY(take_elements(&at, &header, &elements));
    sv_type type = {header.dtype, header.shape};
    SV_TRY(sv_type_bytes(&type, "npy", &bytes));
    SV_TRY(sv_budget_take_bytes(reader->budget, bytes, "npy"));
    void *data = sv_arena_alloc(arena, bytes);
    if (!data) return sv_error_memory("npy", bytes);
    sv_tensor tensor = {.dtype = header.dtype, .shape = header.shape, .data = data};
    if (header.dtype == SV_STRING)
        SV_TRY(read_strings(&begin, &header, elements, arena, &tensor));
    else if (header.fortran)
        copy_fortran(elements, &tensor);
    else if (bytes)
        memcpy(data, elements, bytes);
    *reader = at;
    *out = tensor;
    return SV_OK;
}
