/* Decompressing request bodies, bounded in size and ratio. Private to this folder. */
#ifndef SV_NET_INFLATE_H
#define SV_NET_INFLATE_H

#include <serval/types.h>

typedef struct sv_inflate sv_inflate;

/* For Content-Encoding `coding`, "gzip" ("x-gzip") or "deflate"; *out is NULL for "" and
 * "identity". UNIMPLEMENTED for any other. `ratio` bounds output to input, beyond the first MiB. */
SV_MUST_USE sv_status sv_inflate_create(sv_string coding, uint64_t ratio,
                                        const sv_allocator *allocator, sv_inflate **out);
void sv_inflate_destroy(sv_inflate *inflate); /* NULL is allowed */

/* Reads from *data (moving it) into `out`; sets *produced. Call again while it produces anything or
 * input is left. INVALID_ARGUMENT for bad data or bytes behind its end, RESOURCE_EXHAUSTED beyond
 * the ratio. */
SV_MUST_USE sv_status sv_inflate_run(sv_inflate *self, const uint8_t **data, size_t *size,
                                     uint8_t *out, size_t room, size_t *produced);
/* INVALID_ARGUMENT when the data are not complete. */
SV_MUST_USE sv_status sv_inflate_end(const sv_inflate *inflate);

#endif
