/* Taking targets apart, in the forms that RFC 9112 gives them. */
#include "net/target.h"

#include "base/reader.h"
#include "base/status.h"
#include "net/http1.h"
#include "net/token.h"

#include <string.h>

sv_method sv_method_find(sv_string name)
{
    static const struct {
        const char *name;
        sv_method method;
    } rows[] = {
        {"GET", SV_METHOD_GET},     {"POST", SV_METHOD_POST},     {"HEAD", SV_METHOD_HEAD},
        {"PUT", SV_METHOD_PUT},     {"DELETE", SV_METHOD_DELETE}, {"OPTIONS", SV_METHOD_OPTIONS},
        {"PATCH", SV_METHOD_PATCH},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (name.size == strlen(rows[i].name) && !memcmp(name.data, rows[i].name, name.size))
            return rows[i].method;
    return SV_METHOD_OTHER;
}

/* Commas, blanks and whatever could be read as another part of a URL are refused. */
bool sv_target_is_authority(sv_string text)
{
    return sv_text_is(text, SV_CHAR_AUTHORITY);
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

/* The length of "http://" or "https://" at the start of `target`, else 0. */
static size_t scheme_size(sv_string target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t size = strlen(schemes[i]);
        if (target.size >= size && sv_token_is((sv_string){target.data, size}, schemes[i]))
            return size;
    }
    return 0;
}

static bool must_be_encoded(uint8_t c)
{
    return c <= 0x20 || c >= 0x7f || c == '#';
}

/* Whether no byte must be encoded; eight at a time. */
static bool is_plain(sv_string text)
{
    const uint64_t ones = 0x0101010101010101;
    size_t i = 0;
    for (; i + 8 <= text.size; i += 8) {
        uint64_t bytes = sv_load8((const uint8_t *)text.data + i), hash = bytes ^ ones * '#';
        uint64_t low = (bytes - ones * 0x21) & ~bytes, high = bytes | (bytes + ones);
        if ((low | high | ((hash - ones) & ~hash)) & ones * 0x80) return false;
    }
    for (; i < text.size; i++)
        if (must_be_encoded((uint8_t)text.data[i])) return false;
    return true;
}

static const char *parse_absolute(sv_string *rest, sv_target *out)
{
    size_t scheme = scheme_size(*rest);
    if (!scheme) return "the target is neither a path nor an http URL";
    *rest = from(*rest, scheme);
    size_t slash = find(*rest, '/'), question = find(*rest, '?');
    size_t size = slash < question ? slash : question;
    out->authority = (sv_string){rest->data, size};
    if (!size || !sv_target_is_authority(out->authority)) return "the target's host is not a host";
    *rest = from(*rest, size);
    return NULL;
}

const char *sv_target_parse(sv_string text, sv_method method, sv_target *out)
{
    sv_string rest = text;
    *out = (sv_target){{NULL, 0}, {NULL, 0}, {NULL, 0}};
    if (!rest.size) return "the request line has no target";
    if (!is_plain(rest)) return "the target holds a character that must be encoded";
    if (rest.size == 1 && rest.data[0] == '*') {
        if (method != SV_METHOD_OPTIONS) return "the target * belongs to OPTIONS only";
        out->path = rest;
        return NULL;
    }
    if (rest.data[0] != '/') {
        const char *wrong = parse_absolute(&rest, out);
        if (wrong) return wrong;
    }
    size_t question = find(rest, '?');
    out->path = question ? (sv_string){rest.data, question} : (sv_string){"/", 1};
    if (question < rest.size) out->query = from(rest, question + 1);
    return NULL;
}

size_t sv_target_segments(sv_string path)
{
    size_t count = 1;
    for (size_t i = 0; i < path.size; i++)
        count += path.data[i] == '/';
    return count;
}

sv_status sv_target_split(sv_string path, sv_string *segments, uint32_t *count, char *decoded)
{
    *count = 0;
    if (path.size && path.data[0] == '/') path = from(path, 1);
    if (!path.size) return SV_OK;
    for (const char *at = path.data, *end = at + path.size; at <= end;) {
        const char *stop = memchr(at, '/', (size_t)(end - at));
        size_t size = (size_t)((stop ? stop : end) - at);
        sv_string *segment = &segments[*count];
        if (!sv_http1_decode((sv_string){at, size}, decoded, &segment->size))
            return sv_error_invalid("the path holds a %% that is not followed by two hexadecimal "
                                    "digits, or stands for NUL");
        segment->data = decoded;
        decoded += segment->size;
        ++*count;
        at += size + 1;
    }
    return SV_OK;
}
