/* Base64 (RFC 4648, section 4), as JSON carries bytes in it. */
#ifndef SV_BASE_BASE64_H
#define SV_BASE_BASE64_H

#include "base/text.h"

/* The most bytes that `size` characters can stand for. */
size_t sv_base64_room(size_t size);
/* Decodes into `out` (sv_base64_room bytes); padding may be missing. false when a character is
 * foreign, the length impossible, or bits behind the last byte are set. */
bool sv_base64_read(const char *text, size_t size, uint8_t *out, size_t *out_size);
/* Appends the padded form. */
void sv_base64_write(sv_text *text, const void *data, size_t size);

#endif
