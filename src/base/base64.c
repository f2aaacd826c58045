/* Base64. */
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

size_t sv_base64_room(size_t size)
{
    return size / 4 * 3 + 3;
}

/* Without its padding, which is complete or missing as a whole; SIZE_MAX when it is neither. */
static size_t unpadded(const char *text, size_t size)
{
    size_t padding = 0;
    while (padding < 2 && size > padding && text[size - 1 - padding] == '=')
        padding++;
    if (padding && size % 4 != 0) return SIZE_MAX;
    return size - padding;
}

bool sv_base64_read(const char *text, size_t size, uint8_t *out, size_t *out_size)
{
    size = unpadded(text, size);
    if (size == SIZE_MAX || size % 4 == 1) return false;
    uint32_t bits = 0;
    unsigned held = 0;
    size_t written = 0;
    for (size_t i = 0; i < size; i++) {
        int value = value_of(text[i]);
        if (value < 0) return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[written++] = (uint8_t)(bits >> held);
        }
    }
    if (bits & ((1u << held) - 1)) return false;
    *out_size = written;
    return true;
}

void sv_base64_write(sv_text *text, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i += 3) {
        size_t here = size - i < 3 ? size - i : 3;
        uint32_t bits = (uint32_t)bytes[i] << 16;
        if (here > 1) bits |= (uint32_t)bytes[i + 1] << 8;
        if (here > 2) bits |= bytes[i + 2];
        char group[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63], alphabet[bits >> 6 & 63],
                         alphabet[bits & 63]};
        if (here < 3) group[3] = '=';
        if (here < 2) group[2] = '=';
        sv_text_append(text, group, sizeof group);
    }
}
