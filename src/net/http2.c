/* The HTTP/2 connection: frames in and out through nghttp2, the limits that keep one client from
 * costing too much, and the connection's end. */
#include "net/http2.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "net/answer.h"
#include "net/body.h"
#include "net/grpc.h"

#include <string.h>

/* Frames that a peer may send without asking for anything: so many at once, so many a second, and
 * so many more with each frame that does (clients acknowledge, measure and return small credits).
 */
#define CONTROL_BURST 2000
#define CONTROL_RATE 200
#define CONTROL_EARNED 8
/* Streams that a peer may reset likewise. */
#define RESET_BURST 500
#define RESET_RATE 100
#define MAX_ACKS 256        /* PING and SETTINGS answers that wait to be sent */
#define WINDOW_STEP_MIN 256 /* smaller WINDOW_UPDATEs count as control frames */
#define SECOND_NS ((uint64_t)1000000000)

/* ---- streams ------------------------------------------------------------------------------- */

sv_http2_stream *sv_http2_find_stream(sv_http2 *session, int32_t id)
{
    /* One stream's frames mostly come, and go, one after another. */
    if (session->recent && session->recent->id == id) return session->recent;
    session->recent = nghttp2_session_get_stream_user_data(session->ng, id);
    return session->recent;
}

/* The stream is over: its exchange goes when nothing of it waits in the connection. */
static void release_stream(sv_http2_stream *stream)
{
    sv_exchange *x = stream->x;
    if (stream->session->opening == stream) stream->session->opening = NULL;
    if (stream->session->recent == stream) stream->session->recent = NULL;
    sv_link_remove(&stream->link);
    sv_link_remove(&stream->resume);
    sv_link_remove(&x->wire->answer_link);
    sv_output_release(&stream->out);
    x->at.last = sv_clock_ns();
    sv_exchange_release_wire(x);
}

/* Nobody takes the answer, or its rest. */
static void lose_stream(sv_http2_stream *stream)
{
    stream->closed = true;
    sv_answer_lose(stream->x);
    release_stream(stream);
}

static void lose_all(sv_http2 *session)
{
    while (!sv_link_is_alone(&session->streams)) {
        sv_http2_stream *stream = SV_CONTAINER(session->streams.next, sv_http2_stream, link);
        if (!session->orphan) nghttp2_session_set_stream_user_data(session->ng, stream->id, NULL);
        lose_stream(stream);
    }
    session->stream_count = 0;
}

void sv_http2_resume(sv_http2_stream *stream)
{
    if (stream->closed || !sv_link_is_alone(&stream->resume)) return;
    sv_list_append(&stream->session->resumed, &stream->resume);
    sv_conn_resume(stream->session->conn);
}

/* ---- nghttp2's events ---------------------------------------------------------------------- */

static int result_of(const sv_http2 *session)
{
    return session->conn->dead ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static void add_tokens(sv_http2 *session, uint64_t more)
{
    uint32_t room = CONTROL_BURST - session->tokens;
    session->tokens += more < room ? (uint32_t)more : room;
}

/* Counts a frame that asks for nothing; false when there are too many. */
static bool take_token(sv_http2 *session)
{
    uint64_t now = session->conn->read_at;
    uint64_t more = (now - session->tokens_at) / (SECOND_NS / CONTROL_RATE);
    if (more) {
        session->tokens_at = now;
        add_tokens(session, more);
    }
    if (!session->tokens) return false;
    session->tokens--;
    return true;
}

/* A frame that asked for nothing has come. */
static void count_idle_frame(sv_http2 *session)
{
    if (take_token(session)) return;
    session->error = NGHTTP2_ENHANCE_YOUR_CALM;
    nghttp2_session_terminate_session(session->ng, NGHTTP2_ENHANCE_YOUR_CALM);
}

static bool is_idle_frame(const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        return !frame->hd.length && !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    case NGHTTP2_WINDOW_UPDATE:
        return frame->window_update.window_size_increment < WINDOW_STEP_MIN;
    case NGHTTP2_HEADERS:
        return false;
    default:
        return true;
    }
}

static int on_begin_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *user)
{
    sv_http2 *session = user;
    (void)ng;
    session->data_left = hd->type == NGHTTP2_DATA ? hd->length : 0;
    /* nghttp2 passes it over without another word. */
    if (hd->type == NGHTTP2_PRIORITY) count_idle_frame(session);
    return 0;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    sv_http2 *session = user;
    session->in_head = true;
    session->opening = NULL;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    sv_http2_stream *stream = sv_http2_open_stream(session, frame->hd.stream_id);
    if (!stream) {
        sv_conn_kill(session->conn);
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, stream);
    session->opening = session->recent = stream;
    return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    const sv_http2 *session = user;
    sv_http2_stream *stream = session->opening;
    (void)ng;
    (void)frame;
    (void)flags;
    /* Trailers are read for nghttp2's state and dropped. */
    if (!stream) return 0;
    sv_http2_add_field(stream, (sv_string){(const char *)name, name_size},
                       (sv_string){(const char *)value, value_size});
    return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t size,
                   void *user)
{
    sv_http2 *session = user;
    sv_http2_stream *stream = sv_http2_find_stream(session, id);
    /* Other streams must not wait for this one's reader. */
    nghttp2_session_consume_connection(ng, size);
    session->data_left -= size;
    if (!stream) return 0;
    sv_exchange *x = stream->x;
    x->bytes_in += size;
    bool last = (flags & NGHTTP2_FLAG_END_STREAM) && !session->data_left;
    if (!sv_exchange_is_waiting(x)) {
        /* Dropped. */
    } else if (x->mode == SV_BODY_MESSAGES) {
        sv_grpc_put(x, data, size);
    } else {
        sv_body_put(x, data, size, last);
    }
    if (session->conn->dead) return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (stream->closed) return 0;
    bool paused = x->mode == SV_BODY_MESSAGES && sv_exchange_is_waiting(x) && sv_grpc_is_paused(x);
    if (paused)
        stream->credit_owed += size;
    else
        nghttp2_session_consume_stream(ng, id, size);
    return 0;
}

static void end_request(sv_http2_stream *stream)
{
    sv_exchange *x = stream->x;
    stream->request_ended = true;
    if (!sv_exchange_is_waiting(x)) {
        x->wire->complete = true;
        return;
    }
    x->at.body = stream->session->conn->read_at;
    if (x->mode == SV_BODY_MESSAGES)
        sv_grpc_end(x);
    else
        sv_body_end(x);
}

static void on_ping_ack(sv_http2 *session)
{
    if (!session->leaving || session->left) return;
    /* All that was on its way when we announced the end has come: from now on nothing new does. */
    session->left = true;
    nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session->ng), NGHTTP2_NO_ERROR,
                          NULL, 0);
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    sv_http2 *session = user;
    (void)ng;
    if (frame->hd.type == NGHTTP2_PING && frame->hd.flags & NGHTTP2_FLAG_ACK) {
        on_ping_ack(session);
    } else if (is_idle_frame(frame)) {
        count_idle_frame(session);
    } else {
        add_tokens(session, CONTROL_EARNED);
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    sv_http2_stream *stream = sv_http2_find_stream(session, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_HEADERS) session->in_head = false;
    if (!stream) return 0;
    bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (frame->hd.type == NGHTTP2_HEADERS) stream->x->bytes_in += frame->hd.length + 9;
    if (frame->hd.type == NGHTTP2_HEADERS && !stream->head_done) sv_http2_take_head(stream, ends);
    if (ends && !session->conn->dead && !stream->closed) end_request(stream);
    return result_of(session);
}

static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *user)
{
    sv_http2 *session = user;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
        session->broken = true;
        return 0;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    sv_http2_stream *stream = sv_http2_find_stream(session, frame->hd.stream_id);
    if (!stream) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS) stream->x->bytes_out += frame->hd.length + 9;
    /* An early answer: what else the client would send is not wanted. */
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM && !stream->request_ended)
        nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t error, void *user)
{
    sv_http2 *session = user;
    sv_http2_stream *stream = sv_http2_find_stream(session, id);
    (void)ng;
    (void)error;
    session->in_head = false;
    session->opening = session->recent = NULL;
    if (!stream) return 0;
    session->stream_count--;
    stream->closed = true;
    if (!stream->answer_ended || stream->out.size) {
        lose_stream(stream);
        return result_of(session);
    }
    sv_link_remove(&stream->link);
    sv_link_remove(&stream->resume);
    sv_link_remove(&stream->x->wire->answer_link);
    stream->x->wire->out_end = session->conn->queued;
    sv_list_append(&session->sending, &stream->link);
    return 0;
}

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks)) return NULL;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, sv_http2_on_send_data);
    return callbacks;
}

/* ---- the connection ------------------------------------------------------------------------ */

static void *ng_malloc(size_t size, void *pool)
{
    return sv_pool_alloc(pool, size);
}

static void ng_free(void *memory, void *pool)
{
    sv_pool_free(pool, memory);
}

static void *ng_calloc(size_t count, size_t size, void *pool)
{
    size_t bytes;
    void *memory = sv_size_mul(count, size, &bytes) ? sv_pool_alloc(pool, bytes) : NULL;
    return memory ? memset(memory, 0, bytes) : NULL;
}

static void *ng_realloc(void *memory, size_t size, void *pool)
{
    return sv_pool_resize(pool, memory, size);
}

static int make_session(sv_http2 *session, const nghttp2_session_callbacks *callbacks)
{
    nghttp2_option *option;
    if (nghttp2_option_new(&option)) return NGHTTP2_ERR_NOMEM;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_max_outbound_ack(option, MAX_ACKS);
    nghttp2_option_set_stream_reset_rate_limit(option, RESET_BURST, RESET_RATE);
    /* Closed streams would be kept for a tree of priorities that nobody uses. */
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_mem memory = {&session->conn->hub->blocks, ng_malloc, ng_free, ng_calloc, ng_realloc};
    int result = nghttp2_session_server_new3(&session->ng, callbacks, session, option, &memory);
    nghttp2_option_del(option);
    if (result) return result;
    const sv_net_limits *limits = session->conn->hub->limits;
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, SV_HTTP2_MAX_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, SV_HTTP2_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits->head_bytes},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    result = nghttp2_submit_settings(session->ng, NGHTTP2_FLAG_NONE, settings,
                                     sizeof settings / sizeof *settings);
    if (result) return result;
    return nghttp2_session_set_local_window_size(session->ng, NGHTTP2_FLAG_NONE, 0,
                                                 SV_HTTP2_CONN_WINDOW);
}

static void destroy(sv_http2 *session)
{
    const sv_allocator *allocator = session->conn->hub->allocator;
    nghttp2_session_del(session->ng);
    sv_http2_forget_head(session);
    sv_free(allocator, session, sizeof *session);
}

static bool http2_open(sv_conn *c)
{
    sv_http2 *session = sv_alloc_zero(c->hub->allocator, sizeof *session);
    nghttp2_session_callbacks *callbacks = make_callbacks();
    if (!session || !callbacks) {
        sv_free(c->hub->allocator, session, sizeof *session);
        nghttp2_session_callbacks_del(callbacks);
        return false;
    }
    session->conn = c;
    session->tokens = CONTROL_BURST;
    session->tokens_at = c->read_at;
    sv_link_init(&session->streams);
    sv_link_init(&session->sending);
    sv_link_init(&session->resumed);
    int result = make_session(session, callbacks);
    nghttp2_session_callbacks_del(callbacks);
    if (result) {
        destroy(session);
        return false;
    }
    c->session = session;
    return true;
}

static void settle(sv_conn *c)
{
    const sv_http2 *session = c->session;
    if (c->dead || c->stage == SV_STAGE_LINGER) return;
    if (c->closing || c->out.size)
        sv_conn_set_stage(c, SV_STAGE_WRITE);
    else if (session->in_head || (session->leaving && !session->stream_count))
        sv_conn_set_stage(c, SV_STAGE_HEAD);
    else if (session->stream_count)
        sv_conn_set_stage(c, SV_STAGE_BUSY);
    else
        sv_conn_set_stage(c, SV_STAGE_IDLE);
}

/* Ends the connection when there is nothing more to do on it. */
static void finish_if_done(sv_conn *c)
{
    sv_http2 *session = c->session;
    if (c->closing) return;
    bool over = !nghttp2_session_want_read(session->ng) && !nghttp2_session_want_write(session->ng);
    bool idle = !session->stream_count && sv_link_is_alone(&session->sending);
    if (session->broken || over) {
        lose_all(session);
        if (!c->dead) sv_conn_finish(c, true);
    } else if (idle && (session->left || session->ending) && !c->out.size &&
               !nghttp2_session_want_write(session->ng)) {
        sv_conn_finish(c, true);
    }
}

/* Leaves nghttp2: false when the connection has died meanwhile, and `session` is gone. */
static bool leave_nghttp2(sv_http2 *session)
{
    session->in_nghttp2 = false;
    if (!session->orphan) return true;
    destroy(session);
    return false;
}

static void http2_fill(sv_conn *c)
{
    sv_http2 *session = c->session;
    if (!session || c->closing) return;
    session->in_nghttp2 = true;
    while (!c->dead && c->out.size < c->hub->limits->output_bytes) {
        const uint8_t *data;
        ssize_t size = nghttp2_session_mem_send(session->ng, &data);
        if (size < 0) sv_conn_kill(c);
        if (size <= 0) break;
        sv_conn_write(c, data, (size_t)size);
    }
    if (!leave_nghttp2(session) || c->dead) return;
    finish_if_done(c);
    if (!c->dead) settle(c);
}

void sv_http2_abort(sv_http2 *session, uint32_t error)
{
    sv_conn *c = session->conn;
    if (c->dead || c->closing) return;
    session->error = error;
    lose_all(session);
    if (c->dead) return;
    nghttp2_session_terminate_session(session->ng, error);
    session->broken = true;
    sv_conn_wake(c);
}

/* nghttp2 gives up on some floods without a word: it is said here. */
static void give_up(sv_conn *c, int result)
{
    if (result == NGHTTP2_ERR_NOMEM || result == NGHTTP2_ERR_CALLBACK_FAILURE) {
        sv_conn_kill(c);
        return;
    }
    bool flood = result == NGHTTP2_ERR_FLOODED;
    sv_http2_abort(c->session, flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
    if (!c->dead) http2_fill(c);
}

/* Streams whose handler or output takes messages again. False: the connection is dead. */
static bool feed_resumed(sv_conn *c)
{
    sv_http2 *session = c->session;
    while (!sv_link_is_alone(&session->resumed)) {
        sv_http2_stream *stream = SV_CONTAINER(session->resumed.next, sv_http2_stream, resume);
        sv_link_remove(&stream->resume);
        size_t owed = stream->credit_owed;
        bool wanted = sv_grpc_go_on(stream->x);
        if (c->dead) return false;
        if (wanted && sv_grpc_is_paused(stream->x)) continue;
        stream->credit_owed = 0;
        if (owed) nghttp2_session_consume_stream(session->ng, stream->id, owed);
    }
    return true;
}

static size_t http2_feed(sv_conn *c, uint8_t *data, size_t size)
{
    sv_http2 *session = c->session;
    if (!feed_resumed(c)) return size;
    if (size) session->fed_pass = c->pass;
    session->in_nghttp2 = true;
    ssize_t used = size ? nghttp2_session_mem_recv(session->ng, data, size) : 0;
    if (!leave_nghttp2(session) || c->dead) return size;
    if (used < 0)
        give_up(c, (int)used);
    else if (nghttp2_session_want_write(session->ng) || session->error)
        http2_fill(c);
    else
        finish_if_done(c);
    if (!c->dead) settle(c);
    return size;
}

static void http2_sink(sv_conn *c, uint8_t **at, size_t *room)
{
    (void)c;
    (void)at;
    *room = 0;
}

static void http2_sent(sv_conn *c)
{
    sv_http2 *session = c->session;
    while (!sv_link_is_alone(&session->sending)) {
        sv_http2_stream *stream = SV_CONTAINER(session->sending.next, sv_http2_stream, link);
        if (stream->x->wire->out_end > c->sent) break;
        release_stream(stream);
    }
    if (c->out.size < c->hub->limits->output_bytes && nghttp2_session_want_write(session->ng))
        sv_conn_wake(c);
    finish_if_done(c);
    if (!c->dead) settle(c);
}

/* Whether all streams have come whole, and with the bytes that the end followed. */
static bool came_together(const sv_http2 *session)
{
    for (const sv_link *link = session->streams.next; link != &session->streams; link = link->next)
        if (!SV_CONTAINER(link, sv_http2_stream, link)->request_ended) return false;
    return session->ending || session->fed_pass == session->conn->pass;
}

static void http2_ended(sv_conn *c)
{
    sv_http2 *session = c->session;
    if (!came_together(session) || (!session->stream_count && !c->out.size)) {
        sv_conn_kill(c);
        return;
    }
    session->ending = true;
    finish_if_done(c);
}

static void http2_late(sv_conn *c)
{
    const sv_http2 *session = c->session;
    bool head = session->in_head;
    sv_http2_abort(c->session, head ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_NO_ERROR);
}

static bool http2_quit(sv_conn *c)
{
    const sv_http2 *session = c->session;
    return !session->stream_count && sv_link_is_alone(&session->sending);
}

/* Tells the calls that may go on for as long as their clients like. */
static void drain_streams(sv_http2 *session)
{
    sv_link *next;
    for (sv_link *link = session->streams.next; link != &session->streams; link = next) {
        sv_http2_stream *stream = SV_CONTAINER(link, sv_http2_stream, link);
        next = link->next;
        sv_exchange *x = stream->x;
        if (!x->opened || x->mode != SV_BODY_MESSAGES || !sv_exchange_is_waiting(x)) continue;
        if (x->handler->drain) x->handler->drain(x);
        if (session->conn->dead) return;
    }
}

static void http2_leave(sv_conn *c)
{
    sv_http2 *session = c->session;
    if (c->hub->draining && !session->told && !c->closing) {
        session->told = true;
        drain_streams(session);
    }
    if (c->dead || session->leaving || c->closing) return;
    session->leaving = true;
    nghttp2_submit_shutdown_notice(session->ng);
    nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, NULL);
    sv_conn_wake(c);
}

static void http2_closed(sv_conn *c)
{
    sv_http2 *session = c->session;
    session->orphan = true;
    while (!sv_link_is_alone(&session->sending)) {
        sv_http2_stream *stream = SV_CONTAINER(session->sending.next, sv_http2_stream, link);
        stream->x->lost = true;
        release_stream(stream);
    }
    lose_all(session);
    c->session = NULL;
    if (!session->in_nghttp2) destroy(session);
}

const sv_proto sv_proto_http2 = {
    .name = "h2",
    .open = http2_open,
    .feed = http2_feed,
    .sink = http2_sink,
    .ended = http2_ended,
    .fill = http2_fill,
    .sent = http2_sent,
    .late = http2_late,
    .quit = http2_quit,
    .leave = http2_leave,
    .closed = http2_closed,
};
