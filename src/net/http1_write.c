/* Heads of answers are put together by hand: formatting them with printf took longer than reading
 * the request. */
#include "net/http1_write.h"

#include "net/http_status.h"

#include <string.h>

/* Holds a head's fixed lines at their longest; what has no bound is written by itself. */
#define HEAD_MAX 512
#define TYPE_MAX 128

static char *put_number(char *at, uint64_t number)
{
    return at + sv_u64_digits(number, at);
}

/* Nearly all are good: what is known when this is compiled costs least. */
static char *put_status(char *at, int http)
{
    if (http == 200) return stpcpy(at, "HTTP/1.1 200 OK");
    at = stpcpy(put_number(stpcpy(at, "HTTP/1.1 "), (uint64_t)http), " ");
    return stpcpy(at, sv_http_reason(http));
}

static char *put_date(char *at, const char *date)
{
    at = stpcpy(at, "\r\nDate: ");
    memcpy(at, date, SV_HTTP_DATE);
    return at + SV_HTTP_DATE;
}

/* How an answer without a body says so: some may not even say that its length is 0. */
static bool has_no_length(int http)
{
    return http < 200 || http == 204 || http == 304;
}

static char *put_retry_after(char *at, const sv_exchange *x)
{
    uint32_t seconds = x->retry_after ? x->retry_after : x->http == 503;
    if (!seconds || (x->http != 503 && x->http != 429)) return at;
    return stpcpy(put_number(stpcpy(at, "Retry-After: "), seconds), "\r\n");
}

static char *put_connection(char *at, const sv_exchange *x, bool keep)
{
    if (!keep) return stpcpy(at, "Connection: close\r\n");
    /* In HTTP/1.0 keeping is what must be said. */
    return x->http_minor == 0 ? stpcpy(at, "Connection: keep-alive\r\n") : at;
}

/* A front end's type may be of any length: a long one is written by itself. */
static char *put_content_type(sv_conn *c, char *head, char *at, const char *type)
{
    size_t size = strlen(type);
    at = stpcpy(at, "Content-Type: ");
    if (size > TYPE_MAX) {
        sv_conn_write(c, head, (size_t)(at - head));
        sv_conn_write(c, type, size);
        return stpcpy(head, "\r\n");
    }
    return stpcpy(stpcpy(at, type), "\r\n");
}

uint64_t sv_http1_write(sv_conn *c, sv_exchange *x, bool keep, const char *content_type,
                        sv_text *body, const char *coding)
{
    char head[HEAD_MAX], *at = head;
    uint64_t before = c->queued;
    at = stpcpy(put_date(put_status(at, x->http), sv_hub_date(c->hub)), "\r\n");
    if (!has_no_length(x->http))
        at = stpcpy(put_number(stpcpy(at, "Content-Length: "), body->size), "\r\n");
    if (coding) at = stpcpy(stpcpy(stpcpy(at, "Content-Encoding: "), coding), "\r\n");
    if (coding) at = stpcpy(at, "Vary: Accept-Encoding\r\n");
    at = put_retry_after(put_connection(at, x, keep), x);
    if (content_type && body->size) at = put_content_type(c, head, at, content_type);
    if (x->extra.size) {
        sv_conn_write(c, head, (size_t)(at - head));
        sv_conn_write(c, x->extra.data, x->extra.size);
        at = head;
    }
    at = stpcpy(at, "\r\n");
    sv_conn_write(c, head, (size_t)(at - head));
    if (x->head.method == SV_METHOD_HEAD || has_no_length(x->http))
        sv_text_release(body);
    else
        sv_conn_take(c, body);
    return c->queued - before;
}
