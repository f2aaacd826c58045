/* Heads of HTTP/2 streams. nghttp2 has checked their form (RFC 9113, 8.2 and 8.3): names in lower
 * case, no controls, pseudo-fields first and once, no fields of a connection. */
#include "net/http2.h"

#include "base/status.h"
#include "base/text.h"
#include "net/answer.h"
#include "net/body.h"
#include "net/grpc.h"
#include "net/target.h"
#include "net/token.h"

#include <string.h>

/* What a field counts beyond its name and value, as in HTTP/1.1: ": " and the line's end. */
#define FIELD_EXTRA 4
#define PSEUDO_MAX 8
#define CHANGES_MAX 16

sv_http2_stream *sv_http2_open_stream(sv_http2 *session, int32_t id)
{
    sv_conn *c = session->conn;
    sv_exchange *x = sv_hub_open_exchange(c->hub, c);
    if (!x) return NULL;
    sv_http2_stream *stream = sv_arena_alloc_zero(&x->arena, sizeof *stream);
    if (!stream) {
        sv_exchange_release_wire(x);
        return NULL;
    }
    *stream =
        (sv_http2_stream){.session = session, .x = x, .id = id, .repeats = session->head != NULL};
    sv_output_init(&stream->out, &c->hub->blocks);
    sv_link_init(&stream->resume);
    x->wire->stream = stream;
    x->wire->send = sv_http2_send_answer;
    x->wire->stall = sv_http2_stall;
    /* A stream ends without the connection. */
    x->wire->keep = true;
    x->http_major = 2;
    x->length = -1;
    x->at.first = c->read_at;
    sv_list_append(&session->streams, &stream->link);
    session->stream_count++;
    return stream;
}

static void note_pseudo(sv_exchange *x, sv_string name, sv_string value)
{
    if (sv_token_is(name, ":method")) {
        x->head.method_name = value;
        x->head.method = sv_method_find(value);
    } else if (sv_token_is(name, ":path")) {
        x->head.target = value;
    } else if (sv_token_is(name, ":authority")) {
        x->head.authority = value;
    }
}

static void note_known(sv_http2_stream *stream, sv_string name, sv_string value)
{
    sv_head *head = &stream->x->head;
    sv_http2_known *known = &stream->known;
    const struct {
        const char *name;
        sv_string *to;
    } rows[] = {{"content-type", &head->content_type},
                {"content-encoding", &known->content_encoding},
                {"content-length", &known->content_length},
                {"expect", &known->expect},
                {"grpc-encoding", &known->grpc_encoding},
                {"grpc-timeout", &known->grpc_timeout},
                {"grpc-accept-encoding", &known->grpc_accept_encoding}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (sv_token_is(name, rows[i].name)) *rows[i].to = value;
    if (sv_token_is(name, "host") && !head->authority.size) head->authority = value;
}

static bool has_room(const sv_http2_stream *stream, bool pseudo, size_t size)
{
    const sv_net_limits *limits = stream->x->wire->hub->limits;
    if (stream->head_size + size > limits->head_bytes) return false;
    if (pseudo) return stream->pseudo_count < PSEUDO_MAX;
    return stream->field_count - stream->pseudo_count < limits->head_fields;
}

static void take_field(sv_http2_stream *stream, sv_string name, sv_string value)
{
    sv_exchange *x = stream->x;
    size_t size = name.size + value.size, room = x->wire->hub->limits->head_fields + PSEUDO_MAX;
    bool pseudo = name.size && name.data[0] == ':';
    if (stream->head_too_large || !has_room(stream, pseudo, size + FIELD_EXTRA)) {
        stream->head_too_large = true;
        return;
    }
    if (!stream->fields) stream->fields = sv_arena_alloc(&x->arena, room * sizeof *stream->fields);
    char *copy = sv_arena_alloc(&x->arena, size + 1);
    if (!stream->fields || !copy) {
        stream->head_too_large = true;
        return;
    }
    stream->head_size += (uint32_t)(size + FIELD_EXTRA);
    stream->pseudo_count += pseudo;
    memcpy(copy, name.data, name.size);
    memcpy(copy + name.size, value.data, value.size);
    stream->fields[stream->field_count++] =
        (sv_header){{copy, name.size}, sv_string_trim((sv_string){copy + name.size, value.size})};
}

/* What was the same until now is copied after all. */
static void diverge(sv_http2_stream *stream)
{
    const sv_http2_kept *kept = stream->session->head;
    uint32_t count = stream->field_count;
    stream->repeats = false;
    stream->field_count = 0;
    for (uint32_t i = 0; i < count; i++)
        take_field(stream, kept->fields[i].name, kept->fields[i].value);
}

void sv_http2_add_field(sv_http2_stream *stream, sv_string name, sv_string value)
{
    if (stream->repeats) {
        if (sv_http2_kept_has(stream->session->head, stream->field_count, name, value)) {
            stream->field_count++;
            return;
        }
        diverge(stream);
    }
    take_field(stream, name, value);
}

static void note_fields(sv_http2_stream *stream)
{
    sv_exchange *x = stream->x;
    if (!stream->field_count) return;
    x->head.headers = stream->fields + stream->pseudo_count;
    x->head.header_count = stream->field_count - stream->pseudo_count;
    for (uint32_t i = 0; i < stream->field_count; i++) {
        const sv_header *field = &stream->fields[i];
        if (i < stream->pseudo_count)
            note_pseudo(x, field->name, field->value);
        else
            note_known(stream, field->name, field->value);
    }
}

/* nghttp2 has seen to it that there is at most one, and that it is a number. */
static sv_status read_length(sv_http2_stream *stream, bool ends, int *http)
{
    sv_exchange *x = stream->x;
    const sv_string text = stream->known.content_length;
    uint64_t limit = x->wire->hub->limits->body_bytes, length = 0;
    x->length = ends ? 0 : -1;
    if (ends || !text.data) return SV_OK;
    if (text.size > 18) length = UINT64_MAX;
    for (size_t i = 0; i < text.size && text.size <= 18; i++)
        length = length * 10 + (uint64_t)(text.data[i] - '0');
    *http = 413;
    if (length > limit) return sv_error_invalid("the body is larger than is accepted");
    x->length = (int64_t)length;
    return SV_OK;
}

static sv_status split_path(sv_exchange *x, sv_http2_kept *kept)
{
    sv_string *segments = kept ? kept->base.segments : NULL;
    char *decoded = kept ? kept->base.decoded : sv_arena_alloc(&x->arena, x->head.path.size);
    if (!kept)
        segments = sv_arena_array(&x->arena, sv_target_segments(x->head.path), sizeof *segments);
    if (!segments || !decoded) return sv_error_memory("path", x->head.path.size);
    return sv_head_split(&x->head, segments, decoded);
}

static sv_status read_target(sv_exchange *x, sv_http2_kept *kept, int *http)
{
    sv_target target;
    *http = 501;
    if (sv_token_is(x->head.method_name, "connect"))
        return sv_error_unsupported("CONNECT is not implemented");
    *http = 400;
    const char *wrong = sv_target_parse(x->head.target, x->head.method, &target);
    if (wrong) return sv_error_invalid("%s", wrong);
    x->head.path = target.path;
    x->head.query = target.query;
    if (target.authority.size) x->head.authority = target.authority;
    if (!sv_target_is_authority(x->head.authority))
        return sv_error_invalid("Host: expected a host");
    /* A call's path is a name. */
    return x->grpc ? SV_OK : split_path(x, kept);
}

static sv_status read_fields(sv_http2_stream *stream, sv_http2_kept *kept, int *http)
{
    sv_exchange *x = stream->x;
    note_fields(stream);
    if (sv_grpc_is_type(x->head.content_type)) SV_TRY(sv_grpc_begin(x, &stream->known));
    *http = 431;
    if (stream->head_too_large)
        return sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                        "the head has too many fields, or too many bytes");
    SV_TRY(read_target(x, kept, http));
    *http = 417;
    x->wire->expects = sv_token_is(stream->known.expect, "100-continue");
    if (stream->known.expect.size && !x->wire->expects)
        return sv_error_invalid("Expect: expected 100-continue");
    return SV_OK;
}

/* A head that differs from the last one. Clients that never send the same twice are not tried with
 * for long. */
static sv_status read_new_head(sv_http2_stream *stream, int *http)
{
    sv_http2 *session = stream->session;
    sv_exchange *x = stream->x;
    sv_http2_kept *kept = NULL;
    bool keep = stream->field_count && !stream->head_too_large &&
                stream->head_size <= SV_KEPT_HEAD_MAX && session->head_changes < CHANGES_MAX;
    if (keep)
        kept = sv_http2_kept_create(x->wire->hub->allocator, stream->fields, stream->field_count);
    session->head_changes++;
    sv_http2_forget_head(session);
    if (kept) {
        sv_kept_head_give(&kept->base, x);
        stream->fields = kept->fields;
    }
    SV_TRY(read_fields(stream, kept, http));
    if (!kept || stream->known.expect.size) return SV_OK;
    kept->base.head = x->head;
    kept->known = stream->known;
    kept->grpc = x->grpc;
    sv_kept_head_ref(&kept->base);
    session->head = kept;
    return SV_OK;
}

static sv_status read_known_head(sv_http2_stream *stream)
{
    sv_http2_kept *kept = stream->session->head;
    stream->session->head_changes = 0;
    stream->known = kept->known;
    sv_kept_head_ref(&kept->base);
    sv_kept_head_give(&kept->base, stream->x);
    return kept->grpc ? sv_grpc_begin(stream->x, &kept->known) : SV_OK;
}

/* On failure *http is the code to answer with. */
static sv_status read_head(sv_http2_stream *stream, bool ends, int *http)
{
    const sv_http2_kept *last = stream->session->head;
    if (stream->repeats && stream->field_count < last->count) diverge(stream);
    SV_TRY(stream->repeats ? read_known_head(stream) : read_new_head(stream, http));
    SV_TRY(read_length(stream, ends, http));
    *http = 415;
    return sv_body_begin(stream->x, stream->known.content_encoding);
}

void sv_http2_forget_head(sv_http2 *session)
{
    if (session->head) sv_kept_head_unref(&session->head->base);
    session->head = NULL;
}

void sv_http2_take_head(sv_http2_stream *stream, bool ends)
{
    sv_exchange *x = stream->x;
    int http = 503;
    stream->head_done = true;
    x->at.head = stream->session->conn->read_at;
    sv_status status = read_head(stream, ends, &http);
    if (status) {
        sv_answer_refuse(x, http, status);
        return;
    }
    x->opened = true;
    x->handler->open(x);
    if (x->http || x->lost) return;
    if (x->mode != SV_BODY_MESSAGES) sv_body_expect(x);
    if (x->wire->expects && !ends) sv_http2_send_continue(stream);
    x->wire->expects = false;
}
