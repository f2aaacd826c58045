/* gRPC's framing: messages in, messages and statuses out. */
#include "net/grpc.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/status.h"
#include "net/answer.h"
#include "net/body.h"
#include "net/grpc_details.h"
#include "net/http2.h"
#include "net/http_status.h"
#include "net/token.h"

#include <string.h>

#define PREFIX SV_GRPC_PREFIX
#define MESSAGE_MAX 4096 /* of a status; clients refuse heads of over 8 KiB */
#define KEEP_MIN 4096
#define KEEP_IDLE ((size_t)64 << 10) /* an empty buffer of at most this size is kept */
#define TIMEOUT_MAX ((uint64_t)100 * 366 * 86400 * 1000000000)

typedef struct sv_grpc {
    sv_string coding; /* of the client's messages; empty: none */
    bool compress;    /* the client compresses and takes gzip: so do we */
    bool paused;      /* by the handler */
    bool ended;       /* the client has said all */
    bool end_called;
    bool busy;     /* messages are being handed over: what they lie in must stay */
    uint8_t *kept; /* bytes that are no whole message yet, or wait: [at, size) */
    size_t at, size, capacity;
} sv_grpc;

bool sv_grpc_is_type(sv_string content_type)
{
    static const char type[] = "application/grpc";
    size_t size = sizeof type - 1;
    if (content_type.size < size) return false;
    if (!sv_token_is((sv_string){content_type.data, size}, type)) return false;
    return content_type.size == size || content_type.data[size] == '+' ||
           content_type.data[size] == ';' || content_type.data[size] == ' ';
}

bool sv_grpc_parse_timeout(sv_string text, uint64_t *out)
{
    static const struct {
        char unit;
        uint64_t ns;
    } rows[] = {{'H', 3600000000000}, {'M', 60000000000}, {'S', 1000000000},
                {'m', 1000000},       {'u', 1000},        {'n', 1}};
    uint64_t value = 0;
    if (text.size < 2 || text.size > 9) return false;
    for (size_t i = 0; i + 1 < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].unit != text.data[text.size - 1]) continue;
        *out = value > TIMEOUT_MAX / rows[i].ns ? TIMEOUT_MAX : value * rows[i].ns;
        return true;
    }
    return false;
}

sv_status sv_grpc_begin(sv_exchange *x, const sv_http2_known *known)
{
    sv_grpc *grpc = sv_arena_alloc_zero(&x->arena, sizeof *grpc);
    x->grpc = true;
    x->ops = &sv_grpc_ops;
    x->no_compress = true;
    x->wire->grpc = grpc;
    if (!grpc) return sv_error_memory("call", sizeof *grpc);
    if (!sv_token_is(known->grpc_encoding, "identity")) grpc->coding = known->grpc_encoding;
    grpc->compress = sv_token_is(grpc->coding, "gzip") &&
                     sv_exchange_header_has(x, "grpc-accept-encoding", "gzip");
    if (known->grpc_timeout.data) {
        uint64_t timeout;
        if (!sv_grpc_parse_timeout(known->grpc_timeout, &timeout))
            return sv_error_invalid("grpc-timeout: expected at most 8 digits and one of HMSmun");
        x->deadline = sv_clock_ns() + timeout;
    }
    if (x->head.method == SV_METHOD_POST) return SV_OK;
    return sv_error_unsupported("method: expected POST for a gRPC call");
}

/* ---- messages in --------------------------------------------------------------------------- */

static uint32_t size_of(const uint8_t *prefix)
{
    return (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 | (uint32_t)prefix[3] << 8 |
           prefix[4];
}

/* A buffer that a message is decompressed into. */
typedef struct inflated {
    uint8_t *data;
    size_t size, capacity;
} inflated;

static sv_status inflate_all(const sv_exchange *x, sv_inflate *inflate, const uint8_t *data,
                             size_t size, inflated *out)
{
    const sv_allocator *allocator = x->wire->hub->allocator;
    uint64_t limit = x->wire->hub->limits->body_bytes;
    size_t produced;
    do {
        if (out->size == out->capacity) {
            size_t capacity = out->capacity ? out->capacity * 2 : size * 4 + KEEP_MIN;
            if (out->size > limit)
                return sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                                "message: larger than the %llu bytes that are accepted",
                                (unsigned long long)limit);
            uint8_t *grown = sv_realloc(allocator, out->data, out->capacity, capacity);
            if (!grown) return sv_error_memory("message", capacity);
            out->data = grown;
            out->capacity = capacity;
        }
        SV_TRY(sv_inflate_run(inflate, &data, &size, out->data + out->size,
                              out->capacity - out->size, &produced));
        out->size += produced;
    } while (size || produced);
    return sv_inflate_end(inflate);
}

/* The content of a compressed message; on success the caller frees out->data. */
static sv_status inflate_message(const sv_exchange *x, const uint8_t *data, size_t size,
                                 inflated *out)
{
    const sv_grpc *grpc = x->wire->grpc;
    const sv_allocator *allocator = x->wire->hub->allocator;
    sv_inflate *inflate = NULL;
    *out = (inflated){NULL, 0, 0};
    if (!grpc->coding.size)
        return sv_error_invalid("message: compressed, but there is no grpc-encoding");
    sv_status status =
        sv_inflate_create(grpc->coding, x->wire->hub->limits->inflate_ratio, allocator, &inflate);
    if (status) return sv_status_annotate(status, "grpc-encoding");
    status = inflate_all(x, inflate, data, size, out);
    sv_inflate_destroy(inflate);
    if (status) sv_free(allocator, out->data, out->capacity);
    return status;
}

static sv_status check_prefix(const uint8_t *prefix)
{
    if (prefix[0] <= 1) return SV_OK;
    return sv_error_invalid("message: expected 0 or 1 in its first byte, found %u",
                            (unsigned)prefix[0]);
}

sv_status sv_grpc_unframe(sv_exchange *x)
{
    const uint8_t *data = (const uint8_t *)x->body.data;
    size_t size = x->body.size;
    inflated out;
    if (size < PREFIX) return sv_error_invalid("message: expected one, found %zu bytes", size);
    SV_TRY(check_prefix(data));
    if (size_of(data) != size - PREFIX)
        return sv_error_invalid("message: expected one of %zu bytes, found one of %u",
                                size - PREFIX, (unsigned)size_of(data));
    if (!data[0]) {
        x->body = (sv_string){x->body.data + PREFIX, size - PREFIX};
        return SV_OK;
    }
    SV_TRY(inflate_message(x, data + PREFIX, size - PREFIX, &out));
    sv_body_take(x, out.data, out.capacity);
    x->body = (sv_string){(const char *)out.data, out.size};
    return sv_exchange_charge(x, out.capacity);
}

bool sv_grpc_is_paused(const sv_exchange *x)
{
    return x->wire->grpc->paused ||
           sv_http2_stream_of(x)->out.size > x->wire->hub->limits->output_bytes;
}

bool sv_grpc_waits(const sv_exchange *x)
{
    const sv_grpc *grpc = x->wire->grpc;
    return grpc && (grpc->size > grpc->at || (grpc->ended && !grpc->end_called));
}

/* Hands one message to the handler. */
static sv_status deliver(sv_exchange *x, const uint8_t *data, size_t size)
{
    SV_TRY(check_prefix(data));
    if (!data[0]) {
        x->handler->message(x, (sv_string){(const char *)data + PREFIX, size - PREFIX});
        return SV_OK;
    }
    inflated out;
    SV_TRY(inflate_message(x, data + PREFIX, size - PREFIX, &out));
    x->handler->message(x, (sv_string){(const char *)out.data, out.size});
    sv_free(x->wire->hub->allocator, out.data, out.capacity);
    return SV_OK;
}

/* Hands over the whole messages in `data`, as far as they are wanted; returns their bytes. */
static size_t take_messages(sv_exchange *x, const uint8_t *data, size_t size)
{
    uint64_t limit = x->wire->hub->limits->body_bytes;
    size_t at = 0;
    while (size - at >= PREFIX && sv_exchange_is_waiting(x) && !sv_grpc_is_paused(x)) {
        size_t whole = (size_t)size_of(data + at) + PREFIX;
        sv_status status = SV_OK;
        if (whole - PREFIX > limit) {
            status = sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                              "message: larger than the %llu bytes that are accepted",
                              (unsigned long long)limit);
        } else if (size - at < whole) {
            break;
        } else {
            status = deliver(x, data + at, whole);
        }
        if (status) {
            sv_answer_refuse(x, 0, status);
            break;
        }
        at += whole;
    }
    return at;
}

/* Refuses the exchange when memory is out. */
static void keep(sv_exchange *x, const uint8_t *data, size_t size)
{
    sv_grpc *grpc = x->wire->grpc;
    if (grpc->at && grpc->size + size > grpc->capacity) {
        memmove(grpc->kept, grpc->kept + grpc->at, grpc->size - grpc->at);
        grpc->size -= grpc->at;
        grpc->at = 0;
    }
    if (grpc->size + size > grpc->capacity) {
        size_t capacity = grpc->capacity ? grpc->capacity : KEEP_MIN;
        while (capacity < grpc->size + size)
            capacity *= 2;
        sv_status status = sv_exchange_charge(x, capacity - grpc->capacity);
        uint8_t *kept =
            status ? NULL
                   : sv_realloc(x->wire->hub->allocator, grpc->kept, grpc->capacity, capacity);
        if (!kept && !status) status = sv_error_memory("message", capacity);
        if (status) {
            sv_answer_refuse(x, 503, status);
            return;
        }
        grpc->kept = kept;
        grpc->capacity = capacity;
    }
    memcpy(grpc->kept + grpc->size, data, size);
    grpc->size += size;
}

static void free_kept(sv_exchange *x)
{
    sv_grpc *grpc = x->wire->grpc;
    sv_free(x->wire->hub->allocator, grpc->kept, grpc->capacity);
    sv_exchange_uncharge(x, grpc->capacity);
    grpc->kept = NULL;
    grpc->at = grpc->size = grpc->capacity = 0;
}

void sv_grpc_release(sv_exchange *x)
{
    if (!x->wire->grpc->busy) free_kept(x);
}

/* A message that has begun must come at a certain rate; between messages a client may be silent. */
static void watch_rate(sv_exchange *x)
{
    sv_exchange_wire *wire = x->wire;
    const sv_grpc *grpc = wire->grpc;
    if (grpc->at == grpc->size || sv_grpc_is_paused(x) || grpc->ended) {
        sv_link_remove(&wire->body_link);
    } else if (sv_link_is_alone(&wire->body_link)) {
        wire->window_from = sv_clock_ns();
        wire->window_received = wire->body_received;
        sv_list_append(&wire->hub->bodies, &wire->body_link);
    }
}

static void call_end(sv_exchange *x)
{
    sv_grpc *grpc = x->wire->grpc;
    if (!grpc->ended || grpc->end_called || sv_grpc_is_paused(x)) return;
    if (grpc->size > grpc->at) {
        sv_answer_refuse(x, 400, sv_error_invalid("message: the call ends within it"));
        return;
    }
    grpc->end_called = true;
    x->wire->complete = true;
    x->handler->end(x);
}

/* After messages were handed over: false when nothing more of the exchange is wanted. */
static bool settle(sv_exchange *x)
{
    sv_grpc *grpc = x->wire->grpc;
    grpc->busy = false;
    if (sv_exchange_is_waiting(x)) call_end(x);
    if (!sv_exchange_is_waiting(x)) {
        free_kept(x);
        sv_link_remove(&x->wire->body_link);
        return false;
    }
    if (grpc->at == grpc->size) {
        grpc->at = grpc->size = 0;
        if (grpc->capacity > KEEP_IDLE) free_kept(x);
    }
    watch_rate(x);
    return true;
}

bool sv_grpc_go_on(sv_exchange *x)
{
    sv_grpc *grpc = x->wire->grpc;
    if (!sv_exchange_is_waiting(x)) return false;
    grpc->busy = true;
    if (grpc->size > grpc->at)
        grpc->at += take_messages(x, grpc->kept + grpc->at, grpc->size - grpc->at);
    return settle(x);
}

bool sv_grpc_put(sv_exchange *x, const uint8_t *data, size_t size)
{
    sv_grpc *grpc = x->wire->grpc;
    if (!sv_exchange_is_waiting(x)) return false;
    x->wire->body_received += size;
    x->received += size;
    if (grpc->size == grpc->at) {
        grpc->busy = true;
        size_t taken = take_messages(x, data, size);
        if (taken < size && sv_exchange_is_waiting(x)) keep(x, data + taken, size - taken);
        return settle(x);
    }
    keep(x, data, size);
    return sv_grpc_go_on(x);
}

void sv_grpc_end(sv_exchange *x)
{
    x->wire->grpc->ended = true;
    if (sv_exchange_is_waiting(x)) (void)settle(x);
}

void sv_exchange_pause(sv_exchange *x)
{
    if (x->wire->grpc) x->wire->grpc->paused = true;
}

void sv_exchange_resume(sv_exchange *x)
{
    if (!x->wire->grpc || !x->wire->grpc->paused) return;
    x->wire->grpc->paused = false;
    if (x->wire->conn) sv_http2_resume(sv_http2_stream_of(x));
}

/* ---- answers ------------------------------------------------------------------------------- */

/* The bytes that `c` takes in grpc-message. */
static bool is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x7f && c != '%';
}

char *sv_grpc_encode_message(sv_arena *arena, const char *text, size_t most)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t left = strlen(text), room = left > most / 3 ? most : left * 3;
    char *out = sv_arena_alloc(arena, room + 1), *at = out;
    if (!out) return NULL;
    while (left) {
        size_t step = sv_utf8_step(text, left);
        if (!step) step = 1;
        size_t cost = is_plain((uint8_t)*text) ? 1 : step * 3;
        if ((size_t)(at - out) + cost > room) break;
        for (size_t i = 0; i < step; i++) {
            uint8_t c = (uint8_t)text[i];
            if (is_plain(c)) {
                *at++ = (char)c;
                continue;
            }
            *at++ = '%';
            *at++ = digits[c >> 4];
            *at++ = digits[c & 15];
        }
        text += step;
        left -= step;
    }
    *at = '\0';
    return out;
}

void sv_grpc_finish(sv_exchange *x, sv_status status)
{
    int code = (int)sv_status_code(status);
    const char *message = NULL, *details = NULL;
    /* HTTP has a code of its own for this. */
    if (x->http == 413) code = SV_CODE_RESOURCE_EXHAUSTED;
    if (status) {
        const char *text = sv_status_message(status);
        message = sv_grpc_encode_message(&x->arena, text, MESSAGE_MAX);
        details = sv_grpc_details(&x->arena, (sv_code)code, text, x->retry_after);
    }
    sv_status_free(status);
    sv_body_drop(x);
    sv_http2_send_status(x, code, message, details);
}

static void push(sv_exchange *x, sv_text *message)
{
    sv_hub *hub = x->wire->hub;
    const sv_net_limits *limits = hub->limits;
    sv_grpc *grpc = x->wire->grpc;
    char prefix[PREFIX] = {0};
    if (grpc->compress && message->size >= limits->compress_min &&
        message->size <= limits->compress_max && sv_compress(&hub->compressor, true, message))
        prefix[0] = 1;
    for (int i = 0; i < 4; i++)
        prefix[1 + i] = (char)((uint32_t)message->size >> (24 - 8 * i));
    /* Gone with the exchange, or as it is sent when many come. */
    x->charged += message->size + PREFIX;
    (void)sv_hub_charge(hub, message->size + PREFIX);
    sv_http2_send_message(x, prefix, message, grpc->compress ? "gzip" : NULL);
}

static void fail(sv_exchange *x, int http, sv_status status)
{
    if (!sv_exchange_is_waiting(x)) {
        sv_status_free(status);
        return;
    }
    x->replied = x->failed = true;
    x->http = http ? http : sv_http_from_code(sv_status_code(status));
    if (x->handler->failing) x->handler->failing(x);
    sv_grpc_finish(x, status);
}

/* A message that could not be written, or that its prefix cannot count. */
static sv_status check_message(const sv_text *message)
{
    if (message->failed) return sv_error_memory("answer", 0);
    if (message->size <= UINT32_MAX) return SV_OK;
    return sv_error(SV_CODE_RESOURCE_EXHAUSTED, "answer: of %zu bytes, expected at most %u",
                    message->size, UINT32_MAX);
}

static void send_message(sv_exchange *x, sv_text *message)
{
    bool wanted = sv_exchange_is_waiting(x);
    sv_status status = wanted ? check_message(message) : SV_OK;
    if (!wanted || status) {
        sv_text_release(message);
        if (status) fail(x, 503, status);
        return;
    }
    push(x, message);
}

static void reply(sv_exchange *x, int http, const char *content_type, sv_text *body)
{
    (void)content_type;
    if (body) send_message(x, body);
    if (!sv_exchange_is_waiting(x)) return;
    x->replied = true;
    x->http = http;
    sv_grpc_finish(x, SV_OK);
}

const sv_xops sv_grpc_ops = {reply, fail, send_message};
