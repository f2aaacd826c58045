/* Reading Protocol Buffers. Writing is in protobuf_write.c. */
#include "wire/protobuf.h"

#include "base/status.h"

#include <string.h>

#define MAX_FIELD ((1u << 29) - 1)

static const char *wire_name(sv_pb_wire wire)
{
    switch (wire) {
    case SV_PB_VARINT:
        return "a varint";
    case SV_PB_FIXED64:
        return "64 bits";
    case SV_PB_BYTES:
        return "bytes";
    case SV_PB_FIXED32:
        return "32 bits";
    }
    return "nothing";
}

static sv_status read_long_varint(sv_reader *reader, const char *what, uint64_t *out)
{
    uint64_t value = 0;
    const uint8_t *at = reader->at;
    for (unsigned shift = 0; at < reader->end; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return sv_reader_error(reader, "%s: a varint of more than 64 bits", what);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte & 0x80) continue;
        reader->at = at;
        *out = value;
        return SV_OK;
    }
    return sv_reader_error(reader, "%s: the message ends inside a varint", what);
}

/* Most are a single byte. */
static inline sv_status read_varint(sv_reader *reader, const char *what, uint64_t *out)
{
    if (reader->at == reader->end || *reader->at & 0x80) return read_long_varint(reader, what, out);
    *out = *reader->at++;
    return SV_OK;
}

static sv_status read_fixed(sv_reader *reader, sv_pb_wire wire, const char *what, uint64_t *out)
{
    if (wire == SV_PB_FIXED64) return sv_reader_u64(reader, what, out);
    uint32_t bits = 0;
    SV_TRY(sv_reader_u32(reader, what, &bits));
    *out = bits;
    return SV_OK;
}

/* The reader where a field began, for errors. */
static sv_reader at_tag(const sv_reader *reader, const uint8_t *tag)
{
    sv_reader start = *reader;
    start.at = tag;
    return start;
}

static sv_status read_bytes(sv_reader *reader, const uint8_t *tag, sv_reader *out)
{
    uint64_t size = 0;
    SV_TRY(read_varint(reader, "a length", &size));
    if (size > sv_reader_left(reader)) {
        const sv_reader start = at_tag(reader, tag);
        return sv_reader_error(&start, "a field of %llu bytes, but its message has %zu left",
                               (unsigned long long)size, sv_reader_left(reader));
    }
    return sv_reader_sub(reader, (size_t)size, "a field", out);
}

sv_status sv_pb_next(sv_reader *reader, sv_pb_field *field)
{
    const uint8_t *tag = reader->at;
    if (tag == reader->end) {
        field->number = 0;
        return SV_OK;
    }
    uint64_t key = 0;
    SV_TRY(read_varint(reader, "a field's number", &key));
    uint64_t number = key >> 3;
    if (number == 0 || number > MAX_FIELD) {
        const sv_reader start = at_tag(reader, tag);
        return sv_reader_error(&start, "%llu is no field number", (unsigned long long)number);
    }
    field->number = (uint32_t)number;
    field->wire = (sv_pb_wire)(key & 7);
    field->value = 0;
    if (field->wire == SV_PB_BYTES) return read_bytes(reader, tag, &field->bytes);
    field->bytes = at_tag(reader, tag);
    field->bytes.end = tag;
    switch (field->wire) {
    case SV_PB_VARINT:
        return read_varint(reader, "a field", &field->value);
    case SV_PB_FIXED32:
    case SV_PB_FIXED64:
        return read_fixed(reader, field->wire, "a field", &field->value);
    default:
        return sv_reader_error(&field->bytes, "field %u has wire type %u, expected 0, 1, 2 or 5",
                               (unsigned)number, (unsigned)(key & 7));
    }
}

static sv_status expect(const sv_pb_field *field, sv_pb_wire wire, const char *what)
{
    if (field->wire == wire) return SV_OK;
    return sv_reader_error(&field->bytes, "%s: expected %s, found %s", what, wire_name(wire),
                           wire_name(field->wire));
}

sv_status sv_pb_uint64(const sv_pb_field *field, const char *what, uint64_t *out)
{
    SV_TRY(expect(field, SV_PB_VARINT, what));
    *out = field->value;
    return SV_OK;
}

sv_status sv_pb_int64(const sv_pb_field *field, const char *what, int64_t *out)
{
    SV_TRY(expect(field, SV_PB_VARINT, what));
    *out = (int64_t)field->value;
    return SV_OK;
}

sv_status sv_pb_int32(const sv_pb_field *field, const char *what, int32_t *out)
{
    SV_TRY(expect(field, SV_PB_VARINT, what));
    int64_t value = (int64_t)field->value;
    if (value < INT32_MIN || value > INT32_MAX)
        return sv_reader_error(&field->bytes, "%s: %lld does not fit 32 bits", what,
                               (long long)value);
    *out = (int32_t)value;
    return SV_OK;
}

sv_status sv_pb_float(const sv_pb_field *field, const char *what, float *out)
{
    SV_TRY(expect(field, SV_PB_FIXED32, what));
    uint32_t bits = (uint32_t)field->value;
    memcpy(out, &bits, sizeof bits);
    return SV_OK;
}

sv_status sv_pb_double(const sv_pb_field *field, const char *what, double *out)
{
    SV_TRY(expect(field, SV_PB_FIXED64, what));
    memcpy(out, &field->value, sizeof field->value);
    return SV_OK;
}

sv_status sv_pb_bytes(const sv_pb_field *field, const char *what, const uint8_t **data,
                      size_t *size)
{
    SV_TRY(expect(field, SV_PB_BYTES, what));
    *data = field->bytes.at;
    *size = sv_reader_left(&field->bytes);
    return SV_OK;
}

sv_status sv_pb_message(const sv_pb_field *field, const char *what, sv_reader *out)
{
    SV_TRY(expect(field, SV_PB_BYTES, what));
    sv_budget *budget = field->bytes.budget;
    sv_status status = sv_budget_take_nodes(budget, 1, what);
    if (!status) status = sv_budget_enter(budget, what);
    if (status)
        return sv_status_annotate(status, "%s: at byte %llu", field->bytes.origin,
                                  (unsigned long long)sv_reader_offset(&field->bytes));
    *out = field->bytes;
    return SV_OK;
}

/* ---- repeated scalars ---------------------------------------------------------------------- */

static size_t item_size(sv_pb_wire wire)
{
    return wire == SV_PB_FIXED32 ? 4 : 8;
}

sv_status sv_pb_items_begin(const sv_pb_field *field, sv_pb_wire wire, const char *what,
                            sv_pb_items *out)
{
    *out = (sv_pb_items){.at = field->bytes, .what = what, .single = field->value, .wire = wire};
    if (field->wire == wire) {
        out->more = true;
        return SV_OK;
    }
    SV_TRY(expect(field, SV_PB_BYTES, what));
    size_t size = sv_reader_left(&field->bytes);
    if (wire != SV_PB_VARINT && size % item_size(wire))
        return sv_reader_error(&field->bytes, "%s: %zu bytes are no whole number of %zu-byte items",
                               what, size, item_size(wire));
    out->packed = true;
    out->more = size > 0;
    return SV_OK;
}

size_t sv_pb_items_count(const sv_pb_items *items)
{
    if (!items->packed) return items->more;
    size_t size = sv_reader_left(&items->at), count = 0;
    if (items->wire != SV_PB_VARINT) return size / item_size(items->wire);
    for (size_t i = 0; i < size; i++)
        count += items->at.at[i] < 0x80;
    return count;
}

sv_status sv_pb_items_next(sv_pb_items *items, uint64_t *out)
{
    if (!items->packed) {
        items->more = false;
        *out = items->single;
        return SV_OK;
    }
    if (items->wire == SV_PB_VARINT)
        SV_TRY(read_varint(&items->at, items->what, out));
    else
        SV_TRY(read_fixed(&items->at, items->wire, items->what, out));
    items->more = sv_reader_left(&items->at) > 0;
    return SV_OK;
}
