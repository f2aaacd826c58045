/* One block for a head: the tables of its fields and segments, and all texts. */
#include "net/http2_kept.h"

#include "net/target.h"

#include <string.h>

static void copy(char **at, sv_string *text)
{
    if (text->size) memcpy(*at, text->data, text->size);
    text->data = *at;
    *at += text->size;
}

static sv_string find(const sv_header *fields, uint32_t count, const char *name)
{
    size_t size = strlen(name);
    for (uint32_t i = 0; i < count; i++)
        if (fields[i].name.size == size && memcmp(fields[i].name.data, name, size) == 0)
            return fields[i].value;
    return (sv_string){NULL, 0};
}

sv_http2_kept *sv_http2_kept_create(const sv_allocator *allocator, const sv_header *fields,
                                    uint32_t count)
{
    sv_string path = find(fields, count, ":path");
    size_t segments = sv_target_segments(path), text = path.size;
    for (uint32_t i = 0; i < count; i++)
        text += fields[i].name.size + fields[i].value.size;
    /* All of it is bounded by the limits of heads. */
    size_t total =
        sizeof(sv_http2_kept) + count * sizeof(sv_header) + segments * sizeof(sv_string) + text;
    sv_http2_kept *kept = sv_alloc(allocator, total);
    if (!kept) return NULL;
    sv_header *field = (sv_header *)(kept + 1);
    sv_string *segment = (sv_string *)(field + count);
    char *at = (char *)(segment + segments);
    memcpy(field, fields, count * sizeof *field);
    for (uint32_t i = 0; i < count; i++) {
        copy(&at, &field[i].name);
        copy(&at, &field[i].value);
    }
    *kept = (sv_http2_kept){.base = {.allocator = allocator,
                                     .bytes = total,
                                     .refs = 1,
                                     .segments = segment,
                                     .decoded = at},
                            .fields = field,
                            .count = count};
    return kept;
}

static bool same(sv_string a, sv_string b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

bool sv_http2_kept_has(const sv_http2_kept *kept, uint32_t index, sv_string name, sv_string value)
{
    if (index >= kept->count) return false;
    const sv_header *field = &kept->fields[index];
    return same(field->value, value) && same(field->name, name);
}
