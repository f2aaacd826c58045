/* Arenas: many small allocations that live and die together (a model's graph, a request's texts).
 *
 * Externally synchronised. Memory is aligned to 16 bytes and freed by reset or release only. */
#ifndef SV_BASE_ARENA_H
#define SV_BASE_ARENA_H

#include <serval/types.h>

typedef struct sv_arena_block sv_arena_block;

typedef struct sv_arena {
    const sv_allocator *allocator;
    sv_arena_block *blocks; /* newest first */
    char *at, *end;
    size_t bytes; /* taken from the allocator */
    size_t limit; /* 0: none; beyond it allocations fail */
} sv_arena;

void sv_arena_init(sv_arena *arena, const sv_allocator *allocator);
void sv_arena_release(sv_arena *arena);
/* Forgets everything but keeps memory for reuse: one block as large as all of them were. */
void sv_arena_reset(sv_arena *arena);

/* NULL when memory is out; size 0 gives a valid, unique pointer. */
void *sv_arena_alloc(sv_arena *arena, size_t size);
void *sv_arena_alloc_zero(sv_arena *arena, size_t size);
/* `count` elements of `size` bytes, cleared; NULL on overflow too. */
void *sv_arena_array(sv_arena *arena, size_t count, size_t size);
/* A NUL-terminated copy of `size` bytes. */
char *sv_arena_copy_text(sv_arena *arena, const char *text, size_t size);
char *sv_arena_printf(sv_arena *arena, const char *format, ...) SV_PRINTF(2, 3);

/* Grows an array held in an arena (the old copy stays behind): makes room for `need` elements of
 * `size` bytes, doubling. false when memory is out; then nothing has changed. */
bool sv_arena_grow(sv_arena *arena, void **array, uint32_t *capacity, uint32_t count, uint32_t need,
                   size_t size);

#endif
