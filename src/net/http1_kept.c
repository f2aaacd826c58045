#include "net/http1_kept.h"

#include "base/alloc.h"
#include "net/target.h"

#include <string.h>

static size_t count(const uint8_t *bytes, size_t size, uint8_t wanted)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += bytes[i] == wanted;
    return n;
}

/* The request's line holds the path, and its first blank line may stand before it. */
static size_t segments_room(const uint8_t *bytes, size_t size)
{
    const uint8_t *end = memchr(bytes, ' ', size);
    if (!end) return 1;
    size_t method = (size_t)(end - bytes) + 1;
    end = memchr(bytes + method, ' ', size - method);
    return count(bytes + method, (end ? (size_t)(end - bytes) : size) - method, '/') + 1;
}

sv_kept_head *sv_kept_head_create(const sv_allocator *allocator, sv_http1_reader *reader,
                                  const uint8_t *bytes, size_t size, bool *good)
{
    /* Each line but the request's is a field; sizes are bounded by the head's limits. */
    size_t fields = reader->count, segments = segments_room(bytes, size);
    size_t total = sizeof(sv_kept_head) + fields * sizeof(sv_header) +
                   segments * sizeof(sv_string) + size + size;
    sv_kept_head *kept = sv_alloc(allocator, total);
    if (!kept) return NULL;
    sv_header *field = (sv_header *)(kept + 1);
    sv_string *segment = (sv_string *)(field + fields);
    char *text = memcpy(segment + segments, bytes, size);
    *kept = (sv_kept_head){.allocator = allocator,
                           .bytes = total,
                           .refs = 1,
                           .text = {text, size},
                           .segments = segment,
                           .decoded = text + size};
    *good = sv_http1_parse_head(reader, text, size, field, &kept->head);
    return kept;
}

sv_status sv_kept_head_split(sv_kept_head *kept)
{
    return sv_target_split(kept->head.path, kept->segments, &kept->segment_count, kept->decoded);
}

void sv_kept_head_unref(sv_kept_head *kept)
{
    if (kept && --kept->refs == 0) sv_free(kept->allocator, kept, kept->bytes);
}
