/* Small readers of header text: comparing without case, walking lists with commas. ASCII only, free
 * of the locale. */
#ifndef SV_NET_TOKEN_H
#define SV_NET_TOKEN_H

#include <serval/types.h>

/* `text` equals the lower-case `word`, without case. */
bool sv_token_is(sv_string text, const char *word);
/* A character of RFC 9110's token: names of headers and methods. */
bool sv_token_char(uint8_t c);
/* `text` without blanks and tabs at its ends. */
sv_string sv_token_trim(sv_string text);
/* Takes the next element off a list with commas: false at its end. Empty elements are skipped, and
 * commas in quoted strings do not divide. `parameters` (may be NULL) gets what follows the first
 * ';' of the element. */
bool sv_token_next(sv_string *list, sv_string *element, sv_string *parameters);

#endif
