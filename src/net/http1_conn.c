/* HTTP/1.1 on a connection: heads become exchanges, one at a time, so that answers keep the order
 * of the requests; what else has arrived waits. How a head or a body is framed is http1.c's. */
#include "net/answer.h"
#include "net/body.h"
#include "net/conn.h"
#include "net/http1_kept.h"
#include "net/http1_write.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"

#include <string.h>

typedef struct http1_session {
    sv_http1_reader reader;
    sv_exchange *x;                       /* read or worked on, not yet answered */
    sv_exchange *answered, **answered_to; /* whose last byte has not been sent, in order */
    uint64_t first;                       /* when the incomplete head's first byte came; 0: none */
    uint64_t skipped;                     /* of a body that nobody wants */
    sv_http1_kept *head;                  /* the last one, if it is short; NULL: none */
    uint32_t fed_pass;                    /* the connection's pass that last brought bytes */
    bool repeats; /* the head that was just found is the same as the last one */
    bool skipping;
    bool feeding;
    bool ending; /* the peer has ended; what it asked for before is still answered */
} http1_session;

static void send_answer(sv_exchange *x, const char *content_type, sv_text *body,
                        const char *coding);

static bool http1_open(sv_conn *c)
{
    const sv_net_limits *limits = c->hub->limits;
    http1_session *session = sv_alloc_zero(c->hub->allocator, sizeof *session);
    if (!session) return false;
    sv_http1_limits own = {limits->head_bytes, limits->head_fields, limits->body_bytes};
    sv_http1_init(&session->reader, &own);
    session->answered_to = &session->answered;
    c->session = session;
    return true;
}

static bool output_is_full(const sv_conn *c)
{
    return c->out.size > c->hub->limits->output_bytes;
}

/* The stage that the connection is in, once the dust of an event has settled. */
static void settle(sv_conn *c)
{
    http1_session *session = c->session;
    if (c->dead || c->stage == SV_STAGE_LINGER) return;
    if (c->closing)
        sv_conn_set_stage(c, SV_STAGE_WRITE);
    else if (session->x)
        sv_conn_set_stage(c, SV_STAGE_BUSY);
    else if (session->skipping || session->first)
        sv_conn_set_stage(c, SV_STAGE_HEAD);
    else if (c->out.size)
        sv_conn_set_stage(c, SV_STAGE_WRITE);
    else {
        sv_conn_set_stage(c, SV_STAGE_IDLE);
        if (c->hub->draining) sv_conn_finish(c, true);
    }
}

static sv_exchange *open_exchange(sv_conn *c)
{
    http1_session *session = c->session;
    sv_exchange *x = sv_hub_open_exchange(c->hub, c);
    if (!x) {
        sv_conn_kill(c);
        return NULL;
    }
    x->wire->send = send_answer;
    x->http_major = 1;
    x->length = -1;
    x->at.first = session->first ? session->first : c->read_at;
    session->first = 0;
    session->x = x;
    sv_conn_set_stage(c, SV_STAGE_BUSY);
    return x;
}

/* The exchange takes the reference. */
static void take_head(sv_exchange *x, sv_http1_kept *kept)
{
    const sv_http1_head *parsed = &kept->parsed;
    sv_kept_head_give(&kept->base, x);
    x->http_minor = parsed->minor;
    x->length = parsed->chunked ? -1 : (int64_t)parsed->length;
    x->wire->expects = parsed->expect_continue;
}

static void forget(http1_session *session)
{
    if (session->head) sv_kept_head_unref(&session->head->base);
    session->head = NULL;
}

static void remember(http1_session *session, sv_http1_kept *kept)
{
    if (kept->text.size > SV_KEPT_HEAD_MAX) return;
    forget(session);
    sv_kept_head_ref(&kept->base);
    session->head = kept;
}

/* What stands in the head, without its body; on failure *http is the code to answer with. */
static sv_status read_new_head(http1_session *session, sv_exchange *x, const uint8_t *bytes,
                               size_t size, int *http)
{
    sv_http1_reader *reader = &session->reader;
    bool good;
    sv_http1_kept *kept = sv_http1_kept_create(x->wire->hub->allocator, reader, bytes, size, &good);
    *http = 503;
    if (!kept) return sv_error_memory("head", size);
    take_head(x, kept);
    x->wire->keep = kept->parsed.keep && reader->state != SV_HTTP1_BAD;
    *http = good ? 417 : reader->error_http;
    if (!good) return sv_error_invalid("%s", reader->error_message);
    if (kept->parsed.expect_unknown) return sv_error_invalid("Expect: expected 100-continue");
    *http = 400;
    SV_TRY(sv_head_split(&x->head, kept->base.segments, kept->base.decoded));
    kept->base.head = x->head;
    remember(session, kept);
    return SV_OK;
}

/* The connection's last head once more. */
static void read_known_head(http1_session *session, sv_exchange *x)
{
    sv_kept_head_ref(&session->head->base);
    take_head(x, session->head);
    x->wire->keep = session->head->parsed.keep;
    /* Its length was accepted before. */
    (void)sv_http1_start_body(&session->reader, &session->head->parsed);
}

/* Fills in the exchange from its head; on failure *http is the code to answer with. */
static sv_status read_head(http1_session *session, sv_exchange *x, const uint8_t *bytes,
                           size_t size, int *http)
{
    if (session->repeats)
        read_known_head(session, x);
    else
        SV_TRY(read_new_head(session, x, bytes, size, http));
    const sv_http1_kept *kept = (const sv_http1_kept *)x->wire->head;
    *http = 415;
    return sv_body_begin(x, kept->parsed.content_encoding);
}

static void on_head(sv_conn *c, const uint8_t *bytes, size_t size, bool more)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    http1_session *session = c->session;
    int http;
    sv_exchange *x = open_exchange(c);
    if (!x) return;
    x->bytes_in = size;
    x->at.head = c->read_at;
    sv_status status = read_head(session, x, bytes, size, &http);
    if (status) {
        sv_answer_refuse(x, http, status);
        return;
    }
    x->opened = true;
    x->handler->open(x);
    if (c->dead || session->x != x) return;
    sv_body_expect(x);
    /* A client that has sent on did not wait; one without a body has nothing to wait for. */
    if (more || x->length == 0) x->wire->expects = false;
    if (x->wire->expects) sv_conn_write(c, go_on, sizeof go_on - 1);
    x->wire->expects = false;
}

static void skip(sv_conn *c, size_t size)
{
    http1_session *session = c->session;
    session->skipped += size;
    if (session->skipped > c->hub->limits->drain_bytes) sv_conn_finish(c, true);
}

static void on_data(sv_conn *c, const uint8_t *piece, size_t size)
{
    http1_session *session = c->session;
    const sv_http1_reader *reader = &session->reader;
    bool last = reader->state == SV_HTTP1_FIXED && !reader->left;
    if (session->x)
        sv_body_put(session->x, piece, size, last);
    else
        skip(c, size);
}

static void on_end(sv_conn *c)
{
    http1_session *session = c->session;
    if (session->x) {
        session->x->at.body = c->read_at;
        sv_body_end(session->x);
    } else {
        session->skipping = false;
        sv_http1_next_message(&session->reader);
    }
}

static void on_error(sv_conn *c)
{
    http1_session *session = c->session;
    sv_http1_reader *reader = &session->reader;
    sv_exchange *x = session->x;
    if (session->skipping) {
        sv_conn_finish(c, true);
        return;
    }
    if (!x) x = open_exchange(c);
    if (!x) return;
    x->wire->keep = false;
    sv_answer_refuse(x, reader->error_http, sv_error_invalid("%s", reader->error_message));
}

/* A head that has begun and is not complete is timed from its first byte. */
static void note_rest(sv_conn *c, size_t left)
{
    http1_session *session = c->session;
    if (session->reader.state == SV_HTTP1_HEAD && left && !session->first)
        session->first = c->read_at;
}

static bool must_wait(const sv_conn *c)
{
    const http1_session *session = c->session;
    if (session->x) return session->x->wire->complete;
    return session->reader.state == SV_HTTP1_HEAD && output_is_full(c);
}

static sv_http1_event read_next(http1_session *session, const uint8_t *data, size_t size,
                                size_t *used, const uint8_t **piece, size_t *piece_size)
{
    const sv_http1_kept *last = session->head;
    session->repeats = last && sv_http1_repeats(&session->reader, data, size, last->text);
    if (!session->repeats)
        return sv_http1_read(&session->reader, data, size, used, piece, piece_size);
    *used = last->text.size;
    return SV_HTTP1_GOT_HEAD;
}

static size_t read_all(sv_conn *c, const uint8_t *data, size_t size)
{
    http1_session *session = c->session;
    size_t at = 0;
    while (!c->dead && !c->closing && !must_wait(c)) {
        const uint8_t *piece = NULL;
        size_t used, piece_size = 0;
        sv_http1_event event = read_next(session, data + at, size - at, &used, &piece, &piece_size);
        at += used;
        if (session->x) session->x->bytes_in += used;
        if (event == SV_HTTP1_MORE) {
            note_rest(c, size - at);
            return at;
        }
        if (event == SV_HTTP1_GOT_HEAD)
            on_head(c, data + at - used, used, at < size);
        else if (event == SV_HTTP1_GOT_DATA)
            on_data(c, piece, piece_size);
        else if (event == SV_HTTP1_GOT_END)
            on_end(c);
        else
            on_error(c);
    }
    return c->dead || c->closing ? size : at;
}

static size_t http1_feed(sv_conn *c, uint8_t *data, size_t size)
{
    http1_session *session = c->session;
    session->feeding = true;
    session->fed_pass = c->pass;
    size_t used = read_all(c, data, size);
    /* The session goes only when the connection dies. */
    if (c->dead) return size;
    session->feeding = false;
    settle(c);
    return used;
}

static void http1_sink(sv_conn *c, uint8_t **at, size_t *room)
{
    http1_session *session = c->session;
    *room = 0;
    if (!session->x || session->x->wire->complete) return;
    sv_body_room(session->x, sv_http1_direct(&session->reader), at, room);
}

static void http1_sunk(sv_conn *c, size_t size)
{
    http1_session *session = c->session;
    sv_exchange *x = session->x;
    session->feeding = true;
    session->fed_pass = c->pass;
    x->bytes_in += size;
    bool whole = sv_http1_take(&session->reader, size);
    sv_body_placed(x, size);
    if (!c->dead && !c->closing && whole) on_end(c);
    if (c->dead) return;
    session->feeding = false;
    settle(c);
}

/* May the connection carry another request after this answer? An unread rest of the body is worth
 * reading when it is small; a client that may not send it at all leaves its framing unknown. */
static bool may_keep(const sv_conn *c, const sv_exchange *x)
{
    const http1_session *session = c->session;
    const sv_exchange_wire *wire = x->wire;
    if (!wire->keep || x->close || c->hub->draining) return false;
    if (wire->complete) return true;
    return !wire->expects && sv_http1_direct(&session->reader) <= c->hub->limits->drain_bytes;
}

static void send_answer(sv_exchange *x, const char *content_type, sv_text *body, const char *coding)
{
    sv_exchange_wire *wire = x->wire;
    sv_conn *c = wire->conn;
    http1_session *session = c->session;
    bool keep = may_keep(c, x), complete = wire->complete;
    session->x = NULL;
    *session->answered_to = x;
    session->answered_to = &x->next;
    x->next = NULL;
    /* Out of memory here kills the connection, which settles everything by itself. */
    x->bytes_out = sv_http1_write(c, x, keep, content_type, body, coding);
    wire->out_end = c->queued;
    if (c->dead) return;
    if (!keep) {
        sv_conn_finish(c, !complete || wire->keep);
    } else if (complete) {
        sv_http1_next_message(&session->reader);
    } else {
        session->skipping = true;
        session->skipped = 0;
    }
    if (session->feeding) return;
    if (keep && (c->in_size || c->ended || !c->reading)) sv_conn_resume(c);
    settle(c);
}

static void http1_sent(sv_conn *c)
{
    http1_session *session = c->session;
    while (session->answered && session->answered->wire->out_end <= c->sent) {
        sv_exchange *x = session->answered;
        session->answered = x->next;
        if (!session->answered) session->answered_to = &session->answered;
        x->at.last = sv_clock_ns();
        sv_exchange_release_wire(x);
    }
    if (!session->x && c->in_size && !output_is_full(c)) sv_conn_resume(c);
    settle(c);
}

static void http1_ended(sv_conn *c)
{
    http1_session *session = c->session;
    const sv_exchange *x = session->x;
    /* Requests that came together with the end are answered: whoever waited longer is gone. */
    bool together = session->ending || session->fed_pass == c->pass;
    if (x && (!x->wire->complete || !together)) {
        sv_conn_kill(c);
        return;
    }
    session->ending = true;
    if (!x && !output_is_full(c)) sv_conn_finish(c, false);
}

static void http1_late(sv_conn *c)
{
    http1_session *session = c->session;
    sv_exchange *x = session->skipping ? NULL : open_exchange(c);
    if (!x) {
        sv_conn_kill(c);
        return;
    }
    sv_answer_refuse(x, 408, sv_error(SV_CODE_DEADLINE_EXCEEDED, "the head comes too slowly"));
}

static bool http1_quit(sv_conn *c)
{
    const http1_session *session = c->session;
    return !session->x && !session->answered;
}

static void http1_closed(sv_conn *c)
{
    http1_session *session = c->session;
    uint64_t now = sv_clock_ns();
    while (session->answered) {
        sv_exchange *x = session->answered;
        session->answered = x->next;
        x->lost = true;
        x->at.last = now;
        sv_exchange_release_wire(x);
    }
    sv_exchange *x = session->x;
    session->x = NULL;
    if (x) {
        x->at.last = now;
        sv_answer_lose(x);
        sv_exchange_release_wire(x);
    }
    forget(session);
    sv_free(c->hub->allocator, session, sizeof *session);
    c->session = NULL;
}

const sv_proto sv_proto_http1 = {
    .name = "http/1.1",
    .open = http1_open,
    .feed = http1_feed,
    .sink = http1_sink,
    .sunk = http1_sunk,
    .ended = http1_ended,
    .sent = http1_sent,
    .late = http1_late,
    .quit = http1_quit,
    .closed = http1_closed,
};
