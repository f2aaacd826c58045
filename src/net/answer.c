/* One answer for each exchange, from whoever comes first: the handler, the socket layer, or nobody.
 */
#include "net/answer.h"

#include "base/status.h"
#include "net/body.h"
#include "net/grpc.h"
#include "net/http_status.h"

#include <string.h>

/* The coding that the client takes and the answer is worth, or NULL. */
static const char *compress_body(sv_exchange *x, sv_text *body)
{
    const sv_net_limits *limits = x->wire->hub->limits;
    if (x->no_compress) return NULL;
    if (body->size < limits->compress_min || body->size > limits->compress_max) return NULL;
    static const char *const codings[] = {"gzip", "deflate"};
    for (int i = 0; i < 2; i++) {
        if (!sv_exchange_header_has(x, "accept-encoding", codings[i])) continue;
        return sv_compress(&x->wire->hub->compressor, i == 0, body) ? codings[i] : NULL;
    }
    return NULL;
}

static void send_answer(sv_exchange *x, int http, const char *content_type, sv_text *body)
{
    sv_text none;
    sv_text_init(&none, sv_loop_allocator(x->loop));
    if (!body) body = &none;
    x->http = http;
    sv_body_drop(x);
    const char *coding = compress_body(x, body);
    x->charged += body->size;
    (void)sv_hub_charge(x->wire->hub, body->size);
    x->wire->send(x, content_type, body, coding);
}

static const char *write_error(sv_exchange *x, int http, sv_status status, sv_text *body)
{
    if (x->handler->error) return x->handler->error(x, http, status, body);
    const char *message = sv_status_message(status);
    sv_text_puts(body, "{\"error\":");
    sv_text_put_json(body, message, strlen(message));
    sv_text_puts(body, "}");
    return "application/json";
}

static void send_error(sv_exchange *x, int http, sv_status status)
{
    sv_text body;
    if (!http) http = sv_http_from_code(sv_status_code(status));
    sv_text_init(&body, sv_loop_allocator(x->loop));
    /* Set first: the handler's `error` sees that there is nothing left to answer. */
    x->http = http;
    x->failed = true;
    if (x->handler->failing) x->handler->failing(x);
    if (x->grpc) {
        sv_grpc_finish(x, status);
        return;
    }
    const char *content_type = write_error(x, http, status, &body);
    sv_status_free(status);
    if (body.failed) sv_text_release(&body);
    send_answer(x, http, content_type, &body);
}

static void reply(sv_exchange *x, int http, const char *content_type, sv_text *body)
{
    if (!sv_exchange_is_waiting(x)) {
        if (body) sv_text_release(body);
        return;
    }
    x->replied = true;
    if (body && body->failed) {
        sv_text_release(body);
        send_error(x, 503, sv_error_memory("answer", 0));
        return;
    }
    send_answer(x, http, content_type, body);
}

static void fail(sv_exchange *x, int http, sv_status status)
{
    if (!sv_exchange_is_waiting(x)) {
        sv_status_free(status);
        return;
    }
    x->replied = true;
    send_error(x, http, status);
}

const sv_xops sv_answer_ops = {reply, fail, NULL};

void sv_answer_refuse(sv_exchange *x, int http, sv_status status)
{
    sv_hub *hub = x->wire->hub;
    if (!sv_exchange_is_waiting(x)) {
        sv_status_free(status);
        return;
    }
    sv_counter_add(&hub->refused, 1);
    send_error(x, http, status);
    if (x->opened && x->handler->gone) x->handler->gone(x);
    /* What was gathered is of no use any more, and may be why there was no answer. A handler that
     * was given all of it may still be reading. */
    if (x->wire->complete) return;
    sv_body_release(x);
    sv_exchange_uncharge(x, x->charged);
}

void sv_answer_lose(sv_exchange *x)
{
    bool waiting = sv_exchange_is_waiting(x);
    x->lost = true;
    sv_body_drop(x);
    if (waiting && x->opened && x->handler->gone) x->handler->gone(x);
}
