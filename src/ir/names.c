/* The map from names to numbers. What names mean and who may shadow whom is its users' matter. */
#include "ir/names.h"
#include "base/alloc.h"
#include "base/status.h"
#include "tensor/tensor.h"

#include <string.h>
#include <sys/random.h>

#define FIRST_CAPACITY 64

void sv_names_init(sv_names *names, const sv_allocator *allocator)
{
    *names = (sv_names){.allocator = allocator};
    if (getrandom(&names->seed, sizeof names->seed, GRND_NONBLOCK) != (ssize_t)sizeof names->seed)
        names->seed = (uint64_t)(uintptr_t)names;
}

void sv_names_release(sv_names *names)
{
    sv_free(names->allocator, names->row, names->capacity * sizeof *names->row);
    names->row = NULL;
    names->capacity = names->count = 0;
}

void sv_names_clear(sv_names *names)
{
    if (names->row) memset(names->row, 0, names->capacity * sizeof *names->row);
    names->count = 0;
}

/* The row that holds the name, or the empty one where it belongs. */
static sv_names_row *locate(const sv_names *names, const char *name, size_t size, uint64_t hash)
{
    uint32_t mask = names->capacity - 1;
    for (uint32_t i = (uint32_t)hash & mask;; i = (i + 1) & mask) {
        sv_names_row *row = &names->row[i];
        if (!row->name) return row;
        if (row->hash == hash && row->size == size && memcmp(row->name, name, size) == 0)
            return row;
    }
}

uint32_t sv_names_find(const sv_names *names, const char *name, size_t size, uint32_t otherwise)
{
    if (!names->capacity) return otherwise;
    sv_names_row *row = locate(names, name, size, sv_hash_bytes(names->seed, name, size));
    return row->name ? row->value : otherwise;
}

static sv_status grow(sv_names *names)
{
    uint32_t capacity = names->capacity ? names->capacity * 2 : FIRST_CAPACITY;
    size_t bytes;
    if (capacity < names->capacity || !sv_size_mul(capacity, sizeof *names->row, &bytes))
        return sv_error_memory("names", SIZE_MAX);
    sv_names bigger = *names;
    bigger.row = sv_alloc_zero(names->allocator, bytes);
    bigger.capacity = capacity;
    if (!bigger.row) return sv_error_memory("names", bytes);
    for (uint32_t i = 0; i < names->capacity; i++) {
        const sv_names_row *row = &names->row[i];
        if (row->name) *locate(&bigger, row->name, row->size, row->hash) = *row;
    }
    sv_free(names->allocator, names->row, names->capacity * sizeof *names->row);
    *names = bigger;
    return SV_OK;
}

sv_status sv_names_put(sv_names *names, const char *name, size_t size, uint32_t value)
{
    if (size > UINT32_MAX) return sv_error_memory("a name", size);
    if (names->count >= names->capacity - names->capacity / 4) SV_TRY(grow(names));
    uint64_t hash = sv_hash_bytes(names->seed, name, size);
    sv_names_row *row = locate(names, name, size, hash);
    if (!row->name) names->count++;
    *row = (sv_names_row){name, (uint32_t)size, value, hash};
    return SV_OK;
}
