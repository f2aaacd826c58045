/* Text: a growable buffer of bytes for building answers, messages and files.
 *
 * Errors stick: after the first failed growth every append does nothing and `failed` stays set, so
 * that callers check once at the end. Externally synchronised. */
#ifndef SV_BASE_TEXT_H
#define SV_BASE_TEXT_H

#include <serval/types.h>
#include <stdarg.h>

typedef struct sv_text {
    char *data; /* NUL-terminated when not NULL */
    size_t size, capacity;
    const sv_allocator *allocator;
    bool failed;
} sv_text;

void sv_text_init(sv_text *text, const sv_allocator *allocator);
void sv_text_release(sv_text *text);
void sv_text_clear(sv_text *text); /* keeps the memory */
/* Gives back memory beyond the contents where that is more than an eighth of them. */
void sv_text_trim(sv_text *text);
/* Room for `more` bytes behind the end; NULL when memory is out. Commit with text->size += n. */
char *sv_text_make_room(sv_text *text, size_t more);
static inline char *sv_text_reserve(sv_text *text, size_t more)
{
    bool fits = more < text->capacity - text->size && !text->failed;
    return fits ? text->data + text->size : sv_text_make_room(text, more);
}
void sv_text_append(sv_text *text, const void *data, size_t size);
void sv_text_puts(sv_text *text, const char *string);
void sv_text_putc(sv_text *text, char c);
void sv_text_printf(sv_text *text, const char *format, ...) SV_PRINTF(2, 3);
void sv_text_vprintf(sv_text *text, const char *format, va_list arguments);
/* Shortest decimal that reads back as the same number, with ".0" or an exponent so that it stays a
 * floating-point number ("3.0", "1.2e-7"); "NaN", "Infinity", "-Infinity". */
void sv_text_put_f32(sv_text *text, float number);
void sv_text_put_f64(sv_text *text, double number);
void sv_text_put_i64(sv_text *text, int64_t value);
void sv_text_put_u64(sv_text *text, uint64_t value);
#define SV_U64_DIGITS 20
/* Writes the decimal digits of `value`, at most SV_U64_DIGITS, without a NUL; returns how many. */
size_t sv_u64_digits(uint64_t value, char *out);
/* A JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void sv_text_put_json(sv_text *text, const char *string, size_t size);
static inline bool sv_is_blank(char c)
{
    return c == ' ' || c == '\t';
}
/* `text` without blanks and tabs at its ends; borrowed from it. */
sv_string sv_string_trim(sv_string text);
/* Bytes of the well-formed UTF-8 character (RFC 3629) at `at`; 0 when there is none. */
size_t sv_utf8_step(const char *at, size_t left);
/* Whether all of it is such characters. */
bool sv_utf8_valid(sv_string text);
/* Writes the UTF-8 of a code point (at most U+10FFFF, no surrogate) into 4 bytes; returns its size.
 */
size_t sv_utf8_put(char out[4], uint32_t code);
/* RESOURCE_EXHAUSTED if an append failed. */
SV_MUST_USE sv_status sv_text_status(const sv_text *text, const char *what);

#endif
