/* A chain of pieces. A piece is memory with bytes in [at, size); only the last one grows. */
#include "net/output.h"

#include <string.h>

/* Answers up to this size are copied behind their heads, so that one plain send takes both. */
#define COPY_MAX 16384
/* With its head not above what the pool keeps (1,024 bytes): answers come and go, and nothing is
 * kept for idle connections. */
#define PIECE_MIN 928

struct sv_output_piece {
    sv_output_piece *next;
    size_t at, size, capacity;
    sv_text owned; /* its memory, if not that behind this structure */
    char *data;
};

void sv_output_init(sv_output *output, sv_pool *pool)
{
    *output = (sv_output){.pool = pool};
}

static void free_first(sv_output *output)
{
    sv_output_piece *piece = output->first;
    output->first = piece->next;
    if (!output->first) output->last = NULL;
    if (piece->owned.data) sv_text_release(&piece->owned);
    sv_pool_free(output->pool, piece);
}

void sv_output_release(sv_output *output)
{
    while (output->first)
        free_first(output);
    output->size = 0;
}

static sv_output_piece *add_piece(sv_output *output, size_t capacity)
{
    sv_output_piece *piece = sv_pool_alloc(output->pool, sizeof *piece + capacity);
    if (!piece) return NULL;
    *piece = (sv_output_piece){.capacity = capacity, .data = (char *)(piece + 1)};
    if (output->last)
        output->last->next = piece;
    else
        output->first = piece;
    output->last = piece;
    return piece;
}

char *sv_output_reserve(sv_output *output, size_t size)
{
    sv_output_piece *piece = output->last;
    if (!piece || piece->capacity - piece->size < size)
        piece = add_piece(output, size > PIECE_MIN ? size : PIECE_MIN);
    return piece ? piece->data + piece->size : NULL;
}

void sv_output_commit(sv_output *output, size_t size)
{
    output->last->size += size;
    output->size += size;
}

static bool copy_text(sv_output *output, sv_text *text)
{
    char *room = sv_output_reserve(output, text->size);
    if (room) {
        memcpy(room, text->data, text->size);
        sv_output_commit(output, text->size);
    }
    sv_text_release(text);
    return room != NULL;
}

bool sv_output_own(sv_output *output, sv_text *text)
{
    sv_output_piece *piece = text->size ? add_piece(output, 0) : NULL;
    if (!piece) {
        bool empty = !text->size;
        sv_text_release(text);
        return empty;
    }
    piece->data = text->data;
    piece->size = piece->capacity = text->size;
    piece->owned = *text;
    output->size += text->size;
    sv_text_init(text, text->allocator);
    return true;
}

bool sv_output_take(sv_output *output, sv_text *text)
{
    bool small = text->size && text->size <= COPY_MAX;
    return small ? copy_text(output, text) : sv_output_own(output, text);
}

int sv_output_peek(const sv_output *output, struct iovec *vectors, int count)
{
    int n = 0;
    for (sv_output_piece *piece = output->first; piece && n < count; piece = piece->next) {
        if (piece->at == piece->size) continue;
        vectors[n].iov_base = piece->data + piece->at;
        vectors[n++].iov_len = piece->size - piece->at;
    }
    return n;
}

void sv_output_settle(sv_output *output)
{
    for (sv_output_piece *piece = output->first; piece; piece = piece->next) {
        if (!piece->owned.data) continue;
        sv_text_trim(&piece->owned);
        piece->data = piece->owned.data;
    }
}

void sv_output_drop(sv_output *output, size_t size)
{
    output->size -= size;
    while (output->first) {
        sv_output_piece *piece = output->first;
        size_t n = piece->size - piece->at < size ? piece->size - piece->at : size;
        piece->at += n;
        size -= n;
        if (piece->at < piece->size) return;
        free_first(output);
    }
}
