/* Tables of fields, and the values that they are made of. */
#include "store/triton_reader.h"

#include "base/status.h"
#include "tensor/dtype.h"
#include <stdio.h>
#include <string.h>

#define MAX_WARNINGS 64

sv_status sv_triton_no_memory(size_t size)
{
    return sv_error_memory("a config.pbtxt", size);
}

sv_status sv_triton_grow(sv_triton_reader *r, void *array, uint32_t *room, uint32_t count,
                         size_t size)
{
    return sv_arena_grow(r->arena, array, room, count, count + 1, size) ? SV_OK
                                                                        : sv_triton_no_memory(size);
}

sv_status sv_triton_warn(sv_triton_reader *r, const char *what)
{
    if (r->warning_count == MAX_WARNINGS) return SV_OK;
    SV_TRY(sv_triton_grow(r, &r->warning, &r->warning_room, r->warning_count, sizeof *r->warning));
    const char *copy = r->strict ? sv_arena_printf(r->arena, "config of a call: %s", what)
                                 : sv_arena_printf(r->arena, "%s:%u: %s", r->text.origin,
                                                   (unsigned)sv_pbtxt_line(&r->text), what);
    if (!copy) return sv_triton_no_memory(strlen(what));
    r->warning[r->warning_count++] = copy;
    return SV_OK;
}

/* ---- messages by tables ---------------------------------------------------------------------- */

static size_t find_field(const sv_triton_field *fields, size_t count, sv_string name)
{
    for (size_t i = 0; i < count; i++) {
        if (strlen(fields[i].name) == name.size &&
            memcmp(fields[i].name, name.data, name.size) == 0) {
            return i;
        }
    }
    return count;
}

static sv_status warn_of_field(sv_triton_reader *r, sv_string name, bool known)
{
    char text[160];
    if (r->strict && !known) {
        return sv_pbtxt_error(&r->text, "'%.*s': expected a field that is known, found another",
                              (int)(name.size < 64 ? name.size : 64), name.data);
    }
    snprintf(text, sizeof text, "'%.*s' is %s", (int)(name.size < 64 ? name.size : 64), name.data,
             known ? "not heeded" : "no field that is known, and not heeded");
    return sv_triton_warn(r, text);
}

static sv_status read_values(sv_triton_reader *r, const sv_triton_field *field, void *into)
{
    sv_pbtxt_values values = {false, false, false};
    bool more;
    for (size_t count = 0;; count++) {
        SV_TRY(sv_pbtxt_value(&r->text, &values, &more));
        if (!more) return SV_OK;
        if (count && field && !field->repeated) {
            return sv_pbtxt_error(&r->text, "'%s': expected one value, found several", field->name);
        }
        SV_TRY(field && field->read ? field->read(r, into) : sv_pbtxt_skip(&r->text));
    }
}

/* Where errors have no places, they say by which fields the reader came there. */
static sv_status annotate(sv_status status, const char *field)
{
    return sv_status_annotate(status, "'%s'", field);
}

sv_status sv_triton_fields(sv_triton_reader *r, const sv_triton_field *fields, size_t count,
                           void *into)
{
    uint64_t seen = 0;
    sv_string name;
    bool more;
    for (;;) {
        SV_TRY(sv_pbtxt_next(&r->text, &name, &more));
        if (!more) return SV_OK;
        size_t index = find_field(fields, count, name);
        const sv_triton_field *field = index < count ? &fields[index] : NULL;
        if (!field || !field->read) SV_TRY(warn_of_field(r, name, field));
        if (field && !field->repeated && seen >> index & 1) {
            return sv_pbtxt_error(&r->text, "'%s': expected once, found twice", field->name);
        }
        if (field) seen |= UINT64_C(1) << index;
        sv_status status = read_values(r, field, into);
        if (status != SV_OK) return r->strict && field ? annotate(status, field->name) : status;
    }
}

sv_status sv_triton_message(sv_triton_reader *r, const sv_triton_field *fields, size_t count,
                            void *into)
{
    SV_TRY(sv_pbtxt_message(&r->text));
    return sv_triton_fields(r, fields, count, into);
}

/* ---- values ---------------------------------------------------------------------------------- */

sv_status sv_triton_number(sv_triton_reader *r, int64_t least, int64_t most, int64_t *out)
{
    int64_t value;
    SV_TRY(sv_pbtxt_i64(&r->text, &value));
    if (value < least || value > most) {
        return sv_pbtxt_error(&r->text, "expected a number from %lld to %lld, found %lld",
                              (long long)least, (long long)most, (long long)value);
    }
    *out = value;
    return SV_OK;
}

sv_status sv_triton_u32(sv_triton_reader *r, void *into)
{
    int64_t value;
    SV_TRY(sv_triton_number(r, 0, SV_TRITON_MAX_COUNT, &value));
    *(uint32_t *)into = (uint32_t)value;
    return SV_OK;
}

sv_status sv_triton_u64(sv_triton_reader *r, uint64_t *out)
{
    int64_t value;
    SV_TRY(sv_triton_number(r, 0, INT64_MAX, &value));
    *out = (uint64_t)value;
    return SV_OK;
}

sv_status sv_triton_text(sv_triton_reader *r, const char **out)
{
    sv_string text;
    SV_TRY(sv_pbtxt_string(&r->text, &text));
    *out = text.data;
    return SV_OK;
}

/* TYPE_FP32 and the like: the protocol's names behind TYPE_, but STRING for BYTES. */
sv_status sv_triton_dtype(sv_triton_reader *r, sv_dtype *out)
{
    sv_string word;
    SV_TRY(sv_pbtxt_word(&r->text, &word));
    for (int i = 1; i < SV_DTYPE_COUNT; i++) {
        const char *name = i == SV_STRING ? "STRING" : sv_dtype_get((sv_dtype)i)->oip_name;
        if (!name || word.size != strlen(name) + 5) continue;
        if (memcmp(word.data, "TYPE_", 5) != 0) break;
        if (memcmp(word.data + 5, name, word.size - 5) != 0) continue;
        *out = (sv_dtype)i;
        return SV_OK;
    }
    return sv_pbtxt_error(&r->text, "expected a type such as TYPE_FP32, found '%.*s'",
                          (int)(word.size < 64 ? word.size : 64), word.data);
}

sv_status sv_triton_dim(sv_triton_reader *r, int64_t least, int32_t *rank, int64_t *dim)
{
    int64_t value;
    SV_TRY(sv_triton_number(r, least, INT64_MAX, &value));
    int32_t count = *rank < 0 ? 0 : *rank;
    if (count == SV_MAX_RANK) {
        return sv_pbtxt_error(&r->text, "expected at most %d dimensions, found more", SV_MAX_RANK);
    }
    dim[count] = value;
    *rank = count + 1;
    return SV_OK;
}
