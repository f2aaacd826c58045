/* Compressing answers. Private to this folder. */
#ifndef SV_NET_COMPRESS_H
#define SV_NET_COMPRESS_H

#include "base/text.h"

typedef struct sv_compressor {
    const sv_allocator *allocator;
    struct z_stream_s *streams[2]; /* gzip, deflate; kept, as setting one up costs 256 KiB */
} sv_compressor;

void sv_compressor_init(sv_compressor *compressor, const sv_allocator *allocator);
void sv_compressor_release(sv_compressor *compressor);

/* Replaces `body` by its compressed form; false, and nothing has changed, when that is not smaller
 * or memory is out. */
bool sv_compress(sv_compressor *compressor, bool gzip, sv_text *body);

#endif
