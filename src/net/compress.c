/* zlib's deflate at its fastest level: answers are numbers in decimal, where higher levels cost
 * many times more for a few percent. */
#include "net/compress.h"

#include "base/alloc.h"

#include <limits.h>
#include <string.h>
#include <zlib.h>

void sv_compressor_init(sv_compressor *compressor, const sv_allocator *allocator)
{
    memset(compressor, 0, sizeof *compressor);
    compressor->allocator = allocator;
}

void sv_compressor_release(sv_compressor *compressor)
{
    for (int i = 0; i < 2; i++) {
        if (!compressor->streams[i]) continue;
        deflateEnd(compressor->streams[i]);
        sv_free(compressor->allocator, compressor->streams[i], sizeof(z_stream));
        compressor->streams[i] = NULL;
    }
}

static z_stream *get_stream(sv_compressor *compressor, bool gzip)
{
    z_stream *stream = compressor->streams[!gzip];
    if (stream) return deflateReset(stream) == Z_OK ? stream : NULL;
    stream = sv_alloc_zero(compressor->allocator, sizeof *stream);
    if (!stream) return NULL;
    if (deflateInit2(stream, 1, Z_DEFLATED, gzip ? 31 : 15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        sv_free(compressor->allocator, stream, sizeof *stream);
        return NULL;
    }
    compressor->streams[!gzip] = stream;
    return stream;
}

bool sv_compress(sv_compressor *compressor, bool gzip, sv_text *body)
{
    sv_text out;
    if (body->size > UINT_MAX) return false;
    z_stream *stream = get_stream(compressor, gzip);
    if (!stream) return false;
    sv_text_init(&out, body->allocator);
    /* Room for less than the original: running out of it means that compressing is no gain. */
    char *room = sv_text_reserve(&out, body->size);
    if (!room) {
        sv_text_release(&out);
        return false;
    }
    stream->next_in = (Bytef *)body->data;
    stream->avail_in = (uInt)body->size;
    stream->next_out = (Bytef *)room;
    stream->avail_out = (uInt)body->size;
    if (deflate(stream, Z_FINISH) != Z_STREAM_END) {
        sv_text_release(&out);
        return false;
    }
    out.size = body->size - stream->avail_out;
    sv_text_release(body);
    *body = out;
    return true;
}
