/* HTTP/2 on a connection, over nghttp2: each stream becomes an exchange. Private to this folder.
 *
 *   http2.c        the connection: bytes in and out, limits, its end
 *   http2_head.c   a stream's head becomes an exchange
 *   http2_write.c  answers: heads, data as windows allow, trailers
 *
 * nghttp2 reports no streams when a session is deleted, so the session keeps a list of its own. */
#ifndef SV_NET_HTTP2_H
#define SV_NET_HTTP2_H

#include "net/conn.h"
#include "net/http2_kept.h"

#include <nghttp2/nghttp2.h>

/* What a stream may receive before its credit is returned, and the connection for all of them. */
#define SV_HTTP2_STREAM_WINDOW (1 << 20)
#define SV_HTTP2_CONN_WINDOW (16 << 20)
#define SV_HTTP2_MAX_STREAMS 256

typedef struct sv_http2 {
    nghttp2_session *ng;
    sv_conn *conn;
    sv_link streams; /* that nghttp2 has open */
    sv_link sending; /* closed for nghttp2, their last bytes not yet sent; in order */
    sv_link resumed; /* streams whose messages may go on */
    uint32_t stream_count;
    uint32_t fed_pass;               /* the connection's pass that last brought bytes */
    size_t data_left;                /* bytes of the DATA frame that is being received */
    uint64_t tokens_at;              /* control frames: when the bucket was last filled */
    uint32_t tokens;                 /* and what is in it */
    uint32_t error;                  /* with which we said goodbye, as of nghttp2_error_code */
    bool in_head;                    /* a header block is incomplete */
    struct sv_http2_stream *opening; /* whose head it is; NULL for trailers */
    struct sv_http2_stream *recent;  /* that was last found, while nghttp2 has it open; or NULL */
    sv_http2_kept *head;             /* the last one, if it is worth keeping; else NULL */
    uint32_t head_changes;           /* heads in a row that were not the same as the last one */
    bool in_nghttp2;                 /* one of its functions runs: it must not be deleted */
    bool leaving, left;              /* GOAWAY was announced; is final */
    bool told;                       /* the handler, that the server drains */
    bool broken;                     /* GOAWAY with an error was sent */
    bool ending; /* the peer has ended; what came with the end is still answered */
    bool orphan; /* the connection is dead: to be deleted as soon as nghttp2 returns */
} sv_http2;

/* Lives in its exchange's arena. */
typedef struct sv_http2_stream {
    sv_link link;   /* in sv_http2.streams or sending */
    sv_link resume; /* in sv_http2.resumed */
    sv_http2 *session;
    sv_exchange *x;
    int32_t id;
    sv_header *fields; /* [field_count], pseudo-fields first; NULL before the first */
    uint32_t field_count, pseudo_count;
    bool repeats; /* so far the fields are those of session->head, and not in `fields` */
    sv_http2_known known;
    uint32_t head_size;
    bool head_too_large, head_done;
    bool request_ended;
    bool answer_begun; /* the head of the answer was submitted */
    bool answer_ended; /* nothing more will be added to `out` */
    bool closed;       /* for nghttp2 */
    sv_output out;     /* data for the peer */
    /* Trailers, encoded, in the arena; NULL: none. */
    const char *grpc_message, *grpc_details;
    int grpc_code;
    size_t credit_owed; /* to the peer, once messages go on */
} sv_http2_stream;

static inline sv_http2_stream *sv_http2_stream_of(const sv_exchange *x)
{
    return x->wire->stream;
}

/* ---- heads (http2_head.c) ------------------------------------------------------------------ */

/* Makes an exchange for a new stream; NULL when memory is out. */
sv_http2_stream *sv_http2_open_stream(sv_http2 *session, int32_t id);
/* Notes one field; fields beyond the limits are counted, and refused when the head is complete. */
void sv_http2_add_field(sv_http2_stream *stream, sv_string name, sv_string value);
/* The head is complete: opens the exchange, or refuses it. `ends`: there is no body. */
void sv_http2_take_head(sv_http2_stream *stream, bool ends);
/* The last head is not needed any more. */
void sv_http2_forget_head(sv_http2 *session);

/* ---- answers (http2_write.c) --------------------------------------------------------------- */

/* sv_exchange_wire.send of exchanges that are not gRPC. */
void sv_http2_send_answer(sv_exchange *x, const char *content_type, sv_text *body,
                          const char *coding);
void sv_http2_send_continue(sv_http2_stream *stream);
/* Appends a gRPC message, whose 5 bytes in front are `prefix`, to the answer; takes `message`. */
void sv_http2_send_message(sv_exchange *x, const char prefix[5], sv_text *message,
                           const char *coding);
/* Ends a gRPC answer with its status. `message` is percent-encoded, in the arena, or NULL. */
void sv_http2_send_status(sv_exchange *x, int code, const char *message, const char *details);
/* sv_exchange_wire.stall. */
void sv_http2_stall(sv_exchange *x);
/* The callback by which nghttp2 writes DATA frames. */
int sv_http2_on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head,
                          size_t size, nghttp2_data_source *source, void *user);

/* ---- the connection (http2.c) -------------------------------------------------------------- */

/* NULL when nghttp2 does not have it open. */
sv_http2_stream *sv_http2_find_stream(sv_http2 *session, int32_t id);
/* Messages of the stream that wait may go on: they do in this round or the next. */
void sv_http2_resume(sv_http2_stream *stream);
/* Says goodbye with `error` (of nghttp2_error_code) and cancels everything; later in the round. */
void sv_http2_abort(sv_http2 *session, uint32_t error);

#endif
