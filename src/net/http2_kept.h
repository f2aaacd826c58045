/* Kept heads of HTTP/2: the fields of a stream's head, and what was made of them. */
#ifndef SV_NET_HTTP2_KEPT_H
#define SV_NET_HTTP2_KEPT_H

#include "net/kept_head.h"

typedef struct sv_http2_kept {
    sv_kept_head base;
    sv_header *fields; /* [count], as they came: pseudo-fields first */
    uint32_t count;
    sv_string encoding; /* of the body */
    /* What the exchange takes. */
    sv_method method;
    sv_string method_name, target, path, query, authority, content_type;
    const sv_header *headers;
    uint32_t header_count;
    bool grpc;
    sv_string *segments;
    uint32_t segment_count;
    char *decoded; /* room for the segments' texts */
} sv_http2_kept;

/* A copy of the fields; the reference is the caller's. NULL when memory is out. */
sv_http2_kept *sv_http2_kept_create(const sv_allocator *allocator, const sv_header *fields,
                                    uint32_t count);
/* Is the field at `index` this one? */
bool sv_http2_kept_has(const sv_http2_kept *kept, uint32_t index, sv_string name, sv_string value);
/* What an exchange has read from the block's fields is kept with them... */
void sv_http2_kept_note(sv_http2_kept *kept, const sv_exchange *x, sv_string encoding);
/* ... and given to another, with a reference of its own. A gRPC call has yet to begin, and the
 * length of the body to be read. */
void sv_http2_kept_give(sv_http2_kept *kept, sv_exchange *x);

#endif
