/* What a connection still has to send: small pieces gathered in chunks, large ones as they are.
 * Private to this folder; externally synchronised. */
#ifndef SV_NET_OUTPUT_H
#define SV_NET_OUTPUT_H

#include "base/text.h"
#include "net/pool.h"

#include <sys/uio.h>

typedef struct sv_output_piece sv_output_piece;

typedef struct sv_output {
    sv_pool *pool;
    sv_output_piece *first, *last;
    size_t size; /* bytes in all pieces */
} sv_output;

/* `pool` is borrowed: it outlives the output. */
void sv_output_init(sv_output *output, sv_pool *pool);
void sv_output_release(sv_output *output);
/* Room for `size` contiguous bytes at the end, NULL when memory is out; sv_output_commit adds what
 * was written there. */
char *sv_output_reserve(sv_output *output, size_t size);
void sv_output_commit(sv_output *output, size_t size);
/* Appends the contents of `text` and leaves it empty: by copy if small, else by taking its memory.
 * False when memory is out; `text` is emptied all the same. */
bool sv_output_take(sv_output *output, sv_text *text);
/* The same, always by taking its memory: for what is going to be copied anyway. */
bool sv_output_own(sv_output *output, sv_text *text);
/* Fills at most `count` vectors with the first bytes; returns how many. */
int sv_output_peek(const sv_output *output, struct iovec *vectors, int count);
/* What there is has to wait: memory of large pieces beyond their bytes is given back. */
void sv_output_settle(sv_output *output);
/* Drops the first `size` bytes, which were sent. */
void sv_output_drop(sv_output *output, size_t size);

#endif
