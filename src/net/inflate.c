/* zlib's inflate with a bound on what a small body can become. */
#include "net/inflate.h"

#include "base/alloc.h"
#include "base/status.h"
#include "net/token.h"

#include <limits.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

/* Small bodies may be as repetitive as they like: a picture of zeros is no bomb. */
#define RATIO_FREE_BYTES ((uint64_t)1 << 20)

/* zlib's windowBits: 15 for its own format, 16 more for gzip. */
#define WINDOW_ZLIB 15
#define WINDOW_GZIP 31

struct sv_inflate {
    const sv_allocator *allocator;
    z_stream stream;
    uint64_t ratio, consumed, produced;
    bool ended;
};

static void *zlib_alloc(void *self, uInt count, uInt size)
{
    const sv_inflate *inflate = self;
    size_t bytes;
    if (!sv_size_mul(count, size, &bytes) || !sv_size_add(bytes, 16, &bytes)) return NULL;
    /* zlib does not say the size when it frees, so the block remembers it. */
    size_t *block = sv_alloc(inflate->allocator, bytes);
    if (!block) return NULL;
    *block = bytes;
    return (char *)block + 16;
}

static void zlib_free(void *self, void *pointer)
{
    const sv_inflate *inflate = self;
    size_t *block = (size_t *)(void *)((char *)pointer - 16);
    sv_free(inflate->allocator, block, *block);
}

sv_status sv_inflate_create(sv_string coding, uint64_t ratio, const sv_allocator *allocator,
                            sv_inflate **out)
{
    int window = 0;
    if (sv_token_is(coding, "gzip") || sv_token_is(coding, "x-gzip")) window = WINDOW_GZIP;
    if (sv_token_is(coding, "deflate")) window = WINDOW_ZLIB;
    if (!window) {
        if (coding.size && !sv_token_is(coding, "identity"))
            return sv_error_unsupported("Content-Encoding: expected gzip, deflate or identity, "
                                        "found %.*s",
                                        (int)(coding.size < 80 ? coding.size : 80), coding.data);
        *out = NULL;
        return SV_OK;
    }
    sv_inflate *inflate = sv_alloc_zero(allocator, sizeof *inflate);
    if (!inflate) return sv_error_memory("decompression", sizeof *inflate);
    inflate->allocator = allocator;
    inflate->ratio = ratio;
    inflate->stream.zalloc = zlib_alloc;
    inflate->stream.zfree = zlib_free;
    inflate->stream.opaque = inflate;
    if (inflateInit2(&inflate->stream, window) != Z_OK) {
        sv_free(allocator, inflate, sizeof *inflate);
        return sv_error_memory("decompression", 0);
    }
    *out = inflate;
    return SV_OK;
}

void sv_inflate_destroy(sv_inflate *inflate)
{
    if (!inflate) return;
    inflateEnd(&inflate->stream);
    sv_free(inflate->allocator, inflate, sizeof *inflate);
}

static sv_status check_ratio(const sv_inflate *inflate)
{
    if (inflate->produced <= RATIO_FREE_BYTES) return SV_OK;
    if (inflate->produced / inflate->ratio <= inflate->consumed) return SV_OK;
    return sv_error(SV_CODE_RESOURCE_EXHAUSTED,
                    "compressed body: expands to over %llu times its size",
                    (unsigned long long)inflate->ratio);
}

sv_status sv_inflate_run(sv_inflate *self, const uint8_t **data, size_t *size, uint8_t *out,
                         size_t room, size_t *produced)
{
    z_stream *stream = &self->stream;
    uInt in = *size < UINT_MAX ? (uInt)*size : UINT_MAX;
    uInt space = room < UINT_MAX ? (uInt)room : UINT_MAX;
    *produced = 0;
    if (self->ended)
        return *size ? sv_error_invalid("compressed body: bytes behind the end of its data")
                     : SV_OK;
    stream->next_in = *data;
    stream->avail_in = in;
    stream->next_out = out;
    stream->avail_out = space;
    int result = inflate(stream, Z_NO_FLUSH);
    *data += in - stream->avail_in;
    *size -= in - stream->avail_in;
    *produced = space - stream->avail_out;
    self->consumed += in - stream->avail_in;
    self->produced += *produced;
    if (result == Z_STREAM_END)
        self->ended = true;
    else if (result == Z_MEM_ERROR)
        return sv_error_memory("decompression", 0);
    else if (result != Z_OK && result != Z_BUF_ERROR)
        return sv_error_invalid("compressed body: at byte %llu: %s",
                                (unsigned long long)self->consumed,
                                stream->msg ? stream->msg : "a dictionary is not accepted");
    return check_ratio(self);
}

sv_status sv_inflate_end(const sv_inflate *inflate)
{
    if (inflate->ended) return SV_OK;
    return sv_error_invalid("compressed body: ends before its data are complete");
}
