/* One block for a head, its table of fields, its path and its text. */
#include "net/http1_kept.h"

#include "net/target.h"

#include <string.h>

/* The request's line holds the path; a blank line may stand before it. */
static size_t segments_room(sv_string head)
{
    const char *end = head.data + head.size, *target = memchr(head.data, ' ', head.size);
    if (!target) return 1;
    const char *behind = memchr(target + 1, ' ', (size_t)(end - target) - 1);
    return sv_target_segments((sv_string){target, (size_t)((behind ? behind : end) - target)});
}

sv_http1_kept *sv_http1_kept_create(const sv_allocator *allocator, sv_http1_reader *reader,
                                    const uint8_t *bytes, size_t size, bool *good)
{
    /* Each line but the request's is a field; sizes are bounded by the head's limits. */
    size_t fields = reader->count, segments = segments_room((sv_string){(const char *)bytes, size});
    size_t total = sizeof(sv_http1_kept) + fields * sizeof(sv_header) +
                   segments * sizeof(sv_string) + size + size;
    sv_http1_kept *kept = sv_alloc(allocator, total);
    if (!kept) return NULL;
    sv_header *field = (sv_header *)(kept + 1);
    sv_string *segment = (sv_string *)(field + fields);
    char *text = memcpy(segment + segments, bytes, size);
    *kept = (sv_http1_kept){.base = {.allocator = allocator,
                                     .bytes = total,
                                     .refs = 1,
                                     .segments = segment,
                                     .decoded = text + size},
                            .text = {text, size}};
    *good = sv_http1_parse_head(reader, text, size, field, &kept->parsed);
    kept->base.head = kept->parsed.base;
    return kept;
}
