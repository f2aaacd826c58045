/* The HTTP/1.1 reader: requests that it must understand, and forms that it must refuse, each cut in
 * two at every byte and fed byte by byte: the events may not depend on how the bytes arrive. */
#include "base/text.h"
#include "net/http1.h"
#include "support/check.h"

#define LITERAL(text) (text), sizeof(text) - 1

static const sv_http1_limits limits = {16384, 64, 1000};

/* What the reader said about a stream: "H POST /x 5 keep;" "D hello;" "E;" "X 400;". Adjacent data
 * are joined, since their division follows the arrival. */
typedef struct transcript {
    sv_text text;
    bool in_data;
} transcript;

static void end_piece(transcript *t)
{
    if (t->in_data) sv_text_puts(&t->text, ";");
    t->in_data = false;
}

/* As many as the reader allows, and one more that it must not touch. */
static sv_header fields[SV_HTTP1_MAX_FIELDS + 1];

static void note_head(transcript *t, sv_http1_reader *reader, const uint8_t *bytes, size_t size)
{
    static sv_http1_head head;
    char *copy = malloc(size);
    memcpy(copy, bytes, size);
    end_piece(t);
    if (sv_http1_parse_head(reader, copy, size, fields, &head)) {
        sv_text_printf(&t->text, "H %.*s %.*s", (int)head.base.method_name.size,
                       head.base.method_name.data, (int)head.base.target.size,
                       head.base.target.data);
        if (head.chunked)
            sv_text_puts(&t->text, " chunked");
        else
            sv_text_printf(&t->text, " %llu", (unsigned long long)head.length);
        sv_text_puts(&t->text, head.keep ? " keep" : " close");
        if (head.expect_continue) sv_text_puts(&t->text, " continue");
        if (head.expect_unknown) sv_text_puts(&t->text, " expects");
        sv_text_puts(&t->text, ";");
    } else {
        sv_text_printf(&t->text, "X %d;", reader->error_http);
        assert_non_null(reader->error_message);
        reader->state = SV_HTTP1_BAD;
    }
    free(copy);
}

/* Feeds what has arrived so far; returns how much of it is consumed. */
static size_t feed(transcript *t, sv_http1_reader *reader, const uint8_t *data, size_t size)
{
    size_t at = 0;
    for (;;) {
        const uint8_t *piece = NULL;
        size_t used = 0, piece_size = 0;
        sv_http1_event event =
            sv_http1_read(reader, data + at, size - at, &used, &piece, &piece_size);
        assert_true(used <= size - at);
        at += used;
        switch (event) {
        case SV_HTTP1_MORE:
            return at;
        case SV_HTTP1_GOT_HEAD:
            note_head(t, reader, data + at - used, used);
            if (reader->state == SV_HTTP1_BAD) return size;
            break;
        case SV_HTTP1_GOT_DATA:
            assert_true(piece >= data && piece + piece_size <= data + at);
            if (!t->in_data) sv_text_puts(&t->text, "D ");
            t->in_data = true;
            sv_text_append(&t->text, piece, piece_size);
            break;
        case SV_HTTP1_GOT_END:
            end_piece(t);
            sv_text_puts(&t->text, "E;");
            sv_http1_next_message(reader);
            break;
        case SV_HTTP1_GOT_ERROR:
            end_piece(t);
            sv_text_printf(&t->text, "X %d;", reader->error_http);
            assert_non_null(reader->error_message);
            return size;
        }
    }
}

/* The transcript of `bytes` when `cut` of them come first (and `step` at a time afterwards). Each
 * arrival is in memory of its exact size, so that reading beyond it is seen. */
static char *read_stream(const char *bytes, size_t size, size_t cut, size_t step)
{
    transcript t = {.in_data = false};
    sv_http1_reader reader;
    size_t from = 0, have = cut;
    sv_text_init(&t.text, NULL);
    sv_text_puts(&t.text, "");
    sv_http1_init(&reader, &limits);
    for (;;) {
        uint8_t *arrived = malloc(have - from ? have - from : 1);
        memcpy(arrived, bytes + from, have - from);
        from += feed(&t, &reader, arrived, have - from);
        free(arrived);
        if (have == size || reader.state == SV_HTTP1_BAD) break;
        have = have + step < size ? have + step : size;
    }
    end_piece(&t);
    return t.text.data;
}

/* The same transcript however the bytes arrive. */
static void check_stream(const char *bytes, size_t size, const char *expected)
{
    char *whole = read_stream(bytes, size, size, size);
    if (strcmp(whole, expected) != 0) print_error("stream: %.200s\n", bytes);
    assert_string_equal(whole, expected);
    for (size_t cut = 0; cut < size; cut++) {
        char *parts = read_stream(bytes, size, cut, size);
        if (strcmp(whole, parts) != 0) print_error("stream cut at %zu: %.200s\n", cut, bytes);
        assert_string_equal(parts, whole);
        free(parts);
    }
    char *bytewise = read_stream(bytes, size, 0, 1);
    assert_string_equal(bytewise, whole);
    free(bytewise);
    free(whole);
}

typedef struct row {
    const char *bytes;
    size_t size;
    const char *expected;
} row;

#define HOST "Host: h\r\n"
#define POST "POST /x HTTP/1.1\r\nHost: h\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static const row good[] = {
    {LITERAL("GET / HTTP/1.1\r\n" HOST "\r\n"), "H GET / 0 keep;E;"},
    {LITERAL("\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), "H GET / 0 keep;E;"},
    {LITERAL("GET /a?b=c HTTP/1.0\r\n\r\n"), "H GET /a?b=c 0 close;E;"},
    {LITERAL("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), "H GET / 0 keep;E;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST "Connection: foo, Close\r\n\r\n"), "H GET / 0 close;E;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST "Connection: foo\r\nConnection: close\r\n\r\n"),
     "H GET / 0 close;E;"},
    {LITERAL("GET http://h:80/a?q HTTP/1.1\r\n" HOST "\r\n"), "H GET http://h:80/a?q 0 keep;E;"},
    {LITERAL("GET HTTPS://[::1] HTTP/1.1\r\n" HOST "\r\n"), "H GET HTTPS://[::1] 0 keep;E;"},
    {LITERAL("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), "H OPTIONS * 0 keep;E;"},
    {LITERAL("BREW /pot HTTP/1.1\r\n" HOST "\r\n"), "H BREW /pot 0 keep;E;"},
    {LITERAL(POST "Content-Length: 5\r\n\r\nhello"), "H POST /x 5 keep;D hello;E;"},
    {LITERAL(POST "Content-Length: 0\r\n\r\n"), "H POST /x 0 keep;E;"},
    {LITERAL(POST "content-length:005 \t\r\n\r\nhello"), "H POST /x 5 keep;D hello;E;"},
    {LITERAL(POST "Content-Length: 1000\r\n\r\n"), "H POST /x 1000 keep;"},
    {LITERAL(POST "Content-Length: 2\r\nExpect: 100-Continue\r\n\r\nok"),
     "H POST /x 2 keep continue;D ok;E;"},
    {LITERAL(POST "Content-Length: 2\r\nExpect: tea\r\n\r\nok"),
     "H POST /x 2 keep expects;D ok;E;"},
    {LITERAL("POST /x HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nok"),
     "H POST /x 2 close;D ok;E;"},
    {LITERAL(CHUNKED "5\r\nhello\r\n0\r\n\r\n"), "H POST /x chunked keep;D hello;E;"},
    {LITERAL(CHUNKED "0\r\n\r\n"), "H POST /x chunked keep;E;"},
    {LITERAL(CHUNKED "3;name=\"v\"\r\nabc\r\n00002\r\nde\r\n000\r\nTrailer: x\r\nY:\r\n\r\n"),
     "H POST /x chunked keep;D abcde;E;"},
    {LITERAL(CHUNKED "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"),
     "H POST /x chunked keep;D 01234567890123456789;E;"},
    {LITERAL(POST "transfer-encoding: Chunked\r\n\r\n0\r\n\r\n"), "H POST /x chunked keep;E;"},
    {LITERAL(POST "Content-Length: 2\r\n\r\nokGET /2 HTTP/1.1\r\n" HOST "\r\n"),
     "H POST /x 2 keep;D ok;E;H GET /2 0 keep;E;"},
    {LITERAL(CHUNKED "1\r\nx\r\n0\r\n\r\nGET /2 HTTP/1.1\r\n" HOST "\r\n"),
     "H POST /x chunked keep;D x;E;H GET /2 0 keep;E;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST "X:\xff\xfe\tok \r\n\r\n"), "H GET / 0 keep;E;"},
    {LITERAL("GET / HTTP/1.1\r\nHost:\r\n\r\n"), "H GET / 0 keep;E;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST "X: 1\r\nX: 2\r\n\r\n"), "H GET / 0 keep;E;"},
    {LITERAL("GET /%zz HTTP/1.1\r\n" HOST "\r\n"), "H GET /%zz 0 keep;E;"},
};

static const row bad[] = {
    /* The request line. */
    {LITERAL("GET / HTTP/1.1\n" HOST "\r\n"), "X 400;"},
    {LITERAL("\n"), "X 400;"},
    {LITERAL("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET  / HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET /  HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1 \r\n" HOST "\r\n"), "X 400;"},
    {LITERAL(" GET / HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET\t/ HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET /\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/2.0\r\n" HOST "\r\n"), "X 505;"},
    {LITERAL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "X 505;"},
    {LITERAL("GET / HTTP/1.2\r\n" HOST "\r\n"), "X 505;"},
    {LITERAL("GET / HTTP/0.9\r\n" HOST "\r\n"), "X 505;"},
    {LITERAL("GET / HTTP/1.10\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/x.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET / http/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("G@T / HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET x HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET * HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET /a#b HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET ftp://h/ HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET http:///a HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("GET http://u@h/a HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("CONNECT h:443 HTTP/1.1\r\n" HOST "\r\n"), "X 501;"},
    {LITERAL("GET / HTTP/1.1\r" HOST "\r\n"), "X 400;"},
    {LITERAL("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), "X 400;"},
    {LITERAL("\x16\x03\x01\x02\x00\x01"), "X 400;"},
    /* Fields. */
    {LITERAL("GET / HTTP/1.1\r\nHost: h\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST HOST "\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST "host: other\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\nHost : h\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\n Host: h\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST "X\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST ": x\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST "X(y): 1\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST "X: a\x7f\r\n\r\n"), "X 400;"},
    {LITERAL("GET / HTTP/1.1\r\n" HOST "\xc3\xa9: a\r\n\r\n"), "X 400;"},
    /* Two readings of one length. */
    {LITERAL(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), "X 400;"},
    {LITERAL(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), "X 400;"},
    {LITERAL(POST "Content-Length: 5, 5\r\n\r\nhello"), "X 400;"},
    {LITERAL(POST "Content-Length: +5\r\n\r\nhello"), "X 400;"},
    {LITERAL(POST "Content-Length: -1\r\n\r\n"), "X 400;"},
    {LITERAL(POST "Content-Length: 0x5\r\n\r\nhello"), "X 400;"},
    {LITERAL(POST "Content-Length: 5 5\r\n\r\nhello"), "X 400;"},
    {LITERAL(POST "Content-Length:\r\n\r\nhello"), "X 400;"},
    {LITERAL(POST "Content-Length: 1e1\r\n\r\nhello"), "X 400;"},
    {LITERAL(POST "Content-Length: 1000000000000000000\r\n\r\n"), "X 400;"},
    {LITERAL(POST "Content-Length: 18446744073709551621\r\n\r\nhello"), "X 400;"},
    {LITERAL(POST "Content-Length: 1001\r\n\r\n"), "X 413;"},
    {LITERAL(POST "Content-Length: 999999999999999999\r\n\r\n"), "X 413;"},
    {LITERAL(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "X 400;"},
    {LITERAL(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"), "X 400;"},
    {LITERAL(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     "X 400;"},
    {LITERAL(POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), "X 400;"},
    {LITERAL(POST "Transfer-Encoding: identity\r\n\r\n"), "X 501;"},
    {LITERAL(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "X 501;"},
    {LITERAL(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), "X 501;"},
    {LITERAL(POST "Transfer-Encoding:\r\n\r\n"), "X 400;"},
    {LITERAL(POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"), "X 501;"},
    {LITERAL(POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"), "X 400;"},
    {LITERAL(POST "Transfer-Encoding:\x0b"
                  "chunked\r\n\r\n0\r\n\r\n"),
     "X 400;"},
    {LITERAL(POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"), "X 400;"},
    {LITERAL("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "X 400;"},
    {LITERAL(POST "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\n"), "X 400;"},
    /* Chunks. */
    {LITERAL(CHUNKED "\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "g\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "-1\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "0x1\r\na\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED " 1\r\na\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "1 \r\na\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "1\na\n0\n\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "1\r\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "1;x\ny\r\na\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "1;\0\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "1\r\nab\r\n"), "H POST /x chunked keep;D a;X 400;"},
    {LITERAL(CHUNKED "1\r\na\n0\r\n\r\n"), "H POST /x chunked keep;D a;X 400;"},
    {LITERAL(CHUNKED "1\r\na\rx"), "H POST /x chunked keep;D a;X 400;"},
    {LITERAL(CHUNKED "3e9\r\n"), "H POST /x chunked keep;X 413;"},
    {LITERAL(CHUNKED "1\r\na\r\n3e8\r\n"), "H POST /x chunked keep;D a;X 413;"},
    {LITERAL(CHUNKED "fffffffffffffff\r\n"), "H POST /x chunked keep;X 413;"},
    {LITERAL(CHUNKED "0000000000000001\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "10000000000000000\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "0\r\n X: folded\r\n\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "0\r\nX: a\n\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "0\r\nX: a\rb\r\n\r\n"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "0\r\n\rx"), "H POST /x chunked keep;X 400;"},
    {LITERAL(CHUNKED "0\r\nX: \0\r\n\r\n"), "H POST /x chunked keep;X 400;"},
    /* A smuggled second request is never seen behind an error. */
    {LITERAL(POST "Content-Length: 4\r\nTransfer-Encoding : chunked\r\n\r\n"
                  "0\r\n\r\nGET /evil HTTP/1.1\r\n" HOST "\r\n"),
     "X 400;"},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        check_stream(good[i].bytes, good[i].size, good[i].expected);
}

static void test_bad(void **state)
{
    (void)state;
    assert_true(sizeof bad / sizeof *bad >= 60);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_stream(bad[i].bytes, bad[i].size, bad[i].expected);
}

/* A stream that consists of `head`, then `repeated` up to `size` bytes in all, then `tail`. */
static void check_long(const char *head, const char *repeated, size_t size, const char *tail,
                       const char *expected)
{
    sv_text text;
    sv_text_init(&text, NULL);
    sv_text_puts(&text, head);
    while (text.size < size)
        sv_text_puts(&text, repeated);
    sv_text_puts(&text, tail);
    char *whole = read_stream(text.data, text.size, text.size, text.size);
    char *parts = read_stream(text.data, text.size, 0, 997);
    assert_string_equal(whole, expected);
    assert_string_equal(parts, expected);
    free(whole);
    free(parts);
    sv_text_release(&text);
}

static void test_limits(void **state)
{
    (void)state;
    check_long("GET /", "a", 16384, "", "X 414;");
    check_long("GET / HTTP/1.1\r\nHost: h\r\nX: ", "a", 16384, "", "X 431;");
    check_long("GET / HTTP/1.1\r\nHost: h\r\nX: ", "a", 16379, "\r\n\r\n", "H GET / 0 keep;E;");
    check_long("GET / HTTP/1.1\r\nHost: h\r\n", "X:1\r\n", 25 + 63 * 5, "\r\n",
               "H GET / 0 keep;E;");
    check_long("GET / HTTP/1.1\r\nHost: h\r\n", "X:1\r\n", 25 + 64 * 5, "\r\n", "X 431;");
    check_long(CHUNKED "1;", "a", sizeof CHUNKED - 1 + 255, "\r\nx\r\n0\r\n\r\n",
               "H POST /x chunked keep;X 400;");
    check_long(CHUNKED "1;", "a", sizeof CHUNKED - 1 + 254, "\r\nx\r\n0\r\n\r\n",
               "H POST /x chunked keep;D x;E;");
    check_long(CHUNKED "0\r\n", "A: b\r\n", 5000, "\r\n", "H POST /x chunked keep;X 431;");
    check_long(CHUNKED "0\r\n", "A: b\r\n", 4000, "\r\n", "H POST /x chunked keep;E;");
}

static void parse(const char *bytes, sv_http1_head *head)
{
    sv_http1_reader reader;
    size_t used, size;
    const uint8_t *piece;
    sv_http1_init(&reader, &limits);
    assert_int_equal(
        sv_http1_read(&reader, (const uint8_t *)bytes, strlen(bytes), &used, &piece, &size),
        SV_HTTP1_GOT_HEAD);
    assert_int_equal(used, strlen(bytes));
    assert_true(sv_http1_parse_head(&reader, bytes, used, fields, head));
}

#define CHECK_TEXT(found, expected)                                                                \
    do {                                                                                           \
        assert_int_equal((found).size, strlen(expected));                                          \
        assert_memory_equal((found).data, expected, (found).size);                                 \
    } while (0)

static void test_views(void **state)
{
    static sv_http1_head head;
    (void)state;
    parse("POST http://name:81/a%2Fb/c?d=e&f HTTP/1.1\r\nHost: other\r\n"
          "Content-Type: \t application/json \r\nX-Y:z\r\nContent-Encoding: gzip\r\n\r\n",
          &head);
    assert_int_equal(head.base.method, SV_METHOD_POST);
    CHECK_TEXT(head.base.path, "/a%2Fb/c");
    CHECK_TEXT(head.base.query, "d=e&f");
    CHECK_TEXT(head.base.authority, "name:81");
    CHECK_TEXT(head.base.content_type, "application/json");
    CHECK_TEXT(head.content_encoding, "gzip");
    assert_int_equal(head.base.header_count, 4);
    CHECK_TEXT(head.base.headers[2].name, "X-Y");
    CHECK_TEXT(head.base.headers[2].value, "z");
    parse("GET http://name?q HTTP/1.1\r\nHost: other\r\n\r\n", &head);
    CHECK_TEXT(head.base.path, "/");
    CHECK_TEXT(head.base.query, "q");
    parse("GET /a? HTTP/1.1\r\nHost: other:1\r\n\r\n", &head);
    CHECK_TEXT(head.base.path, "/a");
    CHECK_TEXT(head.base.query, "");
    CHECK_TEXT(head.base.authority, "other:1");
}

static void test_direct(void **state)
{
    static const char bytes[] = POST "Content-Length: 10\r\n\r\n";
    static sv_http1_head head;
    sv_http1_reader reader;
    size_t used, size;
    const uint8_t *piece;
    (void)state;
    sv_http1_init(&reader, &limits);
    assert_int_equal(sv_http1_direct(&reader), 0);
    assert_int_equal(
        sv_http1_read(&reader, (const uint8_t *)bytes, sizeof bytes - 1, &used, &piece, &size),
        SV_HTTP1_GOT_HEAD);
    assert_true(sv_http1_parse_head(&reader, bytes, used, fields, &head));
    assert_int_equal(sv_http1_direct(&reader), 10);
    assert_false(sv_http1_take(&reader, 4));
    assert_int_equal(sv_http1_direct(&reader), 6);
    assert_true(sv_http1_take(&reader, 6));
    assert_int_equal(reader.state, SV_HTTP1_WAIT);
    assert_int_equal(sv_http1_read(&reader, (const uint8_t *)"GET", 3, &used, &piece, &size),
                     SV_HTTP1_MORE);
    assert_int_equal(used, 0);
}

/* A body over the limit is an error of the head that leaves the framing whole: it can be skipped.
 */
static void test_large_body_is_framed(void **state)
{
    static const char bytes[] = POST "Content-Length: 1001\r\n\r\n";
    static sv_http1_head head;
    sv_http1_reader reader;
    size_t used, size;
    const uint8_t *piece;
    (void)state;
    sv_http1_init(&reader, &limits);
    sv_http1_read(&reader, (const uint8_t *)bytes, sizeof bytes - 1, &used, &piece, &size);
    assert_false(sv_http1_parse_head(&reader, bytes, used, fields, &head));
    assert_int_equal(reader.error_http, 413);
    assert_int_equal(sv_http1_direct(&reader), 1001);
    assert_true(sv_http1_take(&reader, 1001));
}

static void test_a_repeated_head_needs_no_parsing(void **state)
{
    static const char bytes[] = POST "Content-Length: 10\r\n\r\n";
    const uint8_t *data = (const uint8_t *)bytes, *piece;
    sv_string text = {bytes, sizeof bytes - 1};
    sv_http1_head head;
    sv_http1_reader reader;
    size_t used, size;
    (void)state;
    sv_http1_init(&reader, &limits);
    assert_true(sv_http1_repeats(&reader, data, text.size, text));
    assert_false(sv_http1_repeats(&reader, data, text.size - 1, text));
    assert_false(sv_http1_repeats(&reader, data + 1, text.size - 1, text));
    sv_http1_read(&reader, data, text.size, &used, &piece, &size);
    assert_false(sv_http1_repeats(&reader, data, text.size, text));
    assert_true(sv_http1_parse_head(&reader, bytes, used, fields, &head));
    assert_false(sv_http1_repeats(&reader, data, text.size, text));
    assert_true(sv_http1_take(&reader, 10));
    assert_false(sv_http1_repeats(&reader, data, text.size, text));
    sv_http1_next_message(&reader);
    assert_true(sv_http1_repeats(&reader, data, text.size, text));
    assert_true(sv_http1_start_body(&reader, &head));
    assert_int_equal(sv_http1_direct(&reader), 10);
    /* Where a head has begun otherwise, by the blank line that is forgiven, it is read on. */
    sv_http1_init(&reader, &limits);
    sv_http1_read(&reader, (const uint8_t *)"\r\n", 2, &used, &piece, &size);
    assert_false(sv_http1_repeats(&reader, data, text.size, text));
}

static void check_decode(const char *text, const char *expected)
{
    char out[64];
    size_t size = 0;
    bool good = sv_http1_decode((sv_string){text, strlen(text)}, out, &size);
    assert_int_equal(good, expected != NULL);
    if (!expected) return;
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(out, expected, size);
}

static void test_decode(void **state)
{
    (void)state;
    check_decode("", "");
    check_decode("abc", "abc");
    check_decode("%41%62", "Ab");
    check_decode("a%2fb", "a/b");
    check_decode("a%2Fb%2", NULL);
    check_decode("%", NULL);
    check_decode("%4", NULL);
    check_decode("%4g", NULL);
    check_decode("%g4", NULL);
    check_decode("%00", NULL);
    check_decode("%25", "%");
    check_decode("%2541", "%41");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_views),
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_a_repeated_head_needs_no_parsing),
        cmocka_unit_test(test_large_body_is_framed),
        cmocka_unit_test(test_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
