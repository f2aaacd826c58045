/* Answers on HTTP/2: heads, data as far as windows and the connection's output allow, trailers. */
#include "net/http2.h"

#include "net/grpc.h"

#include <stdio.h>
#include <string.h>

#define FIELDS_MAX 48
#define PREFIX SV_GRPC_PREFIX
#define MOVE_MAX 4096
/* A streaming answer lets its messages come again when this share of its bound is left. */
#define GO_ON_SHARE 2

/* A head as nghttp2 wants it. What does not stay is copied by its submit functions. */
typedef struct head {
    nghttp2_nv field[FIELDS_MAX];
    size_t count;
} head;

#define NAME_STAYS NGHTTP2_NV_FLAG_NO_COPY_NAME
#define BOTH_STAY (NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE)

static void put_sized(head *h, sv_string name, sv_string value, uint8_t flags)
{
    if (h->count == FIELDS_MAX) return;
    h->field[h->count++] =
        (nghttp2_nv){(uint8_t *)name.data, (uint8_t *)value.data, name.size, value.size, flags};
}

static inline void put(head *h, const char *name, const char *value)
{
    put_sized(h, (sv_string){name, strlen(name)}, (sv_string){value, strlen(value)}, NAME_STAYS);
}

/* The same for a value that outlives the connection. */
static inline void put_constant(head *h, const char *name, const char *value)
{
    put_sized(h, (sv_string){name, strlen(name)}, (sv_string){value, strlen(value)}, BOTH_STAY);
}

/* The lines that sv_exchange_add_header made, with names in lower case. */
static void put_extra(head *h, sv_exchange *x)
{
    if (!x->extra.size) return;
    char *at = x->extra.data, *end = at + x->extra.size;
    while (at < end) {
        char *colon = memchr(at, ':', (size_t)(end - at));
        char *stop = memchr(at, '\r', (size_t)(end - at));
        for (char *c = at; c < colon; c++)
            if (*c >= 'A' && *c <= 'Z') *c |= 0x20;
        put_sized(h, (sv_string){at, (size_t)(colon - at)},
                  (sv_string){colon + 2, (size_t)(stop - colon) - 2}, NGHTTP2_NV_FLAG_NONE);
        at = stop + 2;
    }
}

/* One of gRPC's codes. */
static void put_status(head *h, int code)
{
    static const char *const texts[] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                        "9", "10", "11", "12", "13", "14", "15", "16"};
    put_constant(h, "grpc-status", texts[code]);
}

static void put_texts(head *h, const char *message, const char *details)
{
    if (message) put(h, "grpc-message", message);
    if (details) put(h, "grpc-status-details-bin", details);
}

static void check(sv_http2 *session, int result)
{
    /* Of the errors only a lack of memory is possible: the stream is there, the fields are good. */
    if (result == NGHTTP2_ERR_NOMEM)
        sv_conn_kill(session->conn);
    else
        sv_conn_wake(session->conn);
}

static bool is_full(const sv_http2_stream *stream)
{
    return stream->session->conn->out.size >= stream->session->conn->hub->limits->output_bytes;
}

/* ---- data ---------------------------------------------------------------------------------- */

static int submit_trailers(sv_http2_stream *stream)
{
    head h;
    h.count = 0;
    put_status(&h, stream->grpc_code);
    put_texts(&h, stream->grpc_message, stream->grpc_details);
    return nghttp2_submit_trailer(stream->session->ng, stream->id, h.field, h.count);
}

static ssize_t on_read(nghttp2_session *ng, int32_t id, uint8_t *room, size_t size, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    sv_http2_stream *stream = sv_http2_find_stream(user, id);
    (void)ng;
    (void)room;
    (void)source;
    if (!stream) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t left = stream->out.size;
    if (!left && !stream->answer_ended) return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (left > size) return (ssize_t)size;
    if (!stream->answer_ended) return (ssize_t)left;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->x->grpc) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (submit_trailers(stream)) return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return (ssize_t)left;
}

static void move_data(sv_http2_stream *stream, size_t size)
{
    struct iovec vectors[8];
    while (size) {
        int count = sv_output_peek(&stream->out, vectors, 8);
        for (int i = 0; i < count && size; i++) {
            size_t n = vectors[i].iov_len < size ? vectors[i].iov_len : size;
            sv_conn_write(stream->session->conn, vectors[i].iov_base, n);
            sv_output_drop(&stream->out, n);
            size -= n;
        }
    }
}

int sv_http2_on_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head,
                          size_t size, nghttp2_data_source *source, void *user)
{
    sv_http2 *session = user;
    sv_http2_stream *stream = sv_http2_find_stream(session, frame->hd.stream_id);
    (void)ng;
    (void)source;
    if (!stream || session->conn->dead) return NGHTTP2_ERR_CALLBACK_FAILURE;
    sv_exchange *x = stream->x;
    sv_conn_write(session->conn, head, 9);
    move_data(stream, size);
    x->bytes_out += 9 + size;
    if (session->conn->dead) return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (!stream->out.size) sv_link_remove(&x->wire->answer_link);
    if (x->mode == SV_BODY_MESSAGES) {
        sv_exchange_uncharge(x, size);
        if (stream->out.size <= x->wire->hub->limits->output_bytes / GO_ON_SHARE)
            sv_http2_resume(stream);
    }
    return is_full(stream) ? NGHTTP2_ERR_PAUSE : 0;
}

/* Data were added, or their end: they go on as windows allow. */
static void go_on(sv_http2_stream *stream)
{
    sv_exchange_wire *wire = stream->x->wire;
    if (stream->out.size && sv_link_is_alone(&wire->answer_link)) {
        wire->answer_from = sv_loop_now(wire->hub->loop);
        wire->answer_sent = stream->x->bytes_out;
        sv_list_append(&wire->hub->answers, &wire->answer_link);
    }
    (void)nghttp2_session_resume_data(stream->session->ng, stream->id);
    sv_conn_wake(stream->session->conn);
}

static void submit_head(sv_http2_stream *stream, const head *h, bool with_data)
{
    nghttp2_data_provider provider = {.source.ptr = NULL, .read_callback = on_read};
    stream->answer_begun = true;
    check(stream->session, nghttp2_submit_response(stream->session->ng, stream->id, h->field,
                                                   h->count, with_data ? &provider : NULL));
}

/* ---- plain answers ------------------------------------------------------------------------- */

/* Texts that live until the head has been submitted. */
typedef struct head_texts {
    char status[12], length[24], retry[12];
} head_texts;

static void put_answer(head *h, head_texts *texts, sv_exchange *x, const char *content_type,
                       size_t size, const char *coding)
{
    snprintf(texts->status, sizeof texts->status, "%d", x->http);
    snprintf(texts->length, sizeof texts->length, "%zu", size);
    put(h, ":status", texts->status);
    put(h, "date", sv_hub_date(x->wire->hub));
    if (x->http != 204 && x->http != 304) put(h, "content-length", texts->length);
    if (coding) put(h, "content-encoding", coding);
    if (coding) put(h, "vary", "Accept-Encoding");
    uint32_t seconds = x->retry_after ? x->retry_after : x->http == 503;
    if (seconds && (x->http == 503 || x->http == 429)) {
        snprintf(texts->retry, sizeof texts->retry, "%u", seconds);
        put(h, "retry-after", texts->retry);
    }
    if (content_type && size) put(h, "content-type", content_type);
    put_extra(h, x);
}

void sv_http2_send_answer(sv_exchange *x, const char *content_type, sv_text *body,
                          const char *coding)
{
    sv_http2_stream *stream = sv_http2_stream_of(x);
    if (stream->closed) {
        sv_text_release(body);
        return;
    }
    head h;
    h.count = 0;
    head_texts texts;
    put_answer(&h, &texts, x, content_type, body->size, coding);
    bool data = body->size && x->head.method != SV_METHOD_HEAD && x->http != 204 && x->http != 304;
    stream->answer_ended = true;
    if (!data)
        sv_text_release(body);
    else if (!sv_output_own(&stream->out, body))
        sv_conn_kill(stream->session->conn);
    if (stream->session->conn->dead) return;
    submit_head(stream, &h, data);
    if (!stream->session->conn->dead && data) go_on(stream);
}

void sv_http2_send_continue(sv_http2_stream *stream)
{
    head h;
    h.count = 0;
    put(&h, ":status", "100");
    check(stream->session, nghttp2_submit_headers(stream->session->ng, NGHTTP2_FLAG_NONE,
                                                  stream->id, NULL, h.field, h.count, NULL));
}

/* ---- gRPC ---------------------------------------------------------------------------------- */

static void put_grpc(head *h, sv_exchange *x, const char *coding)
{
    put_constant(h, ":status", "200");
    put_constant(h, "content-type", "application/grpc");
    /* Who says nothing of codings is told nothing of them. */
    const sv_http2_known *known = &sv_http2_stream_of(x)->known;
    if (known->grpc_encoding.data || known->grpc_accept_encoding.data)
        put_constant(h, "grpc-accept-encoding", "identity,gzip,deflate");
    if (coding) put(h, "grpc-encoding", coding);
    put_extra(h, x);
}

/* A prefix and a message that takes it into its own memory, if moving it is less than a piece more.
 */
static bool put_message(sv_output *out, const char prefix[PREFIX], sv_text *message)
{
    bool moved = message->size <= MOVE_MAX && sv_text_reserve(message, PREFIX);
    if (moved) {
        memmove(message->data + PREFIX, message->data, message->size);
        memcpy(message->data, prefix, PREFIX);
        message->size += PREFIX;
        return sv_output_own(out, message);
    }
    char *room = sv_output_reserve(out, PREFIX);
    if (room) {
        memcpy(room, prefix, PREFIX);
        sv_output_commit(out, PREFIX);
    }
    return sv_output_own(out, message) && room;
}

void sv_http2_send_message(sv_exchange *x, const char prefix[PREFIX], sv_text *message,
                           const char *coding)
{
    sv_http2_stream *stream = sv_http2_stream_of(x);
    if (stream->closed) {
        sv_text_release(message);
        return;
    }
    if (!put_message(&stream->out, prefix, message)) {
        sv_conn_kill(stream->session->conn);
        return;
    }
    if (!stream->answer_begun) {
        head h;
        h.count = 0;
        put_grpc(&h, x, coding);
        submit_head(stream, &h, true);
    }
    if (!stream->session->conn->dead) go_on(stream);
}

void sv_http2_send_status(sv_exchange *x, int code, const char *message, const char *details)
{
    sv_http2_stream *stream = sv_http2_stream_of(x);
    if (stream->closed) return;
    stream->answer_ended = true;
    stream->grpc_code = code;
    stream->grpc_message = message;
    stream->grpc_details = details;
    if (stream->answer_begun) {
        go_on(stream);
        return;
    }
    head h;
    h.count = 0;
    char delay[16];
    put_grpc(&h, x, NULL);
    if (x->retry_after) {
        snprintf(delay, sizeof delay, "%u000", x->retry_after);
        put(&h, "grpc-retry-pushback-ms", delay);
    }
    put_status(&h, code);
    put_texts(&h, message, details);
    submit_head(stream, &h, false);
}

void sv_http2_stall(sv_exchange *x)
{
    sv_http2_abort(sv_http2_stream_of(x)->session, NGHTTP2_ENHANCE_YOUR_CALM);
}
