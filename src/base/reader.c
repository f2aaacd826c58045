/* The bounded reader and the budget. */
#include "base/reader.h"

#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static sv_status spent(const char *what, size_t wanted, const char *unit, size_t left)
{
    return sv_error(SV_CODE_RESOURCE_EXHAUSTED, "%s: needs %zu %s, the limit leaves %zu", what,
                    wanted, unit, left);
}

sv_status sv_budget_take_bytes(sv_budget *budget, size_t bytes, const char *what)
{
    if (!budget) return SV_OK;
    if (bytes > budget->bytes) return spent(what, bytes, "bytes", budget->bytes);
    budget->bytes -= bytes;
    return SV_OK;
}

sv_status sv_budget_take_nodes(sv_budget *budget, size_t nodes, const char *what)
{
    if (!budget) return SV_OK;
    if (nodes > budget->nodes) return spent(what, nodes, "items", budget->nodes);
    budget->nodes -= nodes;
    return SV_OK;
}

sv_status sv_budget_enter(sv_budget *budget, const char *what)
{
    if (!budget) return SV_OK;
    if (budget->depth == 0)
        return sv_error(SV_CODE_RESOURCE_EXHAUSTED, "%s: nested deeper than the limit", what);
    budget->depth--;
    return SV_OK;
}

void sv_budget_leave(sv_budget *budget)
{
    if (budget) budget->depth++;
}

void sv_reader_init(sv_reader *reader, const void *data, size_t size, const char *origin,
                    uint64_t base, sv_budget *budget)
{
    /* A NULL pointer takes no arithmetic, not even adding 0. */
    const uint8_t *start = size ? data : (const uint8_t *)"";
    *reader = (sv_reader){
        .at = start,
        .end = start + size,
        .start = start,
        .base = base,
        .origin = origin,
        .budget = budget,
    };
}

sv_status sv_reader_error(const sv_reader *reader, const char *format, ...)
{
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return sv_error_invalid("%s: at byte %llu: %s", reader->origin,
                            (unsigned long long)sv_reader_offset(reader), message);
}

sv_status sv_reader_bytes(sv_reader *reader, size_t size, const char *what, const uint8_t **out)
{
    if (size > sv_reader_left(reader))
        return sv_reader_error(reader, "%s: expected %zu bytes, found %zu", what, size,
                               sv_reader_left(reader));
    *out = reader->at;
    reader->at += size;
    return SV_OK;
}

/* Little-endian, whatever the machine. */
static sv_status read_unsigned(sv_reader *reader, size_t size, const char *what, uint64_t *out)
{
    const uint8_t *bytes;
    SV_TRY(sv_reader_bytes(reader, size, what, &bytes));
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    *out = value;
    return SV_OK;
}

sv_status sv_reader_u8(sv_reader *reader, const char *what, uint8_t *out)
{
    uint64_t value;
    SV_TRY(read_unsigned(reader, sizeof *out, what, &value));
    *out = (uint8_t)value;
    return SV_OK;
}

sv_status sv_reader_u16(sv_reader *reader, const char *what, uint16_t *out)
{
    uint64_t value;
    SV_TRY(read_unsigned(reader, sizeof *out, what, &value));
    *out = (uint16_t)value;
    return SV_OK;
}

sv_status sv_reader_u32(sv_reader *reader, const char *what, uint32_t *out)
{
    uint64_t value;
    SV_TRY(read_unsigned(reader, sizeof *out, what, &value));
    *out = (uint32_t)value;
    return SV_OK;
}

sv_status sv_reader_u64(sv_reader *reader, const char *what, uint64_t *out)
{
    return read_unsigned(reader, sizeof *out, what, out);
}

sv_status sv_reader_sub(sv_reader *reader, size_t size, const char *what, sv_reader *out)
{
    const uint8_t *bytes;
    SV_TRY(sv_reader_bytes(reader, size, what, &bytes));
    /* Offsets still count from the same start. */
    *out = *reader;
    out->at = bytes;
    out->end = bytes + size;
    return SV_OK;
}
