/* A blocking HTTP/2 client that sends what it is told, good or bad, frame by frame. */
#ifndef SV_TESTS_NET_H2_CLIENT_H
#define SV_TESTS_NET_H2_CLIENT_H

#include "fixture.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

typedef struct h2_client {
    int fd;
    nghttp2_hd_deflater *deflater;
    nghttp2_hd_inflater *inflater;
    bool eof;
    bool quiet; /* nothing may be sent any more: no acknowledgements, no credit */
} h2_client;

typedef struct h2_frame {
    uint8_t type, flags;
    int32_t stream;
    size_t size;
    uint8_t data[1 << 14];
    char head[4096]; /* of HEADERS: "name: value" lines */
} h2_frame;

/* Connects and sends the preface and SETTINGS; `window` is the initial window of streams, 0: the
 * standard one. */
void h2_open(h2_client *c, uint16_t port, uint32_t window);
void h2_close(h2_client *c);
/* A server (`options` NULL: with one loop) and a connection to it; both are ended in order. */
void h2_start(fixture *f, h2_client *c, const sv_server_options *options);
void h2_stop(fixture *f, h2_client *c);
void h2_send(h2_client *c, uint8_t type, uint8_t flags, int32_t stream, const void *data,
             size_t size);
void h2_send_data(h2_client *c, int32_t stream, const void *data, size_t size, bool last);
/* HEADERS of a request with more fields in pairs, ended by NULL; `end` not 0: without a body. */
void h2_request(h2_client *c, int32_t stream, const char *method, const char *path, int end, ...);
/* A block of fields, in pairs, ended by NULL; returns its size. */
size_t h2_block(h2_client *c, uint8_t *out, size_t room, const char *const *pairs);
void h2_window(h2_client *c, int32_t stream, uint32_t more);
void h2_reset(h2_client *c, int32_t stream);

/* The next frame that is not SETTINGS, WINDOW_UPDATE or an acknowledged PING; false at the end. */
bool h2_read(h2_client *c, h2_frame *frame);
/* The next frames answer `stream` with this code and body (NULL: any); `body` may be in several
 * frames. Credit is given back. */
void h2_expect(h2_client *c, int32_t stream, int http, const char *body);
/* A gRPC answer: messages, one behind the other, then this status. */
void h2_expect_grpc(h2_client *c, int32_t stream, const char *messages, int status);
void h2_expect_reset(h2_client *c, int32_t stream, uint32_t error);
/* GOAWAY with this error comes, whatever else comes before it; then the end. */
void h2_expect_goaway(h2_client *c, uint32_t error);

#endif
