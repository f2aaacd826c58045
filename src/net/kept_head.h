/* Heads that were read and are kept: most clients send the same head with every request on a
 * connection, byte for byte, and then nothing of it needs to be read again.
 *
 * A block is shared by the connection that remembers it and by the exchanges that came with it, all
 * of one loop. It is the beginning of a larger struct of its protocol, with all texts behind it;
 * nothing in it changes but the note, which is the handler's (sv_exchange.note). */
#ifndef SV_NET_KEPT_HEAD_H
#define SV_NET_KEPT_HEAD_H

#include "base/alloc.h"
#include "net/exchange.h"

enum { SV_KEPT_HEAD_MAX = 1024 }; /* bytes of a head that is kept for an idle connection */

typedef struct sv_kept_head {
    const sv_allocator *allocator;
    size_t bytes; /* of the whole block */
    uint32_t refs;
    _Alignas(8) uint8_t note[SV_NOTE_BYTES];
    sv_head head;
    sv_string *segments; /* room for those of the path, and for their texts */
    char *decoded;
} sv_kept_head;

static inline void sv_kept_head_ref(sv_kept_head *kept)
{
    kept->refs++;
}

/* NULL is allowed. */
static inline void sv_kept_head_unref(sv_kept_head *kept)
{
    if (kept && --kept->refs == 0) sv_free(kept->allocator, kept, kept->bytes);
}

/* Splits the head's path into `segments`, as sv_target_split does. */
SV_MUST_USE sv_status sv_head_split(sv_head *head, sv_string *segments, char *decoded);
/* The exchange gets the head, and the caller's reference. */
void sv_kept_head_give(sv_kept_head *kept, sv_exchange *x);

#endif
