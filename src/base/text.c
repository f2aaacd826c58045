/* Text: the growable buffer, numbers and JSON strings. Printing of floating-point numbers is in
 * text_float.c. */
#include "base/text.h"

#include "base/alloc.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

void sv_text_init(sv_text *text, const sv_allocator *allocator)
{
    *text = (sv_text){.allocator = allocator};
}

void sv_text_release(sv_text *text)
{
    sv_free(text->allocator, text->data, text->capacity);
    sv_text_init(text, text->allocator);
}

void sv_text_clear(sv_text *text)
{
    text->size = 0;
    text->failed = false;
    if (text->data) text->data[0] = '\0';
}

void sv_text_trim(sv_text *text)
{
    const size_t kept = text->size + 1;
    if (!text->data || text->capacity <= kept + kept / 8) return;
    char *data = sv_realloc(text->allocator, text->data, text->capacity, kept);
    if (!data) return;
    text->data = data;
    text->capacity = kept;
}

static bool grow(sv_text *text, size_t need)
{
    size_t capacity = text->capacity ? text->capacity : FIRST_CAPACITY;
    while (capacity < need)
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    char *data = sv_realloc(text->allocator, text->data, text->capacity, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

char *sv_text_make_room(sv_text *text, size_t more)
{
    size_t need;
    if (text->failed) return NULL;
    if (!sv_size_add(text->size, more, &need) || !sv_size_add(need, 1, &need)) {
        text->failed = true;
        return NULL;
    }
    if (need > text->capacity && !grow(text, need)) return NULL;
    return text->data + text->size;
}

void sv_text_append(sv_text *text, const void *data, size_t size)
{
    char *at = sv_text_reserve(text, size);
    if (!at) return;
    if (size) memcpy(at, data, size);
    at[size] = '\0';
    text->size += size;
}

void sv_text_puts(sv_text *text, const char *string)
{
    sv_text_append(text, string, strlen(string));
}

void sv_text_putc(sv_text *text, char c)
{
    char *at = sv_text_reserve(text, 1);
    if (!at) return;
    at[0] = c;
    at[1] = '\0';
    text->size++;
}

void sv_text_vprintf(sv_text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    char *at = sv_text_reserve(text, 64);
    if (at) {
        size_t room = text->capacity - text->size;
        int size = vsnprintf(at, room, format, arguments);
        if (size >= 0 && (size_t)size >= room) {
            *at = '\0';
            at = sv_text_reserve(text, (size_t)size);
            if (at) vsnprintf(at, (size_t)size + 1, format, again);
        }
        if (size < 0)
            text->failed = true;
        else if (at)
            text->size += (size_t)size;
    }
    va_end(again);
}

void sv_text_printf(sv_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sv_text_vprintf(text, format, arguments);
    va_end(arguments);
}

size_t sv_u64_digits(uint64_t value, char *out)
{
    char digits[SV_U64_DIGITS], *end = digits + sizeof digits, *at = end;
    do
        *--at = (char)('0' + value % 10);
    while (value /= 10);
    memcpy(out, at, (size_t)(end - at));
    return (size_t)(end - at);
}

static void put_magnitude(sv_text *text, bool negative, uint64_t value)
{
    char number[1 + SV_U64_DIGITS] = "-";
    size_t size = negative + sv_u64_digits(value, number + negative);
    sv_text_append(text, number, size);
}

void sv_text_put_u64(sv_text *text, uint64_t value)
{
    put_magnitude(text, false, value);
}

void sv_text_put_i64(sv_text *text, int64_t value)
{
    put_magnitude(text, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

size_t sv_utf8_step(const char *at, size_t left)
{
    const unsigned char *byte = (const unsigned char *)at;
    if (left == 0) return 0;
    if (byte[0] < 0x80) return 1;
    /* The second byte's range excludes overlong forms, surrogates and what is beyond U+10FFFF. */
    unsigned char low = 0x80, high = 0xBF;
    size_t size;
    if (byte[0] >= 0xC2 && byte[0] <= 0xDF) {
        size = 2;
    } else if (byte[0] >= 0xE0 && byte[0] <= 0xEF) {
        size = 3;
        if (byte[0] == 0xE0) low = 0xA0;
        if (byte[0] == 0xED) high = 0x9F;
    } else if (byte[0] >= 0xF0 && byte[0] <= 0xF4) {
        size = 4;
        if (byte[0] == 0xF0) low = 0x90;
        if (byte[0] == 0xF4) high = 0x8F;
    } else {
        return 0;
    }
    if (left < size || byte[1] < low || byte[1] > high) return 0;
    for (size_t i = 2; i < size; i++)
        if ((byte[i] & 0xC0) != 0x80) return 0;
    return size;
}

bool sv_utf8_valid(sv_string text)
{
    for (size_t at = 0, step; at < text.size; at += step) {
        step = sv_utf8_step(text.data + at, text.size - at);
        if (step == 0) return false;
    }
    return true;
}

size_t sv_utf8_put(char out[4], uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

static void put_escape(sv_text *text, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char *const letters = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *pair = letters; *pair; pair += 2) {
        if ((unsigned char)pair[0] != c) continue;
        char escape[2] = {'\\', pair[1]};
        sv_text_append(text, escape, 2);
        return;
    }
    char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    sv_text_append(text, escape, sizeof escape);
}

void sv_text_put_json(sv_text *text, const char *string, size_t size)
{
    sv_text_putc(text, '"');
    size_t begin = 0, at = 0;
    while (at < size) {
        unsigned char c = (unsigned char)string[at];
        size_t step = c < 0x20 || c == '"' || c == '\\' ? 0 : sv_utf8_step(string + at, size - at);
        if (step) {
            at += step;
            continue;
        }
        sv_text_append(text, string + begin, at - begin);
        if (c < 0x80)
            put_escape(text, c);
        else
            sv_text_puts(text, "\xEF\xBF\xBD");
        begin = ++at;
    }
    sv_text_append(text, string + begin, at - begin);
    sv_text_putc(text, '"');
}

sv_status sv_text_status(const sv_text *text, const char *what)
{
    return text->failed ? sv_error_memory(what, text->size) : SV_OK;
}

sv_string sv_string_trim(sv_string text)
{
    while (text.size && sv_is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size && sv_is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}
