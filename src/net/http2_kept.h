/* Kept heads of HTTP/2: the fields of a stream's head, and what was made of them. */
#ifndef SV_NET_HTTP2_KEPT_H
#define SV_NET_HTTP2_KEPT_H

#include "net/kept_head.h"

/* What a head says of the message itself; without data where it does not. */
typedef struct sv_http2_known {
    sv_string content_encoding, content_length, expect;
    sv_string grpc_encoding, grpc_timeout, grpc_accept_encoding;
} sv_http2_known;

typedef struct sv_http2_kept {
    sv_kept_head base;
    sv_header *fields; /* [count], as they came: pseudo-fields first */
    uint32_t count;
    sv_http2_known known;
    bool grpc;
} sv_http2_kept;

/* A copy of the fields; the reference is the caller's. NULL when memory is out. */
sv_http2_kept *sv_http2_kept_create(const sv_allocator *allocator, const sv_header *fields,
                                    uint32_t count);
/* Is the field at `index` this one? */
bool sv_http2_kept_has(const sv_http2_kept *kept, uint32_t index, sv_string name, sv_string value);

#endif
