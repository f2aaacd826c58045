/* Parsing one HTTP/1.1 head: request line, fields, and what they say about the body and the
 * connection (RFC 9112). Its bytes were scanned by http1.c: lines end in CR LF and hold text only.
 */
#include "base/text.h"
#include "net/http1.h"
#include "net/target.h"
#include "net/token.h"

#include <string.h>

/* Everything that parsing one head passes around. */
typedef struct head_parser {
    sv_http1_reader *reader;
    sv_http1_head *head;
    sv_header *fields; /* of the head: room */
    uint32_t hosts, encodings;
    sv_string host;
    bool transfer_encoding, keep_alive, close;
} head_parser;

static bool fail(head_parser *p, int http, const char *message)
{
    p->reader->state = SV_HTTP1_BAD;
    p->reader->error_http = http;
    p->reader->error_message = message;
    return false;
}

/* Takes the next line off `rest`, without its CR LF. */
static sv_string take_line(sv_string *rest)
{
    const char *end = memchr(rest->data, '\r', rest->size);
    size_t size = end ? (size_t)(end - rest->data) : rest->size;
    size_t step = size + 2 > rest->size ? rest->size : size + 2;
    sv_string line = {rest->data, size};
    *rest = (sv_string){rest->data + step, rest->size - step};
    return line;
}

static size_t find(sv_string text, char c)
{
    const char *at = text.size ? memchr(text.data, c, text.size) : NULL;
    return at ? (size_t)(at - text.data) : text.size;
}

static sv_string from(sv_string text, size_t at)
{
    return (sv_string){text.data + at, text.size - at};
}

static bool all_tokens(sv_string text)
{
    return text.size > 0 && sv_text_is(text, SV_CHAR_TOKEN);
}

static bool parse_version(head_parser *p, sv_string text)
{
    if (text.size != 8 || memcmp(text.data, "HTTP/", 5) != 0 || text.data[6] != '.')
        return fail(p, 400, "the request line does not end with an HTTP version");
    char major = text.data[5], minor = text.data[7];
    if (major < '0' || major > '9' || minor < '0' || minor > '9')
        return fail(p, 400, "the HTTP version is not a number");
    if (major != '1' || minor > '1')
        return fail(p, 505, "the HTTP version is not supported: expected HTTP/1.1 or HTTP/1.0");
    p->head->minor = (uint8_t)(minor - '0');
    return true;
}

static bool parse_target(head_parser *p)
{
    sv_http1_head *head = p->head;
    sv_target target;
    const char *wrong = sv_target_parse(head->base.target, head->base.method, &target);
    head->base.path = target.path;
    head->base.query = target.query;
    head->base.authority = target.authority;
    return wrong ? fail(p, 400, wrong) : true;
}

static bool parse_request_line(head_parser *p, sv_string line)
{
    sv_http1_head *head = p->head;
    size_t space = find(line, ' ');
    head->base.method_name = (sv_string){line.data, space};
    if (space == line.size || !all_tokens(head->base.method_name))
        return fail(p, 400, "the request line does not begin with a method");
    head->base.method = sv_method_find(head->base.method_name);
    line = from(line, space + 1);
    space = find(line, ' ');
    head->base.target = (sv_string){line.data, space};
    if (space == line.size) return fail(p, 400, "the request line has no HTTP version");
    if (!parse_version(p, from(line, space + 1))) return false;
    if (head->base.method_name.size == 7 && !memcmp(head->base.method_name.data, "CONNECT", 7))
        return fail(p, 501, "CONNECT is not implemented");
    return parse_target(p);
}

static bool parse_length(head_parser *p, sv_string value)
{
    uint64_t length = 0;
    if (p->head->has_length) return fail(p, 400, "Content-Length: given more than once");
    if (!value.size || value.size > 18)
        return fail(p, 400, "Content-Length: expected a number of at most 18 digits");
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return fail(p, 400, "Content-Length: expected digits only");
        length = length * 10 + (uint64_t)(value.data[i] - '0');
    }
    p->head->has_length = true;
    p->head->length = length;
    return true;
}

static bool parse_transfer_encoding(head_parser *p, sv_string value)
{
    if (p->transfer_encoding) return fail(p, 400, "Transfer-Encoding: given more than once");
    p->transfer_encoding = true;
    if (sv_token_is(value, "chunked")) {
        p->head->chunked = true;
        return true;
    }
    sv_string element;
    uint32_t chunked = 0, others = 0;
    while (sv_token_next(&value, &element, NULL)) {
        if (sv_token_is(element, "chunked"))
            chunked++;
        else
            others++;
    }
    if (others && chunked < 2)
        return fail(p, 501, "Transfer-Encoding: only chunked is implemented");
    return fail(p, 400, "Transfer-Encoding: expected exactly one chunked");
}

static bool parse_connection(head_parser *p, sv_string value)
{
    sv_string element;
    while (sv_token_next(&value, &element, NULL)) {
        if (sv_token_is(element, "close")) p->close = true;
        if (sv_token_is(element, "keep-alive")) p->keep_alive = true;
    }
    return true;
}

static bool parse_expect(head_parser *p, sv_string value)
{
    if (sv_token_is(value, "100-continue"))
        p->head->expect_continue = true;
    else
        p->head->expect_unknown = true;
    return true;
}

static bool parse_host(head_parser *p, sv_string value)
{
    if (p->hosts++) return fail(p, 400, "Host: given more than once");
    if (!sv_target_is_authority(value)) return fail(p, 400, "Host: expected a host");
    p->host = value;
    return true;
}

static bool parse_content_encoding(head_parser *p, sv_string value)
{
    if (p->encodings++) return fail(p, 400, "Content-Encoding: given more than once");
    p->head->content_encoding = value;
    return true;
}

static bool parse_content_type(head_parser *p, sv_string value)
{
    p->head->base.content_type = value;
    return true;
}

/* The fields that the reader itself must understand. */
static bool parse_known_field(head_parser *p, const sv_header *field)
{
#define NAME(text) text, sizeof text - 1
    static const struct {
        const char *name;
        size_t size;
        bool (*parse)(head_parser *p, sv_string value);
    } rows[] = {
        {NAME("connection"), parse_connection},
        {NAME("content-encoding"), parse_content_encoding},
        {NAME("content-length"), parse_length},
        {NAME("content-type"), parse_content_type},
        {NAME("expect"), parse_expect},
        {NAME("host"), parse_host},
        {NAME("transfer-encoding"), parse_transfer_encoding},
    };
#undef NAME
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (sv_token_equal(field->name, rows[i].name, rows[i].size))
            return rows[i].parse(p, field->value);
    return true;
}

static bool parse_field(head_parser *p, sv_string line)
{
    sv_http1_head *head = p->head;
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return fail(p, 400, "a header line begins with a blank: folded lines are not accepted");
    size_t colon = find(line, ':');
    sv_string name = {line.data, colon};
    if (colon == line.size) return fail(p, 400, "a header line has no colon");
    if (!all_tokens(name)) return fail(p, 400, "a header's name holds a character that it may not");
    if (head->base.header_count >= p->reader->limits.head_fields)
        return fail(p, 431, "the head has too many fields");
    sv_header *field = &p->fields[head->base.header_count++];
    *field = (sv_header){name, sv_string_trim(from(line, colon + 1))};
    return parse_known_field(p, field);
}

/* What the fields mean together. */
static bool conclude(head_parser *p)
{
    sv_http1_head *head = p->head;
    if (head->minor == 1 && !p->hosts) return fail(p, 400, "Host: expected one in HTTP/1.1");
    if (!head->base.authority.size) head->base.authority = p->host;
    if (head->chunked && head->has_length)
        return fail(p, 400, "Content-Length and Transfer-Encoding together");
    if (head->chunked && head->minor == 0) return fail(p, 400, "Transfer-Encoding in HTTP/1.0");
    if (head->minor == 0) head->expect_continue = head->expect_unknown = false;
    head->keep = !p->close && (head->minor == 1 || p->keep_alive);
    return true;
}

bool sv_http1_start_body(sv_http1_reader *reader, const sv_http1_head *head)
{
    reader->count = reader->digits = reader->step = 0;
    reader->left = head->length;
    reader->state = head->chunked ? SV_HTTP1_CHUNK_SIZE : SV_HTTP1_FIXED;
    if (head->length <= reader->limits.body_bytes) return true;
    reader->error_http = 413;
    reader->error_message = "the body is larger than is accepted";
    return false;
}

bool sv_http1_parse_head(sv_http1_reader *reader, const char *bytes, size_t size, sv_header *fields,
                         sv_http1_head *out)
{
    head_parser parser = {.reader = reader, .head = out, .fields = fields};
    sv_string rest = {bytes, size};
    *out = (sv_http1_head){.base = {.headers = fields}};
    sv_string line = take_line(&rest);
    if (!line.size) line = take_line(&rest);
    if (!parse_request_line(&parser, line)) return false;
    while ((line = take_line(&rest)).size)
        if (!parse_field(&parser, line)) return false;
    return conclude(&parser) && sv_http1_start_body(reader, out);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool sv_http1_decode(sv_string text, char *out, size_t *out_size)
{
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
            if (low < 0 || (!high && !low)) return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        out[n++] = c;
    }
    *out_size = n;
    return true;
}
