/* Arenas: a chain of blocks, filled by a bump pointer. */
#include "base/arena.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    ALIGNMENT = 16,
    FIRST_BLOCK = 4 << 10,
    LARGEST_GUESS = 1 << 20, /* blocks double up to here; larger ones are as large as asked for */
};

struct sv_arena_block {
    sv_arena_block *next;
    size_t size; /* with this header */
    _Alignas(ALIGNMENT) char data[];
};

void sv_arena_init(sv_arena *arena, const sv_allocator *allocator)
{
    *arena = (sv_arena){.allocator = allocator};
}

static void free_blocks(sv_arena *arena)
{
    for (sv_arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        sv_free(arena->allocator, block, block->size);
    }
    arena->blocks = NULL;
    arena->at = arena->end = NULL;
    arena->bytes = 0;
}

void sv_arena_release(sv_arena *arena)
{
    free_blocks(arena);
}

static sv_arena_block *block_create(sv_arena *arena, size_t size)
{
    size_t total;
    if (!sv_size_add(arena->bytes, size, &total)) return NULL;
    if (arena->limit && total > arena->limit) return NULL;
    sv_arena_block *block = sv_alloc(arena->allocator, size);
    if (!block) return NULL;
    block->size = size;
    arena->bytes = total;
    return block;
}

/* Makes `block` the one that is filled. */
static void block_push(sv_arena *arena, sv_arena_block *block)
{
    block->next = arena->blocks;
    arena->blocks = block;
    arena->at = block->data;
    arena->end = (char *)block + block->size;
}

void sv_arena_reset(sv_arena *arena)
{
    if (!arena->blocks) return;
    if (!arena->blocks->next) {
        arena->at = arena->blocks->data;
        return;
    }
    /* One block for all that was needed: a repeated request then allocates nothing. */
    size_t total = arena->bytes;
    free_blocks(arena);
    sv_arena_block *block = block_create(arena, total);
    if (block) block_push(arena, block);
}

static size_t guess_block(const sv_arena *arena)
{
    if (!arena->blocks) return FIRST_BLOCK;
    size_t size = arena->blocks->size;
    return size >= LARGEST_GUESS / 2 ? LARGEST_GUESS : size * 2;
}

static void *alloc_in_new_block(sv_arena *arena, size_t size)
{
    size_t need;
    if (!sv_size_add(size, sizeof(sv_arena_block), &need)) return NULL;
    size_t guess = guess_block(arena);
    if (arena->limit && guess > arena->limit - arena->bytes) guess = need;
    sv_arena_block *block = block_create(arena, need < guess ? guess : need);
    if (!block) return NULL;
    size_t rest = block->size - need;
    if (arena->blocks && rest < (size_t)(arena->end - arena->at)) {
        /* The current block has more room left than this one would have: go on filling it. */
        block->next = arena->blocks->next;
        arena->blocks->next = block;
        return block->data;
    }
    block_push(arena, block);
    arena->at += size;
    return block->data;
}

void *sv_arena_alloc(sv_arena *arena, size_t size)
{
    if (size > SIZE_MAX - ALIGNMENT) return NULL;
    size = size ? sv_size_align(size, ALIGNMENT) : ALIGNMENT;
    if (size > (size_t)(arena->end - arena->at)) return alloc_in_new_block(arena, size);
    void *pointer = arena->at;
    arena->at += size;
    return pointer;
}

void *sv_arena_alloc_zero(sv_arena *arena, size_t size)
{
    void *pointer = sv_arena_alloc(arena, size);
    if (pointer) memset(pointer, 0, size);
    return pointer;
}

void *sv_arena_array(sv_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    return sv_size_mul(count, size, &bytes) ? sv_arena_alloc_zero(arena, bytes) : NULL;
}

char *sv_arena_copy_text(sv_arena *arena, const char *text, size_t size)
{
    if (size == SIZE_MAX) return NULL;
    char *copy = sv_arena_alloc(arena, size + 1);
    if (!copy) return NULL;
    if (size) memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *sv_arena_printf(sv_arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0) return NULL;
    char *text = sv_arena_alloc(arena, (size_t)size + 1);
    if (!text) return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)size + 1, format, arguments);
    va_end(arguments);
    return text;
}

bool sv_arena_grow(sv_arena *arena, void **array, uint32_t *capacity, uint32_t count, uint32_t need,
                   size_t size)
{
    if (need <= *capacity) return true;
    uint32_t wanted = *capacity < 8 ? 8 : *capacity > UINT32_MAX / 2 ? UINT32_MAX : *capacity * 2;
    if (wanted < need) wanted = need;
    size_t bytes;
    if (!sv_size_mul(wanted, size, &bytes)) return false;
    void *grown = sv_arena_alloc(arena, bytes);
    if (!grown) return false;
    if (count) memcpy(grown, *array, (size_t)count * size);
    *array = grown;
    *capacity = wanted;
    return true;
}
