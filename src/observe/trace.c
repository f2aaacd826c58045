/* The traceparent header. */
#include "observe/trace.h"

#include <stdio.h>
#include <string.h>

/* "00-<32>-<16>-<2>" */
enum { ID_AT = 3, PARENT_AT = 36, FLAGS_AT = 53, SIZE = 55 };

static bool is_hex(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (!digit && (text[i] < 'a' || text[i] > 'f')) return false;
    }
    return true;
}

static bool is_zero(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '0') return false;
    }
    return true;
}

bool sv_trace_read(sv_string header, uint64_t span, sv_trace *out)
{
    const char *at = header.data;
    if (header.size < SIZE || !is_hex(at, 2) || memcmp(at, "ff", 2) == 0) return false;
    /* Later versions may have more behind a dash. */
    bool first = memcmp(at, "00", 2) == 0;
    if (first ? header.size != SIZE : header.size > SIZE && at[SIZE] != '-') return false;
    if (at[2] != '-' || at[PARENT_AT - 1] != '-' || at[FLAGS_AT - 1] != '-') return false;
    if (!is_hex(at + ID_AT, 32) || is_zero(at + ID_AT, 32)) return false;
    if (!is_hex(at + PARENT_AT, 16) || is_zero(at + PARENT_AT, 16)) return false;
    if (!is_hex(at + FLAGS_AT, 2)) return false;
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)(span ? span : 1));
    memcpy(out->id, at + ID_AT, sizeof out->id);
    memcpy(out->parent, at + PARENT_AT, sizeof out->parent);
    memcpy(out->span, text, sizeof out->span);
    memcpy(out->flags, at + FLAGS_AT, sizeof out->flags);
    return true;
}

void sv_trace_make(const uint64_t id[2], uint64_t span, sv_trace *out)
{
    char text[33];
    uint64_t low = id[0] || id[1] ? id[1] : 1;
    *out = (sv_trace){.flags = {'0', '0'}};
    snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)id[0],
             (unsigned long long)low);
    memcpy(out->id, text, sizeof out->id);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)(span ? span : 1));
    memcpy(out->span, text, sizeof out->span);
}

void sv_trace_write(const sv_trace *trace, char out[SV_TRACE_TEXT])
{
    snprintf(out, SV_TRACE_TEXT, "00-%.32s-%.16s-%.2s", trace->id, trace->span, trace->flags);
}
