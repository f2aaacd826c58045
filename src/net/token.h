/* Small readers of header text: comparing without case, walking lists with commas. ASCII only, free
 * of the locale. */
#ifndef SV_NET_TOKEN_H
#define SV_NET_TOKEN_H

#include <serval/types.h>

#include <string.h>

/* `text` equals `word` (of `size` bytes), without case. */
bool sv_token_equal(sv_string text, const char *word, size_t size);
static inline bool sv_token_is(sv_string text, const char *word)
{
    return text.size == strlen(word) && sv_token_equal(text, word, text.size);
}

/* What a byte may be part of; a set of them for each byte. */
typedef enum sv_char_class {
    SV_CHAR_TOKEN = 1,     /* RFC 9110's token: names of headers and methods */
    SV_CHAR_AUTHORITY = 2, /* a URL's host and port, and whatever RFC 3986 has before them */
} sv_char_class;
extern const uint8_t sv_char_classes[256];
/* All of `text` is of that class; an empty text is. */
static inline bool sv_text_is(sv_string text, sv_char_class class_)
{
    for (size_t i = 0; i < text.size; i++)
        if (!(sv_char_classes[(uint8_t)text.data[i]] & class_)) return false;
    return true;
}
static inline bool sv_token_char(uint8_t c)
{
    return sv_char_classes[c] & SV_CHAR_TOKEN;
}
/* Takes the next element off a list with commas: false at its end. Empty elements are skipped, and
 * commas in quoted strings do not divide. `parameters` (may be NULL) gets what follows the first
 * ';' of the element. */
bool sv_token_next(sv_string *list, sv_string *element, sv_string *parameters);

#endif
