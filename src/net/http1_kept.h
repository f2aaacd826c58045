/* Parsed heads that are kept: most clients send the same head with every request on a connection,
 * byte for byte, and then nothing of it needs to be read again.
 *
 * The block is shared by the connection that remembers it and by the exchanges that came with it,
 * all of one loop; nothing in it changes but the note, which is the handler's. */
#ifndef SV_NET_HTTP1_KEPT_H
#define SV_NET_HTTP1_KEPT_H

#include "net/http1.h"

typedef struct sv_kept_head {
    const sv_allocator *allocator;
    size_t bytes; /* of this block, with all that it points to */
    uint32_t refs;
    uint32_t segment_count;
    sv_string text; /* the head as it was sent */
    sv_http1_head head;
    sv_string *segments;
    char *decoded; /* room for the segments' texts */
    _Alignas(8) uint8_t note[SV_NOTE_BYTES];
} sv_kept_head;

/* Parses the head that the reader has just announced, with the reference for the caller; *good is
 * what sv_http1_parse_head returned. NULL when memory is out. */
sv_kept_head *sv_kept_head_create(const sv_allocator *allocator, sv_http1_reader *reader,
                                  const uint8_t *bytes, size_t size, bool *good);
/* Fills in the segments, once, as sv_target_split does. */
SV_MUST_USE sv_status sv_kept_head_split(sv_kept_head *kept);

static inline sv_kept_head *sv_kept_head_ref(sv_kept_head *kept)
{
    kept->refs++;
    return kept;
}
void sv_kept_head_unref(sv_kept_head *kept); /* NULL is allowed */

#endif
