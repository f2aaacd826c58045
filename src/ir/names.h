/* A map from names to numbers: values of a graph while it is read, symbols, duplicates while it is
 * verified. Open addressing; the hash is seeded, so that a file cannot choose names that collide.
 *
 * Externally synchronised. Names are borrowed and must outlive the map. */
#ifndef SV_IR_NAMES_H
#define SV_IR_NAMES_H

#include <serval/types.h>

typedef struct sv_names_row {
    const char *name; /* NULL: empty */
    uint32_t size;
    uint32_t value;
    uint64_t hash;
} sv_names_row;

typedef struct sv_names {
    const sv_allocator *allocator;
    sv_names_row *row;
    uint32_t capacity, count; /* capacity: 0 or a power of two */
    uint64_t seed;
} sv_names;

void sv_names_init(sv_names *names, const sv_allocator *allocator);
void sv_names_release(sv_names *names);
/* Forgets all names but keeps the memory. */
void sv_names_clear(sv_names *names);

/* The number put under `name`; `otherwise` when there is none. */
uint32_t sv_names_find(const sv_names *names, const char *name, size_t size, uint32_t otherwise);
/* Adds or overwrites; RESOURCE_EXHAUSTED when memory is out or the name has 4 GiB. */
SV_MUST_USE sv_status sv_names_put(sv_names *names, const char *name, size_t size, uint32_t value);

#endif
