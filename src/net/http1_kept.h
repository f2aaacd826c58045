/* Kept heads of HTTP/1.1: the text as it was sent, parsed. */
#ifndef SV_NET_HTTP1_KEPT_H
#define SV_NET_HTTP1_KEPT_H

#include "net/http1.h"
#include "net/kept_head.h"

typedef struct sv_http1_kept {
    sv_kept_head base;
    sv_string text;
    sv_http1_head parsed;
} sv_http1_kept;

/* Parses the head that the reader has just announced; the reference is the caller's. *good is what
 * sv_http1_parse_head returned. NULL when memory is out. */
sv_http1_kept *sv_http1_kept_create(const sv_allocator *allocator, sv_http1_reader *reader,
                                    const uint8_t *bytes, size_t size, bool *good);

#endif
