/* The reader of protobuf's text format. */
#include "wire/pbtxt.h"

#include "base/status.h"
#include "base/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 512
#define FOUND_SIZE 48

void sv_pbtxt_init(sv_pbtxt *text, const void *data, size_t size, const char *origin,
                   sv_arena *arena)
{
    const char *start = size ? data : "";
    *text = (sv_pbtxt){.start = start,
                       .at = start,
                       .end = start + size,
                       .token = start,
                       .origin = origin,
                       .arena = arena};
}

/* ---- places and errors ----------------------------------------------------------------------- */

uint32_t sv_pbtxt_line(const sv_pbtxt *text)
{
    uint32_t line = 1;
    for (const char *at = text->start; at < text->token; at++)
        line += *at == '\n';
    return line;
}

static uint32_t column_of(const sv_pbtxt *text)
{
    const char *at = text->token;
    while (at > text->start && at[-1] != '\n')
        at--;
    return (uint32_t)(text->token - at) + 1;
}

sv_status sv_pbtxt_error(const sv_pbtxt *text, const char *format, ...)
{
    char message[MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (!text->origin) return sv_error_invalid("%s", message);
    return sv_error_invalid("%s:%u:%u: %s", text->origin, (unsigned)sv_pbtxt_line(text),
                            (unsigned)column_of(text), message);
}

/* What stands at the newest token, in a few printable letters. */
static const char *found_at(const sv_pbtxt *text, char found[FOUND_SIZE])
{
    size_t size = 0;
    if (text->token == text->end) return "the end";
    found[size++] = '\'';
    for (const char *at = text->token; at < text->end && size < FOUND_SIZE - 2; at++) {
        if (*at <= ' ' || *at > '~') break;
        found[size++] = *at;
    }
    if (size == 1) return "something unprintable";
    found[size++] = '\'';
    found[size] = '\0';
    return found;
}

static sv_status unexpected(sv_pbtxt *text, const char *expected)
{
    char found[FOUND_SIZE];
    text->token = text->at;
    return sv_pbtxt_error(text, "expected %s, found %s", expected, found_at(text, found));
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static void skip_space(sv_pbtxt *text)
{
    while (text->at < text->end) {
        char c = *text->at;
        if (c == '#') {
            const char *line = memchr(text->at, '\n', (size_t)(text->end - text->at));
            text->at = line ? line : text->end;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f') {
            text->at++;
        } else {
            break;
        }
    }
    text->token = text->at;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool at_char(const sv_pbtxt *text, char c)
{
    return text->at < text->end && *text->at == c;
}

static bool take_char(sv_pbtxt *text, char c)
{
    if (!at_char(text, c)) return false;
    text->at++;
    return true;
}

static sv_string take_word(sv_pbtxt *text)
{
    sv_string word = {text->at, 0};
    while (text->at < text->end && (is_letter(*text->at) || is_digit(*text->at)))
        text->at++;
    word.size = (size_t)(text->at - word.data);
    return word;
}

/* ---- fields ---------------------------------------------------------------------------------- */

/* The name of an extension or of the type of an Any, with its brackets. */
static sv_status take_bracketed(sv_pbtxt *text, sv_string *out)
{
    const char *from = text->at;
    const char *close = memchr(from, ']', (size_t)(text->end - from));
    if (!close) return unexpected(text, "a name that ends with ']'");
    text->at = close + 1;
    *out = (sv_string){from, (size_t)(text->at - from)};
    return SV_OK;
}

static sv_status end_message(sv_pbtxt *text, bool *more)
{
    *more = false;
    if (text->depth == 0) {
        return text->at == text->end ? SV_OK : unexpected(text, "the name of a field");
    }
    bool angled = text->angled >> (text->depth - 1) & 1;
    if (!take_char(text, angled ? '>' : '}')) {
        return unexpected(text,
                          angled ? "the name of a field or '>'" : "the name of a field or '}'");
    }
    text->depth--;
    return SV_OK;
}

sv_status sv_pbtxt_next(sv_pbtxt *text, sv_string *name, bool *more)
{
    skip_space(text);
    if (text->at < text->end && is_letter(*text->at)) {
        *name = take_word(text);
    } else if (at_char(text, '[')) {
        SV_TRY(take_bracketed(text, name));
    } else {
        return end_message(text, more);
    }
    *more = true;
    return SV_OK;
}

/* Between a field's name and its value: a colon, which messages may leave out. */
static sv_status begin_values(sv_pbtxt *text, sv_pbtxt_values *values)
{
    skip_space(text);
    bool colon = take_char(text, ':');
    skip_space(text);
    values->begun = values->first = true;
    values->list = take_char(text, '[');
    if (values->list) skip_space(text);
    bool message = at_char(text, '{') || at_char(text, '<');
    return colon || message ? SV_OK : unexpected(text, "':' or '{' behind the field's name");
}

sv_status sv_pbtxt_value(sv_pbtxt *text, sv_pbtxt_values *values, bool *more)
{
    if (!values->begun) SV_TRY(begin_values(text, values));
    bool first = values->first;
    values->first = false;
    skip_space(text);
    if (!values->list) {
        /* A separator may stand behind the field. */
        if (!first && !take_char(text, ',')) take_char(text, ';');
        *more = first;
        return SV_OK;
    }
    if (take_char(text, ']')) {
        skip_space(text);
        if (!take_char(text, ',')) take_char(text, ';');
        *more = false;
        return SV_OK;
    }
    if (!first && !take_char(text, ',')) return unexpected(text, "',' or ']'");
    skip_space(text);
    *more = true;
    return SV_OK;
}

/* ---- values ---------------------------------------------------------------------------------- */

sv_pbtxt_kind sv_pbtxt_peek(const sv_pbtxt *text)
{
    char c = text->at < text->end ? *text->at : '\0';
    if (c == '{' || c == '<') return SV_PBTXT_MESSAGE;
    if (c == '"' || c == '\'') return SV_PBTXT_STRING;
    if (is_digit(c) || c == '-' || c == '.') return SV_PBTXT_NUMBER;
    return is_letter(c) ? SV_PBTXT_WORD : SV_PBTXT_OTHER;
}

sv_status sv_pbtxt_message(sv_pbtxt *text)
{
    if (sv_pbtxt_peek(text) != SV_PBTXT_MESSAGE) return unexpected(text, "a message in braces");
    if (text->depth == SV_PBTXT_MAX_DEPTH) {
        return sv_pbtxt_error(text, "expected at most %d messages inside each other, found more",
                              SV_PBTXT_MAX_DEPTH);
    }
    uint64_t bit = UINT64_C(1) << text->depth;
    text->angled = *text->at == '<' ? text->angled | bit : text->angled & ~bit;
    text->at++;
    text->depth++;
    return SV_OK;
}

static int digit_value(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 16;
}

/* Up to `most` digits of a base. */
static uint32_t take_digits(sv_pbtxt *text, int base, int most, int *count)
{
    uint32_t value = 0;
    for (*count = 0; *count < most && text->at < text->end; ++*count, text->at++) {
        int digit = digit_value(*text->at);
        if (digit >= base) break;
        value = value * (uint32_t)base + (uint32_t)digit;
    }
    return value;
}

static sv_status put_code(sv_pbtxt *text, uint32_t code, sv_text *out)
{
    char utf8[4];
    if (code == 0 || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        return unexpected(text, "a character behind the backslash");
    }
    sv_text_append(out, utf8, sv_utf8_put(utf8, code));
    return SV_OK;
}

/* A byte or character by its number; `mark` stood behind the backslash. */
static sv_status take_number_escape(sv_pbtxt *text, char mark, sv_text *out)
{
    int count, most = mark == 'u' ? 4 : mark == 'U' ? 8 : mark == 'o' ? 3 : 2;
    uint32_t value = take_digits(text, mark == 'o' ? 8 : 16, most, &count);
    bool whole = mark == 'u' || mark == 'U';
    if (count == 0 || (whole && count < most)) return unexpected(text, "the digits of an escape");
    if (whole) return put_code(text, value, out);
    if (value > 255) return unexpected(text, "the number of a byte");
    sv_text_putc(out, (char)value);
    return SV_OK;
}

static sv_status take_escape(sv_pbtxt *text, sv_text *out)
{
    static const char letters[] = "abfnrtv\\'\"?", values[] = "\a\b\f\n\r\t\v\\'\"?";
    if (text->at == text->end) return unexpected(text, "a character behind the backslash");
    char c = *text->at;
    const char *simple = c ? strchr(letters, c) : NULL;
    if (simple) {
        text->at++;
        sv_text_putc(out, values[simple - letters]);
        return SV_OK;
    }
    if (c >= '0' && c <= '7') return take_number_escape(text, 'o', out);
    if (c != 'x' && c != 'X' && c != 'u' && c != 'U') {
        return unexpected(text, "a character that can be escaped");
    }
    text->at++;
    return take_number_escape(text, c == 'X' ? 'x' : c, out);
}

/* One literal; the quote is where the text stands. */
static sv_status take_literal(sv_pbtxt *text, sv_text *out)
{
    char quote = *text->at++;
    while (text->at < text->end && *text->at != quote) {
        char c = *text->at;
        if (c == '\n' || c == '\0') return unexpected(text, "the string's end in its line");
        text->at++;
        if (c == '\\') {
            SV_TRY(take_escape(text, out));
        } else {
            sv_text_putc(out, c);
        }
    }
    if (take_char(text, quote)) return SV_OK;
    return unexpected(text, "the string's end");
}

static bool is_utf8_text(const char *at, size_t size)
{
    while (size) {
        size_t step = sv_utf8_step(at, size);
        if (step == 0 || *at == '\0') return false;
        at += step;
        size -= step;
    }
    return true;
}

static sv_status take_literals(sv_pbtxt *text, sv_text *out)
{
    const char *from = text->at;
    while (sv_pbtxt_peek(text) == SV_PBTXT_STRING) {
        SV_TRY(take_literal(text, out));
        skip_space(text);
    }
    text->token = from;
    if (!is_utf8_text(out->data ? out->data : "", out->size)) {
        return sv_pbtxt_error(text, "expected UTF-8 without NUL in the string, found other bytes");
    }
    return sv_text_status(out, "a string");
}

sv_status sv_pbtxt_string(sv_pbtxt *text, sv_string *out)
{
    if (sv_pbtxt_peek(text) != SV_PBTXT_STRING) return unexpected(text, "a string in quotes");
    sv_text joined;
    sv_text_init(&joined, NULL);
    sv_status status = take_literals(text, &joined);
    if (status == SV_OK) {
        size_t size = joined.size;
        const char *copy = sv_arena_copy_text(text->arena, size ? joined.data : "", size);
        if (copy) {
            *out = (sv_string){copy, size};
        } else {
            status = sv_error_memory("a string", size);
        }
    }
    sv_text_release(&joined);
    return status;
}

/* Digits of a base until something else comes; false beyond 64 bits. */
static bool take_u64(sv_pbtxt *text, int base, uint64_t *out)
{
    uint64_t value = 0;
    while (text->at < text->end && digit_value(*text->at) < base) {
        uint64_t digit = (uint64_t)digit_value(*text->at++);
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

static int take_base(sv_pbtxt *text)
{
    if (text->end - text->at < 2 || *text->at != '0') return 10;
    if (text->at[1] == 'x' || text->at[1] == 'X') {
        text->at += 2;
        return 16;
    }
    return is_digit(text->at[1]) ? 8 : 10;
}

sv_status sv_pbtxt_i64(sv_pbtxt *text, int64_t *out)
{
    const char *from = text->at;
    uint64_t value = 0;
    bool minus = take_char(text, '-');
    if (minus) skip_space(text);
    text->token = from;
    int base = take_base(text);
    const char *digits = text->at;
    bool fits =
        take_u64(text, base, &value) && text->at > digits && value <= (uint64_t)INT64_MAX + minus;
    bool ends =
        text->at == text->end || !(is_letter(*text->at) || is_digit(*text->at) || *text->at == '.');
    if (!fits || !ends) {
        text->at = from;
        return unexpected(text, "a whole number of 64 bits");
    }
    *out = (int64_t)(minus ? 0 - value : value);
    return SV_OK;
}

sv_status sv_pbtxt_word(sv_pbtxt *text, sv_string *out)
{
    if (sv_pbtxt_peek(text) != SV_PBTXT_WORD) return unexpected(text, "a word");
    *out = take_word(text);
    return SV_OK;
}

static bool is_word(sv_string word, const char *text)
{
    return word.size == strlen(text) && memcmp(word.data, text, word.size) == 0;
}

sv_status sv_pbtxt_bool(sv_pbtxt *text, bool *out)
{
    static const char *const yes[] = {"true", "True", "t", "1"};
    static const char *const no[] = {"false", "False", "f", "0"};
    const char *from = text->at;
    sv_string word = take_word(text);
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (!is_word(word, yes[i]) && !is_word(word, no[i])) continue;
        *out = is_word(word, yes[i]);
        return SV_OK;
    }
    text->at = from;
    return unexpected(text, "true or false");
}

/* A number of any kind, or a word with a minus in front (-inf). */
static sv_status skip_number(sv_pbtxt *text)
{
    const char *from = text->at;
    if (take_char(text, '-')) skip_space(text);
    size_t digits = 0;
    for (char c; text->at < text->end; text->at++) {
        c = *text->at;
        bool sign = (c == '+' || c == '-') && (text->at[-1] == 'e' || text->at[-1] == 'E');
        if (!is_letter(c) && !is_digit(c) && c != '.' && !sign) break;
        digits += is_letter(c) || is_digit(c);
    }
    if (digits) return SV_OK;
    text->at = from;
    return unexpected(text, "a number");
}

static sv_status skip_fields(sv_pbtxt *text);

static sv_status skip_message(sv_pbtxt *text)
{
    SV_TRY(sv_pbtxt_message(text));
    return skip_fields(text);
}

sv_status sv_pbtxt_skip(sv_pbtxt *text)
{
    sv_string ignored;
    switch (sv_pbtxt_peek(text)) {
    case SV_PBTXT_MESSAGE:
        return skip_message(text);
    case SV_PBTXT_STRING:
        return sv_pbtxt_string(text, &ignored);
    case SV_PBTXT_NUMBER:
        return skip_number(text);
    case SV_PBTXT_WORD:
        return sv_pbtxt_word(text, &ignored);
    default:
        return unexpected(text, "a value");
    }
}

/* The rest of a message. The depth is bounded by sv_pbtxt_message. */
static sv_status skip_fields(sv_pbtxt *text)
{
    sv_string name;
    bool more;
    for (;;) {
        sv_pbtxt_values values = {false, false, false};
        SV_TRY(sv_pbtxt_next(text, &name, &more));
        if (!more) return SV_OK;
        for (;;) {
            SV_TRY(sv_pbtxt_value(text, &values, &more));
            if (!more) break;
            SV_TRY(sv_pbtxt_skip(text));
        }
    }
}
