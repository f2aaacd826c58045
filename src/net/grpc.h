/* gRPC over HTTP/2 (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): messages of 5
 * bytes and their content, compression, deadlines, and statuses in trailers. Private to this
 * folder; which methods there are and what messages mean is the handler's matter. */
#ifndef SV_NET_GRPC_H
#define SV_NET_GRPC_H

#include "net/http2_kept.h"
#include "net/hub.h"

#define SV_GRPC_PREFIX 5 /* bytes in front of each message: compressed or not, and its size */

/* "application/grpc", alone or with a suffix or parameters. */
bool sv_grpc_is_type(sv_string content_type);
/* A head is that of a gRPC call: sets what follows from it, so that every answer from now on is
 * one of gRPC. INVALID_ARGUMENT for a bad grpc-timeout. */
SV_MUST_USE sv_status sv_grpc_begin(sv_exchange *x, const sv_http2_known *known);

/* A call of one message, which has been gathered: x->body becomes its content. */
SV_MUST_USE sv_status sv_grpc_unframe(sv_exchange *x);

/* A streaming call: `size` more bytes. They are kept, or become messages that go to the handler.
 * False: the exchange has been answered, nothing more of it is wanted. */
bool sv_grpc_put(sv_exchange *x, const uint8_t *data, size_t size);
/* Hands over what was kept while the handler paused; false as above. */
bool sv_grpc_go_on(sv_exchange *x);
/* The client has said all: calls `end` now, or when the handler has taken all messages. */
void sv_grpc_end(sv_exchange *x);
/* Bytes wait, or the call's end, until the handler or the output takes more. */
bool sv_grpc_waits(const sv_exchange *x);
bool sv_grpc_is_paused(const sv_exchange *x);
/* Frees what is in memory of a message that is not complete, or that waits. */
void sv_grpc_release(sv_exchange *x);

/* The answer by the socket layer, for answer.c: takes `status`; SV_OK ends the call in order. */
void sv_grpc_finish(sv_exchange *x, sv_status status);

/* `text` in the form of grpc-message: bytes other than printable ASCII, and %, as %XX, cut (between
 * characters) to at most `most` bytes. In `arena`; NULL when memory is out. */
char *sv_grpc_encode_message(sv_arena *arena, const char *text, size_t most);
/* Nanoseconds of a grpc-timeout such as "100m"; false when it is none. Those beyond 100 years are
 * cut. */
bool sv_grpc_parse_timeout(sv_string text, uint64_t *out);

extern const sv_xops sv_grpc_ops;

#endif
