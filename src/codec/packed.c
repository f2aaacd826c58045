/* Packing of sub-byte elements. */
#include "codec/packed.h"

#include "tensor/dtype.h"

#include <string.h>

size_t sv_packed_size(sv_dtype dtype, size_t count)
{
    size_t per_byte = 8u / sv_dtype_get(dtype)->bits;
    return count / per_byte + (count % per_byte != 0);
}

void sv_packed_read(sv_dtype dtype, const uint8_t *from, size_t count, uint8_t *to)
{
    const sv_dtype_info *row = sv_dtype_get(dtype);
    unsigned bits = row->bits, per_byte = 8 / bits, mask = (1u << bits) - 1;
    unsigned sign = row->class_ == SV_CLASS_INT ? 1u << (bits - 1) : 0;
    for (size_t i = 0; i < count; i++) {
        unsigned value = from[i / per_byte] >> (i % per_byte * bits) & mask;
        to[i] = (uint8_t)((value ^ sign) - sign);
    }
}

void sv_packed_write(sv_dtype dtype, const uint8_t *from, size_t count, uint8_t *to)
{
    unsigned bits = sv_dtype_get(dtype)->bits, per_byte = 8 / bits, mask = (1u << bits) - 1;
    memset(to, 0, sv_packed_size(dtype, count));
    for (size_t i = 0; i < count; i++)
        to[i / per_byte] |= (uint8_t)((from[i] & mask) << (i % per_byte * bits));
}
