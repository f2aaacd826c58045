/* What every exchange offers its handler, whatever its protocol: headers, query, holds, charges. */
#include "net/exchange.h"

#include "base/alloc.h"
#include "base/status.h"
#include "net/body.h"
#include "net/http1.h"
#include "net/token.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void sv_exchange_hold(sv_exchange *x)
{
    x->holds++;
}

static void settle(sv_exchange *x)
{
    if (!x->holds && !x->wire_held) sv_loop_defer(x->loop, SV_PHASE_FREE, &x->task);
}

void sv_exchange_release(sv_exchange *x)
{
    x->holds--;
    settle(x);
}

void sv_exchange_release_wire(sv_exchange *x)
{
    x->wire_held = false;
    x->wire->conn = NULL;
    settle(x);
}

bool sv_exchange_header(const sv_exchange *x, const char *name, sv_string *out)
{
    size_t size = strlen(name);
    for (uint32_t i = 0; i < x->head.header_count; i++) {
        if (!sv_token_equal(x->head.headers[i].name, name, size)) continue;
        *out = x->head.headers[i].value;
        return true;
    }
    return false;
}

/* "q=0", "q=0.0" and so on: not acceptable. */
static bool is_excluded(sv_string parameters)
{
    if (parameters.size < 3 || (parameters.data[0] | 0x20) != 'q' || parameters.data[1] != '=')
        return false;
    for (size_t i = 2; i < parameters.size; i++)
        if (parameters.data[i] != '0' && parameters.data[i] != '.') return false;
    return true;
}

bool sv_exchange_header_has(const sv_exchange *x, const char *name, const char *token)
{
    for (uint32_t i = 0; i < x->head.header_count; i++) {
        if (!sv_token_is(x->head.headers[i].name, name)) continue;
        sv_string list = x->head.headers[i].value, element, parameters;
        while (sv_token_next(&list, &element, &parameters))
            if (sv_token_is(element, token)) return !is_excluded(parameters);
    }
    return false;
}

/* A value of the query, with '+' for a blank as forms write it. */
static bool decode_query(sv_exchange *x, sv_string text, sv_string *out)
{
    char *copy = sv_arena_copy_text(&x->arena, text.data, text.size);
    if (!copy) return false;
    for (size_t i = 0; i < text.size; i++)
        if (copy[i] == '+') copy[i] = ' ';
    size_t size;
    if (!sv_http1_decode((sv_string){copy, text.size}, copy, &size)) return false;
    copy[size] = '\0';
    *out = (sv_string){copy, size};
    return true;
}

bool sv_exchange_query(sv_exchange *x, const char *name, sv_string *out)
{
    if (!x->head.query.size) return false;
    const char *at = x->head.query.data, *end = at + x->head.query.size;
    while (at < end) {
        const char *stop = memchr(at, '&', (size_t)(end - at));
        if (!stop) stop = end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        const char *name_end = equals ? equals : stop;
        const char *value = equals ? equals + 1 : stop;
        sv_string found;
        if (decode_query(x, (sv_string){at, (size_t)(name_end - at)}, &found) &&
            found.size == strlen(name) && !memcmp(found.data, name, found.size))
            return decode_query(x, (sv_string){value, (size_t)(stop - value)}, out);
        at = stop + 1;
    }
    return false;
}

static bool is_reserved(const char *name)
{
    static const char *const reserved[] = {"content-length", "content-type", "connection", "date",
                                           "transfer-encoding"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (sv_token_is((sv_string){name, strlen(name)}, reserved[i])) return true;
    return false;
}

void sv_exchange_add_header(sv_exchange *x, const char *name, const char *value)
{
    for (const char *c = name; *c; c++)
        if (!sv_token_char((uint8_t)*c)) return;
    for (const char *c = value; *c; c++)
        if (((uint8_t)*c < 0x20 && *c != '\t') || *c == 0x7f) return;
    if (!*name || is_reserved(name)) return;
    size_t before = x->extra.size;
    sv_text_puts(&x->extra, name);
    sv_text_puts(&x->extra, ": ");
    sv_text_puts(&x->extra, value);
    sv_text_puts(&x->extra, "\r\n");
    /* Half a line would garble the head: rather no header than a broken answer. */
    if (!x->extra.failed) return;
    x->extra.size = before;
    x->extra.failed = false;
}

sv_status sv_exchange_keep_body(sv_exchange *x)
{
    sv_exchange_wire *wire = x->wire;
    if (!wire->body_borrowed || !x->body.size) return SV_OK;
    uint8_t *copy = sv_alloc(wire->hub->allocator, x->body.size);
    if (!copy) return sv_error_memory("body", x->body.size);
    memcpy(copy, x->body.data, x->body.size);
    sv_body_take(x, copy, x->body.size);
    x->body.data = (const char *)copy;
    return SV_OK;
}

bool sv_exchange_keeps(const sv_exchange *x, const void *data)
{
    const char *at = data;
    return !x->wire->body_borrowed && x->body.size && at >= x->body.data &&
           at <= x->body.data + x->body.size;
}

sv_status sv_exchange_charge(sv_exchange *x, size_t bytes)
{
    x->charged += bytes;
    if (sv_hub_charge(x->wire->hub, bytes)) return SV_OK;
    sv_exchange_uncharge(x, bytes);
    return sv_error(SV_CODE_RESOURCE_EXHAUSTED, "the server's memory is full");
}

void sv_exchange_uncharge(sv_exchange *x, size_t bytes)
{
    if (bytes > x->charged) bytes = x->charged;
    x->charged -= bytes;
    sv_hub_uncharge(x->wire->hub, bytes);
}

void sv_peer_format(const sv_peer *peer, char out[64])
{
    char address[INET6_ADDRSTRLEN] = "?";
    if (peer->local) {
        memcpy(out, "unix", sizeof "unix");
        return;
    }
    inet_ntop(peer->v6 ? AF_INET6 : AF_INET, peer->address, address, sizeof address);
    snprintf(out, 64, peer->v6 ? "[%s]:%u" : "%s:%u", address, peer->port);
}
