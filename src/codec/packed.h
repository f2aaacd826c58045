/* Elements of 4 and 2 bits as files hold them: packed, the first in the low bits of the first byte
 * (ONNX, TensorProto "raw_data"). In memory each takes a byte of its own. */
#ifndef SV_CODEC_PACKED_H
#define SV_CODEC_PACKED_H

#include <serval/types.h>

/* Bytes of `count` packed elements; `dtype` has fewer than 8 bits. */
size_t sv_packed_size(sv_dtype dtype, size_t count);
/* `to` holds `count` bytes, `from` sv_packed_size of them; signed elements are sign-extended. */
void sv_packed_read(sv_dtype dtype, const uint8_t *from, size_t count, uint8_t *to);
/* The rest of the last byte is 0. */
void sv_packed_write(sv_dtype dtype, const uint8_t *from, size_t count, uint8_t *to);

#endif
